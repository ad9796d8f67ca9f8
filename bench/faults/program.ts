/** The program as `npm run serve` starts it, as a child process with one entry of its own, and ended by its id. */

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveScript } from "../support/serve-script.ts";

export const OWN_HOST = "own.example";

export interface RunningProgram {
  readonly port: number;
  readonly hasEnded: boolean;
}

export interface ProgramOptions {
  readonly upstreamPorts: readonly number[];
  /** `ulimit -n` of the process. */
  readonly openFiles?: number;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 8_000;
const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own }
spec:
  hosts: [${OWN_HOST}]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.7 }]
`;

/** Starts it, waits until it is ready, and ends it when `work` has. */
export async function withProgram<Result>(
  options: ProgramOptions,
  work: (program: RunningProgram) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-faults-"));
  writeFileSync(join(folder, "own.yaml"), ENTRY);
  const port = await freePort();
  const child = start(folder, port, options);
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  try {
    await ready(child);
    return await work({
      port,
      get hasEnded() {
        return hasEnded(child);
      },
    });
  } finally {
    await stop(child);
    process.off("exit", kill);
    rmSync(folder, { recursive: true });
  }
}

function start(folder: string, port: number, { upstreamPorts, openFiles }: ProgramOptions): ChildProcess {
  const { variables, args: serve } = serveScript();
  const command = [
    process.execPath,
    ...serve,
    ...[
      "--source",
      folder,
      "--listen",
      `127.0.0.1:${port}`,
      "--admin",
      "127.0.0.1:0",
      "--api",
      "127.0.0.1:0",
    ],
    ...["--upstreams", upstreamPorts.map((each) => `127.0.0.1:${each}`).join(",")],
  ];
  const shell = openFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${openFiles}; exec "$@"`, "sh"];
  const [file, ...args] = [...shell, ...command];
  const env = { ...process.env, ...variables };
  return spawn(file!, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
}

async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error("the program is not ready in time")), READY_WITHIN_MS);
  child.once("exit", (code) => reject(new Error(`the program ended with status ${code}`)));
  let log = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    // To the end of its life: a full pipe would stop it.
    log += text;
    if (log.includes('"msg":"ready"')) resolve();
    log = log.slice(log.lastIndexOf("\n") + 1);
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A port of 127.0.0.1 that is free for UDP and TCP just now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 20; tries += 1) {
    const udp = createSocket("udp4");
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
    const { port } = udp.address();
    const tcp = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      tcp.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    udp.close();
    if (!isFree) continue;
    await new Promise((resolve) => tcp.close(resolve));
    return port;
  }
  throw new Error("no port is free for both UDP and TCP");
}
