/**
 * One question at a time: reads it, decides about it and writes what we ourselves say to it. The engine has one for
 * questions as they come, and one for those that upstream has answered late, because that can happen in between.
 */

import { assertNever, type Client, type Clock, type MonotonicMs, type Random } from "../runtime.ts";
import type { ClientIndex } from "../table/client-index.ts";
import { type HostTable, NOT_FOUND } from "../table/host-table.ts";
import {
  ANSWER_SOURCES,
  firstVariant,
  isStale,
  sourceIndex,
  whyAt,
  whyLength,
} from "../table/packed-record.ts";
import type { ExtendedErrorText } from "../wire/append.ts";
import { Rcode } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import { Query, type Verdict } from "../wire/query.ts";
import { readQuery } from "../wire/read-query.ts";
import { Asker, type Askers } from "./asker.ts";
import { decide } from "./decide.ts";
import { Action, type DecideSettings, Decision, type Situation } from "./decision.ts";
import { failureOf } from "./failure.ts";
import type { ServerIdentity } from "./identity.ts";
import type { QueryMetrics, ResponseSource } from "./metrics.ts";
import { ReplyWriter } from "./reply.ts";

/** What others than this server have a part in. */
export type OthersAction =
  | typeof Action.FORWARD
  | typeof Action.RESCUE
  | typeof Action.UPSTREAM_FIRST
  | typeof Action.SHORT_FORM
  | typeof Action.HOLD;

/** An explanation is of this moment. */
const WHY_TTL_SECONDS = 0;

export interface AnswererParts {
  readonly table: HostTable;
  readonly clients: ClientIndex;
  readonly askers: Askers;
  readonly metrics: QueryMetrics;
  readonly clock: Clock;
  readonly random: Random;
}

export interface AnswererSettings {
  readonly decide: DecideSettings;
  readonly clusterDomain: HostName;
  readonly identity: ServerIdentity | undefined;
}

export class Answerer {
  readonly query = new Query();
  readonly decision = new Decision();
  readonly #asker = new Asker();
  readonly #parts: AnswererParts;
  readonly #situation: Situation;
  readonly #writer: ReplyWriter;

