/**
 * A question that upstream was asked and that waits for its reply: what is kept of the client's message, who
 * waits for it, and each sending of it.
 */

import type { Client, Clock, MonotonicMs, Random, Transport } from "../runtime.ts";
import type { Asked } from "./asked.ts";
import type { MismatchReason } from "./reply-check.ts";
import type { Scheduled } from "./schedule.ts";
import type { Upstream } from "./upstream.ts";
import type { UpstreamSockets } from "./upstream-sockets.ts";
import type { Account } from "./waiting-clients.ts";

/** One message of a client that the same reply serves. */
export class Waiter {
  readonly query: PendingQuery;
  readonly client: Client;
  /** The ID that the client chose. */
  readonly id: number;
  /** The client's message, for its spelling of the name; null: as in the message that went upstream. */
  readonly spelling: Uint8Array | null;
  /** `WaitingClients`' own: whose it is, null when it does not count, and what of it is kept. */
  account: Account | null = null;
  octets = 0;
  older: Waiter | null = null;
  newer: Waiter | null = null;

  constructor(query: PendingQuery, client: Client, id: number, spelling: Uint8Array | null) {
    this.query = query;
    this.client = client;
    this.id = id;
    this.spelling = spelling;
  }
}

/** What it is to find out: what upstream says, whether queries come back to us, or whether upstream lives. */
export type Purpose = "reply" | "loop" | "health";

export interface PendingQueryFields {
  readonly message: Uint8Array;
  readonly asked: Asked;
  readonly transport: Transport;
  readonly startedAtMs: MonotonicMs;
  readonly cacheKey: string | null;
  readonly isShortLived: boolean;
  readonly generation: number;
  readonly upstreams: readonly Upstream[];
  readonly purpose: Purpose;
}

export class PendingQuery implements Asked, Scheduled<PendingQuery> {
  /** The client's message as it came, but for the ID; no octet changes once it was sent. */
  readonly message: Uint8Array;
  readonly transport: Transport;
  readonly startedAtMs: MonotonicMs;
  readonly flags: number;
  readonly type: number;
  readonly nameLength: number;
  readonly questionEnd: number;
  readonly hasEdns: boolean;
  readonly dnssecOk: boolean;
  readonly ednsSize: number;
  /** Under which the reply may be stored; null: it may not. */
  readonly cacheKey: string | null;
  readonly isShortLived: boolean;
  readonly purpose: Purpose;
  /** Who may be asked. */
  readonly upstreams: readonly Upstream[];
  /** Of the cache when the question was asked (`ReplyCache.generation`). */
  readonly generation: number;

  /** Empty for a question of our own, and once the clients have been served. */
  waiters: Waiter[] = [];
  /** How many clients have waited for it. */
  asks = 0;
  attempts: readonly Attempt[] = [];
  /** Upstreams not to be asked again: each answered SERVFAIL or REFUSED, or takes no connection. */
  readonly unhelpful: Upstream[] = [];
  /** The SERVFAIL or REFUSED that is relayed unless something better comes. */
  lastResort: Uint8Array | null = null;
  hadNetworkError = false;
  isSettled = false;
  /** `EqualQueries`' own. */
  hash = 0;
  nextWithHash: PendingQuery | null = null;
  /** `Schedule`'s own. */
  nextInStep: PendingQuery | null = null;

  constructor(fields: PendingQueryFields) {
    const { asked } = fields;
    this.message = fields.message;
    this.transport = fields.transport;
    this.startedAtMs = fields.startedAtMs;
    this.flags = asked.flags;
    this.type = asked.type;
    this.nameLength = asked.nameLength;
    this.questionEnd = asked.questionEnd;
    this.hasEdns = asked.hasEdns;
    this.dnssecOk = asked.dnssecOk;
    this.ednsSize = asked.ednsSize;
    this.cacheKey = fields.cacheKey;
    this.isShortLived = fields.isShortLived;
    this.purpose = fields.purpose;
    this.generation = fields.generation;
    this.upstreams = fields.upstreams;
  }

  get hasOpenAttempt(): boolean {
    for (const attempt of this.attempts) if (attempt.isOpen) return true;
    return false;
  }

  /** The client waits for the reply as well. */
  addWaiter(client: Client, id: number, spelling: Uint8Array | null): Waiter {
    const waiter = new Waiter(this, client, id, spelling);
    // Nearly always the only one: an empty array that is pushed to makes room for sixteen.
    if (this.waiters.length === 0) this.waiters = [waiter];
    else this.waiters.push(waiter);
    this.asks += 1;
    return waiter;
  }

  addAttempt(attempt: Attempt): void {
    this.attempts = this.attempts.length === 0 ? [attempt] : [...this.attempts, attempt];
  }

  wasSentTo(upstream: Upstream): boolean {
    for (const attempt of this.attempts) if (attempt.wasSent && attempt.upstream === upstream) return true;
    return false;
  }
}

/** One sending of a query, over one socket with one ID. */
export class Attempt {
  readonly query: PendingQuery;
  readonly upstream: Upstream;
  readonly sentAtMs: MonotonicMs;
  /** Set by the carrier. */
  id = 0;
  carrier: Carrier | null = null;
  /** Its reply is still awaited. */
  isOpen = true;
  /** False: our own machine could or would not send it. */
  wasSent = true;

  constructor(query: PendingQuery, upstream: Upstream, sentAtMs: MonotonicMs) {
    this.query = query;
    this.upstream = upstream;
    this.sentAtMs = sentAtMs;
  }
}

/** What carries attempts: a UDP socket or a TCP connection. */
export interface Carrier {
  /** The attempt's reply is not awaited any more. */
  release(attempt: Attempt): void;
}

/** What all carriers that lead to one upstream share. */
export interface CarrierOptions {
  readonly upstream: Upstream;
  readonly sockets: UpstreamSockets;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: CarrierEvents;
}

export interface CarrierEvents {
  /** A reply to the attempt's question with its ID; the attempt may be closed: the reply came late. */
  onReply(attempt: Attempt, reply: Uint8Array): void;
  /** The carrier is lost, and with it these attempts, which it has closed. */
  onLost(upstream: Upstream, attempts: readonly Attempt[], loss: Loss): void;
  onMismatch(reason: MismatchReason): void;
}

export interface Loss {
  /** The system's, such as `ECONNREFUSED`. */
  readonly code: string;
  readonly transport: Transport;
  /** TCP: the connection had been made before. */
  readonly wasConnected: boolean;
}
