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
  /** The limited ones in their order as of the last settling; undefined: there were no more than the limit. */
  order: T[] | undefined;
  /** It and all that come after it were beyond the limit then. */
  firstExcluded: T | undefined;
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
    if (holding === undefined || holding.firstExcluded === undefined) return false;
    return holding.limited.has(item) && !isHeldInForce(holding, item);
  }

  /** Decides anew what is in force; returns every item for which that changed. */
  settle(): readonly QuotaChange<T>[] {
    const changes: QuotaChange<T>[] = [];
    for (const namespace of this.#unsettled) {
      const holding = this.#holdings.get(namespace)!;
      const { limited, touched } = holding;
      const order = limited.size > this.#limit ? orderOf(holding) : undefined;
      const firstExcluded = order?.[this.#limit];
      // What was excluded and is no more, or the other way round, is touched as well.
      for (const item of between(order ?? holding.order ?? NONE, holding.firstExcluded, firstExcluded))
        if (!touched.has(item)) touched.set(item, isHeldInForce(holding, item));
      holding.order = order;
      holding.firstExcluded = firstExcluded;
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
      holding = {
        limited: new Map(),
        exempt: new Map(),
        order: undefined,
        firstExcluded: undefined,
        touched: new Map(),
      };
      this.#holdings.set(namespace, holding);
    }
    if (!holding.touched.has(item)) holding.touched.set(item, isHeldInForce(holding, item));
    this.#unsettled.add(namespace);
    return holding;
  }
}

const NONE: readonly never[] = [];

function isHeldInForce<T extends string>({ limited, exempt, firstExcluded }: Holding<T>, item: T): boolean {
  if (exempt.has(item)) return true;
  return limited.has(item) && (firstExcluded === undefined || item < firstExcluded);
}

/** The limited items in order: what came and went is put into the order that there was, which it may change. */
function orderOf<T extends string>({ limited, order, touched }: Holding<T>): T[] {
  if (order === undefined) return [...limited.keys()].sort();
  const gone: T[] = [];
  const come: T[] = [];
  for (const item of touched.keys()) {
    const wasThere = order[placeIn(order, item)] === item;
    if (limited.has(item)) {
      if (!wasThere) come.push(item);
    } else if (wasThere) gone.push(item);
  }
  if (gone.length + come.length > FEW) return merged(order, new Set(gone), come.sort());
  for (const item of gone) order.splice(placeIn(order, item), 1);
  for (const item of come) order.splice(placeIn(order, item), 0, item);
  return order;
}

/** Up to here it is quicker to move what lies behind each of them. */
const FEW = 32;

/** `order` without those that are gone, with those that have come. */
function merged<T extends string>(order: readonly T[], gone: ReadonlySet<T>, come: readonly T[]): T[] {
  const all: T[] = [];
  let next = 0;
  for (const item of order) {
    for (; next < come.length && come[next]! < item; next += 1) all.push(come[next]!);
    if (!gone.has(item)) all.push(item);
  }
  for (; next < come.length; next += 1) all.push(come[next]!);
  return all;
}

/** Those of the ordered items that lie between two bounds, whichever comes first; undefined stands behind all. */
function between<T extends string>(
  order: readonly T[],
  one: T | undefined,
  other: T | undefined,
): readonly T[] {
  if (one === other) return NONE;
  const places = [one, other].map((each) => (each === undefined ? order.length : placeIn(order, each)));
  return order.slice(Math.min(...places), Math.max(...places));
}

/** Where the item stands among the ordered ones, or would stand. */
function placeIn<T extends string>(order: readonly T[], item: T): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order[middle]! < item) low = middle + 1;
    else high = middle;
  }
  return low;
}
