/** What every reply of ours has: the header and the question before its records, the OPT record behind them. */

import type { Transport } from "../runtime.ts";
import { appendOpt, appendOption, type ExtendedErrorText, OPT_OCTETS, writeUint16 } from "../wire/append.ts";
import {
  EdnsOption,
  HEADER_OCTETS,
  HeaderFlag,
  MAX_MESSAGE_OCTETS,
  OPTION_FIXED_OCTETS,
  Rcode,
  UDP_OCTETS_WITH_EDNS,
  UDP_OCTETS_WITHOUT_EDNS,
} from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { ENDING_DATA, KEEPALIVE_DATA, KEEPALIVE_OCTETS } from "./keepalive.ts";

/** Where the counts of the sections stand in the header (RFC 1035, section 4.1.1). */
const ANSWER_COUNT_AT = 6;
const ADDITIONAL_COUNT_AT = 10;

export class ReplyFrame {
  readonly octets = new Uint8Array(MAX_MESSAGE_OCTETS);
  /** Whether the last reply was cut to what the client takes. */
  isTruncated = false;
  /** What we say to those who ask which server this is; null: nothing. */
  serverId: Uint8Array | null = null;
  /** RFC 7828, section 3.3.2: whether clients are to close their connections, be they asking or not. */
  isEnding = false;

  /** Returns where the first record goes. */
  writeHead(
    message: Uint8Array,
    query: Query,
    rcode: Rcode,
    flags: number,
    answers: number,
    authorities: number,
  ): number {
    const octets = this.octets;
    const hasQuestion = query.questionEnd !== 0;
    const copied = query.flags & (HeaderFlag.OPCODE | HeaderFlag.RD | HeaderFlag.CD);
    const rcodeBits = rcode & HeaderFlag.RCODE;
    writeUint16(octets, 0, query.id);
    writeUint16(octets, 2, HeaderFlag.QR | HeaderFlag.RA | copied | flags | rcodeBits);
    writeUint16(octets, 4, hasQuestion ? 1 : 0);
    writeUint16(octets, ANSWER_COUNT_AT, answers);
    writeUint16(octets, 8, authorities);
    writeUint16(octets, ADDITIONAL_COUNT_AT, query.hasEdns ? 1 : 0);
    // The client's own spelling: it may have mixed the case to recognise a forged reply.
    for (let at = HEADER_OCTETS; at < query.questionEnd; at += 1) octets[at] = message[at]!;
    return hasQuestion ? query.questionEnd : HEADER_OCTETS;
  }

  /** The head of a reply that is no error: TC as `isTruncated` says. */
  writeAnswerHead(
    message: Uint8Array,
    query: Query,
    isAuthoritative: boolean,
    answers: number,
    authorities: number,
  ): number {
    const flags = (isAuthoritative ? HeaderFlag.AA : 0) | (this.isTruncated ? HeaderFlag.TC : 0);
    return this.writeHead(message, query, Rcode.NOERROR, flags, answers, authorities);
  }

  /** Says how many additional records there are beside OPT. */
  setAdditionals(query: Query, count: number): void {
    writeUint16(this.octets, ADDITIONAL_COUNT_AT, count + (query.hasEdns ? 1 : 0));
  }

  /** Where the records must end, so that `optOctets` more are what the client takes. */
  recordsEnd(query: Query, transport: Transport): number {
    return maxOctets(query, transport) - this.#optOctets(query, transport);
  }

  /** Ends an answer. */
  appendOpt(at: number, query: Query, transport: Transport, error?: ExtendedErrorText | undefined): number {
    if (!query.hasEdns) return at;
    const octets = this.octets;
    const optAt = at;
    at = appendOpt(octets, at, query.dnssecOk, error);
    if (query.wantsServerId && this.serverId) {
      at = appendOption(octets, optAt, at, EdnsOption.NSID, this.serverId);
    }
    if (!this.#hasKeepalive(query, transport)) return at;
    return appendOption(
      octets,
      optAt,
      at,
      EdnsOption.KEEPALIVE,
      this.isEnding ? ENDING_DATA : KEEPALIVE_DATA,
    );
  }

  /** Octets of the OPT record with which an answer ends, without an Extended DNS Error. */
  #optOctets(query: Query, transport: Transport): number {
    if (!query.hasEdns) return 0;
    const nsidOctets = query.wantsServerId && this.serverId ? OPTION_FIXED_OCTETS + this.serverId.length : 0;
    return OPT_OCTETS + nsidOctets + (this.#hasKeepalive(query, transport) ? KEEPALIVE_OCTETS : 0);
  }

  /** RFC 7828, section 3.2.1: over UDP the option is ignored. */
  #hasKeepalive(query: Query, transport: Transport): boolean {
    return transport === "tcp" && (query.wantsKeepalive || this.isEnding);
  }
}

/** What the client takes in one message; never above our own size, lest datagrams be cut into fragments. */
function maxOctets(query: Query, transport: Transport): number {
  if (transport === "tcp") return MAX_MESSAGE_OCTETS;
  if (!query.hasEdns) return UDP_OCTETS_WITHOUT_EDNS;
  // RFC 6891, section 6.2.3: sizes under 512 count as 512.
  return Math.min(Math.max(query.ednsSize, UDP_OCTETS_WITHOUT_EDNS), UDP_OCTETS_WITH_EDNS);
}
