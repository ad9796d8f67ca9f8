/**
 * What the forwarder must know of an upstream's reply: whether it answers our question, and where the TTLs are
 * that the cache lets age. Total on any bytes, in bounded time.
 */

import { readUint16, readUint32 } from "./append.ts";
import {
  EdnsOption,
  HEADER_OCTETS,
  HeaderFlag,
  OPTION_FIXED_OCTETS,
  QUESTION_FIXED_OCTETS,
  RECORD_FIXED_OCTETS,
  RecordClass,
  RecordType,
} from "./constants.ts";
import { LOWER_CASE } from "./name.ts";
import { skipName } from "./skip-name.ts";

/** A reply of more records is relayed, but not taken apart: no cache should hold it. */
export const MAX_REPLY_RECORDS = 512;

/** The five numbers behind the names of a SOA; MINIMUM is the last (RFC 1035 3.3.13). */
const SOA_NUMBERS_OCTETS = 20;

/** One reply's numbers; filled again by every `readReply`. */
export class ReplySummary {
  /** All twelve bits: the header's four and, with an OPT record, the eight above them (RFC 6891 6.1.3). */
  rcode = 0;
  isTruncated = false;
  /** ANCOUNT. */
  answerCount = 0;
  /** Where the TTL of each record but OPT lies; the first `ttlCount` count. */
  readonly ttlOffsets = new Uint16Array(MAX_REPLY_RECORDS);
  ttlCount = 0;
  /** The smallest TTL of all records but OPT; -1 if there is none. */
  minTtlSeconds = -1;
  /** How long the denial holds, by the SOA in the authority section (RFC 2308 5); -1 without one. */
  negativeTtlSeconds = -1;
  /** Where the OPT record begins, -1 without one, and its octets, owner and RDATA included. */
  optAt = -1;
  optLength = 0;
  /** INFO-CODE of the first Extended DNS Error (RFC 8914 2), -1 without one, and where its text lies. */
  extendedError = -1;
  extendedErrorTextAt = 0;
  extendedErrorTextLength = 0;
  /** The offset behind the last counted record; what follows is of no section. */
  recordsEnd = 0;
}

/**
 * Whether the first `length` octets can be walked whole: every counted record is there, no name loops, at most
 * one OPT record where it belongs. If not, relay but do not cache: `summary` then holds the header's part only
 * in full.
 */
export function readReply(message: Uint8Array, length: number, summary: ReplySummary): boolean {
  const end = Math.min(length, message.length);
  reset(summary);
  if (end < HEADER_OCTETS) return false;
  const flags = readUint16(message, 2);
  const questions = readUint16(message, 4);
  const answers = readUint16(message, 6);
  const authorities = readUint16(message, 8);
  const additionals = readUint16(message, 10);
  summary.rcode = flags & HeaderFlag.RCODE;
  summary.isTruncated = (flags & HeaderFlag.TC) !== 0;
  summary.answerCount = answers;
  if (questions > 1 || answers + authorities + additionals > MAX_REPLY_RECORDS) return false;
  let at = HEADER_OCTETS;
  if (questions === 1) {
    const tail = skipName(message, at, end);
    at = tail === -1 || tail + QUESTION_FIXED_OCTETS > end ? -1 : tail + QUESTION_FIXED_OCTETS;
  }
  if (at !== -1) at = walkRecords(message, at, end, answers, "answer", summary);
  if (at !== -1) at = walkRecords(message, at, end, authorities, "authority", summary);
  if (at !== -1) at = walkRecords(message, at, end, additionals, "additional", summary);
  if (at === -1) return false;
  summary.recordsEnd = at;
  return true;
}

/**
 * Whether the reply is one to the query's question (RFC 5452 9.1): a response with this question alone, the name
 * compared without ASCII letter case. `questionEnd`: where the question ends in the well-formed `query`.
 */
export function echoesQuestion(
  reply: Uint8Array,
  replyLength: number,
  query: Uint8Array,
  questionEnd: number,
): boolean {
  if (questionEnd <= HEADER_OCTETS || Math.min(replyLength, reply.length) < questionEnd) return false;
  if ((readUint16(reply, 2) & HeaderFlag.QR) === 0 || readUint16(reply, 4) !== 1) return false;
  const nameEnd = questionEnd - QUESTION_FIXED_OCTETS;
  for (let at = HEADER_OCTETS; at < nameEnd; at += 1) {
    if (LOWER_CASE[reply[at]!] !== LOWER_CASE[query[at]!]) return false;
  }
  for (let at = nameEnd; at < questionEnd; at += 1) if (reply[at] !== query[at]) return false;
  return true;
}

