/**
 * Our own replies, written into one buffer that is used again for every query: from a record's ready answers,
 * or NODATA, HINFO and errors made here. What is not ours comes ready from the forwarder.
 */

import type { MonotonicMs, Random, Transport } from "../runtime.ts";
import {
  ANSWER_OCTETS,
  addressAtShare,
  addressCount,
  answersAt,
  FamilyIndex,
  familyTtlSeconds,
  isAuthoritative,
  isStale,
  nameLength,
  negativeTtlSeconds,
  shareCount,
  ttlSeconds,
} from "../table/packed-record.ts";
import {
  appendHinfo,
  appendOpt,
  appendOption,
  appendSoa,
  appendTxt,
  type ExtendedErrorText,
  OPT_OCTETS,
  RECORD_HEAD_OCTETS,
  writeUint16,
  writeUint32,
} from "../wire/append.ts";
import {
  EdnsOption,
  ExtendedError,
  HEADER_OCTETS,
  HeaderFlag,
  MAX_MESSAGE_OCTETS,
  OPTION_FIXED_OCTETS,
  Rcode,
  RecordClass,
  UDP_OCTETS_WITH_EDNS,
  UDP_OCTETS_WITHOUT_EDNS,
} from "../wire/constants.ts";
import { type HostName, hostNameOctets } from "../wire/host-name.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import { identityAsked, type ServerIdentity } from "./identity.ts";
import { KEEPALIVE_DATA, KEEPALIVE_OCTETS } from "./keepalive.ts";
import { appendBadKey } from "./tsig.ts";

/** RFC 8767, section 5: what is stale is to be asked again soon. */
const MAX_STALE_TTL_SECONDS = 30;
/** An EDNS option's code and length, and the INFO-CODE of an Extended DNS Error without text. */
const EXTENDED_ERROR_OCTETS = OPTION_FIXED_OCTETS + 2;
/** The longest character string (RFC 1035, section 3.3). */
const MAX_STRING_OCTETS = 255;
/** What the server says of itself is of this moment. */
const IDENTITY_TTL_SECONDS = 0;
const STALE: ExtendedErrorText = { code: ExtendedError.STALE_ANSWER, text: "" };
/** Where the TTL lies in a record whose owner is a pointer: behind owner, type and class. */
const TTL_AT = 6;
/** The five numbers of a SOA (RFC 1035, section 3.3.13). */
const SOA_NUMBERS_OCTETS = 20;

export class ReplyWriter {
  /** Holds the last reply; each method returns its octets. */
  readonly octets = new Uint8Array(MAX_MESSAGE_OCTETS);
  /** Whether the last reply of addresses or NODATA was cut to what the client takes. */
  isTruncated = false;
  readonly #random: Random;
  #mname: Uint8Array = new Uint8Array();
  #rname: Uint8Array = new Uint8Array();
  #identity: { readonly [Key in keyof ServerIdentity]: Uint8Array } | null = null;

  constructor(random: Random, clusterDomain: HostName) {
    this.#random = random;
    this.setClusterDomain(clusterDomain);
  }

  /** The zone that our SOA records name. */
  setClusterDomain(clusterDomain: HostName): void {
    this.#mname = hostNameOctets(`serviceentry-dns.${clusterDomain}` as HostName);
    this.#rname = hostNameOctets(`hostmaster.serviceentry-dns.${clusterDomain}` as HostName);
  }

  /** Who we are; undefined: we do not say. */
  setIdentity(identity: ServerIdentity | undefined): void {
    this.#identity =
      identity === undefined
        ? null
        : { id: characterString(identity.id), version: characterString(identity.version) };
  }

