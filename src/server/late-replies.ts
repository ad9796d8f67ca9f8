/**
 * Replies of the forwarder that come late: counted, and doubted where a host of ours has the name. One may come
 * while another query is being handled, so nothing here is shared with that.
 */

import type { Client, Clock, MonotonicMs, Transport } from "../runtime.ts";
import { MAX_MESSAGE_OCTETS, Rcode } from "../wire/constants.ts";
import type { Answerer } from "./answerer.ts";
import { Action } from "./decision.ts";
import type { InFlight } from "./in-flight.ts";
import { ENDING_DATA, KEEPALIVE_DATA, writeWithKeepalive } from "./keepalive.ts";
import { headerRcode, type QueryMetrics } from "./metrics.ts";

/** What upstream says without being believed. */
export const Doubt = {
  /** Nothing: the name is not ours. */
  NONE: 0,
  /** That there is no such name, or that it does not know: the host exists, so it is NODATA. */
  DENIAL: 1,
  /** That there is no such name: a host of ours may have it then. */
  NXDOMAIN: 2,
} as const;
export type Doubt = (typeof Doubt)[keyof typeof Doubt];

/** The query is held, and will be answered when its host changes or its time is up. */
const HELD = -1;

export interface LateRepliesParts {
  readonly metrics: QueryMetrics;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  /** Of late replies alone. */
  readonly answerer: Answerer;
  /** Holds the query that `answerer` has decided about; false where it may not be held. */
  readonly hold: (answerer: Answerer, waiting: DoubtedQuery) => boolean;
  readonly pendingTimeoutMs: () => number;
  readonly onFault: (error: unknown) => void;
}

/** A query that was forwarded, although a host of ours may have its name. */
export interface DoubtedQuery {
  readonly message: Uint8Array;
  readonly client: Client;
  readonly startedMs: MonotonicMs;
  readonly isDenied: boolean;
}

export class LateReplies {
  /** Whether every reply over TCP says that its connection is to be closed. */
  isEnding = false;
  readonly #parts: LateRepliesParts;
  /** Of relayed replies that are not sent as they are. */
  readonly #relayed = new Uint8Array(MAX_MESSAGE_OCTETS);
  /** One that nobody keeps: most replies are not late. */
  #spare: LateReply | null = null;

  constructor(parts: LateRepliesParts) {
    this.#parts = parts;
  }

  /** Stands for the client at the forwarder. `question`: a copy of the query where there is a doubt, else null. */
  clientFor(
    client: Client,
    startedMs: MonotonicMs,
    doubt: Doubt,
    question: Uint8Array | null,
    keepalive: Keepalive,
  ): LateReply {
    const late = this.#spare ?? new LateReply(client, this);
    this.#spare = null;
    late.client = client;
    late.startedMs = startedMs;
    late.doubt = doubt;
    late.question = question;
    late.keepalive = keepalive;
    return late;
  }

  /** The forwarder has answered at once: nobody keeps the client that stood for another. */
  takeBack(late: LateReply): void {
    late.question = null;
    this.#spare = late;
  }

  relay(late: LateReply, message: Uint8Array, length: number): void {
    const { metrics, inFlight, clock, answerer, onFault } = this.#parts;
    const { client, startedMs } = late;
    const rcode = headerRcode(message);
    let own = 0;
    try {
      if (isDoubted(late.doubt, rcode)) own = this.#answer(late, rcode === Rcode.NXDOMAIN);
    } catch (error) {
      onFault(error);
    }
    // Now: it may have been held.
    inFlight.add(-1);
    if (own > 0) {
      client.send(answerer.octets, own);
    } else if (own !== HELD) {
      metrics.countResponse(rcode, "forward", clock.nowMs() - startedMs);
      this.#send(late, message, length);
    }
  }

  /** Octets of an answer of ours; 0 if upstream's reply is to be relayed, after all. */
  #answer({ client, startedMs, question }: LateReply, isDenied: boolean): number {
    const { answerer, clock, hold, pendingTimeoutMs } = this.#parts;
    if (question === null) return 0;
    const nowMs = clock.nowMs();
    const isOverdue = nowMs >= startedMs + pendingTimeoutMs();
    answerer.read(question, question.length);
    let action = answerer.decide(client, nowMs, isOverdue ? Number.POSITIVE_INFINITY : nowMs, isDenied);
    if (action === Action.HOLD) {
      if (hold(answerer, { message: question, client, startedMs, isDenied })) return HELD;
      action = answerer.decide(client, nowMs, Number.POSITIVE_INFINITY, isDenied);
    }
    switch (action) {
      case Action.FORWARD:
      case Action.UPSTREAM_FIRST:
      case Action.SHORT_FORM:
      case Action.HOLD:
        return 0;
      case Action.RESCUE:
        return answerer.writeEmpty(question, client, startedMs, nowMs);
      default:
        return answerer.write(action, question, client, startedMs, nowMs);
    }
  }

  #send({ client, keepalive }: LateReply, message: Uint8Array, length: number): void {
    const hasKeepalive =
      client.transport === "tcp" &&
      (keepalive === Keepalive.ASKED || (this.isEnding && keepalive === Keepalive.POSSIBLE));
    const data = this.isEnding ? ENDING_DATA : KEEPALIVE_DATA;
    const rewritten = hasKeepalive ? writeWithKeepalive(message, length, data, this.#relayed) : 0;
    if (rewritten > 0) client.send(this.#relayed, rewritten);
    else client.send(message, length);
  }
}

/** What a query says of RFC 7828's option. */
export const Keepalive = {
  /** It has no OPT record: it takes no option. */
  NONE: 0,
  /** RFC 7828, section 3.3.2: the server may say it unasked. */
  POSSIBLE: 1,
  ASKED: 2,
} as const;
export type Keepalive = (typeof Keepalive)[keyof typeof Keepalive];

/** What upstream may say of a host that is ours without being believed: the host exists. */
export function isDoubted(doubt: Doubt, rcode: number): boolean {
  if (doubt === Doubt.NONE) return false;
  if (rcode === Rcode.NXDOMAIN) return true;
  return doubt === Doubt.DENIAL && (rcode === Rcode.SERVFAIL || rcode === Rcode.REFUSED);
}

/** Stands for a client whose reply comes from the forwarder. */
export class LateReply implements Client {
  client: Client;
  startedMs: MonotonicMs = 0;
  doubt: Doubt = Doubt.NONE;
  question: Uint8Array | null = null;
  keepalive: Keepalive = Keepalive.NONE;
  readonly #replies: LateReplies;
  #isSent = false;

  constructor(client: Client, replies: LateReplies) {
    this.client = client;
    this.#replies = replies;
  }

  get transport(): Transport {
    return this.client.transport;
  }

  get address(): string {
    return this.client.address;
  }

  get port(): number {
    return this.client.port;
  }

  send(message: Uint8Array, length: number): void {
    if (this.#isSent) return;
    this.#isSent = true;
    this.#replies.relay(this, message, length);
  }
}
