/** A clock that stands until a test moves it. */

import type { Clock, MonotonicMs, Timer } from "../../src/runtime.ts";

interface Alarm {
  readonly atMs: MonotonicMs;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs: MonotonicMs;
  readonly #alarms = new Set<Alarm>();

  constructor(startMs: MonotonicMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): MonotonicMs {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const alarm = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#alarms.add(alarm);
    return { cancel: () => this.#alarms.delete(alarm) };
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#alarms.size;
  }

  /** Moves the time on by `ms`; timers go off in the order of their time, then of their setting. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#alarms.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: MonotonicMs): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs <= untilMs && (next === undefined || alarm.atMs < next.atMs)) next = alarm;
    }
    return next;
  }
}
