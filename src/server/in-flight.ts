/** Counts the queries whose reply is still to come, for the metric and for an end that loses none. */

import type { QueryMetrics } from "./metrics.ts";

export class InFlight {
  readonly #metrics: QueryMetrics;
  #count = 0;
  #onIdle: (() => void) | null = null;

  constructor(metrics: QueryMetrics) {
    this.#metrics = metrics;
  }

  add(change: 1 | -1): void {
    this.#count += change;
    this.#metrics.addInFlight(change);
    if (this.#count === 0) this.#onIdle?.();
  }

  /** Resolves once there are none. */
  async idle(): Promise<void> {
    if (this.#count === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    await promise;
  }
}
