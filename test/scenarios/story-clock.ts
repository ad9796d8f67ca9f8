/** A clock that a story moves: it stops at every timer, so that what a timer sets off is over before the next. */

import type { Timer } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";

export class StoryClock extends FakeClock {
  readonly #due = new Set<{ readonly atMs: number }>();

  /** As of a real one, delays are whole milliseconds. */
  override setTimer(delayMs: number, callback: () => void): Timer {
    const wholeMs = Math.max(0, Math.ceil(delayMs));
    const due = { atMs: this.nowMs() + wholeMs };
    this.#due.add(due);
    const timer = super.setTimer(wholeMs, () => {
      this.#due.delete(due);
      callback();
    });
    return {
      cancel: () => {
        this.#due.delete(due);
        timer.cancel();
      },
    };
  }

  /** Lets time pass until `ms` are over or `isDone`; `settle` resolves when nothing happens any more by itself. */
  async elapse(ms: number, settle: () => Promise<void>, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.nowMs() + ms;
    for (let nextMs = this.#nextMs(); nextMs <= untilMs && !isDone(); nextMs = this.#nextMs()) {
      this.advance(nextMs - this.nowMs());
      await settle();
    }
    if (isDone()) return;
    this.advance(untilMs - this.nowMs());
    await settle();
  }

  #nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.#due) nextMs = Math.min(nextMs, atMs);
    return nextMs;
  }
}
