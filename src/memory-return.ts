/**
 * Gives memory back to the system after much was read or changed. V8 keeps the pages of what it has collected for
 * later, however many and for ever; only a collection of the last resort lets go of them. The C library keeps what
 * lies below anything that is in use. Both stop this thread, the control plane, for some tenths of a second, and no
 * other: so it waits until there is little to do.
 */

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadTrim } from "./native/trim-allocator.ts";
import type { Clock, Closeable, Timer } from "./runtime.ts";

export interface MemoryReturnOptions {
  readonly clock: Clock;
  /** Octets of the heap, used or not; for tests. */
  readonly heapOctets?: () => number;
  readonly collect?: () => void;
}

export class MemoryReturn implements Closeable {
  readonly #clock: Clock;
  readonly #heapOctets: () => number;
  #collect: (() => void) | undefined;
  /** Since the last collection. */
  #most = 0;
  #before = 0;
  #timer: Timer | undefined;

  constructor(options: MemoryReturnOptions) {
    this.#clock = options.clock;
    this.#heapOctets = options.heapOctets ?? (() => getHeapStatistics().total_heap_size);
    this.#collect = options.collect;
  }

  /** From the moment on at which everything was read for the first time: all that took goes back. */
  async start(): Promise<void> {
    this.#collect ??= await collector();
    this.#most = Number.POSITIVE_INFINITY;
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(LOOK_MS, () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const octets = this.#heapOctets();
    const isQuiet = Math.abs(octets - this.#before) < QUIET_OCTETS;
    this.#most = Math.max(this.#most, octets);
    this.#before = octets;
    if (!isQuiet || this.#most - octets < WORTH_OCTETS) return;
    this.#collect?.();
    this.#most = this.#before = this.#heapOctets();
  }
}

const LOOK_MS = 2000;
const MIB = 1024 * 1024;
/** A heap that grows or shrinks by more between two looks is at work. */
const QUIET_OCTETS = 8 * MIB;
/** How much smaller the heap must have become for a collection to be worth its time. */
const WORTH_OCTETS = 48 * MIB;

async function collector(): Promise<() => void> {
  const trim = await loadTrim();
  // The function that a start flag would give to every script.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: object) => void;
  setFlagsFromString("--no-expose-gc");
  return () => {
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    trim();
  };
}
