/**
 * How tests wait. A bound here is for what never comes: it says nothing of how fast anything is, so that a slow or busy
 * machine breaks no test.
 */

import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";

/** Whoever waits longer waits in vain; well below mocha's own limit, which says less. */
export const PATIENCE_MS = 60_000;

export interface Waiting {
  readonly withinMs?: number;
  /** Between two looks; 0: each turn of the event loop. */
  readonly everyMs?: number;
}

/** Resolves as soon as the condition holds; rejects with `what` when the time is up. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string) = `${condition}`,
  { withinMs = PATIENCE_MS, everyMs = 1 }: Waiting = {},
): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > withinMs)
      throw new Error(`not within ${withinMs} ms: ${typeof what === "string" ? what : what()}`);
    await pause(everyMs);
  }
}

/** Resolves as soon as what is read equals what is expected; fails with the difference when the time is up. */
export async function untilEqual<T>(
  read: () => T | Promise<T>,
  expected: T,
  what?: string,
  { withinMs = PATIENCE_MS, everyMs = 10 }: Waiting = {},
): Promise<void> {
  const startMs = performance.now();
  let value = await read();
  while (!isDeepStrictEqual(value, expected) && performance.now() - startMs <= withinMs) {
    await pause(everyMs);
    value = await read();
  }
  expect(value, what).to.deep.equal(expected);
}

/**
 * Resolves when what this process has sent to itself over loopback has come, and what follows from it is done: after
 * some time, and as many turns of the event loop, since a process that stood still finds its timers due before it looks
 * at its sockets. Also for what must not come.
 */
export async function quiet(ms = 10): Promise<void> {
  await pause(ms);
  for (let turn = 0; turn < QUIET_TURNS; turn += 1) await pause(0);
}

/** Processor time of this thread so far, milliseconds; the work of other processes does not count. */
export function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const QUIET_TURNS = 30;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms)));
}
