/** Several texts for each key, though nearly always one: that one is kept without a set of its own. */

const NONE: readonly never[] = [];

export class Multimap<K, V extends string> {
  readonly #values = new Map<K, V | Set<V>>();

  add(key: K, value: V): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, value);
    else if (typeof known !== "string") known.add(value);
    else if (known !== value) this.#values.set(key, new Set([known, value]));
  }

  /** Returns whether it was there. */
  drop(key: K, value: V): boolean {
    const known = this.#values.get(key);
    if (known === undefined) return false;
    if (typeof known === "string") return known === value && this.#values.delete(key);
    const wasThere = known.delete(value);
    const [only] = known;
    if (known.size === 1 && only !== undefined) this.#values.set(key, only);
    return wasThere;
  }

  /** In the order in which they came. A live view where there are several. */
  get(key: K): Iterable<V> {
    const known = this.#values.get(key);
    if (known === undefined) return NONE;
    return typeof known === "string" ? [known] : known;
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<K> {
    return this.#values.keys();
  }

  clear(): void {
    this.#values.clear();
  }
}
