/**
 * The heart of the read side: a message in, a reply out, now or later. It knows no sockets: listeners hand it
 * messages and clients, the data plane's loop hands it changes of the table and of the clients.
 */

import type { Forwarder } from "../forwarder/forwarder-interface.ts";
import type { Client, Clock, MonotonicMs, Random } from "../runtime.ts";
import type { ClientIndex, SuffixAnswer } from "../table/client-index.ts";
import { type HostTable, NOT_FOUND } from "../table/host-table.ts";
import { isWildcardRecord, nameAt, nameLength } from "../table/packed-record.ts";
import type { ExtendedErrorText } from "../wire/append.ts";
import { ExtendedError, Rcode } from "../wire/constants.ts";
import { copyOf } from "../wire/copy-octets.ts";
import type { HostName } from "../wire/host-name.ts";
import { type Query, Verdict } from "../wire/query.ts";
import { Answerer, type AnswererSettings } from "./answerer.ts";
import { type AskerSettings, Askers, type ToldListener } from "./asker.ts";
import { Action, decideSettings } from "./decision.ts";
import type { ServerIdentity } from "./identity.ts";
import { InFlight } from "./in-flight.ts";
import { Doubt, type DoubtedQuery, isDoubted, Keepalive, LateReplies } from "./late-replies.ts";
import { headerRcode, type QueryMetrics } from "./metrics.ts";
import { hostKey, isUnknownKey, PendingQueries, unknownKey, type WaitingQuery } from "./pending.ts";
import { ShortForms } from "./short-forms.ts";

/** `handle`: the reply comes through the client, later or at once. */
export const LATER = 0;
/** `handle`: there will be no reply. */
export const DROPPED = -1;

const NOT_OURS: ExtendedErrorText = { code: ExtendedError.NOT_AUTHORITATIVE, text: "" };
const PROHIBITED: ExtendedErrorText = { code: ExtendedError.PROHIBITED, text: "" };

/** Hosts of a delta that are applied in one turn of the event loop: well under a millisecond, in cold code too. */
const HOSTS_PER_STEP = 20;
/** The same of clients and namespaces, which are smaller. */
const CLIENTS_PER_STEP = 100;

export interface EngineSettings extends AskerSettings {
  readonly clusterDomain: HostName;
  /** Suffixes of clients' search lists besides those of Kubernetes. */
  readonly searchSuffixes: readonly HostName[];
  /** What a host with a search suffix is answered with, where a namespace does not say it. */
  readonly suffixAnswer: SuffixAnswer;
  readonly shortServiceNames: boolean;
  /** Whether known pods may ask `_why.<host>`. */
  readonly explainTxt: boolean;
  /** How long a query is held at most. */
  readonly pendingTimeoutMs: number;
  readonly relayHttps: boolean;
  /** Names that are not ours are refused, not forwarded. */
  readonly refuse?: boolean;
  /** Undefined: we do not say who we are. */
  readonly identity?: ServerIdentity | undefined;
}

export interface EngineParts {
  readonly table: HostTable;
  readonly clients: ClientIndex;
  readonly forwarder: Forwarder;
  readonly metrics: QueryMetrics;
  readonly clock: Clock;
  readonly random: Random;
  /** Queries held at most, of all hosts together. */
  readonly maxHeld: number;
  /** A client has told its namespace, which other threads should hear. */
  readonly onTold?: ToldListener;
  /** Called once, for the first error that the program did not foresee; the queries were answered SERVFAIL. */
  readonly onFault: (error: unknown) => void;
}

interface Delta {
  readonly of: "table" | "clients";
  readonly octets: Uint8Array;
}

export class Engine {
  /** Where `handle` leaves a reply. */
  readonly reply: Uint8Array;
  readonly #parts: EngineParts;
  readonly #askers: Askers;
  /** Of queries as they come. */
  readonly #answerer: Answerer;
  /** Of queries that upstream has answered late. */
  readonly #lateAnswerer: Answerer;
  readonly #inFlight: InFlight;
  readonly #lateReplies: LateReplies;
  readonly #pending: PendingQueries;
  readonly #shortForms: ShortForms;
  readonly #deltas: Delta[] = [];
  #deltaAt = 0;
  #settings: EngineSettings;
  #answererSettings: AnswererSettings;
  #hadFault = false;

