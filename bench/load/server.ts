/** The program as `npm run serve` starts it, as a child process. */

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/program.ts";
import { serveScript } from "../support/serve-script.ts";
import { stop } from "./child.ts";

export interface Server {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the message that it is ready. */
  readonly readyAfterMs: number;
  stop(): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_WITHIN_MS = 60_000;

/** Resolves once it is ready. */
export async function startServer(source: string, upstreamPort: number): Promise<Server> {
  const port = await freePort();
  const startedMs = performance.now();
  const { variables, args } = serveScript();
  const child = spawn(
    process.execPath,
    [
      ...args,
      ...["--source", source, "--listen", `127.0.0.1:${port}`, "--upstreams", `127.0.0.1:${upstreamPort}`],
      ...["--admin", "127.0.0.1:0", "--api", "127.0.0.1:0"],
    ],
    { cwd: ROOT, env: { ...process.env, ...variables }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  try {
    await ready(child);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { pid: child.pid!, port, readyAfterMs: performance.now() - startedMs, stop: () => stop(child) };
}

async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error("the server is not ready in time")), READY_WITHIN_MS);
  child.once("exit", (code) => reject(new Error(`the server ended with status ${code}`)));
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
