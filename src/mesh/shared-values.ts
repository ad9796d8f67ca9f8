/**
 * Makes equal values one, so that what thousands of objects repeat (namespaces, localities, ports) is kept once.
 * One pool for the whole program: a value means the same wherever it stands.
 */

/** The same text, as it was first seen. */
export function sharedText(text: string): string {
  return shared(texts, text, () => text, MOST_TEXTS);
}

/** `make()`, or what it gave before for an equal `key`; it must not be changed by anybody. */
export function sharedValue<T extends object>(pool: Map<string, T>, key: string, make: () => T): T {
  return shared(pool, key, make, MOST_VALUES);
}

/** What there is of most objects. */
export const NO_VALUES: readonly never[] = Object.freeze([]);

const texts = new Map<string, string>();
/** More than a cluster has of namespaces, nodes and localities together. */
const MOST_TEXTS = 50_000;
/** A pool without a hit must cost less than one with hits saves. */
const MOST_VALUES = 10_000;

function shared<T>(pool: Map<string, T>, key: string, make: () => T, most: number): T {
  const known = pool.get(key);
  if (known !== undefined) return known;
  // What is long gone goes with it; what stays comes back with the next list.
  if (pool.size >= most) pool.clear();
  const value = make();
  pool.set(key, value);
  return value;
}
