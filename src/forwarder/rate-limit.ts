/** A token bucket per client address: so many queries per second, and one second's worth at once. */

import { LRUCache } from "lru-cache";
import type { MonotonicMs } from "../runtime.ts";

/** Addresses that are known at a time; the one that was silent for longest is forgotten, with its full bucket. */
const MAX_ADDRESSES = 16_384;

interface Bucket {
  tokens: number;
  filledAtMs: MonotonicMs;
}

export class RateLimit {
  readonly #perSecond: number;
  readonly #isTrusted: (address: string) => boolean;
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_ADDRESSES });

  /** `perSecond`: queries of one address; those of trusted ones are not counted. */
  constructor(perSecond: number, isTrusted: (address: string) => boolean) {
    this.#perSecond = perSecond;
    this.#isTrusted = isTrusted;
  }

  /** Takes a token; whether there was one. */
  admits(address: string, nowMs: MonotonicMs): boolean {
    const bucket = this.#buckets.get(address) ?? this.#open(address, nowMs);
    if (bucket.tokens === Number.POSITIVE_INFINITY) return true;
    const most = Math.max(1, this.#perSecond);
    const gained = ((nowMs - bucket.filledAtMs) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(most, bucket.tokens + gained);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) {
      // Who asked before it was known for a forwarder is one from here on.
      if (!this.#isTrusted(address)) return false;
      bucket.tokens = Number.POSITIVE_INFINITY;
    }
    bucket.tokens -= 1;
    return true;
  }

  #open(address: string, nowMs: MonotonicMs): Bucket {
    const tokens = this.#isTrusted(address) ? Number.POSITIVE_INFINITY : Math.max(1, this.#perSecond);
    const bucket = { tokens, filledAtMs: nowMs };
    this.#buckets.set(address, bucket);
    return bucket;
  }
}
