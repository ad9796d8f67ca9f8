/** The whole program as a child process, for tests that look at it from outside. */

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";

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
  async says(pattern: RegExp, withinMs = 8000): Promise<RegExpExecArray> {
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

  /** Ends it, kindly first. */
  async end(signal: NodeJS.Signals = "SIGINT"): Promise<number | NodeJS.Signals> {
    if (!this.hasEnded) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    const status = await this.#exited;
    clearTimeout(timer);
    return status;
  }
}

/** A port of 127.0.0.1 that is free for UDP and TCP just now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, "127.0.0.1");
    await once(tcp, "listening");
    const address = tcp.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const udp = createSocket("udp4");
    const isFree = await new Promise<boolean>((done) => {
      udp.once("error", () => done(false)).bind(port, "127.0.0.1", () => done(true));
    });
    await Promise.all([
      new Promise((done) => tcp.close(done)),
      isFree && new Promise<void>((done) => udp.close(done)),
    ]);
    if (isFree) return port;
  }
}
