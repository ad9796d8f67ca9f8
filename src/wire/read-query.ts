/**
 * The door for messages from clients: bytes -> `Query` and a `Verdict`. Total on any bytes: it never throws,
 * allocates nothing and its work grows with the octets alone.
 */

import { readUint16, readUint32 } from "./append.ts";
import {
  DNSSEC_OK,
  EdnsOption,
  HEADER_OCTETS,
  HeaderFlag,
  MAX_LABEL_OCTETS,
  MAX_NAME_OCTETS,
  OPTION_FIXED_OCTETS,
  Opcode,
  QUESTION_FIXED_OCTETS,
  RECORD_FIXED_OCTETS,
  RecordClass,
  RecordType,
  UDP_OCTETS_WITHOUT_EDNS,
} from "./constants.ts";
import { LOWER_CASE } from "./name.ts";
import { QUESTION_NAME_AT, type Query, Verdict } from "./query.ts";
import { skipUnexpandedName } from "./skip-name.ts";

const OPCODE_SHIFT = 11;
const UNDERSCORE = 0x5f;

/**
 * Reads the first `length` octets of `message` into `query`. Unless the verdict is `DROP_SHORT`, ID and flags are
 * set; whatever the verdict, `questionEnd` is set if there is one well-formed question to echo, else 0, and
 * `hasEdns` if an OPT record was met before the fault, so that the reply to a rejected message can have one.
 * An EDNS version above 0 is `OK`: names that are not ours are relayed with it.
 */
export function readQuery(message: Uint8Array, length: number, query: Query): Verdict {
  const end = Math.min(length, message.length);
  reset(query, end);
  if (end < HEADER_OCTETS) return Verdict.DROP_SHORT;
  query.id = readUint16(message, 0);
  query.flags = readUint16(message, 2);
  if ((query.flags & HeaderFlag.QR) !== 0) return Verdict.DROP_RESPONSE;
  const verdict = readSections(message, end, query);
  // What other opcodes mean by their sections is not ours to judge: whatever was found there, they are NOTIMP.
  if ((query.flags & HeaderFlag.OPCODE) >> OPCODE_SHIFT !== Opcode.QUERY) return Verdict.NOTIMP;
  if (verdict === Verdict.OK) query.isCacheable = isCacheable(message, query);
  return verdict;
}

function reset(query: Query, end: number): void {
  query.id = 0;
  query.flags = 0;
  query.type = 0;
  query.class = 0;
  query.nameLength = 0;
  query.labelCount = 0;
  query.questionEnd = 0;
  query.hasUnderscoreLabel = false;
  query.hasEdns = false;
  query.ednsSize = UDP_OCTETS_WITHOUT_EDNS;
  query.ednsVersion = 0;
  query.dnssecOk = false;
  query.ednsOptionsAt = 0;
  query.ednsOptionsLength = 0;
  query.wantsServerId = false;
  query.wantsKeepalive = false;
  query.isFaultyIfOurs = false;
  query.hasSignature = false;
  query.trailingOctets = 0;
  query.length = end;
  query.isCacheable = false;
}

function readSections(message: Uint8Array, end: number, query: Query): Verdict {
  const questions = readUint16(message, 4);
  const otherRecords = readUint16(message, 6) + readUint16(message, 8);
  const additionals = readUint16(message, 10);
  // RFC 9619 4: a query has one question. Without any, an OPT record can still be found.
  if (questions > 1) return Verdict.FORMERR;
  let at = questions === 1 ? readQuestion(message, end, query) : HEADER_OCTETS;
  if (at !== -1) at = walkRecords(message, at, end, otherRecords, false, query);
  if (at !== -1) at = walkRecords(message, at, end, additionals, true, query);
  if (at === -1 || questions === 0) return Verdict.FORMERR;
  query.trailingOctets = end - at;
  const { type } = query;
  // RFC 6895 3.1: 0 is no type; RFC 6891 6.1.1, RFC 8945 4.2: OPT and TSIG are never asked for.
  if (type === 0 || type === RecordType.OPT || type === RecordType.TSIG) return Verdict.FORMERR;
  // RFC 6895 3.2, RFC 2136 2.4: 0 is no class, NONE is for updates alone.
  if (query.class === 0 || query.class === RecordClass.NONE) query.isFaultyIfOurs = true;
  if (type === RecordType.AXFR || type === RecordType.IXFR) return Verdict.REFUSED;
  return Verdict.OK;
}

