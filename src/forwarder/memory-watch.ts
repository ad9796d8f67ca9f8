/**
 * How much of its setting the cache may take: all of it, and less while the process is near the memory that it may
 * have. Being ended for it would lose the whole cache, and every answer for a while.
 */

import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Clock, MonotonicMs, Timer } from "../runtime.ts";

const CHECK_INTERVAL_MS = 5_000;
/** From this part on the cache is halved, again and again ... */
const SHRINKS_AT = 0.8;
/** ... down to this part of its setting. */
const SMALLEST_PART = 1 / 16;
/** Given back when less than this part of the memory was in use ... */
const CALM_BELOW = 0.6;
/** ... for so long: a larger cache begins empty, too. */
const CALM_MS = 600_000;

export interface MemoryWatchOptions {
  readonly clock: Clock;
  /** Which part of the memory that it may have the process has in use. */
  readonly memoryShare: () => number;
  /** The cache may take this part of its setting from now on. */
  readonly onChange: (part: number) => void;
}

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #part = 1;
  #calmSinceMs: MonotonicMs;
  #timer: Timer;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#calmSinceMs = options.clock.nowMs();
    this.#timer = this.#schedule();
  }

  close(): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    return this.#options.clock.setTimer(CHECK_INTERVAL_MS, () => {
      this.#timer = this.#schedule();
      this.#check();
    });
  }

  #check(): void {
    const share = this.#options.memoryShare();
    const nowMs = this.#options.clock.nowMs();
    if (share >= CALM_BELOW) this.#calmSinceMs = nowMs;
    if (share >= SHRINKS_AT) this.#change(Math.max(SMALLEST_PART, this.#part / 2));
    else if (nowMs - this.#calmSinceMs >= CALM_MS) this.#change(1);
  }

  #change(part: number): void {
    if (part === this.#part) return;
    this.#part = part;
    this.#options.onChange(part);
  }
}

/**
 * The greater of two: what the process holds of its limit (the cgroup's, or all memory of the machine), and what this
 * thread's heap holds of its own. The cache's octets count for the one, its keys for both.
 */
export function systemMemoryShare(): number {
  // Without a limit it is 0 or more than there is.
  const limit = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
  const { used_heap_size: used, heap_size_limit: heapLimit } = getHeapStatistics();
  return Math.max(process.memoryUsage.rss() / limit, used / heapLimit);
}
