/**
 * Names whose cached replies must not be served any more. Finding all types of a name, let alone all names
 * below one, would mean to walk the whole cache for every host that becomes ours; so an entry is held against
 * this list when it is next asked for.
 */

/** With more names than this the cache is better emptied: most of it is outdated. */
const MAX_NAMES = 16_384;
/** Behind the name in a cache key: type and flags. */
const KEY_TAIL_OCTETS = 3;

export class ForgottenNames {
  /** By name, wire octets as latin1: the generation in which the name was forgotten. */
  readonly #names = new Map<string, number>();
  /** By what stands behind the `*.`. */
  readonly #wildcards = new Map<string, number>();
  #generation = 0;
  /** The generation in which everything was forgotten. */
  #clearedIn = 0;

  /** The number of names forgotten so far. */
  get generation(): number {
    return this.#generation;
  }

  /** `name`: lower-cased wire octets, of a wildcard what stands behind `*.`. False: the list is full. */
  add(name: Uint8Array, isWildcard: boolean): boolean {
    this.#generation += 1;
    const text = Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1");
    (isWildcard ? this.#wildcards : this.#names).set(text, this.#generation);
    return this.#names.size + this.#wildcards.size <= MAX_NAMES;
  }

  /** Whether the name of the cache key was forgotten after `generation`. */
  has(key: string, generation: number): boolean {
    if (generation === this.#generation) return false;
    if (generation < this.#clearedIn) return true;
    const name = key.slice(0, -KEY_TAIL_OCTETS);
    if ((this.#names.get(name) ?? 0) > generation) return true;
    if (this.#wildcards.size === 0) return false;
    for (let at = name.charCodeAt(0) + 1; at < name.length; at += name.charCodeAt(at) + 1) {
      if ((this.#wildcards.get(name.slice(at)) ?? 0) > generation) return true;
    }
    return false;
  }

  /** Forgets every name. */
  clear(): void {
    this.#clearedIn = this.#generation;
    this.#names.clear();
    this.#wildcards.clear();
  }
}
