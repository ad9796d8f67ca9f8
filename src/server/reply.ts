/**
 * Our own replies, written into one buffer that is used again for every query: from a record's ready answers,
 * or what stands beside them in its view, or NODATA and errors made here. What is not ours comes ready from the
 * forwarder. `table` holds the octets of the records, `variant` and `view` are offsets into them.
 */

import type { MonotonicMs, Random, Transport } from "../runtime.ts";
import {
  type FamilyIndex,
  isAuthoritative,
  isStale,
  nameLength,
  negativeTtlSeconds,
} from "../table/packed-record.ts";
import { pointerAt, pointerLength } from "../table/packed-view.ts";
import {
  appendHinfo,
  appendNameRecord,
  appendOpt,
  appendTxt,
  type ExtendedErrorText,
  MAX_STRING_OCTETS,
  RECORD_HEAD_OCTETS,
} from "../wire/append.ts";
import {
  ExtendedError,
  HeaderFlag,
  OPTION_FIXED_OCTETS,
  Rcode,
  RecordClass,
  RecordType,
} from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import { identityAsked, type ServerIdentity } from "./identity.ts";
import { AddressRecords } from "./reply-addresses.ts";
import { ReplyFrame } from "./reply-frame.ts";
import { ServiceReply } from "./reply-service.ts";
import { SoaRecord } from "./reply-soa.ts";
import { hostTtlSeconds, presentTtlSeconds } from "./reply-ttl.ts";
import { appendBadKey } from "./tsig.ts";

/** An EDNS option's code and length, and the INFO-CODE of an Extended DNS Error without text. */
const EXTENDED_ERROR_OCTETS = OPTION_FIXED_OCTETS + 2;
/** What the server says of itself is of this moment. */
const IDENTITY_TTL_SECONDS = 0;
const STALE: ExtendedErrorText = { code: ExtendedError.STALE_ANSWER, text: "" };

export class ReplyWriter {
  readonly #frame = new ReplyFrame();
  /** Holds the last reply; each method returns its octets. */
  readonly octets = this.#frame.octets;
  readonly #addresses: AddressRecords;
  readonly #service: ServiceReply;
  readonly #soa = new SoaRecord();
  #identity: { readonly [Key in keyof ServerIdentity]: Uint8Array } | null = null;
  /** Above 0: answers begin with a CNAME to the first so many labels of the question's name. */
  #bareLabels = 0;

  constructor(random: Random, clusterDomain: HostName) {
    this.#addresses = new AddressRecords(random);
    this.#service = new ServiceReply(this.#frame, this.#addresses);
    this.setClusterDomain(clusterDomain);
  }

  /** The zone that our SOA records name. */
  setClusterDomain(clusterDomain: HostName): void {
    this.#soa.setClusterDomain(clusterDomain);
  }

  /** Who we are; undefined: we do not say. */
  setIdentity(identity: ServerIdentity | undefined): void {
    this.#identity =
      identity === undefined
        ? null
        : { id: characterString(identity.id), version: characterString(identity.version) };
    this.#frame.serverId = this.#identity?.id ?? null;
  }

  /** Whether the last reply was cut to what the client takes. */
  get isTruncated(): boolean {
    return this.#frame.isTruncated;
  }

  /** Whether every reply over TCP says that its connection is to be closed (RFC 7828, section 3.3.2). */
  set isEnding(isEnding: boolean) {
    this.#frame.isEnding = isEnding;
  }

  /**
   * Until `endSuffix`, the question's name is a host, its first `bareLabels` labels, and a search suffix: answers
   * begin with a CNAME to the host, which owns what follows.
   */
  beginSuffix(bareLabels: number): void {
    this.#bareLabels = bareLabels;
  }

  endSuffix(): void {
    this.#bareLabels = 0;
  }

