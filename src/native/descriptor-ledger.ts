/**
 * The descriptors that a batching thread has opened itself, in memory that outlives it: what it could not close
 * when it died is closed by the thread that starts its successor.
 */

/** Upstream sockets at once, and a few more. */
const PLACES = 1024;
/** No descriptor of ours: the standard input has this one. */
const FREE = 0;
/** `own`: there is no place left. */
export const NO_PLACE = -1;

export class DescriptorLedger {
  readonly buffer: SharedArrayBuffer;
  readonly #descriptors: Int32Array;
  readonly #freePlaces: number[] = [];

  /** `buffer`: of the ledger in another thread; omitted: a new one. */
  constructor(buffer = new SharedArrayBuffer(PLACES * 4)) {
    this.buffer = buffer;
    this.#descriptors = new Int32Array(buffer);
    for (let place = this.#descriptors.length - 1; place >= 0; place -= 1) this.#freePlaces.push(place);
  }

  /** Returns the place for `disown`, or NO_PLACE. */
  own(descriptor: number): number {
    const place = this.#freePlaces.pop();
    if (place === undefined) return NO_PLACE;
    Atomics.store(this.#descriptors, place, descriptor);
    return place;
  }

  /** To be called before the descriptor is closed: its number may be another thread's afterwards. */
  disown(place: number): void {
    Atomics.store(this.#descriptors, place, FREE);
    this.#freePlaces.push(place);
  }

  /** Empties a dead thread's ledger; returns what it held. */
  takeAll(): number[] {
    const left = [...this.#descriptors].filter((descriptor) => descriptor !== FREE);
    this.#descriptors.fill(FREE);
    return left;
  }
}
