/** The numbers about the cache's entries, by the slot that an entry begins in; times on the monotonic clock. */

export class EntryNumbers {
  readonly storedAtMs: Float64Array;
  readonly expiresAtMs: Float64Array;
  readonly unusableAtMs: Float64Array;
  /** Served stale until then without asking upstream. */
  readonly recheckAtMs: Float64Array;
  readonly lengths: Uint16Array;
  readonly ttlCounts: Uint16Array;
  /** Index in `REPLY_KINDS`. */
  readonly kinds: Uint8Array;
  /** How often the question was asked, up to where it no longer matters. */
  readonly asks: Uint8Array;
  /** INFO-CODE that upstream sent; -1 for none. */
  readonly extendedErrors: Int32Array;
  readonly generations: Uint32Array;

  constructor(slotCount: number) {
    this.storedAtMs = new Float64Array(slotCount);
    this.expiresAtMs = new Float64Array(slotCount);
    this.unusableAtMs = new Float64Array(slotCount);
    this.recheckAtMs = new Float64Array(slotCount);
    this.lengths = new Uint16Array(slotCount);
    this.ttlCounts = new Uint16Array(slotCount);
    this.kinds = new Uint8Array(slotCount);
    this.asks = new Uint8Array(slotCount);
    this.extendedErrors = new Int32Array(slotCount);
    this.generations = new Uint32Array(slotCount);
  }
}
