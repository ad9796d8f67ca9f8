/** The program as a child process, started, ready, and ended by its own id at the latest when the bench ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/program.ts";
import { stop } from "./child.ts";
import { serveScript } from "./serve-script.ts";

export interface Program {
  readonly pid: number;
  /** From the start of the process to the message that it is ready. */
  readonly readyAfterMs: number;
  readonly hasEnded: boolean;
  stop(): Promise<void>;
}

export interface ListeningProgram extends Program {
  /** Of 127.0.0.1, for UDP and TCP. */
  readonly port: number;
}

export interface ServeOptions {
  /** A file or folder of manifests, or "kubernetes". */
  readonly source: string;
  /** Of 127.0.0.1. */
  readonly upstreamPorts: readonly number[];
  /** Of 127.0.0.1; default: any. */
  readonly adminPort?: number;
  /** The file that leads to the cluster. */
  readonly kubeconfig?: string;
  /** The setting of this name; default: the program's. */
  readonly udp?: "batch" | "dgram" | undefined;
  /** Further settings, as words of the command line. */
  readonly flags?: readonly string[];
  /** `ulimit -n` of the process. */
  readonly openFiles?: number;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_WITHIN_MS = 180_000;

/** Starts it as `npm run serve` does, so that what is measured is what is run. */
export async function startServe(options: ServeOptions): Promise<ListeningProgram> {
  const { source, upstreamPorts, openFiles, adminPort = 0, kubeconfig, udp, flags = [] } = options;
  const port = await freePort();
  const { variables, args } = serveScript();
  const upstreams = upstreamPorts.map((each) => `127.0.0.1:${each}`).join(",");
  const command = [
    process.execPath,
    ...args,
    `--source=${source}`,
    `--listen=127.0.0.1:${port}`,
    `--upstreams=${upstreams}`,
    `--admin=127.0.0.1:${adminPort}`,
    "--api=127.0.0.1:0",
    ...(udp === undefined ? [] : [`--udp=${udp}`]),
    ...flags,
  ];
  const cluster = kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig };
  const limited = openFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${openFiles}; exec "$@"`, "sh"];
  const program = await startProgram([...limited, ...command], {
    ...process.env,
    ...variables,
    ...cluster,
  });
  return Object.assign(program, { port });
}

/** Resolves once it is ready; `command`: the file to run, then its arguments. */
export async function startProgram(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> {
  const startedMs = performance.now();
  const [file, ...args] = command;
  const child = spawn(file!, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  try {
    await ready(child);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return new RunningProgram(child, performance.now() - startedMs);
}

class RunningProgram implements Program {
  readonly readyAfterMs: number;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, readyAfterMs: number) {
    this.#child = child;
    this.readyAfterMs = readyAfterMs;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}

async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error("the program is not ready in time")), READY_WITHIN_MS);
  child.once("exit", (code) => reject(new Error(`the program ended with status ${code}`)));
  let tail = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    // To the end of its life: a full pipe would stop it.
    const log = tail + text;
    if (log.includes('"msg":"ready"')) resolve();
    tail = log.slice(log.lastIndexOf("\n") + 1);
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}
