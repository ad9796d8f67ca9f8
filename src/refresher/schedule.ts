/** Due times of many things in one binary heap, so that one timer serves them all. */

import type { MonotonicMs } from "../runtime.ts";

interface Entry<T> {
  readonly item: T;
  readonly dueAtMs: MonotonicMs;
  /** Equal due times come out in the order they were set. */
  readonly order: number;
  /** Index in the heap. */
  at: number;
}

/** Each item has at most one due time. `set`, `remove` and `takeDue` cost O(log n), all else O(1). */
export class Schedule<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();
  #nextOrder = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest due time; Infinity: nothing is scheduled. */
  get nextDueAtMs(): MonotonicMs {
    return this.#heap[0]?.dueAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** When the item is due; undefined: it is not scheduled. */
  dueAtMs(item: T): MonotonicMs | undefined {
    return this.#entries.get(item)?.dueAtMs;
  }

  /** Schedules the item, in the place of any due time it had. */
  set(item: T, dueAtMs: MonotonicMs): void {
    this.remove(item);
    const entry = { item, dueAtMs, order: this.#nextOrder++, at: this.#heap.length };
    this.#entries.set(item, entry);
    this.#heap.push(entry);
    this.#rise(entry);
  }

  remove(item: T): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#place(last, entry.at);
    this.#rise(last);
    this.#sink(last);
  }

  /** Takes out the earliest item if it is due by now. */
  takeDue(nowMs: MonotonicMs): { readonly item: T; readonly dueAtMs: MonotonicMs } | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueAtMs > nowMs) return undefined;
    this.remove(first.item);
    return first;
  }

  #rise(entry: Entry<T>): void {
    while (entry.at > 0) {
      const parent = this.#heap[(entry.at - 1) >> 1]!;
      if (!isBefore(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #sink(entry: Entry<T>): void {
    for (;;) {
      const left = this.#heap[2 * entry.at + 1];
      const right = this.#heap[2 * entry.at + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(child, entry)) return;
      this.#swap(entry, child);
    }
  }

  #swap(one: Entry<T>, other: Entry<T>): void {
    const at = one.at;
    this.#place(one, other.at);
    this.#place(other, at);
  }

  #place(entry: Entry<T>, at: number): void {
    this.#heap[at] = entry;
    entry.at = at;
  }
}

function isBefore<T>(one: Entry<T>, other: Entry<T>): boolean {
  return one.dueAtMs < other.dueAtMs || (one.dueAtMs === other.dueAtMs && one.order < other.order);
}
