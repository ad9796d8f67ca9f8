/**
 * The time of a loop: stamped once per turn, with timers that the loop runs when they are due. Nothing here knows
 * how the loop waits; it asks when the next timer is due.
 */

import { type Clock, type MonotonicMs, systemClock, type Timer } from "../runtime.ts";

export class LoopClock implements Clock {
  readonly #source: Clock;
  /** A heap: none is due before the one at half its index. */
  readonly #timers: LoopTimer[] = [];
  #nowMs: MonotonicMs;
  #cancelled = 0;

  constructor(source: Clock = systemClock) {
    this.#source = source;
    this.#nowMs = source.nowMs();
  }

  /** As it was when the turn began. */
  nowMs(): MonotonicMs {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#source.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = new LoopTimer(this.#nowMs + delayMs, callback, this.#noteCancelled);
    this.#timers.push(timer);
    this.#rise(this.#timers.length - 1);
    return timer;
  }

  /** A turn begins. */
  stamp(): MonotonicMs {
    this.#nowMs = this.#source.nowMs();
    return this.#nowMs;
  }

  /** Those that were cancelled and are not forgotten yet count. */
  get timerCount(): number {
    return this.#timers.length;
  }

  /** Infinity: there is no timer. */
  get nextDueMs(): MonotonicMs {
    return this.#timers[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Calls back all that are due; one that is set meanwhile waits for the next turn. */
  runDue(): void {
    const untilMs = this.#nowMs;
    for (let left = this.#timers.length; left > 0 && this.nextDueMs <= untilMs; left -= 1) {
      const callback = this.#takeFirst().take();
      if (callback === null) this.#cancelled -= 1;
      else callback();
    }
  }

  /** They stay in the heap until they are due, unless they are too many. */
  readonly #noteCancelled = (): void => {
    this.#cancelled += 1;
    if (this.#cancelled < MANY_CANCELLED || this.#cancelled * 2 < this.#timers.length) return;
    const kept = this.#timers.filter((timer) => !timer.isDone);
    this.#timers.length = 0;
    this.#cancelled = 0;
    for (const timer of kept) {
      this.#timers.push(timer);
      this.#rise(this.#timers.length - 1);
    }
  };

  #takeFirst(): LoopTimer {
    const timers = this.#timers;
    const first = timers[0]!;
    const last = timers.pop()!;
    if (timers.length > 0) {
      timers[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(at: number): void {
    const timers = this.#timers;
    const timer = timers[at]!;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (timers[above]!.dueMs <= timer.dueMs) break;
      timers[at] = timers[above]!;
      at = above;
    }
    timers[at] = timer;
  }

  #sink(): void {
    const timers = this.#timers;
    const timer = timers[0]!;
    let at = 0;
    for (let below = 1; below < timers.length; below = at * 2 + 1) {
      if (below + 1 < timers.length && timers[below + 1]!.dueMs < timers[below]!.dueMs) below += 1;
      if (timer.dueMs <= timers[below]!.dueMs) break;
      timers[at] = timers[below]!;
      at = below;
    }
    timers[at] = timer;
  }
}

/** Fewer are not worth the search. */
const MANY_CANCELLED = 256;

class LoopTimer implements Timer {
  readonly dueMs: MonotonicMs;
  #callback: (() => void) | null;
  readonly #onCancel: () => void;

  constructor(dueMs: MonotonicMs, callback: () => void, onCancel: () => void) {
    this.dueMs = dueMs;
    this.#callback = callback;
    this.#onCancel = onCancel;
  }

  get isDone(): boolean {
    return this.#callback === null;
  }

  /** What to call; null: it was cancelled. */
  take(): (() => void) | null {
    const callback = this.#callback;
    this.#callback = null;
    return callback;
  }

  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    this.#onCancel();
  }
}
