/** The reply to a question for a port of a host: `_port._proto.host`, type SRV (RFC 2782). */

import type { MonotonicMs, Transport } from "../runtime.ts";
import { FamilyIndex, isAuthoritative } from "../table/packed-record.ts";
import {
  firstTarget,
  nextTarget,
  targetCount,
  targetNameAt,
  targetNameLength,
  targetPort,
  targetWeight,
} from "../table/packed-view.ts";
import { appendSrv, RECORD_HEAD_OCTETS, SRV_FIXED_OCTETS } from "../wire/append.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import type { AddressRecords } from "./reply-addresses.ts";
import type { ReplyFrame } from "./reply-frame.ts";
import { hostTtlSeconds, presentTtlSeconds } from "./reply-ttl.ts";

export class ServiceReply {
  readonly #frame: ReplyFrame;
  readonly #addresses: AddressRecords;
  #targetsWritten = 0;
  #namesHost = false;

  constructor(frame: ReplyFrame, addresses: AddressRecords) {
    this.#frame = frame;
    this.#addresses = addresses;
  }

  /** As `ReplyWriter.writeSrv`. */
  write(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    variant: number,
    port: number,
    hostLabels: number,
    nowMs: MonotonicMs,
    locality: Uint32Array | null,
  ): number {
    const frame = this.#frame;
    const end = frame.recordsEnd(query, transport);
    const hostAt = query.labelStarts[query.labelCount - hostLabels]!;
    const ttl = hostTtlSeconds(table, variant, nowMs);
    let at = this.#appendTargets(query.questionEnd, end, query, table, port, hostAt, ttl);
    frame.isTruncated = this.#targetsWritten < targetCount(table, port);
    frame.writeAnswerHead(message, query, isAuthoritative(table, variant), this.#targetsWritten, 0);
    if (this.#namesHost && !frame.isTruncated)
      at = this.#appendAdditionals(
        at,
        end,
        query,
        table,
        variant,
        QUESTION_NAME_AT + hostAt,
        nowMs,
        locality,
      );
    return frame.appendOpt(at, query, transport);
  }

  #appendTargets(
    at: number,
    end: number,
    query: Query,
    table: Uint8Array,
    port: number,
    hostAt: number,
    ttlSeconds: number,
  ): number {
    const { octets } = this.#frame;
    this.#targetsWritten = 0;
    this.#namesHost = false;
    let target = firstTarget(table, port);
    for (let left = targetCount(table, port); left > 0; left -= 1) {
      const isHost = targetNameLength(table, target) === 0;
      const source = isHost ? query.name : table;
      const from = isHost ? hostAt : targetNameAt(target);
      const length = isHost ? query.nameLength - hostAt : targetNameLength(table, target);
      if (at + RECORD_HEAD_OCTETS + SRV_FIXED_OCTETS + length > end) break;
      const weight = targetWeight(table, target);
      const portNumber = targetPort(table, target);
      at = appendSrv(octets, at, QUESTION_NAME_AT, ttlSeconds, weight, portNumber, source, from, length);
      this.#targetsWritten += 1;
      this.#namesHost ||= isHost;
      target = nextTarget(table, target);
    }
    return at;
  }

  /** RFC 2181, section 9: what does not fit whole is left out, without TC. */
  #appendAdditionals(
    at: number,
    end: number,
    query: Query,
    table: Uint8Array,
    variant: number,
    owner: number,
    nowMs: MonotonicMs,
    locality: Uint32Array | null,
  ): number {
    const addresses = this.#addresses;
    let written = 0;
    for (const family of FAMILY_INDEXES) {
      addresses.choose(table, variant, family, locality);
      const { count } = addresses;
      if (count === 0 || at + count * addresses.octetsEach > end) continue;
      const ttl = presentTtlSeconds(table, variant, family, nowMs);
      at = addresses.append(this.#frame.octets, at, count, owner, ttl);
      written += count;
    }
    this.#frame.setAdditionals(query, written);
    return at;
  }
}

const FAMILY_INDEXES: readonly FamilyIndex[] = Object.values(FamilyIndex);