  /**
   * The addresses of one family, another one first every time; as many whole records as the client takes.
   * `locality`: the marks of the client's (`locality-marks.ts`), null where it is not known.
   */
  writeAddresses(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    variant: number,
    family: FamilyIndex,
    nowMs: MonotonicMs,
    locality: Uint32Array | null,
  ): number {
    const frame = this.#frame;
    const addresses = this.#addresses;
    addresses.choose(table, variant, family, locality);
    const stale = query.hasEdns && isStale(table, variant, family);
    const end = frame.recordsEnd(query, transport) - (stale ? EXTENDED_ERROR_OCTETS : 0);
    const room = end - query.questionEnd - this.#cnameOctets(query);
    const fitting = room < 0 ? 0 : Math.min(addresses.count, Math.floor(room / addresses.octetsEach));
    frame.isTruncated = fitting < addresses.count;

    const hasCname = this.#bareLabels > 0 && room >= 0;
    const answers = hasCname ? fitting + 1 : fitting;
    let at = frame.writeAnswerHead(message, query, isAuthoritative(table, variant), answers, 0);
    const ttl = presentTtlSeconds(table, variant, family, nowMs);
    let owner = QUESTION_NAME_AT;
    if (hasCname) {
      owner = at + RECORD_HEAD_OCTETS;
      at = this.#appendCname(at, message, query, ttl);
    }
    at = addresses.append(this.octets, at, fitting, owner, ttl);
    return frame.appendOpt(at, query, transport, stale ? STALE : undefined);
  }

  /** NOERROR without an answer: the host exists, the type does not (RFC 2308, section 2.2). `serial`: the table's. */
  writeNoData(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    record: number,
    variant: number,
    serial: number,
    nowMs: MonotonicMs,
  ): number {
    const frame = this.#frame;
    const room = frame.recordsEnd(query, transport) - query.questionEnd - this.#cnameOctets(query);
    const hasCname = this.#bareLabels > 0 && room >= 0;
    frame.isTruncated = room < this.#soa.length;
    const authorities = frame.isTruncated ? 0 : 1;
    const aa = isAuthoritative(table, variant);
    let at = frame.writeAnswerHead(message, query, aa, hasCname ? 1 : 0, authorities);
    // The host's name ends the question's, or the CNAME's target; of a wildcard it is the part after the `*.`.
    let owner = QUESTION_NAME_AT + query.nameLength - nameLength(table, record);
    if (hasCname) {
      at = this.#appendCname(at, message, query, negativeTtlSeconds(table, variant));
      owner = at - nameLength(table, record);
    }
    if (!frame.isTruncated)
      at = this.#soa.append(this.octets, at, owner, hostTtlSeconds(table, variant, nowMs), serial);
    return frame.appendOpt(at, query, transport);
  }

