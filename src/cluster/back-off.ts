/** How long to wait before the next attempt after one that failed. */

import type { Clock, MonotonicMs, Random } from "../runtime.ts";

export interface BackOffOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The longest wait. */
  readonly mostMs: number;
}

/** Doubles from 0.8 s up to its limit, with full jitter: replicas that failed together do not come back together. */
export class BackOff {
  readonly #options: BackOffOptions;
  #failures = 0;
  #healthySinceMs: MonotonicMs | undefined;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** Things work now. Only a minute of that forgets the failures: one that comes and goes must not be met at full speed. */
  noteHealth(): void {
    this.#healthySinceMs ??= this.#options.clock.nowMs();
  }

  /** Something failed: milliseconds to wait. `isFirstFree`: not at all, if it is the first time. */
  next(isFirstFree = false): number {
    const { clock, random, mostMs } = this.#options;
    if (this.#healthySinceMs !== undefined && clock.nowMs() - this.#healthySinceMs >= HEALTH_MS)
      this.#failures = 0;
    this.#healthySinceMs = undefined;
    const limitMs = Math.min(mostMs, FIRST_MS * 2 ** this.#failures);
    const isFirst = this.#failures === 0;
    if (limitMs < mostMs) this.#failures += 1;
    return isFirst && isFirstFree ? 0 : random.fraction() * limitMs;
  }
}

const FIRST_MS = 800;
const HEALTH_MS = 60_000;
