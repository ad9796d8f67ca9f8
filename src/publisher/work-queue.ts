/** Names that wait for their turn, each once; some only from a later moment on. */

import type { Clock, MonotonicMs, Timer } from "../runtime.ts";

export class WorkQueue {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  /** In the order of their coming, with the moment when each was first added. */
  readonly #ready = new Map<string, MonotonicMs>();
  readonly #later = new Map<string, MonotonicMs>();
  /** Being worked on: added meanwhile, they come again afterwards. */
  readonly #taken = new Set<string>();
  readonly #again = new Map<string, MonotonicMs>();
  #timer: Timer | undefined;
  #timerAtMs: MonotonicMs = Number.POSITIVE_INFINITY;

  /** `onReady`: there is something to take. */
  constructor(clock: Clock, onReady: () => void) {
    this.#clock = clock;
    this.#onReady = onReady;
  }

  /** How many could be taken now. */
  get size(): number {
    return this.#ready.size;
  }

  add(name: string): void {
    const nowMs = this.#clock.nowMs();
    if (this.#taken.has(name)) {
      if (!this.#again.has(name)) this.#again.set(name, nowMs);
      return;
    }
    this.#later.delete(name);
    if (!this.#ready.has(name)) this.#ready.set(name, nowMs);
    this.#onReady();
  }

  /** Unless it comes earlier for another reason. */
  addLater(name: string, atMs: MonotonicMs): void {
    const known = this.#later.get(name);
    if (known !== undefined && known <= atMs) return;
    this.#later.set(name, atMs);
    if (atMs < this.#timerAtMs) this.#arm(atMs);
  }

  /** The one that has waited longest, and since when; to be given back by `done`. */
  take(): { readonly name: string; readonly sinceMs: MonotonicMs } | undefined {
    const first = this.#ready.entries().next().value;
    if (first === undefined) return undefined;
    const [name, sinceMs] = first;
    this.#ready.delete(name);
    this.#later.delete(name);
    this.#taken.add(name);
    return { name, sinceMs };
  }

  done(name: string): void {
    this.#taken.delete(name);
    const sinceMs = this.#again.get(name);
    if (sinceMs === undefined) return;
    this.#again.delete(name);
    this.#ready.set(name, sinceMs);
    this.#onReady();
  }

  clear(): void {
    this.#ready.clear();
    this.#later.clear();
    this.#again.clear();
    this.#timer?.cancel();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #arm(atMs: MonotonicMs): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    // Several that are due within a moment come together.
    this.#timer = this.#clock.setTimer(Math.max(atMs - this.#clock.nowMs(), LEAST_DELAY_MS), () =>
      this.#wake(),
    );
  }

  #wake(): void {
    const nowMs = this.#clock.nowMs();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [name, atMs] of this.#later) {
      if (atMs > nowMs) nextMs = Math.min(nextMs, atMs);
      else {
        this.#later.delete(name);
        this.add(name);
      }
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}

const LEAST_DELAY_MS = 50;
