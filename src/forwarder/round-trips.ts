/** The round trips of one upstream's replies, each from its own sending: how long one takes, and nearly all. */

/** The weight of a new round trip against all earlier ones (RFC 6298 2.3). */
const SMOOTHING = 1 / 8;
/** Of so many replies the slowest twentieth is looked for ... */
const WINDOW = 64;
/** ... each time that so many more have come ... */
const REPLIES_BETWEEN = 8;
/** ... and weighs this much against what was found before. */
const PERCENTILE_SMOOTHING = 1 / 4;
const PERCENTILE = 0.95;

const sorted = new Float64Array(WINDOW);

export class RoundTrips {
  readonly #latest = new Float64Array(WINDOW);
  #count = 0;
  #smoothedMs = 0;
  #percentile95Ms = 0;

  /** Smoothed; 0 until the first reply. */
  get smoothedMs(): number {
    return this.#smoothedMs;
  }

  /** The smoothed 95th percentile; 0 until the first reply. */
  get percentile95Ms(): number {
    return this.#percentile95Ms;
  }

  add(roundTripMs: number): void {
    const isFirst = this.#smoothedMs === 0;
    this.#smoothedMs = isFirst
      ? roundTripMs
      : this.#smoothedMs + (roundTripMs - this.#smoothedMs) * SMOOTHING;
    this.#latest[this.#count % WINDOW] = roundTripMs;
    this.#count += 1;
    // The first ones count as they come.
    if (this.#count < REPLIES_BETWEEN) this.#percentile95Ms = this.#measure();
    else if (this.#count % REPLIES_BETWEEN === 0) {
      this.#percentile95Ms += (this.#measure() - this.#percentile95Ms) * PERCENTILE_SMOOTHING;
    }
  }

  /** A query has waited this long so far: the round trip is no shorter. */
  noteWaiting(waitedMs: number): void {
    this.#smoothedMs = Math.max(this.#smoothedMs, waitedMs);
  }

  #measure(): number {
    const count = Math.min(this.#count, WINDOW);
    const values = sorted.subarray(0, count);
    values.set(this.#latest.subarray(0, count));
    values.sort();
    return values[Math.ceil(count * PERCENTILE) - 1]!;
  }
}