  /** The addresses of one family, another one first every time; as many whole records as the client takes. */
  writeAddresses(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    record: number,
    family: FamilyIndex,
    nowMs: MonotonicMs,
  ): number {
    const count = addressCount(table, record, family);
    const stride = ANSWER_OCTETS[family];
    const stale = query.hasEdns && isStale(table, record, family);
    const optOctets = this.#optOctets(query, transport) + (stale ? EXTENDED_ERROR_OCTETS : 0);
    const room = maxOctets(query, transport) - query.questionEnd - optOctets;
    const fitting = Math.min(count, Math.floor(room / stride));
    this.isTruncated = fitting < count;

    const aa = isAuthoritative(table, record) ? HeaderFlag.AA : 0;
    const tc = this.isTruncated ? HeaderFlag.TC : 0;
    let at = this.#writeHead(message, query, Rcode.NOERROR, aa | tc, fitting, 0);
    const ttl = presentTtlSeconds(table, record, family, nowMs);
    const answers = answersAt(table, record, family);
    let index = count === 1 ? 0 : this.#firstAddress(table, record, family);
    const octets = this.octets;
    for (let written = 0; written < fitting; written += 1) {
      const from = answers + index * stride;
      for (let octet = 0; octet < stride; octet += 1) octets[at + octet] = table[from + octet]!;
      writeUint32(octets, at + TTL_AT, ttl);
      at += stride;
      index += 1;
      if (index === count) index = 0;
    }
    return this.#appendOpt(at, query, transport, stale ? STALE : undefined);
  }

  /** NOERROR without an answer: the host exists, the type does not (RFC 2308, section 2.2). `serial`: the table's. */
  writeNoData(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    record: number,
    serial: number,
    nowMs: MonotonicMs,
  ): number {
    const soaOctets = RECORD_HEAD_OCTETS + this.#mname.length + this.#rname.length + SOA_NUMBERS_OCTETS;
    const optOctets = this.#optOctets(query, transport);
    this.isTruncated = query.questionEnd + soaOctets + optOctets > maxOctets(query, transport);

    const aa = isAuthoritative(table, record) ? HeaderFlag.AA : 0;
    const tc = this.isTruncated ? HeaderFlag.TC : 0;
    let at = this.#writeHead(message, query, Rcode.NOERROR, aa | tc, 0, this.isTruncated ? 0 : 1);
    if (!this.isTruncated) {
      // The host's name ends the question's; of a wildcard it is the part after the `*.`.
      const owner = QUESTION_NAME_AT + query.nameLength - nameLength(table, record);
      const ttl = hostTtlSeconds(table, record, nowMs);
      at = appendSoa(this.octets, at, owner, ttl, ttl, serial, this.#mname, this.#rname);
    }
    return this.#appendOpt(at, query, transport);
  }

  /** RFC 8482, section 4.2: the answer to ANY of a host without addresses. */
  writeHinfo(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    record: number,
  ): number {
    this.isTruncated = false;
    const aa = isAuthoritative(table, record) ? HeaderFlag.AA : 0;
    let at = this.#writeHead(message, query, Rcode.NOERROR, aa, 1, 0);
    at = appendHinfo(this.octets, at, QUESTION_NAME_AT, negativeTtlSeconds(table, record), "RFC8482", "");
    return this.#appendOpt(at, query, transport);
  }

  /** What a question of class CH wants to know of us (RFC 4892); only while there is an identity. */
  writeIdentity(message: Uint8Array, query: Query, transport: Transport): number {
    this.isTruncated = false;
    const asked = identityAsked(query);
    if (asked === null || this.#identity === null) throw new Error("nobody asked who we are");
    const text = this.#identity[asked];
    let at = this.#writeHead(message, query, Rcode.NOERROR, HeaderFlag.AA, 1, 0);
    at = appendTxt(this.octets, at, QUESTION_NAME_AT, RecordClass.CH, IDENTITY_TTL_SECONDS, text);
    return this.#appendOpt(at, query, transport);
  }

  /**
   * An error: header, the question if it was readable, OPT if the query had one. Without `error` never longer
   * than the query.
   */
  writeError(message: Uint8Array, query: Query, rcode: Rcode, error?: ExtendedErrorText): number {
    this.isTruncated = false;
    let at = this.#writeHead(message, query, rcode, 0, 0, 0);
    if (query.hasEdns) at = appendOpt(this.octets, at, query.dnssecOk, error, rcode >> 4);
    return at;
  }

  /** NOTAUTH to a signed query: we know no key (RFC 8945, section 5.2.1). */
  writeNotAuth(message: Uint8Array, query: Query): number {
    const at = this.writeError(message, query, Rcode.NOTAUTH);
    return appendBadKey(this.octets, at, message, query);
  }

  /** Octets of the OPT record with which an answer ends, without an Extended DNS Error. */
  #optOctets(query: Query, transport: Transport): number {
    if (!query.hasEdns) return 0;
    const nsidOctets =
      query.wantsServerId && this.#identity ? OPTION_FIXED_OCTETS + this.#identity.id.length : 0;
    return OPT_OCTETS + nsidOctets + (asksForKeepalive(query, transport) ? KEEPALIVE_OCTETS : 0);
  }

  #appendOpt(at: number, query: Query, transport: Transport, error?: ExtendedErrorText | undefined): number {
    if (!query.hasEdns) return at;
    const octets = this.octets;
    const optAt = at;
    at = appendOpt(octets, at, query.dnssecOk, error);
    if (query.wantsServerId && this.#identity) {
      at = appendOption(octets, optAt, at, EdnsOption.NSID, this.#identity.id);
    }
    return asksForKeepalive(query, transport)
      ? appendOption(octets, optAt, at, EdnsOption.KEEPALIVE, KEEPALIVE_DATA)
      : at;
  }

  #writeHead(
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
    writeUint16(octets, 6, answers);
    writeUint16(octets, 8, authorities);
    writeUint16(octets, 10, query.hasEdns ? 1 : 0);
    // The client's own spelling: it may have mixed the case to recognise a forged reply.
    for (let at = HEADER_OCTETS; at < query.questionEnd; at += 1) octets[at] = message[at]!;
    return hasQuestion ? query.questionEnd : HEADER_OCTETS;
  }

