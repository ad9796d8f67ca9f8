/**
 * The heart of the read side: a message in, a reply out, now or later. It knows no sockets: listeners hand it
 * messages and clients, the data plane's loop hands it changes of the table.
 */

import type { Forwarder } from "../forwarder/forwarder-interface.ts";
import { assertNever, type Client, type Clock, type MonotonicMs, type Random } from "../runtime.ts";
import { type HostTable, NOT_FOUND } from "../table/host-table.ts";
import {
  ANSWER_SOURCES,
  isStale,
  isWildcardRecord,
  nameAt,
  nameLength,
  sourceIndex,
} from "../table/packed-record.ts";
import type { ExtendedErrorText } from "../wire/append.ts";
import { ExtendedError, Rcode } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import { Query, Verdict } from "../wire/query.ts";
import { readQuery } from "../wire/read-query.ts";
import { Action, type DecideSettings, Decision, decide, decideSettings } from "./decide.ts";
import { failureOf } from "./failure.ts";
import type { ServerIdentity } from "./identity.ts";
import { InFlight } from "./in-flight.ts";
import { isDenial, LateReplies } from "./late-replies.ts";
import { headerRcode, type QueryMetrics, type ResponseSource } from "./metrics.ts";
import { hostKey, isUnknownKey, PendingQueries, unknownKey, type WaitingQuery } from "./pending.ts";
import { ReplyWriter } from "./reply.ts";

/** `handle`: the reply comes through the client, later or at once. */
export const LATER = 0;
/** `handle`: there will be no reply. */
export const DROPPED = -1;

const NOT_OURS: ExtendedErrorText = { code: ExtendedError.NOT_AUTHORITATIVE, text: "" };

/** Hosts of a delta that are applied in one turn of the event loop: well under a millisecond, in cold code too. */
const HOSTS_PER_STEP = 100;

export interface EngineSettings {
  readonly clusterDomain: HostName;
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
  readonly forwarder: Forwarder;
  readonly metrics: QueryMetrics;
  readonly clock: Clock;
  readonly random: Random;
  /** Queries held at most, of all hosts together. */
  readonly maxHeld: number;
  /** Called once, for the first error that the program did not foresee; the queries were answered SERVFAIL. */
  readonly onFault: (error: unknown) => void;
}

export class Engine {
  /** Where `handle` leaves a reply. */
  readonly reply: Uint8Array;
  readonly #parts: EngineParts;
  readonly #query = new Query();
  readonly #decision = new Decision();
  readonly #writer: ReplyWriter;
  readonly #inFlight: InFlight;
  readonly #lateReplies: LateReplies;
  readonly #pending: PendingQueries;
  readonly #deltas: Uint8Array[] = [];
  #deltaAt = 0;
  #settings: EngineSettings;
  #decideSettings: DecideSettings;
  #hadFault = false;

