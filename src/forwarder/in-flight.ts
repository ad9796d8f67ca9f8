/**
 * Queries that wait for upstream's reply: sent, sent again, failed over, answered or given up. It knows no
 * sockets, only carriers that take a message to an upstream and tell of replies.
 */

import type { Clock, MonotonicMs, Random, Transport } from "../runtime.ts";
import { Rcode } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { Carriers } from "./carriers.ts";
import { EqualQueries } from "./equal-queries.ts";
import { rcodeOf } from "./error-reply.ts";
import type { ForwarderMetrics } from "./metrics.ts";
import { healthProbe, loopProbe } from "./own-query.ts";
import {
  Attempt,
  type CarrierEvents,
  type Loss,
  PendingQuery,
  type PendingQueryFields,
} from "./pending-query.ts";
import type { MismatchReason } from "./reply-check.ts";
import { Schedule } from "./schedule.ts";
import type { Upstream } from "./upstream.ts";
import type { UpstreamSockets } from "./upstream-sockets.ts";
import { choose, fadeOthers } from "./upstreams.ts";

/** When a query is sent once more, after its first sending; clients of 5 s get what the last one brings. */
const RESENDS_AFTER_MS = [300, 700, 1_100, 1_500, 2_200, 3_000, 3_800];
/** Before the 5 s after which the usual client gives up (resolv.conf(5), `timeout`). */
const DEADLINE_AFTER_MS = 4_500;
/** With more queries than this in flight, what is lost is lost to load, and resends add to it. */
const QUERIES_BEFORE_RESENDS_COUNT = 256;

/**
 * The machine that we run on could not send, or would not: no file, port or buffer is left, or a filter forbids it.
 * Nothing has reached upstream, which may be as well as ever.
 */
const LOCAL_FAULTS: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EPERM",
  "EACCES",
  "EAGAIN",
  "EADDRINUSE",
  "EADDRNOTAVAIL",
]);

type Step = { readonly afterMs: number; readonly kind: "resend" | "stale" | "deadline" };

/** How a query ended; the one that is told must serve the waiters. */
export interface InFlightEvents {
  /** Upstream's reply, which may be written into. */
  onReply(query: PendingQuery, reply: Uint8Array): void;
  /** All upstreams that can be asked said SERVFAIL or REFUSED: `reply`, which may be written into. */
  onUnhelpfulReply(query: PendingQuery, reply: Uint8Array): void;
  /** No reply, by the deadline or because no upstream is left. */
  onFailure(query: PendingQuery): void;
  /** No reply so far; there may be an expired one that serves until it comes. */
  onSlow(query: PendingQuery): void;
}

export interface InFlightOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: UpstreamSockets;
  readonly metrics: ForwarderMetrics;
  readonly events: InFlightEvents;
  readonly staleAfterMs: number;
}

export class InFlight implements CarrierEvents {
  readonly #clock: Clock;
  readonly #metrics: ForwarderMetrics;
  readonly #events: InFlightEvents;
  readonly #equals: EqualQueries;
  readonly #carriers: Carriers;
  #schedule: Schedule<PendingQuery>;
  #count = 0;

  constructor(options: InFlightOptions) {
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#events = options.events;
    this.#equals = new EqualQueries((options.random.uint16() << 16) | options.random.uint16());
    const { clock, random, sockets } = options;
    this.#carriers = new Carriers({ clock, random, sockets, events: this });
    this.#schedule = this.#plan(options.staleAfterMs);
  }

  /** Counts for queries that come from now on. */
  set staleAfterMs(delayMs: number) {
    this.#schedule = this.#plan(delayMs);
  }

  /** Queries without a reply yet. */
  get count(): number {
    return this.#count;
  }

  /** The query whose reply serves this message as well; `length`: of the message. */
  findEqual(message: Uint8Array, length: number, query: Query, transport: Transport): PendingQuery | null {
    // The signature covers the spelling of the name (RFC 8945 4.3).
    return query.hasSignature ? null : this.#equals.find(message, length, query.nameLength, transport);
  }