  #firstAddress(table: Uint8Array, record: number, family: FamilyIndex): number {
    const share = Math.floor(this.#random.fraction() * shareCount(table, record, family));
    return addressAtShare(table, record, family, share);
  }
}

/** RFC 7828, section 3.2.1: over UDP the option is ignored. */
function asksForKeepalive(query: Query, transport: Transport): boolean {
  return query.wantsKeepalive && transport === "tcp";
}

function characterString(text: string): Uint8Array {
  return Buffer.from(text).subarray(0, MAX_STRING_OCTETS);
}

/** What the client takes in one message; never above our own size, lest datagrams be cut into fragments. */
function maxOctets(query: Query, transport: Transport): number {
  if (transport === "tcp") return MAX_MESSAGE_OCTETS;
  if (!query.hasEdns) return UDP_OCTETS_WITHOUT_EDNS;
  // RFC 6891, section 6.2.3: sizes under 512 count as 512.
  return Math.min(Math.max(query.ednsSize, UDP_OCTETS_WITHOUT_EDNS), UDP_OCTETS_WITH_EDNS);
}

/** Of a family with addresses. */
function presentTtlSeconds(
  table: Uint8Array,
  record: number,
  family: FamilyIndex,
  nowMs: MonotonicMs,
): number {
  return isStale(table, record, family)
    ? Math.min(ttlSeconds(table, record, family), MAX_STALE_TTL_SECONDS)
    : familyTtlSeconds(table, record, family, nowMs);
}

/** How long a denial holds: as long as the addresses that the host has, if it has some. */
function hostTtlSeconds(table: Uint8Array, record: number, nowMs: MonotonicMs): number {
  if (addressCount(table, record, FamilyIndex.A) > 0)
    return presentTtlSeconds(table, record, FamilyIndex.A, nowMs);
  if (addressCount(table, record, FamilyIndex.AAAA) > 0)
    return presentTtlSeconds(table, record, FamilyIndex.AAAA, nowMs);
  return negativeTtlSeconds(table, record);
}