  /**
   * The question's name does not exist, for those who cannot follow a CNAME from it. Between `beginSuffix` and
   * `endSuffix` the SOA is the suffix's: its owner has to stand above the name (RFC 2308, section 2.1).
   */
  writeNxdomain(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    variant: number,
    serial: number,
  ): number {
    const frame = this.#frame;
    const room = frame.recordsEnd(query, transport) - query.questionEnd;
    frame.isTruncated = room < this.#soa.length;
    const authorities = frame.isTruncated ? 0 : 1;
    const tc = frame.isTruncated ? HeaderFlag.TC : 0;
    const aa = isAuthoritative(table, variant) ? HeaderFlag.AA : 0;
    let at = frame.writeHead(message, query, Rcode.NXDOMAIN, aa | tc, 0, authorities);
    const owner = QUESTION_NAME_AT + query.labelStarts[this.#bareLabels]!;
    if (!frame.isTruncated)
      at = this.#soa.append(this.octets, at, owner, negativeTtlSeconds(table, variant), serial);
    return frame.appendOpt(at, query, transport);
  }

  /** RFC 8482, section 4.2: the answer to ANY of a host without addresses. */
  writeHinfo(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    variant: number,
  ): number {
    const ttl = negativeTtlSeconds(table, variant);
    const hasCname = this.#bareLabels > 0;
    let at = query.questionEnd;
    let owner = QUESTION_NAME_AT;
    if (hasCname) {
      owner = at + RECORD_HEAD_OCTETS;
      at = this.#appendCname(at, message, query, ttl);
    }
    at = appendHinfo(this.octets, at, owner, ttl, "RFC8482", "");
    return this.#end(message, query, transport, at, isAuthoritative(table, variant), hasCname ? 2 : 1);
  }

  /**
   * The targets of a port (RFC 2782); the addresses of the host, the last `hostLabels` labels of the question's
   * name, go along where they fit: each family whole or not at all (RFC 2181, section 9).
   */
  writeSrv(
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
    const service = this.#service;
    return service.write(message, query, transport, table, variant, port, hostLabels, nowMs, locality);
  }

  /** The name that a reverse name points at: it holds as long as all that its host says. */
  writePointer(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    table: Uint8Array,
    variant: number,
    view: number,
  ): number {
    const at = appendNameRecord(
      this.octets,
      query.questionEnd,
      QUESTION_NAME_AT,
      RecordType.PTR,
      negativeTtlSeconds(table, variant),
      table,
      pointerAt(table, view),
      pointerLength(table, view),
    );
    return this.#end(message, query, transport, at, isAuthoritative(table, variant));
  }

  /** A text of our own, in character strings of 255 octets. */
  writeText(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    ttlSeconds: number,
    text: Uint8Array,
  ): number {
    const { IN } = RecordClass;
    const at = appendTxt(this.octets, query.questionEnd, QUESTION_NAME_AT, IN, ttlSeconds, text);
    return this.#end(message, query, transport, at, true);
  }

  /** What a question of class CH wants to know of us (RFC 4892); only while there is an identity. */
  writeIdentity(message: Uint8Array, query: Query, transport: Transport): number {
    const asked = identityAsked(query);
    if (asked === null || this.#identity === null) throw new Error("nobody asked who we are");
    const text = this.#identity[asked];
    const { CH } = RecordClass;
    const at = appendTxt(this.octets, query.questionEnd, QUESTION_NAME_AT, CH, IDENTITY_TTL_SECONDS, text);
    return this.#end(message, query, transport, at, true);
  }

  /**
   * An error: header, the question if it was readable, OPT if the query had one. Without `error` never longer
   * than the query.
   */
  writeError(message: Uint8Array, query: Query, rcode: Rcode, error?: ExtendedErrorText): number {
    this.#frame.isTruncated = false;
    let at = this.#frame.writeHead(message, query, rcode, 0, 0, 0);
    if (query.hasEdns) at = appendOpt(this.octets, at, query.dnssecOk, error, rcode >> 4);
    return at;
  }

  /** NOTAUTH to a signed query: we know no key (RFC 8945, section 5.2.1). */
  writeNotAuth(message: Uint8Array, query: Query): number {
    const at = this.writeError(message, query, Rcode.NOTAUTH);
    return appendBadKey(this.octets, at, message, query);
  }

  /** Ends a reply whose few answers already stand between the question and `at`: all of them or, cut, none. */
  #end(
    message: Uint8Array,
    query: Query,
    transport: Transport,
    at: number,
    isAuthoritative: boolean,
    answers = 1,
  ): number {
    const frame = this.#frame;
    frame.isTruncated = at > frame.recordsEnd(query, transport);
    const fitting = frame.isTruncated ? 0 : answers;
    const head = frame.writeAnswerHead(message, query, isAuthoritative, fitting, 0);
    return frame.appendOpt(frame.isTruncated ? head : at, query, transport);
  }

  /** Octets of the CNAME with which answers begin now; 0: with none. */
  #cnameOctets(query: Query): number {
    return this.#bareLabels === 0 ? 0 : RECORD_HEAD_OCTETS + query.labelStarts[this.#bareLabels]! + 1;
  }

  /** Its target is spelled as the client did. */
  #appendCname(at: number, message: Uint8Array, query: Query, ttlSeconds: number): number {
    const { octets } = this;
    const { CNAME } = RecordType;
    const length = query.labelStarts[this.#bareLabels]!;
    appendNameRecord(octets, at, QUESTION_NAME_AT, CNAME, ttlSeconds, message, QUESTION_NAME_AT, length + 1);
    // Where the host's labels end the suffix went on.
    octets[at + RECORD_HEAD_OCTETS + length] = 0;
    return at + RECORD_HEAD_OCTETS + length + 1;
  }
}

function characterString(text: string): Uint8Array {
  return Buffer.from(text).subarray(0, MAX_STRING_OCTETS);
}
