/** The small DNS servers of responder.ts as child processes. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { stop } from "../support/child.ts";

export interface Responder {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Sends one ready answer for `host` to whatever comes: the least that any server on `dgram` does. */
export function startBareResponder(host: string): Promise<Responder> {
  return start(["bare", host]);
}

/** The same in batches: the least that any server on that back end does. */
export function startBatchResponder(host: string): Promise<Responder> {
  return start(["batch", host]);
}

/** Answers every name. */
export function startUpstream(): Promise<Responder> {
  return start(["upstream"]);
}

async function start(args: readonly string[]): Promise<Responder> {
  const entry = fileURLToPath(new URL("responder.ts", import.meta.url));
  const child = fork(entry, args, { execArgv: ["--single-threaded-gc", "--max-semi-space-size=4"] });
  const ended = once(child, "exit").then(() => {
    throw new Error("the responder ended while it started");
  });
  const [port] = (await Promise.race([once(child, "message"), ended])) as [number];
  ended.catch(() => {});
  return { pid: child.pid!, port, stop: () => stop(child) };
}
