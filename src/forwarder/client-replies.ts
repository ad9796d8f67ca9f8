/** What clients get: upstream's reply, one of the cache's, or an error of our own; each with its own ID and spelling. */

import type { Client, Clock } from "../runtime.ts";
import { readUint16, writeUint16 } from "../wire/append.ts";
import { MAX_MESSAGE_OCTETS } from "../wire/constants.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import type { Admission } from "./admission.ts";
import { type Asked, udpOctetsFor } from "./asked.ts";
import { NO_ENTRY, type ReplyCache } from "./cache.ts";
import {
  LOOPING,
  NO_REPLY,
  TOO_MANY,
  UNREACHABLE,
  writeServerFailure,
  writeTruncated,
} from "./error-reply.ts";
import type { ForwarderMetrics, RejectionReason } from "./metrics.ts";
import type { PendingQuery } from "./pending-query.ts";
import type { Upstream } from "./upstream.ts";

export interface ClientRepliesParts {
  readonly clock: Clock;
  readonly metrics: ForwarderMetrics;
  readonly cache: ReplyCache;
  readonly admission: Admission;
}

export class ClientReplies {
  readonly #parts: ClientRepliesParts;
  /** `Client.send` copies. */
  readonly #scratch = new Uint8Array(MAX_MESSAGE_OCTETS);

  constructor(parts: ClientRepliesParts) {
    this.#parts = parts;
  }

  /** Sends upstream's reply, which is overwritten, to all who wait for it. */
  relay(query: PendingQuery, reply: Uint8Array): void {
    // Those who spelled the name as it was sent get the octets that came; then the others' spellings are put in.
    for (const { client, id, spelling } of query.waiters) {
      if (spelling === null) sendWithId(client, reply, id);
    }
    for (const { client, id, spelling } of query.waiters) {
      if (spelling === null) continue;
      reply.set(spelling.subarray(QUESTION_NAME_AT, QUESTION_NAME_AT + query.nameLength), QUESTION_NAME_AT);
      sendWithId(client, reply, id);
    }
    this.#dismiss(query);
  }

  /** SERVFAIL to all who wait: nobody has replied. */
  fail(query: PendingQuery): void {
    const error = query.hadNetworkError ? UNREACHABLE : NO_REPLY;
    for (const { client, id, spelling } of query.waiters) {
      const length = writeServerFailure(this.#scratch, spelling ?? query.message, id, query, error);
      client.send(this.#scratch, length);
    }
    this.#dismiss(query);
  }

  /** Serves the waiters with the expired reply, if there is one; the query stays on its way, to refresh it. */
  serveStale(query: PendingQuery): boolean {
    if (query.cacheKey === null) return false;
    const { clock, cache } = this.#parts;
    const nowMs = clock.nowMs();
    const entry = cache.find(query.cacheKey, nowMs);
    if (entry === NO_ENTRY) return false;
    cache.hold(entry, nowMs);
    for (const { client, id, spelling } of query.waiters) {
      const message = spelling ?? query.message;
      const length = this.writeCached(entry, query, id, message, client, this.#scratch);
      client.send(this.#scratch, length);
    }
    this.#dismiss(query);
    return true;
  }

  /** Writes the entry of the cache as a reply for the client into `out`; returns its length. */
  writeCached(
    entry: number,
    asked: Asked,
    id: number,
    message: Uint8Array,
    client: Client,
    out: Uint8Array,
  ): number {
    const { clock, cache, metrics } = this.#parts;
    const nowMs = clock.nowMs();
    if (!cache.isFresh(entry, nowMs)) metrics.staleServed();
    const maxOctets = client.transport === "tcp" ? MAX_MESSAGE_OCTETS : udpOctetsFor(asked);
    return cache.write(entry, asked, id, message, out, maxOctets, nowMs);
  }

  /** SERVFAIL at once: no upstream of the set is alive. */
  refuse(message: Uint8Array, query: Query, client: Client, upstreams: readonly Upstream[]): void {
    const isLooping = upstreams.some((upstream) => upstream.isLooping);
    const hasRefused = upstreams.every((upstream) => upstream.hasRefused);
    const error = isLooping ? LOOPING : hasRefused ? UNREACHABLE : NO_REPLY;
    client.send(this.#scratch, writeServerFailure(this.#scratch, message, query.id, query, error));
  }

  /** The query is one of our own that has come back. */
  refuseLoop(message: Uint8Array, query: Query, client: Client): void {
    client.send(this.#scratch, writeServerFailure(this.#scratch, message, query.id, query, LOOPING));
  }

  /** There are too many queries. */
  reject(
    reason: RejectionReason,
    message: Uint8Array,
    asked: Query | PendingQuery,
    client: Client,
    id = readUint16(message, 0),
  ): void {
    this.#parts.metrics.rejected(reason);
    // A client that asks too much over UDP comes again over TCP; a silent drop would cost it 5 s.
    const length =
      reason === "overload" || client.transport === "tcp"
        ? writeServerFailure(this.#scratch, message, id, asked, TOO_MANY)
        : writeTruncated(this.#scratch, message, id, asked);
    client.send(this.#scratch, length);
  }

  /** The waiters have been served. */
  #dismiss(query: PendingQuery): void {
    for (const waiter of query.waiters) this.#parts.admission.remove(waiter);
    query.waiters = [];
  }
}

function sendWithId(client: Client, reply: Uint8Array, id: number): void {
  writeUint16(reply, 0, id);
  client.send(reply, reply.length);
}
