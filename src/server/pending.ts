/**
 * Queries that wait: for the first addresses of a host, or, before the first sync, to learn whether their name
 * is ours. Each keeps a copy of its message; when its host changes, or its time is up, it is handled again.
 */

import type { Client, Clock, MonotonicMs, Timer } from "../runtime.ts";

/** Of one host: more waiters would only be one client that asks again and again. */
const MAX_PER_HOST = 64;

/** Begins the key of a query whose name is not known to be ours. */
const UNKNOWN = "?";

export interface WaitingQuery {
  readonly message: Uint8Array;
  readonly client: Client;
  /** When the query came. */
  readonly startedMs: MonotonicMs;
  /** Upstream has said NXDOMAIN to it. */
  readonly isDenied: boolean;
  /** It is handled again at the latest at this moment. */
  readonly untilMs: MonotonicMs;
}

interface Group {
  waiting: WaitingQuery[];
  timer: Timer;
  timerAtMs: MonotonicMs;
}

export class PendingQueries {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #resume: (query: WaitingQuery) => void;
  readonly #groups = new Map<string, Group>();
  #size = 0;

  /** `limit`: of all hosts together. `resume` may hold the query again; it must not throw. */
  constructor(clock: Clock, limit: number, resume: (query: WaitingQuery) => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#resume = resume;
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing kept, where the host or all hosts together have too many waiting. */
  hold(key: string, query: WaitingQuery): boolean {
    const group = this.#groups.get(key);
    if (this.#size >= this.#limit || (group !== undefined && group.waiting.length >= MAX_PER_HOST))
      return false;
    this.#size += 1;
    if (group === undefined) {
      this.#groups.set(key, {
        waiting: [query],
        timer: this.#setTimer(key, query.untilMs),
        timerAtMs: query.untilMs,
      });
      return true;
    }
    group.waiting.push(query);
    if (query.untilMs < group.timerAtMs) {
      group.timer.cancel();
      group.timer = this.#setTimer(key, query.untilMs);
      group.timerAtMs = query.untilMs;
    }
    return true;
  }

  /** Handles again what waits under the key. */
  release(key: string): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    this.#groups.delete(key);
    group.timer.cancel();
    this.#size -= group.waiting.length;
    for (const query of group.waiting) this.#resume(query);
  }

  /** Handles again what waits under any key that `matches`; without it: all. */
  releaseAll(matches: (key: string) => boolean = () => true): void {
    for (const key of [...this.#groups.keys()]) if (matches(key)) this.release(key);
  }

  #setTimer(key: string, untilMs: MonotonicMs): Timer {
    // A timer may fire a fraction of a millisecond early; whole milliseconds upwards never do.
    const delayMs = Math.max(1, Math.ceil(untilMs - this.#clock.nowMs()));
    return this.#clock.setTimer(delayMs, () => this.release(key));
  }
}

/** The key of a host's waiters. `name`: wire octets; of a wildcard those behind `*.`. */
export function hostKey(name: Uint8Array, isWildcard: boolean): string {
  const text = Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1");
  return (isWildcard ? "*" : "=") + text;
}

/** The key of those that wait to learn whether a name is ours. `nameKey`: the name's wire octets as latin1. */
export function unknownKey(nameKey: string): string {
  return UNKNOWN + nameKey;
}

export function isUnknownKey(key: string): boolean {
  return key.startsWith(UNKNOWN);
}
