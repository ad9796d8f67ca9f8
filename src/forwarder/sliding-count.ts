/** How often something happened in the last ten seconds, to the second. */

import type { MonotonicMs } from "../runtime.ts";

const PART_MS = 1_000;
const PARTS = 10;

export class SlidingCount {
  readonly #parts = new Uint32Array(PARTS);
  /** The second that the newest part stands for. */
  #newest = 0;
  #total = 0;

  add(nowMs: MonotonicMs): void {
    this.#move(nowMs);
    this.#parts[this.#newest % PARTS]! += 1;
    this.#total += 1;
  }

  at(nowMs: MonotonicMs): number {
    this.#move(nowMs);
    return this.#total;
  }

  #move(nowMs: MonotonicMs): void {
    const second = Math.floor(nowMs / PART_MS);
    for (let step = Math.min(PARTS, second - this.#newest); step > 0; step -= 1) {
      const part = (second - step + 1) % PARTS;
      this.#total -= this.#parts[part]!;
      this.#parts[part] = 0;
    }
    this.#newest = second;
  }
}