/** Fills name, type and class; the offset behind the question, or -1. */
function readQuestion(message: Uint8Array, end: number, query: Query): number {
  let at = QUESTION_NAME_AT;
  let nameLength = 0;
  let labelCount = 0;
  let hasUnderscoreLabel = false;
  if (at >= end) return -1;
  for (let label = message[at]!; label !== 0; label = message[at]!) {
    const next = at + label + 1;
    // A pointer too is above 63: there is no name before the question's that it could point to. The root label
    // must fit behind this one, in the message and in the name.
    if (label > MAX_LABEL_OCTETS || next >= end || nameLength + label + 2 > MAX_NAME_OCTETS) return -1;
    query.labelStarts[labelCount] = nameLength;
    labelCount += 1;
    if (message[at + 1] === UNDERSCORE) hasUnderscoreLabel = true;
    for (; at < next; at += 1) {
      query.name[nameLength] = LOWER_CASE[message[at]!]!;
      nameLength += 1;
    }
  }
  const questionEnd = at + 1 + QUESTION_FIXED_OCTETS;
  if (questionEnd > end) return -1;
  query.name[nameLength] = 0;
  query.nameLength = nameLength + 1;
  query.labelCount = labelCount;
  query.hasUnderscoreLabel = hasUnderscoreLabel;
  query.type = readUint16(message, at + 1);
  query.class = readUint16(message, at + 3);
  query.questionEnd = questionEnd;
  return questionEnd;
}

/** Walks `count` records from `at`; the offset behind the last one, or -1. */
function walkRecords(
  message: Uint8Array,
  at: number,
  end: number,
  count: number,
  isAdditional: boolean,
  query: Query,
): number {
  for (let index = 0; index < count; index += 1) {
    const head = skipUnexpandedName(message, at, end);
    if (head === -1 || head + RECORD_FIXED_OCTETS > end) return -1;
    const type = readUint16(message, head);
    const rdata = head + RECORD_FIXED_OCTETS;
    const next = rdata + readUint16(message, head + 8);
    if (type === RecordType.OPT) {
      // RFC 6891 6.1.1: one OPT at most, in the additional section, owned by the root.
      const isSecond = query.hasEdns;
      query.hasEdns = true;
      if (isSecond || !isAdditional || message[at] !== 0) return -1;
      if (next > end || !readOpt(message, head, rdata, next, query)) return -1;
    }
    if (next > end) return -1;
    if (isAdditional && isSignature(message, type, rdata, next)) query.hasSignature = true;
    at = next;
  }
  return at;
}

/** Reads the OPT record (RFC 6891 6.1.2, 6.1.3); false if its options are not well-formed. */
function readOpt(message: Uint8Array, head: number, rdata: number, end: number, query: Query): boolean {
  query.ednsSize = readUint16(message, head + 2);
  query.ednsVersion = message[head + 5]!;
  query.dnssecOk = (readUint16(message, head + 6) & DNSSEC_OK) !== 0;
  query.ednsOptionsAt = rdata;
  query.ednsOptionsLength = end - rdata;
  for (let at = rdata; at < end; ) {
    if (at + OPTION_FIXED_OCTETS > end) return false;
    const code = readUint16(message, at);
    const optionLength = readUint16(message, at + 2);
    at += OPTION_FIXED_OCTETS + optionLength;
    if (at > end) return false;
    if (code === EdnsOption.NSID) query.wantsServerId = true;
    else if (code === EdnsOption.KEEPALIVE) query.wantsKeepalive = true;
    // RFC 7873 5.2.2: FORMERR.
    else if (code === EdnsOption.COOKIE && !isCookieLength(optionLength)) query.isFaultyIfOurs = true;
  }
  return true;
}

/** RFC 7873 4: a client's cookie of 8 octets, behind it maybe the server's of 8 to 32. */
function isCookieLength(octets: number): boolean {
  return octets === 8 || (octets >= 16 && octets <= 40);
}

function isSignature(message: Uint8Array, type: number, rdata: number, end: number): boolean {
  if (type === RecordType.TSIG) return true;
  return type === RecordType.SIG && end - rdata >= 2 && readUint16(message, rdata) === 0;
}

/** One question of class IN that wants recursion, and nothing with it but a plain OPT record. */
function isCacheable(message: Uint8Array, query: Query): boolean {
  return (
    query.class === RecordClass.IN &&
    (query.flags & HeaderFlag.RD) !== 0 &&
    readUint32(message, 6) === 0 &&
    readUint16(message, 10) === (query.hasEdns ? 1 : 0) &&
    query.trailingOctets === 0 &&
    (!query.hasEdns || isPlainOpt(message, query))
  );
}

/** Version 0, no options and no flag but DO: others may change what upstream answers (CO, RFC 9824). */
function isPlainOpt(message: Uint8Array, query: Query): boolean {
  if (query.ednsVersion !== 0 || query.ednsOptionsLength !== 0) return false;
  return (readUint16(message, query.ednsOptionsAt - 4) & ~DNSSEC_OK) === 0;
}