  constructor(parts: EngineParts, settings: EngineSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#decideSettings = toDecideSettings(settings, false);
    this.#writer = new ReplyWriter(parts.random, settings.clusterDomain);
    this.#writer.setIdentity(settings.identity);
    this.#inFlight = new InFlight(parts.metrics);
    const { table, metrics, clock, random } = parts;
    const late = { table, metrics, clock, random, inFlight: this.#inFlight, onFault: this.#reportFault };
    this.#lateReplies = new LateReplies(late, this.#decideSettings, settings.identity);
    this.#pending = new PendingQueries(parts.clock, parts.maxHeld, (waiting) => this.#resume(waiting));
    this.reply = this.#writer.octets;
  }

  /**
   * Handles the first `length` octets of a message. Above 0: the octets in `reply` to send now; else `LATER` or
   * `DROPPED`. Never throws. `message` is used during the call only.
   */
  handle(message: Uint8Array, length: number, client: Client): number {
    const { clock, metrics } = this.#parts;
    const startedMs = clock.nowMs();
    try {
      const verdict = readQuery(message, length, this.#query);
      if (verdict === Verdict.DROP_SHORT) {
        metrics.countDrop("short");
        return DROPPED;
      }
      if (verdict === Verdict.DROP_RESPONSE) {
        metrics.countDrop("response");
        return DROPPED;
      }
      metrics.countRequest(client.transport, this.#query.type);
      if (verdict !== Verdict.OK) return this.#reject(message, verdict, startedMs);
      return this.#answer(message, client, startedMs, startedMs, startedMs);
    } catch (error) {
      return this.#fault(error, message, startedMs);
    }
  }

  /** Takes a packed delta; `step` applies it. */
  applyDelta(delta: Uint8Array): void {
    this.#deltas.push(delta);
  }

  /** Applies a part of what `applyDelta` took; whether there is more to do. */
  step(): boolean {
    const delta = this.#deltas[0];
    if (delta === undefined) return false;
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
    if (this.#deltaAt === -1) {
      this.#deltas.shift();
      this.#deltaAt = 0;
    }
    for (const key of changed) {
      this.#pending.release(key);
      this.#pending.release(unknownKey(key.slice(1)));
    }
    if (hasNewWildcard) this.#pending.releaseAll(isUnknownKey);
    return this.#deltas.length > 0;
  }

  /** The table holds every host now: a name that it lacks is not ours. */
  setSynced(): void {
    this.#decideSettings = { ...this.#decideSettings, isSynced: true };
    this.#lateReplies.updateSettings(this.#decideSettings, this.#settings.identity);
    this.#pending.releaseAll(isUnknownKey);
  }

  updateSettings(settings: EngineSettings): void {
    this.#settings = settings;
    this.#decideSettings = toDecideSettings(settings, this.#decideSettings.isSynced);
    this.#writer.setClusterDomain(settings.clusterDomain);
    this.#writer.setIdentity(settings.identity);
    this.#lateReplies.updateSettings(this.#decideSettings, settings.identity);
  }

  /** Resolves once no query waits for its reply. */
  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  /** The query has passed the door. `decideAtMs`: Infinity when it may not be held any more. */
  #answer(
    message: Uint8Array,
    client: Client,
    startedMs: MonotonicMs,
    nowMs: MonotonicMs,
    decideAtMs: MonotonicMs,
  ): number {
    const query = this.#query;
    const decision = this.#decision;
    const writer = this.#writer;
    const { table } = this.#parts;
    decide(query, table, this.#decideSettings, decideAtMs, decision);
    const { octets } = table;
    const { record, family, action } = decision;
    switch (action) {
      case Action.ANSWER: {
        const length = writer.writeAddresses(message, query, client.transport, octets, record, family, nowMs);
        if (writer.isTruncated) this.#parts.metrics.countTruncated();
        const source = isStale(octets, record, family)
          ? "stale"
          : ANSWER_SOURCES[sourceIndex(octets, record)]!;
        return this.#answered(length, Rcode.NOERROR, source, startedMs);
      }
      case Action.EMPTY: {
        const { transport } = client;
        const length = writer.writeNoData(message, query, transport, octets, record, table.version, nowMs);
        return this.#answered(length, Rcode.NOERROR, "negative", startedMs);
      }
      case Action.HINFO: {
        const length = writer.writeHinfo(message, query, client.transport, octets, record);
        return this.#answered(length, Rcode.NOERROR, ANSWER_SOURCES[sourceIndex(octets, record)]!, startedMs);
      }
      case Action.FORWARD:
        if (this.#settings.refuse) {
          this.#parts.forwarder.noteRefused(query);
          return this.#error(message, Rcode.REFUSED, startedMs, NOT_OURS);
        }
        return this.#forward(message, client, startedMs, false);
      case Action.RESCUE:
        return this.#forward(message, client, startedMs, true);
      case Action.HOLD: {
        const untilMs = Math.min(decision.untilMs, startedMs + this.#settings.pendingTimeoutMs);
        if (untilMs > nowMs && this.#hold(message, client, startedMs, untilMs)) return LATER;
        return this.#answer(message, client, startedMs, nowMs, Number.POSITIVE_INFINITY);
      }
      case Action.FAIL:
        return this.#error(message, Rcode.SERVFAIL, startedMs, failureOf(octets, record, family));
      case Action.BADVERS:
        return this.#error(message, Rcode.BADVERS, startedMs);
      case Action.FORMERR:
        return this.#error(message, Rcode.FORMERR, startedMs);
      case Action.IDENTITY: {
        const length = writer.writeIdentity(message, query, client.transport);
        return this.#answered(length, Rcode.NOERROR, "static", startedMs);
      }
      case Action.NOTAUTH:
        return this.#answered(writer.writeNotAuth(message, query), Rcode.NOTAUTH, "error", startedMs);
      default:
        return assertNever(action);
    }
  }

  #forward(message: Uint8Array, client: Client, startedMs: MonotonicMs, isOurs: boolean): number {
    const { forwarder } = this.#parts;
    const query = this.#query;
    const question = isOurs ? copyOf(message, query.length) : null;
    const late = this.#lateReplies.clientFor(client, startedMs, question, query.wantsKeepalive);
    const length = forwarder.forward(message, query, late, this.reply);
    if (length === 0) {
      this.#inFlight.add(1);
      return LATER;
    }
    const rcode = headerRcode(this.reply);
    if (!isOurs || !isDenial(rcode)) return this.#answered(length, rcode, "cache", startedMs);
    const nowMs = this.#parts.clock.nowMs();
    const { table } = this.#parts;
    const { record } = this.#decision;
    const { transport } = client;
    const { octets, version } = table;
    const noData = this.#writer.writeNoData(message, query, transport, octets, record, version, nowMs);
    return this.#answered(noData, Rcode.NOERROR, "negative", startedMs);
  }

  #hold(message: Uint8Array, client: Client, startedMs: MonotonicMs, untilMs: MonotonicMs): boolean {
    const { octets } = this.#parts.table;
    const { record } = this.#decision;
    const key =
      record === NOT_FOUND
        ? unknownKey(this.#query.nameKey())
        : hostKey(
            octets.subarray(nameAt(record), nameAt(record) + nameLength(octets, record)),
            isWildcardRecord(octets, record),
          );
    const waiting = { message: copyOf(message, this.#query.length), client, startedMs, untilMs };
    if (!this.#pending.hold(key, waiting)) return false;
    this.#inFlight.add(1);
    return true;
  }

  /** A held query's host changed, or its time is up. */
  #resume(waiting: WaitingQuery): void {
    const { message, client, startedMs } = waiting;
    const nowMs = this.#parts.clock.nowMs();
    let length: number;
    try {
      readQuery(message, message.length, this.#query);
      const isOverdue = nowMs >= startedMs + this.#settings.pendingTimeoutMs;
      const decideAtMs = isOverdue ? Number.POSITIVE_INFINITY : nowMs;
      length = this.#answer(message, client, startedMs, nowMs, decideAtMs);
    } catch (error) {
      length = this.#fault(error, message, startedMs);
    }
    // Now: it may have been held again, or forwarded.
    this.#inFlight.add(-1);
    if (length > 0) client.send(this.reply, length);
  }

  #reject(message: Uint8Array, verdict: Verdict, startedMs: MonotonicMs): number {
    switch (verdict) {
      case Verdict.NOTIMP:
        return this.#error(message, Rcode.NOTIMP, startedMs);
      case Verdict.REFUSED:
        return this.#error(message, Rcode.REFUSED, startedMs, { code: ExtendedError.PROHIBITED, text: "" });
      case Verdict.BADVERS:
        return this.#error(message, Rcode.BADVERS, startedMs);
      default:
        return this.#error(message, Rcode.FORMERR, startedMs);
    }
  }

  #error(message: Uint8Array, rcode: Rcode, startedMs: MonotonicMs, error?: ExtendedErrorText): number {
    const length = this.#writer.writeError(message, this.#query, rcode, error);
    return this.#answered(length, rcode, "error", startedMs);
  }

  #answered(length: number, rcode: number, source: ResponseSource, startedMs: MonotonicMs): number {
    const { clock, metrics } = this.#parts;
    metrics.countResponse(rcode, source, clock.nowMs() - startedMs);
    return length;
  }

  /** An error of the program: the client gets SERVFAIL, the data plane's owner hears of the first one. */
  #fault(error: unknown, message: Uint8Array, startedMs: MonotonicMs): number {
    this.#reportFault(error);
    return this.#error(message, Rcode.SERVFAIL, startedMs);
  }

  readonly #reportFault = (error: unknown): void => {
    if (this.#hadFault) return;
    this.#hadFault = true;
    this.#parts.onFault(error);
  };
}

function toDecideSettings(settings: EngineSettings, isSynced: boolean): DecideSettings {
  const { clusterDomain, relayHttps, identity } = settings;
  return decideSettings(clusterDomain, relayHttps, isSynced, identity !== undefined);
}

/** A Buffer's own `slice` would not copy, and listeners use their buffers again. */
function copyOf(message: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(message.subarray(0, length));
}