  /** Asks `upstream`, and others of the set if it does not help. `isShared`: the reply serves equal queries too. */
  ask(fields: PendingQueryFields, isShared: boolean, upstream: Upstream): PendingQuery {
    const query = new PendingQuery(fields);
    if (isShared) this.#equals.add(query);
    fadeOthers(query.upstreams, upstream);
    this.#start(query, upstream);
    return query;
  }

  /** Asks an upstream that is dead, or may be, whether it lives. */
  probe(upstream: Upstream): void {
    this.#start(healthProbe(upstream, this.#clock.nowMs()), upstream);
  }

  /** Asks the upstream a name that nobody else knows, to see whether it comes back to us. */
  probeLoop(upstream: Upstream, name: Uint8Array): void {
    this.#start(loopProbe(upstream, name, this.#clock.nowMs()), upstream);
  }

  /** Nobody wants the reply any more. */
  cancel(query: PendingQuery): void {
    this.#settle(query);
  }

  /** Closes the upstream's sockets; what it was asked goes to others. */
  abandon(upstream: Upstream): void {
    const lost = this.#carriers.close(upstream);
    for (const { query } of lost) query.unhelpful.push(upstream);
    this.#failOver(upstream, lost);
  }

  /** Nothing more is sent and nobody is told. */
  close(): void {
    this.#carriers.closeAll();
    this.#schedule.close();
    this.#equals.clear();
  }

  onReply(attempt: Attempt, reply: Uint8Array): void {
    const { query, upstream } = attempt;
    upstream.noteReply(this.#clock.nowMs() - attempt.sentAtMs);
    if (query.isSettled || !attempt.isOpen) return;
    attempt.carrier?.release(attempt);
    const rcode = rcodeOf(reply);
    if (rcode !== Rcode.SERVFAIL && rcode !== Rcode.REFUSED) {
      this.#settle(query);
      this.#events.onReply(query, reply);
      return;
    }
    upstream.noteFailure(rcode === Rcode.SERVFAIL ? "servfail" : "refused");
    query.lastResort = reply;
    query.unhelpful.push(upstream);
    this.#askAnother(query, upstream);
  }

  onLost(upstream: Upstream, attempts: readonly Attempt[], loss: Loss): void {
    const isRefusal = loss.code === "ECONNREFUSED";
    const isOurs = LOCAL_FAULTS.has(loss.code);
    let lost = attempts;
    if (isRefusal && loss.transport === "udp") {
      // The other sockets' queries would be refused as well, one message of the kernel's at a time.
      upstream.noteRefusal();
      lost = [...attempts, ...this.#carriers.closeUdp(upstream)];
    }
    for (const attempt of lost) {
      const { query } = attempt;
      if (isOurs) {
        attempt.wasSent = false;
        upstream.noteUnsent();
      }
      upstream.noteFailure(isRefusal ? "connection_refused" : "network_error");
      query.hadNetworkError = true;
      // RFC 7766 6.2.4: a connection may end at any time, and the query is sent once more over a new one.
      const isSecond = query.attempts.filter((other) => other.upstream === upstream).length > 1;
      if (loss.transport === "tcp" && (!loss.wasConnected || isSecond)) query.unhelpful.push(upstream);
    }
    this.#failOver(upstream, lost);
  }

  onMismatch(reason: MismatchReason): void {
    this.#metrics.mismatch(reason);
  }

  #failOver(upstream: Upstream, attempts: readonly Attempt[]): void {
    for (const { query } of attempts) if (!query.isSettled) this.#askAnother(query, upstream);
  }

  /** `upstream` was of no help: on to the next one, unless another is still expected to reply. */
  #askAnother(query: PendingQuery, upstream: Upstream): void {
    if (query.hasOpenAttempt) return;
    const next = this.#choose(query, this.#clock.nowMs(), upstream);
    if (next === null) this.#giveUp(query);
    // After a fault of the network the same one is asked again when the next resend is due.
    else if (next !== upstream || query.transport === "tcp") this.#send(query, next);
  }

