/**
 * Replies of upstreams, kept until their TTLs have run down and, for the time that upstream fails, a while
 * longer (RFC 8767). The octets lie in slots of one buffer, the numbers about them in flat arrays;
 * `lru-cache` knows which slot belongs to which question and which one was not asked for longest.
 */

import { LRUCache } from "lru-cache";
import type { MonotonicMs } from "../runtime.ts";
import { readUint16, writeUint16 } from "../wire/append.ts";
import { HeaderFlag, MAX_MESSAGE_OCTETS, MAX_NAME_OCTETS } from "../wire/constants.ts";
import { copyOctets } from "../wire/copy-octets.ts";
import type { Query } from "../wire/query.ts";
import { MAX_REPLY_RECORDS, ReplySummary, readReply } from "../wire/read-reply.ts";
import type { Asked } from "./asked.ts";
import { type CachedReply, rebuildReply } from "./cached-reply.ts";
import { EntryNumbers } from "./entry-numbers.ts";
import { ForgottenNames } from "./forgotten-names.ts";
import { lifetimeSeconds, replyKind, staleSeconds } from "./lifetime.ts";
import { type ForwarderMetrics, REPLY_KINDS, type ReplyKind } from "./metrics.ts";
import { NO_SLOT, SLOT_OCTETS, SlotStore, slotsFor } from "./slot-store.ts";

/** The entry that `find` did not find. */
export const NO_ENTRY = NO_SLOT;
/** What a slot costs beside its octets: our numbers, lru-cache's, and the key's string (measured, rounded up). */
const OCTETS_BESIDE_SLOT = 192;
const OCTETS_PER_SLOT = SLOT_OCTETS + OCTETS_BESIDE_SLOT;
/** RFC 8767 4: between two attempts to refresh a reply that is served stale. */
const STALE_RECHECK_MS = 30_000;
/** A reply is renewed when no more than this part of its lifetime is left ... */
const PREFETCH_SHARE = 0.1;
/** ... if its question was asked this often. */
const ASKS_BEFORE_PREFETCH = 2;
/** Stands for the number of asks: not to be renewed, or not again. */
const NO_PREFETCH = 255;
/** Where none are given, lru-cache makes an object for each call. */
const NO_OPTIONS = {};
/** One reply takes at most this part of the cache. */
const MAX_SHARE_OF_SLOTS = 1 / 8;

export interface CacheLimits {
  readonly cacheOctets: number;
  readonly cacheMaxTtlSeconds: number;
  readonly maxStaleSeconds: number;
}

/** What is known of a question whose reply is to be stored. */
export interface StorableQuestion extends Asked {
  readonly cacheKey: string | null;
  readonly isShortLived: boolean;
  readonly generation: number;
  /** How many clients have asked it. */
  readonly asks: number;
}

export class ReplyCache {
  readonly #metrics: ForwarderMetrics;
  readonly #forgotten = new ForgottenNames();
  #limits: CacheLimits;
  /** Of `cacheOctets`, what may be used. */
  #part = 1;
  #slots: SlotStore;
  #numbers: EntryNumbers;
  #entries: LRUCache<string, number>;

  readonly #keyOctets = Buffer.alloc(MAX_NAME_OCTETS + 4);
  readonly #summary = new ReplySummary();
  readonly #scratch = new Uint8Array(MAX_MESSAGE_OCTETS + 2 * MAX_REPLY_RECORDS);
  readonly #cached: CachedReply = { octets: this.#scratch, length: 0, ttlCount: 0, extendedError: -1 };

  constructor(limits: CacheLimits, metrics: ForwarderMetrics) {
    this.#limits = limits;
    this.#metrics = metrics;
    const slotCount = this.#slotCount;
    this.#slots = new SlotStore(slotCount);
    this.#numbers = new EntryNumbers(slotCount);
    this.#entries = this.#newEntries(slotCount);
  }

  /** Counts calls of `forget`; a reply to an older question may be one to a name that was forgotten since. */
  get generation(): number {
    return this.#forgotten.generation;
  }

  /** Another size empties the cache. */
  set limits(limits: CacheLimits) {
    this.#limits = limits;
    this.#fit();
  }

  /** How much of `cacheOctets` may be used; another part empties the cache, and less of it gives memory back. */
  set part(part: number) {
    this.#part = part;
    this.#fit();
  }

