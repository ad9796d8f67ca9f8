/** The whole program as a child process, for tests that look at it from outside. */

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { PATIENCE_MS } from "./waiting.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

export class Program {
  readonly child: ChildProcess;
  /** Everything it has written so far, standard output and error apart. */
  out = "";
  error = "";
  readonly #exited: Promise<number | NodeJS.Signals>;
  #changed = () => {};

  /** `entry`: of the sources unless given. `command`: the whole command line, in the place of entry and arguments. */
  constructor(
    args: readonly string[],
    options: {
      readonly entry?: string;
      readonly env?: NodeJS.ProcessEnv;
      readonly command?: readonly string[];
      readonly stdin?: "pipe";
    } = {},
  ) {
    const entry = options.entry ?? resolve(ROOT, "src/main.ts");
    const ours = [process.execPath, "--single-threaded-gc", "--max-semi-space-size=4", entry, ...args];
    const [file, ...words] = options.command ?? ours;
    this.child = spawn(file!, words, {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], ...options.env },
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (text) => {
      this.out += text;
      this.#changed();
    });
    this.child.stderr?.on("data", (text) => {
      this.error += text;
      this.#changed();
    });
    this.#exited = once(this.child, "close").then(([code, signal]) => {
      this.#changed();
      return code ?? signal;
    });
  }

  /** Resolves with the match as soon as the output has it; rejects when the program ends or time is up first. */
  async says(pattern: RegExp, withinMs = PATIENCE_MS): Promise<RegExpExecArray> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.out) ?? pattern.exec(this.error);
      if (match !== null) return match;
      if (this.hasEnded || Date.now() >= deadline) {
        throw new Error(`the program did not say ${pattern}; it said:\n${this.out}\n${this.error}`);
      }
      await new Promise<void>((wake) => {
        this.#changed = wake;
        setTimeout(wake, deadline - Date.now()).unref();
      });
    }
  }

  /** Forgets what it has said, so that `says` waits for something new. */
  forget(): void {
    this.out = "";
    this.error = "";
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The exit status, or the signal that ended it. */
  exit(): Promise<number | NodeJS.Signals> {
    return this.#exited;
  }

  /** Ends it, kindly first, and with SIGKILL when it takes longer than that. */
  async end(signal: NodeJS.Signals = "SIGINT", withinMs = PATIENCE_MS): Promise<number | NodeJS.Signals> {
    if (!this.hasEnded) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), withinMs);
    const status = await this.#exited;
    clearTimeout(timer);
    return status;
  }
}

/** Below those from which Linux chooses by itself (32768 on), so that no socket gets it before the one it is for. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const givenPorts = new Set<number>();

/** A port of 127.0.0.1 that is free for UDP and TCP, and that nobody else in this process was given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (givenPorts.has(port)) continue;
    givenPorts.add(port);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket("udp4");
  const isFreeForTcp = await new Promise<boolean>((done) => {
    tcp.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true));
  });
  const isFreeForUdp = await new Promise<boolean>((done) => {
    udp.once("error", () => done(false)).bind(port, "127.0.0.1", () => done(true));
  });
  await Promise.all([
    isFreeForTcp && new Promise((done) => tcp.close(done)),
    isFreeForUdp && new Promise<void>((done) => udp.close(done)),
  ]);
  return isFreeForTcp && isFreeForUdp;
}
