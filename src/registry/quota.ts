/**
 * At most so many items (hosts, names) of each namespace are in force. Which ones depends on nothing but the
 * items: the first in alphabetical order, so the order of events leaves no trace.
 */

import type { Namespace } from "../mesh/objects.ts";

export interface QuotaChange<T extends string> {
  readonly namespace: Namespace;
  readonly item: T;
  readonly isInForce: boolean;
}

interface Holding<T> {
  /** How often each item is held. */
  readonly limited: Map<T, number>;
  /** The same for items that are in force whatever their number. */
  readonly exempt: Map<T, number>;
  excluded: ReadonlySet<T>;
  /** Items that were added or removed since the last settling, and whether they were in force then. */
  readonly touched: Map<T, boolean>;
}

export class NamespaceQuota<T extends string> {
  readonly #holdings = new Map<Namespace, Holding<T>>();
  readonly #unsettled = new Set<Namespace>();
  #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  setLimit(limit: number): void {
    if (limit === this.#limit) return;
    this.#limit = limit;
    for (const namespace of this.#holdings.keys()) this.#unsettled.add(namespace);
  }

  add(namespace: Namespace, item: T, isExempt = false): void {
    const holding = this.#touch(namespace, item);
    const counts = isExempt ? holding.exempt : holding.limited;
    counts.set(item, (counts.get(item) ?? 0) + 1);
  }

  remove(namespace: Namespace, item: T, isExempt = false): void {
    const holding = this.#touch(namespace, item);
    const counts = isExempt ? holding.exempt : holding.limited;
    const count = counts.get(item) ?? 0;
    if (count > 1) counts.set(item, count - 1);
    else counts.delete(item);
  }

  /** Whether the item is held but beyond the limit, as of the last settling. */
  isExcluded(namespace: Namespace, item: T): boolean {
    const holding = this.#holdings.get(namespace);
    return holding?.excluded.has(item) === true && !holding.exempt.has(item);
  }

  /** Decides anew what is in force; returns every item for which that changed. */
  settle(): readonly QuotaChange<T>[] {
    const changes: QuotaChange<T>[] = [];
    for (const namespace of this.#unsettled) {
      const holding = this.#holdings.get(namespace)!;
      const { limited, touched } = holding;
      const before = holding.excluded;
      const after: ReadonlySet<T> =
        limited.size > this.#limit ? new Set([...limited.keys()].sort().slice(this.#limit)) : NONE;
      // What was excluded and is no more, or the other way round, is touched as well.
      for (const item of before)
        if (!touched.has(item) && !after.has(item)) touched.set(item, isHeldInForce(holding, item));
      for (const item of after)
        if (!touched.has(item) && !before.has(item)) touched.set(item, isHeldInForce(holding, item));
      holding.excluded = after;
      for (const [item, was] of touched) {
        const isInForce = isHeldInForce(holding, item);
        if (isInForce !== was) changes.push({ namespace, item, isInForce });
      }
      touched.clear();
      if (limited.size === 0 && holding.exempt.size === 0) this.#holdings.delete(namespace);
    }
    this.#unsettled.clear();
    return changes;
  }

  #touch(namespace: Namespace, item: T): Holding<T> {
    let holding = this.#holdings.get(namespace);
    if (holding === undefined) {
      holding = { limited: new Map(), exempt: new Map(), excluded: NONE, touched: new Map() };
      this.#holdings.set(namespace, holding);
    }
    if (!holding.touched.has(item)) holding.touched.set(item, isHeldInForce(holding, item));
    this.#unsettled.add(namespace);
    return holding;
  }
}

const NONE: ReadonlySet<never> = new Set<never>();

function isHeldInForce<T>({ limited, exempt, excluded }: Holding<T>, item: T): boolean {
  return exempt.has(item) || (limited.has(item) && !excluded.has(item));
}