  /** Name, type, DO, CD and AD of a cacheable query: its class is IN. */
  keyOf(query: Query): string {
    const key = this.#keyOctets;
    for (let at = 0; at < query.nameLength; at += 1) key[at] = query.name[at]!;
    const end = writeUint16(key, query.nameLength, query.type);
    key[end] = (query.flags & (HeaderFlag.AD | HeaderFlag.CD)) | (query.dnssecOk ? 1 : 0);
    return key.toString("latin1", 0, end + 1);
  }

  /** The reply stored under the key, if it is fresh or may at least be served stale; else NO_ENTRY. */
  find(key: string, nowMs: MonotonicMs): number {
    const entry = this.#entries.get(key, NO_OPTIONS);
    if (entry === undefined) return NO_ENTRY;
    const generation = this.#numbers.generations[entry]!;
    if (nowMs < this.#numbers.unusableAtMs[entry]! && !this.#forgotten.has(key, generation)) {
      this.#numbers.generations[entry] = this.generation;
      return entry;
    }
    this.#entries.delete(key);
    return NO_ENTRY;
  }

  isFresh(entry: number, nowMs: MonotonicMs): boolean {
    return nowMs < this.#numbers.expiresAtMs[entry]!;
  }

  /** Notes that the fresh reply serves a client; whether it should be renewed now, which is said once. */
  noteHit(entry: number, nowMs: MonotonicMs): boolean {
    const asks = this.#numbers.asks[entry]!;
    if (asks === NO_PREFETCH) return false;
    if (asks < ASKS_BEFORE_PREFETCH) this.#numbers.asks[entry] = asks + 1;
    if (this.#numbers.asks[entry]! < ASKS_BEFORE_PREFETCH) return false;
    const lifetimeMs = this.#numbers.expiresAtMs[entry]! - this.#numbers.storedAtMs[entry]!;
    if (this.#numbers.expiresAtMs[entry]! - nowMs > lifetimeMs * PREFETCH_SHARE) return false;
    this.#numbers.asks[entry] = NO_PREFETCH;
    return true;
  }

  /** It was served stale a short while ago: upstream is not asked again yet. */
  isHeld(entry: number, nowMs: MonotonicMs): boolean {
    return nowMs < this.#numbers.recheckAtMs[entry]!;
  }

  /** Upstream has failed: the entry is served stale for a while without asking. */
  hold(entry: number, nowMs: MonotonicMs): void {
    if (!this.isFresh(entry, nowMs) && !this.isHeld(entry, nowMs))
      this.#numbers.recheckAtMs[entry] = nowMs + STALE_RECHECK_MS;
  }

  kindOf(entry: number): ReplyKind {
    return REPLY_KINDS[this.#numbers.kinds[entry]!]!;
  }

  /**
   * Writes the reply for a client into `out`, in at most `maxOctets`, and returns its length. `message`: the
   * client's, for the spelling of the name. Expired: it is marked as stale.
   */
  write(
    entry: number,
    asked: Asked,
    id: number,
    message: Uint8Array,
    out: Uint8Array,
    maxOctets: number,
    nowMs: MonotonicMs,
  ): number {
    const cached = this.#cached;
    cached.length = this.#numbers.lengths[entry]!;
    cached.ttlCount = this.#numbers.ttlCounts[entry]!;
    cached.extendedError = this.#numbers.extendedErrors[entry]!;
    this.#slots.copy(entry, cached.length + 2 * cached.ttlCount, this.#scratch);
    const ageSeconds = Math.max(0, Math.floor((nowMs - this.#numbers.storedAtMs[entry]!) / 1000));
    const isStale = !this.isFresh(entry, nowMs);
    return rebuildReply(
      cached,
      ageSeconds,
      isStale,
      asked,
      id,
      message,
      out,
      Math.min(maxOctets, out.length),
    );
  }

  /** Stores upstream's reply, if it is one that may be kept. */
  store(question: StorableQuestion, reply: Uint8Array, nowMs: MonotonicMs): void {
    const { cacheKey: key, isShortLived } = question;
    const summary = this.#summary;
    if (key === null || !readReply(reply, reply.length, summary)) return;
    // RFC 2181 9: what was cut is not complete. Octets behind the last record have no place in the store.
    if (summary.isTruncated || summary.recordsEnd !== reply.length) return;
    // Records behind the OPT record may point to names behind it, so that it cannot be taken out.
    if (summary.optAt !== -1 && summary.optAt + summary.optLength !== reply.length) return;
    const kind = replyKind(reply, summary, question.type);
    if (kind === null) return;
    const { cacheMaxTtlSeconds, maxStaleSeconds } = this.#limits;
    const seconds = lifetimeSeconds(kind, summary, isShortLived, cacheMaxTtlSeconds);
    if (seconds === 0) return;
    const entry = this.#put(reply, summary);
    if (entry === NO_ENTRY) return;
    this.#numbers.storedAtMs[entry] = nowMs;
    this.#numbers.expiresAtMs[entry] = nowMs + seconds * 1000;
    this.#numbers.unusableAtMs[entry] =
      nowMs + (seconds + staleSeconds(kind, isShortLived, maxStaleSeconds)) * 1000;
    this.#numbers.recheckAtMs[entry] = 0;
    this.#numbers.kinds[entry] = REPLY_KINDS.indexOf(kind);
    const mayPrefetch = kind === "positive" && !isShortLived;
    this.#numbers.asks[entry] = mayPrefetch ? Math.min(question.asks, ASKS_BEFORE_PREFETCH) : NO_PREFETCH;
    this.#numbers.generations[entry] = question.generation;
    this.#metrics.cacheChange(kind, 1, this.#slotsOf(entry) * OCTETS_PER_SLOT);
    this.#entries.set(key, entry, NO_OPTIONS);
  }

  /** Every type of the name, or of every name below it, is not served any more. */
  forget(name: Uint8Array, isWildcard: boolean): void {
    if (!this.#forgotten.add(name, isWildcard)) this.clear();
  }

  clear(): void {
    this.#entries.clear();
    this.#forgotten.clear();
  }

  get #slotCount(): number {
    return Math.floor((this.#limits.cacheOctets * this.#part) / OCTETS_PER_SLOT);
  }

  #fit(): void {
    const slotCount = this.#slotCount;
    if (slotCount === this.#slots.slotCount) return;
    this.#entries.clear();
    // Before the new ones take theirs.
    this.#slots.discard();
    this.#slots = new SlotStore(slotCount);
    this.#numbers = new EntryNumbers(slotCount);
    this.#entries = this.#newEntries(slotCount);
  }

  #newEntries(slotCount: number): LRUCache<string, number> {
    this.#metrics.cacheSize(slotCount * OCTETS_PER_SLOT);
    return new LRUCache({
      max: Math.max(1, slotCount),
      dispose: (entry, _key, reason) => {
        if (reason === "evict") this.#metrics.eviction();
        this.#drop(entry);
      },
    });
  }

  /** Message without OPT, then where its TTLs lie; makes room if need be. */
  #put(reply: Uint8Array, summary: ReplySummary): number {
    const hasOpt = summary.optAt !== -1;
    const length = hasOpt ? summary.optAt : reply.length;
    const scratch = this.#scratch;
    copyOctets(reply, 0, length, scratch, 0);
    if (hasOpt) writeUint16(scratch, 10, readUint16(scratch, 10) - 1);
    let end = length;
    for (let index = 0; index < summary.ttlCount; index += 1) {
      end = writeUint16(scratch, end, summary.ttlOffsets[index]!);
    }
    const needed = slotsFor(end);
    if (needed > Math.max(1, this.#slots.slotCount * MAX_SHARE_OF_SLOTS)) return NO_ENTRY;
    while (this.#slots.freeCount < needed) if (this.#entries.pop() === undefined) return NO_ENTRY;
    const entry = this.#slots.put(scratch, end);
    this.#numbers.lengths[entry] = length;
    this.#numbers.ttlCounts[entry] = summary.ttlCount;
    this.#numbers.extendedErrors[entry] = summary.extendedError;
    return entry;
  }

  #slotsOf(entry: number): number {
    return slotsFor(this.#numbers.lengths[entry]! + 2 * this.#numbers.ttlCounts[entry]!);
  }

  #drop(entry: number): void {
    this.#metrics.cacheChange(this.kindOf(entry), -1, -this.#slotsOf(entry) * OCTETS_PER_SLOT);
    this.#slots.free(entry);
  }
}
