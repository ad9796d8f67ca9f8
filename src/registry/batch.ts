/** When to work off what has piled up: at once, then at most once per window. */

import type { Clock, Timer } from "../runtime.ts";

export class Batch {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #work: () => void;
  #window: Timer | undefined;
  #isRequested = false;
  #isWorking = false;
  #isClosed = false;

  /** `work` does all that there is to do; requests that it causes itself wait for the end of the window. */
  constructor(clock: Clock, windowMs: number, work: () => void) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#work = work;
  }

  /** Leading edge at once, trailing edge when the window ends; an urgent request does not wait for that. */
  request(isUrgent: boolean): void {
    this.#isRequested = true;
    if (this.#isWorking || this.#isClosed) return;
    if (this.#window === undefined || isUrgent) this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.#window?.cancel();
  }

  #run(): void {
    this.#isRequested = false;
    this.#isWorking = true;
    try {
      this.#work();
    } finally {
      this.#isWorking = false;
    }
    this.#window ??= this.#clock.setTimer(this.#windowMs, () => {
      this.#window = undefined;
      if (this.#isRequested) this.#run();
    });
  }
}