  constructor(parts: AnswererParts, settings: AnswererSettings) {
    this.#parts = parts;
    const { table, clients, random } = parts;
    this.#writer = new ReplyWriter(random, settings.clusterDomain);
    this.#situation = {
      query: this.query,
      asker: this.#asker,
      knowledge: { table, clients },
      settings: settings.decide,
      nowMs: 0,
      isDenied: false,
    };
    this.updateSettings(settings);
  }

  /** Holds what was written last. */
  get octets(): Uint8Array {
    return this.#writer.octets;
  }

  updateSettings(settings: AnswererSettings): void {
    this.#situation.settings = settings.decide;
    this.#writer.setClusterDomain(settings.clusterDomain);
    this.#writer.setIdentity(settings.identity);
  }

  /** TCP clients are told to close their connections. */
  endConnections(): void {
    this.#writer.isEnding = true;
  }

  read(message: Uint8Array, length: number): Verdict {
    return readQuery(message, length, this.query);
  }

  /**
   * What to do with the query that was read last. `decideAtMs`: Infinity when it may not be held any more.
   * `isDenied`: upstream has said NXDOMAIN to it.
   */
  decide(client: Client, nowMs: MonotonicMs, decideAtMs: MonotonicMs, isDenied: boolean): Action {
    const { askers } = this.#parts;
    const { decision } = this;
    const situation = this.#situation;
    situation.nowMs = decideAtMs;
    situation.isDenied = isDenied;
    askers.identify(client, nowMs, this.#asker);
    decide(situation, decision);
    if (decision.namespaceLabel !== NOT_FOUND) {
      askers.tell(client.address, this.query, decision.namespaceLabel, nowMs);
    }
    if (decision.bareLabels > 0) this.#writer.beginSuffix(decision.bareLabels);
    else this.#writer.endSuffix();
    return decision.action;
  }

  /** Whether the client is a known pod: of the query decided about last. */
  get isPod(): boolean {
    return this.#asker.isPod;
  }

  /** Writes what we say to the query decided about last, counts it and returns its octets. */
  write(
    action: Exclude<Action, OthersAction>,
    message: Uint8Array,
    client: Client,
    startedMs: MonotonicMs,
    nowMs: MonotonicMs,
  ): number {
    const { query, decision } = this;
    const writer = this.#writer;
    const { table, metrics } = this.#parts;
    const { octets } = table;
    const { transport } = client;
    const { variant, view, family, bareLabels } = decision;
    const { locality } = this.#asker;
    switch (action) {
      case Action.ANSWER: {
        const length = writer.writeAddresses(
          message,
          query,
          transport,
          octets,
          variant,
          family,
          nowMs,
          locality,
        );
        if (writer.isTruncated) metrics.countTruncated();
        const source = isStale(octets, variant, family) ? "stale" : this.#source(variant);
        return this.#answered(length, Rcode.NOERROR, bareLabels > 0 ? "suffix" : source, startedMs);
      }
      case Action.EMPTY:
        return this.writeEmpty(message, client, startedMs, nowMs);
      case Action.NXDOMAIN: {
        const length = writer.writeNxdomain(message, query, transport, octets, variant, table.version);
        return this.#answered(length, Rcode.NXDOMAIN, "suffix", startedMs);
      }
      case Action.HINFO: {
        const length = writer.writeHinfo(message, query, transport, octets, variant);
        return this.#answered(length, Rcode.NOERROR, this.#source(variant), startedMs);
      }
      case Action.SERVICE: {
        const { port, hostLabels } = decision;
        const length = writer.writeSrv(
          message,
          query,
          transport,
          octets,
          variant,
          port,
          hostLabels,
          nowMs,
          locality,
        );
        if (writer.isTruncated) metrics.countTruncated();
        return this.#answered(length, Rcode.NOERROR, this.#source(variant), startedMs);
      }
      case Action.POINTER: {
        const length = writer.writePointer(message, query, transport, octets, variant, view);
        return this.#answered(length, Rcode.NOERROR, this.#source(variant), startedMs);
      }
      case Action.WHY: {
        const at = whyAt(octets, view);
        const text = octets.subarray(at, at + whyLength(octets, view));
        const length = writer.writeText(message, query, transport, WHY_TTL_SECONDS, text);
        if (writer.isTruncated) metrics.countTruncated();
        const first = variant === NOT_FOUND ? firstVariant(octets, view) : variant;
        const source = first === NOT_FOUND ? "static" : this.#source(first);
        return this.#answered(length, Rcode.NOERROR, source, startedMs);
      }
      case Action.IDENTITY:
        return this.#answered(
          writer.writeIdentity(message, query, transport),
          Rcode.NOERROR,
          "static",
          startedMs,
        );
      case Action.FAIL: {
        return this.writeError(message, Rcode.SERVFAIL, startedMs, failureOf(octets, variant, family));
      }
      case Action.BADVERS:
        return this.writeError(message, Rcode.BADVERS, startedMs);
      case Action.FORMERR:
        return this.writeError(message, Rcode.FORMERR, startedMs);
      case Action.NOTAUTH:
        return this.#answered(writer.writeNotAuth(message, query), Rcode.NOTAUTH, "error", startedMs);
      default:
        return assertNever(action);
    }
  }

  /** NODATA: also what a denial from upstream becomes, because the host exists. */
  writeEmpty(message: Uint8Array, client: Client, startedMs: MonotonicMs, nowMs: MonotonicMs): number {
    const { table } = this.#parts;
    const { record, variant, bareLabels } = this.decision;
    const length = this.#writer.writeNoData(
      message,
      this.query,
      client.transport,
      table.octets,
      record,
      variant,
      table.version,
      nowMs,
    );
    return this.#answered(length, Rcode.NOERROR, bareLabels > 0 ? "suffix" : "negative", startedMs);
  }

  writeError(message: Uint8Array, rcode: Rcode, startedMs: MonotonicMs, error?: ExtendedErrorText): number {
    return this.#answered(
      this.#writer.writeError(message, this.query, rcode, error),
      rcode,
      "error",
      startedMs,
    );
  }

  #source(variant: number): ResponseSource {
    return ANSWER_SOURCES[sourceIndex(this.#parts.table.octets, variant)]!;
  }

  #answered(length: number, rcode: number, source: ResponseSource, startedMs: MonotonicMs): number {
    const { clock, metrics } = this.#parts;
    metrics.countResponse(rcode, source, clock.nowMs() - startedMs);
    return length;
  }
}
