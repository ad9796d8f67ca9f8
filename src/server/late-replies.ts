/**
 * Replies of the forwarder that come late: counted, and checked where the host is ours. One may come while
 * another query is being handled, so nothing here is shared with that.
 */

import type { Client, Clock, MonotonicMs, Random, Transport } from "../runtime.ts";
import type { HostTable } from "../table/host-table.ts";
import { Rcode } from "../wire/constants.ts";
import { Query } from "../wire/query.ts";
import { readQuery } from "../wire/read-query.ts";
import { Action, type DecideSettings, Decision, decide } from "./decide.ts";
import type { ServerIdentity } from "./identity.ts";
import type { InFlight } from "./in-flight.ts";
import { writeWithKeepalive } from "./keepalive.ts";
import { headerRcode, type QueryMetrics } from "./metrics.ts";
import { ReplyWriter } from "./reply.ts";

export interface LateRepliesParts {
  readonly table: HostTable;
  readonly metrics: QueryMetrics;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly random: Random;
  readonly onFault: (error: unknown) => void;
}

export class LateReplies {
  readonly #parts: LateRepliesParts;
  readonly #query = new Query();
  readonly #decision = new Decision();
  readonly #writer: ReplyWriter;
  #settings: DecideSettings;

  constructor(parts: LateRepliesParts, settings: DecideSettings, identity: ServerIdentity | undefined) {
    this.#parts = parts;
    this.#settings = settings;
    this.#writer = new ReplyWriter(parts.random, settings.clusterDomain);
    this.#writer.setIdentity(identity);
  }

  updateSettings(settings: DecideSettings, identity: ServerIdentity | undefined): void {
    this.#settings = settings;
    this.#writer.setClusterDomain(settings.clusterDomain);
    this.#writer.setIdentity(identity);
  }

  /**
   * Stands for the client at the forwarder. `question`: a copy of the query where the host is ours, so that a
   * denial from upstream is not believed; else null.
   */
  clientFor(
    client: Client,
    startedMs: MonotonicMs,
    question: Uint8Array | null,
    wantsKeepalive: boolean,
  ): Client {
    return new LateReply(client, startedMs, question, wantsKeepalive && client.transport === "tcp", this);
  }

  relay(late: LateReply, message: Uint8Array, length: number): void {
    const { metrics, inFlight, clock, onFault } = this.#parts;
    const { client, startedMs, question } = late;
    inFlight.add(-1);
    try {
      const rcode = headerRcode(message);
      const noData = question !== null && isDenial(rcode) ? this.#deny(question, client.transport) : 0;
      const durationMs = clock.nowMs() - startedMs;
      if (noData > 0) {
        metrics.countResponse(Rcode.NOERROR, "negative", durationMs);
        client.send(this.#writer.octets, noData);
      } else {
        metrics.countResponse(rcode, "forward", durationMs);
        const { octets } = this.#writer;
        const rewritten = late.wantsKeepalive ? writeWithKeepalive(message, length, octets) : 0;
        if (rewritten > 0) client.send(octets, rewritten);
        else client.send(message, length);
      }
    } catch (error) {
      onFault(error);
    }
  }

  /** Writes NODATA; 0 if the host is not ours any more. */
  #deny(question: Uint8Array, transport: Transport): number {
    const { table, clock } = this.#parts;
    const query = this.#query;
    const decision = this.#decision;
    const nowMs = clock.nowMs();
    readQuery(question, question.length, query);
    decide(query, table, this.#settings, nowMs, decision);
    if (decision.action !== Action.RESCUE) return 0;
    const { octets, version } = table;
    return this.#writer.writeNoData(question, query, transport, octets, decision.record, version, nowMs);
  }
}

/** What upstream may say of a host that is ours without being believed: the host exists. */
export function isDenial(rcode: number): boolean {
  return rcode === Rcode.NXDOMAIN || rcode === Rcode.SERVFAIL || rcode === Rcode.REFUSED;
}

class LateReply implements Client {
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
  readonly client: Client;
  readonly startedMs: MonotonicMs;
  readonly question: Uint8Array | null;
  readonly wantsKeepalive: boolean;
  readonly #replies: LateReplies;
  #isSent = false;

  constructor(
    client: Client,
    startedMs: MonotonicMs,
    question: Uint8Array | null,
    wantsKeepalive: boolean,
    replies: LateReplies,
  ) {
    this.transport = client.transport;
    this.address = client.address;
    this.port = client.port;
    this.client = client;
    this.startedMs = startedMs;
    this.question = question;
    this.wantsKeepalive = wantsKeepalive;
    this.#replies = replies;
  }

  send(message: Uint8Array, length: number): void {
    if (this.#isSent) return;
    this.#isSent = true;
    this.#replies.relay(this, message, length);
  }
}
