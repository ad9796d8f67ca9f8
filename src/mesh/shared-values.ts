/**
 * Makes equal values one, so that what thousands of objects repeat (namespaces, localities, ports) is kept once.
 * One pool for the whole program: a value means the same wherever it stands.
 */

/** The same text, as it was first seen. */
export function sharedText(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  keep(texts, text, text, MOST_TEXTS);
  return text;
}

/**
 * A function that gives for each value `make(value)`, or what it gave before for an equal one; nobody must change that. What comes
 * one after the other is often equal: so it is first compared with the last by `isSame`, which may say no to equal ones.
 */
export function sharing<Given, T extends object>(
  isSame: (last: T, given: Given) => boolean,
  make: (given: Given) => T,
  mostKeyCharacters = MOST_KEY_CHARACTERS,
): (given: Given) => T {
  const pool = new Map<string, T>();
  let last: T | undefined;
  return (given) => {
    if (last !== undefined && isSame(last, given)) return last;
    const made = make(given);
    const key = JSON.stringify(made);
    if (key.length > mostKeyCharacters) return made;
    last = pool.get(key);
    if (last !== undefined) return last;
    keep(pool, key, made, MOST_VALUES);
    last = made;
    return made;
  };
}

/** The same for what is made of a text. */
export function sharingByText<T extends object>(make: (text: string) => T): (text: string) => T {
  const pool = new Map<string, T>();
  return (text) => {
    let value = pool.get(text);
    if (value === undefined) {
      value = make(text);
      keep(pool, text, value, MOST_VALUES);
    }
    return value;
  };
}

/** What there is of most objects. */
export const NO_VALUES: readonly never[] = Object.freeze([]);

const texts = new Map<string, string>();
/** More than a cluster has of namespaces, nodes and localities together. */
const MOST_TEXTS = 50_000;
/** A pool without a hit must cost less than one with hits saves. */
const MOST_VALUES = 10_000;

/** What is longer is hardly ever equal to another. */
const MOST_KEY_CHARACTERS = 1000;

function keep<T>(pool: Map<string, T>, key: string, value: T, most: number): void {
  // What is long gone goes with it; what stays comes back with the next list.
  if (pool.size >= most) pool.clear();
  pool.set(key, value);
}
