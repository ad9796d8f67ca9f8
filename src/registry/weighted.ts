/** How much an address or name counts among its like, and where it is; the same one by two ways counts once. */

import type { Locality } from "../table/host-record.ts";

export interface Weighted {
  /** 0: not said. */
  readonly weight: number;
  readonly locality: Locality;
}

export function addWeighted<K>(all: Map<K, Weighted>, key: K, weighted: Weighted): void {
  const known = all.get(key);
  all.set(key, known === undefined ? weighted : merged(known, weighted));
}

/** The same for values that have their key in them: a list while there are few of them, as there nearly always are. */
export class WeightedList<T extends Weighted> {
  readonly #keyOf: (value: T) => string;
  readonly #values: T[] = [];
  /** Where each key stands, once there are many. */
  #places: Map<string, number> | undefined;

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#values.length;
  }

  has(key: string): boolean {
    return this.#placeOf(key) !== -1;
  }

  add(value: T): void {
    const values = this.#values;
    const key = this.#keyOf(value);
    const place = this.#placeOf(key);
    if (place !== -1) {
      values[place] = { ...value, ...merged(values[place]!, value) };
      return;
    }
    values.push(value);
    this.#places?.set(key, values.length - 1);
    if (values.length === FEW) this.#places = new Map(values.map((each, at) => [this.#keyOf(each), at]));
  }

  /** In the order of their coming, in no more room than they need. */
  toArray(): readonly T[] {
    return this.#values.length === 0 ? NONE : this.#values.slice();
  }

  #placeOf(key: string): number {
    if (this.#places !== undefined) return this.#places.get(key) ?? -1;
    for (let at = 0; at < this.#values.length; at += 1) if (this.#keyOf(this.#values[at]!) === key) return at;
    return -1;
  }
}

const NONE: readonly never[] = [];
/** Below it looking through them is quicker. */
const FEW = 16;

/** The larger weight counts, and the place that was said first. */
function merged(known: Weighted, { weight, locality }: Weighted): Weighted {
  return {
    weight: Math.max(known.weight, weight),
    locality: isKnown(known.locality) ? known.locality : locality,
  };
}

/** Whether anything is known of it. */
export function isKnown({ network, region, zone, subzone, node }: Locality): boolean {
  return network !== "" || region !== "" || zone !== "" || subzone !== "" || node !== "";
}

export const UNKNOWN_LOCALITY: Locality = { network: "", region: "", zone: "", subzone: "", node: "" };
