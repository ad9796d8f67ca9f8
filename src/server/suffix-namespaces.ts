/**
 * The namespaces that unknown clients told us by their own search suffixes, each kept for its address for a
 * while: a pod has no address in its status while its init containers run.
 */

import type { MonotonicMs } from "../runtime.ts";

const KEPT_MS = 30_000;
/** Other threads, which hear nothing of the queries that only repeat it, are told again after this long. */
const PASS_ON_AFTER_MS = KEPT_MS / 3;
/** Addresses at once: a client that lies about its address fills no memory. */
const MAX_ADDRESSES = 4096;

interface Told {
  namespace: Uint8Array;
  untilMs: MonotonicMs;
  /** When other threads were told of it, or told us. */
  passedOnAtMs: MonotonicMs;
}

export class SuffixNamespaces {
  /** The ones told first stand first. */
  readonly #byAddress = new Map<string, Told>();

  get size(): number {
    return this.#byAddress.size;
  }

  /** Octets of the namespace, without their length; null: not known. */
  find(address: string, nowMs: MonotonicMs): Uint8Array | null {
    const told = this.#byAddress.get(address);
    if (told === undefined) return null;
    if (nowMs < told.untilMs) return told.namespace;
    this.#byAddress.delete(address);
    return null;
  }

  /**
   * The namespace stands in `octets` from `from` on. Where no Namespace is known by the name (`isKnown`), it may
   * be the end of a host before a shorter suffix: it is not believed over one that was told before. Whether it is
   * worth telling other threads, too.
   */
  tell(
    address: string,
    octets: Uint8Array,
    from: number,
    length: number,
    isKnown: boolean,
    nowMs: MonotonicMs,
  ): boolean {
    const told = this.#byAddress.get(address);
    if (told !== undefined) {
      if (isEqual(told.namespace, octets, from, length)) {
        told.untilMs = nowMs + KEPT_MS;
        if (nowMs < told.passedOnAtMs + PASS_ON_AFTER_MS) return false;
        told.passedOnAtMs = nowMs;
        return true;
      }
      if (!isKnown && nowMs < told.untilMs) return false;
      this.#byAddress.delete(address);
    }
    if (this.#byAddress.size >= MAX_ADDRESSES) this.#forgetFirst();
    this.#byAddress.set(address, {
      namespace: octets.slice(from, from + length),
      untilMs: nowMs + KEPT_MS,
      passedOnAtMs: nowMs,
    });
    return true;
  }

  clear(): void {
    this.#byAddress.clear();
  }

  #forgetFirst(): void {
    for (const address of this.#byAddress.keys()) {
      this.#byAddress.delete(address);
      return;
    }
  }
}

function isEqual(namespace: Uint8Array, octets: Uint8Array, from: number, length: number): boolean {
  if (namespace.length !== length) return false;
  for (let at = 0; at < length; at += 1) if (namespace[at] !== octets[from + at]) return false;
  return true;
}