type Section = "answer" | "authority" | "additional";

function reset(summary: ReplySummary): void {
  summary.rcode = 0;
  summary.isTruncated = false;
  summary.answerCount = 0;
  summary.ttlCount = 0;
  summary.minTtlSeconds = -1;
  summary.negativeTtlSeconds = -1;
  summary.optAt = -1;
  summary.optLength = 0;
  summary.extendedError = -1;
  summary.extendedErrorTextAt = 0;
  summary.extendedErrorTextLength = 0;
  summary.recordsEnd = 0;
}

/** Walks `count` records from `at`; the offset behind the last one, or -1. */
function walkRecords(
  message: Uint8Array,
  at: number,
  end: number,
  count: number,
  section: Section,
  summary: ReplySummary,
): number {
  for (let index = 0; index < count; index += 1) {
    const head = skipName(message, at, end);
    if (head === -1 || head + RECORD_FIXED_OCTETS > end) return -1;
    const type = readUint16(message, head);
    const rdata = head + RECORD_FIXED_OCTETS;
    const next = rdata + readUint16(message, head + 8);
    if (next > end) return -1;
    if (type === RecordType.OPT) {
      // RFC 6891 6.1.1: one OPT at most, in the additional section, owned by the root.
      if (section !== "additional" || summary.optAt !== -1 || message[at] !== 0) return -1;
      summary.optAt = at;
      summary.optLength = next - at;
      summary.rcode |= message[head + 4]! << 4;
      if (!readOptions(message, rdata, next, summary)) return -1;
    } else {
      if (!hasWholeNames(message, type, rdata, next) || !isOfSize(message, type, head, next - rdata))
        return -1;
      const ttlSeconds = readTtlSeconds(message, head + 4);
      summary.ttlOffsets[summary.ttlCount] = head + 4;
      summary.ttlCount += 1;
      summary.minTtlSeconds = smaller(summary.minTtlSeconds, ttlSeconds);
      if (type === RecordType.SOA && section === "authority") {
        // RFC 2308 5: the smaller of the SOA's own TTL and its MINIMUM.
        const denialSeconds = Math.min(ttlSeconds, readTtlSeconds(message, next - 4));
        summary.negativeTtlSeconds = smaller(summary.negativeTtlSeconds, denialSeconds);
      }
    }
    at = next;
  }
  return at;
}

/** RFC 2181 8: a TTL with the top bit set counts as 0. */
function readTtlSeconds(message: Uint8Array, at: number): number {
  return message[at]! >= 0x80 ? 0 : readUint32(message, at);
}

/** The smaller one, where -1 stands for none yet. */
function smaller(soFar: number, value: number): number {
  return soFar === -1 || value < soFar ? value : soFar;
}

/** Names in RDATA can be compressed in these types alone (RFC 3597 4), so only there can they loop. */
function hasWholeNames(message: Uint8Array, type: number, rdata: number, end: number): boolean {
  switch (type) {
    case RecordType.NS:
    case RecordType.CNAME:
    case RecordType.PTR:
      return skipName(message, rdata, end) === end;
    case RecordType.MX:
      return skipName(message, rdata + 2, end) === end;
    case RecordType.SOA: {
      const rname = skipName(message, rdata, end);
      return rname !== -1 && skipName(message, rname, end) === end - SOA_NUMBERS_OCTETS;
    }
    default:
      return true;
  }
}

/** An address of another size than its type's is unreadable (RFC 1035 3.4.1, RFC 3596 2.2): not to be given twice. */
function isOfSize(message: Uint8Array, type: number, head: number, octets: number): boolean {
  if (readUint16(message, head + 2) !== RecordClass.IN) return true;
  if (type === RecordType.A) return octets === 4;
  return type !== RecordType.AAAA || octets === 16;
}

function readOptions(message: Uint8Array, at: number, end: number, summary: ReplySummary): boolean {
  while (at < end) {
    if (at + OPTION_FIXED_OCTETS > end) return false;
    const data = at + OPTION_FIXED_OCTETS;
    const next = data + readUint16(message, at + 2);
    if (next > end) return false;
    const isExtendedError = readUint16(message, at) === EdnsOption.EDE && next - data >= 2;
    if (isExtendedError && summary.extendedError === -1) {
      summary.extendedError = readUint16(message, data);
      summary.extendedErrorTextAt = data + 2;
      summary.extendedErrorTextLength = next - data - 2;
    }
    at = next;
  }
  return true;
}