  constructor(parts: EngineParts, settings: EngineSettings) {
    const { table, clients, metrics, clock, random } = parts;
    this.#parts = parts;
    this.#settings = settings;
    this.#answererSettings = toAnswererSettings(settings, false);
    this.#askers = new Askers(clients, settings, parts.onTold);
    const shared = { table, clients, askers: this.#askers, metrics, clock, random };
    this.#answerer = new Answerer(shared, this.#answererSettings);
    this.#lateAnswerer = new Answerer(shared, this.#answererSettings);
    this.#inFlight = new InFlight(metrics);
    this.#lateReplies = new LateReplies({
      metrics,
      clock,
      inFlight: this.#inFlight,
      answerer: this.#lateAnswerer,
      hold: (answerer, waiting) => this.#hold(answerer, waiting),
      pendingTimeoutMs: () => this.#settings.pendingTimeoutMs,
      onFault: this.#reportFault,
    });
    this.#shortForms = new ShortForms(parts.forwarder);
    this.#pending = new PendingQueries(clock, parts.maxHeld, (waiting) => this.#resume(waiting));
    this.reply = this.#answerer.octets;
  }

  /**
   * Handles the first `length` octets of a message. Above 0: the octets in `reply` to send now; else `LATER` or
   * `DROPPED`. Never throws. `message` is used during the call only.
   */
  handle(message: Uint8Array, length: number, client: Client): number {
    const { clock, metrics } = this.#parts;
    const startedMs = clock.nowMs();
    try {
      const verdict = this.#answerer.read(message, length);
      if (verdict === Verdict.DROP_SHORT) {
        metrics.countDrop("short");
        return DROPPED;
      }
      if (verdict === Verdict.DROP_RESPONSE) {
        metrics.countDrop("response");
        return DROPPED;
      }
      metrics.countRequest(client.transport, this.#answerer.query.type);
      if (verdict !== Verdict.OK) return this.#reject(message, verdict, startedMs);
      const replyLength = this.#answer(message, client, startedMs, startedMs, startedMs, false);
      if (!this.#answerer.isPod) metrics.countUnknownClient();
      return replyLength;
    } catch (error) {
      return this.#fault(error, message, startedMs);
    }
  }

  /** Takes a packed delta of the table; `step` applies it. */
  applyDelta(delta: Uint8Array): void {
    this.#deltas.push({ of: "table", octets: delta });
  }

  /** Takes a packed delta of the clients; `step` applies it. */
  applyClients(delta: Uint8Array): void {
    this.#deltas.push({ of: "clients", octets: delta });
  }

  /** Applies a part of the deltas that were taken, in their order; whether there is more to do. */
  step(): boolean {
    const delta = this.#deltas[0];
    if (delta === undefined) return false;
    if (delta.of === "table") this.#applyHosts(delta.octets);
    else this.#applyClients(delta.octets);
    if (this.#deltaAt === -1) {
      this.#deltas.shift();
      this.#deltaAt = 0;
    }
    return this.#deltas.length > 0;
  }

  /** The client at the address has told another thread its namespace. */
  hearNamespace(address: string, namespace: Uint8Array): void {
    this.#askers.hear(address, namespace, this.#parts.clock.nowMs());
  }

  /** The table holds every host now: a name that it lacks is not ours. */
  setSynced(): void {
    this.#setAnswererSettings(toAnswererSettings(this.#settings, true));
    this.#pending.releaseAll(isUnknownKey);
  }

  updateSettings(settings: EngineSettings): void {
    this.#settings = settings;
    this.#askers.updateSettings(settings);
    this.#setAnswererSettings(toAnswererSettings(settings, this.#answererSettings.decide.isSynced));
  }

  /** From now on clients with a TCP connection are told to close it (RFC 7828). */
  endConnections(): void {
    this.#answerer.endConnections();
    this.#lateAnswerer.endConnections();
    this.#lateReplies.isEnding = true;
  }

  /** Resolves once no query waits for its reply. */
  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  #setAnswererSettings(settings: AnswererSettings): void {
    this.#answererSettings = settings;
    this.#answerer.updateSettings(settings);
    this.#lateAnswerer.updateSettings(settings);
  }

  #applyHosts(delta: Uint8Array): void {
    const { table, forwarder } = this.#parts;
    const changed: string[] = [];
    let hasNewWildcard = false;
    this.#deltaAt = table.apply(delta, this.#deltaAt, HOSTS_PER_STEP, (kind, name, isWildcard, isNew) => {
      if (kind === "touch") return;
      if (kind === "set" && isNew) {
        forwarder.forget(name, isWildcard);
        hasNewWildcard ||= isWildcard;
      }
      if (this.#pending.size > 0) changed.push(hostKey(name, isWildcard));
    });
    for (const key of changed) {
      this.#pending.release(key);
      this.#pending.release(unknownKey(key.slice(1)));
    }
    if (hasNewWildcard) this.#pending.releaseAll(isUnknownKey);
  }

  #applyClients(delta: Uint8Array): void {
    const { clients, metrics } = this.#parts;
    this.#deltaAt = clients.apply(delta, this.#deltaAt, CLIENTS_PER_STEP);
    metrics.setClients(clients.size);
  }

  /**
   * The query has passed the door. `decideAtMs`: Infinity when it may not be held any more. `isDenied`: upstream
   * has said NXDOMAIN to it.
   */
  #answer(
    message: Uint8Array,
    client: Client,
    startedMs: MonotonicMs,
    nowMs: MonotonicMs,
    decideAtMs: MonotonicMs,
    isDenied: boolean,
  ): number {
    const answerer = this.#answerer;
    const action = answerer.decide(client, nowMs, decideAtMs, isDenied);
    switch (action) {
      case Action.FORWARD:
        return this.#settings.refuse
          ? this.#refuse(message, startedMs)
          : this.#forward(message, client, startedMs, Doubt.NONE);
      case Action.UPSTREAM_FIRST:
        // The one who asks us first is upstream itself: it knows that the name is not its own.
        return this.#settings.refuse
          ? this.#refuse(message, startedMs)
          : this.#forward(message, client, startedMs, Doubt.NXDOMAIN);
      case Action.SHORT_FORM:
        return this.#settings.refuse
          ? this.#refuse(message, startedMs)
          : this.#forwardShortForm(message, client, startedMs);
      case Action.RESCUE:
        return isDenied
          ? answerer.writeEmpty(message, client, startedMs, nowMs)
          : this.#forward(message, client, startedMs, Doubt.DENIAL);
      case Action.HOLD:
        return this.#hold(answerer, { message, client, startedMs, isDenied })
          ? LATER
          : this.#answer(message, client, startedMs, nowMs, Number.POSITIVE_INFINITY, isDenied);
      default:
        return answerer.write(action, message, client, startedMs, nowMs);
    }
  }

  #refuse(message: Uint8Array, startedMs: MonotonicMs): number {
    this.#parts.forwarder.noteRefused(this.#answerer.query);
    return this.#answerer.writeError(message, Rcode.REFUSED, startedMs, NOT_OURS);
  }

  #forward(message: Uint8Array, client: Client, startedMs: MonotonicMs, doubt: Doubt): number {
    const { forwarder, clock, metrics } = this.#parts;
    const { query } = this.#answerer;
    const question = doubt === Doubt.NONE ? null : copyOf(message, query.length);
    const late = this.#lateReplies.clientFor(client, startedMs, doubt, question, keepaliveOf(query));
    const length = forwarder.forward(message, query, late, this.reply);
    if (length === 0) {
      this.#inFlight.add(1);
      return LATER;
    }
    this.#lateReplies.takeBack(late);
    const rcode = headerRcode(this.reply);
    const nowMs = clock.nowMs();
    if (isDoubted(doubt, rcode)) {
      return doubt === Doubt.NXDOMAIN
        ? this.#answer(message, client, startedMs, nowMs, nowMs, true)
        : this.#answerer.writeEmpty(message, client, startedMs, nowMs);
    }
    metrics.countResponse(rcode, "cache", nowMs - startedMs);
    return length;
  }

  #forwardShortForm(message: Uint8Array, client: Client, startedMs: MonotonicMs): number {
    const { clock, metrics } = this.#parts;
    const { query } = this.#answerer;
    const { domain } = this.#answererSettings.decide.suffixes;
    const late = this.#lateReplies.clientFor(client, startedMs, Doubt.NONE, null, keepaliveOf(query));
    this.#inFlight.add(1);
    const length = this.#shortForms.ask(message, query, domain, late, this.reply);
    if (length === 0) return LATER;
    this.#inFlight.add(-1);
    metrics.countResponse(headerRcode(this.reply), "cache", clock.nowMs() - startedMs);
    return length;
  }

  /** Holds the query that `answerer` has decided to hold, if there is time and room. */
  #hold(answerer: Answerer, { message, client, startedMs, isDenied }: DoubtedQuery): boolean {
    const { table, clock } = this.#parts;
    const { record, untilMs } = answerer.decision;
    const untilAtMost = Math.min(untilMs, startedMs + this.#settings.pendingTimeoutMs);
    if (untilAtMost <= clock.nowMs()) return false;
    const { octets } = table;
    const key =
      record === NOT_FOUND
        ? unknownKey(answerer.query.nameKey())
        : hostKey(
            octets.subarray(nameAt(record), nameAt(record) + nameLength(octets, record)),
            isWildcardRecord(octets, record),
          );
    const copy = copyOf(message, answerer.query.length);
    if (!this.#pending.hold(key, { message: copy, client, startedMs, isDenied, untilMs: untilAtMost }))
      return false;
    this.#inFlight.add(1);
    return true;
  }

  /** A held query's host changed, or its time is up. */
  #resume(waiting: WaitingQuery): void {
    const { message, client, startedMs, isDenied } = waiting;
    const nowMs = this.#parts.clock.nowMs();
    let length: number;
    try {
      this.#answerer.read(message, message.length);
      const isOverdue = nowMs >= startedMs + this.#settings.pendingTimeoutMs;
      const decideAtMs = isOverdue ? Number.POSITIVE_INFINITY : nowMs;
      length = this.#answer(message, client, startedMs, nowMs, decideAtMs, isDenied);
    } catch (error) {
      length = this.#fault(error, message, startedMs);
    }
    // Now: it may have been held again, or forwarded.
    this.#inFlight.add(-1);
    if (length > 0) client.send(this.reply, length);
  }

  #reject(message: Uint8Array, verdict: Verdict, startedMs: MonotonicMs): number {
    const answerer = this.#answerer;
    switch (verdict) {
      case Verdict.NOTIMP:
        return answerer.writeError(message, Rcode.NOTIMP, startedMs);
      case Verdict.REFUSED:
        return answerer.writeError(message, Rcode.REFUSED, startedMs, PROHIBITED);
      case Verdict.BADVERS:
        return answerer.writeError(message, Rcode.BADVERS, startedMs);
      default:
        return answerer.writeError(message, Rcode.FORMERR, startedMs);
    }
  }

  /** An error of the program: the client gets SERVFAIL, the data plane's owner hears of the first one. */
  #fault(error: unknown, message: Uint8Array, startedMs: MonotonicMs): number {
    this.#reportFault(error);
    return this.#answerer.writeError(message, Rcode.SERVFAIL, startedMs);
  }

  readonly #reportFault = (error: unknown): void => {
    if (this.#hadFault) return;
    this.#hadFault = true;
    this.#parts.onFault(error);
  };
}

function toAnswererSettings(settings: EngineSettings, isSynced: boolean): AnswererSettings {
  const { clusterDomain, identity } = settings;
  return { decide: decideSettings(settings, isSynced, identity !== undefined), clusterDomain, identity };
}

function keepaliveOf(query: Query): Keepalive {
  if (query.wantsKeepalive) return Keepalive.ASKED;
  return query.hasEdns ? Keepalive.POSSIBLE : Keepalive.NONE;
}
