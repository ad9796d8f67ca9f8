/**
 * What is due when, for thousands of queries that all follow one plan: step k comes `delaysMs[k]` after the
 * start. So each step is a plain queue, the oldest query first, and one timer serves all.
 */

import type { Clock, MonotonicMs, Timer } from "../runtime.ts";

export interface Scheduled<Self> {
  readonly startedAtMs: MonotonicMs;
  /** Nothing more is due. */
  readonly isSettled: boolean;
  /** Whoever is behind it in its queue; the schedule's own. */
  nextInStep: Self | null;
}

export class Schedule<Item extends Scheduled<Item>> {
  readonly #clock: Clock;
  readonly #delaysMs: readonly number[];
  readonly #onDue: (item: Item, step: number) => void;
  readonly #heads: (Item | null)[];
  readonly #tails: (Item | null)[];
  #timer: Timer | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;

  /** `delaysMs`: ascending. */
  constructor(clock: Clock, delaysMs: readonly number[], onDue: (item: Item, step: number) => void) {
    this.#clock = clock;
    this.#delaysMs = delaysMs;
    this.#onDue = onDue;
    this.#heads = delaysMs.map(() => null);
    this.#tails = delaysMs.map(() => null);
  }

  /** The item starts now: `startedAtMs` is never before that of the item started last. */
  start(item: Item): void {
    // Most are settled long before their first step: gone now, they are not carried to the old generation.
    for (let head = this.#heads[0]; head?.isSettled; head = this.#heads[0]) this.#leave(head, 0);
    this.#enter(item, 0);
    const dueAtMs = item.startedAtMs + this.#delaysMs[0]!;
    if (dueAtMs < this.#timerAtMs) this.#arm(dueAtMs);
  }

  /** Nothing is due any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerAtMs = Number.NEGATIVE_INFINITY;
    this.#heads.fill(null);
    this.#tails.fill(null);
  }

  #enter(item: Item, step: number): void {
    const tail = this.#tails[step];
    if (tail) tail.nextInStep = item;
    else this.#heads[step] = item;
    this.#tails[step] = item;
  }

  #leave(item: Item, step: number): void {
    const next = item.nextInStep;
    item.nextInStep = null;
    this.#heads[step] = next;
    if (next === null) this.#tails[step] = null;
  }

  #run(): void {
    this.#timer = null;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (let step = 0; step < this.#delaysMs.length; step += 1) {
      const delayMs = this.#delaysMs[step]!;
      for (let item = this.#heads[step]; item; item = this.#heads[step]) {
        if (!item.isSettled && item.startedAtMs + delayMs > nowMs) {
          earliestMs = Math.min(earliestMs, item.startedAtMs + delayMs);
          break;
        }
        this.#leave(item, step);
        if (item.isSettled) continue;
        this.#onDue(item, step);
        if (!item.isSettled && step + 1 < this.#delaysMs.length) this.#enter(item, step + 1);
      }
    }
    if (earliestMs < this.#timerAtMs) this.#arm(earliestMs);
  }

  #arm(dueAtMs: MonotonicMs): void {
    this.#timer?.cancel();
    this.#timerAtMs = dueAtMs;
    // Timers count in whole milliseconds and may come early by a fraction of one.
    const delayMs = Math.max(1, Math.ceil(dueAtMs - this.#clock.nowMs()));
    this.#timer = this.#clock.setTimer(delayMs, () => this.#run());
  }
}