  #giveUp(query: PendingQuery): void {
    this.#settle(query);
    if (query.lastResort === null) this.#events.onFailure(query);
    else this.#events.onUnhelpfulReply(query, query.lastResort);
  }

  #start(query: PendingQuery, upstream: Upstream): void {
    this.#count += 1;
    this.#schedule.start(query);
    this.#send(query, upstream);
  }

  #settle(query: PendingQuery): void {
    if (query.isSettled) return;
    query.isSettled = true;
    this.#count -= 1;
    this.#equals.remove(query);
    for (const attempt of query.attempts) attempt.carrier?.release(attempt);
  }

  #send(query: PendingQuery, upstream: Upstream): void {
    const nowMs = this.#clock.nowMs();
    const attempt = new Attempt(query, upstream, nowMs);
    // The first message may still be on its way out when another ID is written.
    const message = query.attempts.length === 0 ? query.message : Buffer.from(query.message);
    // A probe is no more reason to take upstream for dead.
    if (query.purpose !== "health") upstream.noteSend(nowMs, query.wasSentTo(upstream));
    query.addAttempt(attempt);
    this.#carriers.send(attempt, message);
  }

  #choose(query: PendingQuery, nowMs: MonotonicMs, last: Upstream): Upstream | null {
    return choose(query.upstreams, nowMs, last, query.unhelpful, query.purpose === "loop");
  }

  #plan(staleAfterMs: number): Schedule<PendingQuery> {
    const steps: Step[] = [
      ...RESENDS_AFTER_MS.map((afterMs): Step => ({ afterMs, kind: "resend" })),
      { afterMs: Math.min(staleAfterMs, DEADLINE_AFTER_MS), kind: "stale" },
      { afterMs: DEADLINE_AFTER_MS, kind: "deadline" },
    ];
    steps.sort((one, other) => one.afterMs - other.afterMs);
    const delaysMs = steps.map((step) => step.afterMs);
    return new Schedule(this.#clock, delaysMs, (query, step) => this.#takeStep(query, steps[step]!.kind));
  }

  #takeStep(query: PendingQuery, kind: Step["kind"]): void {
    if (kind === "deadline") this.#end(query);
    else if (kind === "stale") this.#events.onSlow(query);
    else this.#resend(query);
  }

  #resend(query: PendingQuery): void {
    // The next one is due soon anyway.
    if (query.purpose === "health") return;
    const nowMs = this.#clock.nowMs();
    const last = query.attempts.at(-1)!;
    if (last.isOpen) last.upstream.noteWaiting(nowMs - last.sentAtMs);
    const isFirstOpen = query.attempts.length === 1 && last.isOpen;
    if (isFirstOpen && nowMs - last.sentAtMs < last.upstream.patienceMs) return;
    const next = this.#choose(query, nowMs, last.upstream);
    if (next === null) return;
    if (query.wasSentTo(next)) {
      // TCP loses nothing: only another upstream may help.
      if (query.transport === "tcp") return;
      if (this.#count > QUERIES_BEFORE_RESENDS_COUNT && !next.mayResend(nowMs)) return;
    }
    this.#metrics.resend();
    this.#send(query, next);
  }

  #end(query: PendingQuery): void {
    const nowMs = this.#clock.nowMs();
    const unanswered = query.attempts.filter((attempt) => attempt.isOpen);
    this.#giveUp(query);
    for (const upstream of new Set(unanswered.map((attempt) => attempt.upstream))) {
      upstream.noteFailure("timeout");
      upstream.checkSilence(nowMs);
    }
    if (query.transport === "udp") return;
    for (const attempt of unanswered) this.#carriers.suspect(attempt);
  }
}
