/** A limit on how often something is done: so many at once, then so many per second. */

import type { MonotonicMs } from "../runtime.ts";

export interface Rate {
  /** Above 0. */
  readonly perSecond: number;
  /** How many may be saved up; at least 1. */
  readonly burst: number;
}

/** Starts full. Turns are given in the order of asking. */
export class TokenBucket {
  readonly #rate: Rate;
  /** Below 0: turns that were given for later. */
  #tokens: number;
  #tokensAtMs: MonotonicMs;

  constructor(rate: Rate, nowMs: MonotonicMs) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#tokensAtMs = nowMs;
  }

  /** Takes a turn; milliseconds to wait for it. */
  take(nowMs: MonotonicMs): number {
    const { perSecond, burst } = this.#rate;
    const earned = ((nowMs - this.#tokensAtMs) * perSecond) / 1000;
    this.#tokens = Math.min(burst, this.#tokens + earned) - 1;
    this.#tokensAtMs = nowMs;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / perSecond;
  }
}
