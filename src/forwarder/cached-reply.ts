/** Makes one client's reply of a stored one: its ID, its spelling, its size, and TTLs that have aged. */

import {
  appendOpt,
  type ExtendedErrorText,
  OPT_OCTETS,
  readUint16,
  readUint32,
  writeUint16,
  writeUint32,
} from "../wire/append.ts";
import { ExtendedError, HEADER_OCTETS, HeaderFlag } from "../wire/constants.ts";
import { copyOctets } from "../wire/copy-octets.ts";
import type { Asked } from "./asked.ts";

/** RFC 8767 4. */
const STALE_TTL_SECONDS = 30;
/** An Extended DNS Error without text: option code, length, INFO-CODE (RFC 8914 2). */
const EXTENDED_ERROR_OCTETS = 6;
/** Behind a record's TTL: RDLENGTH. */
const RDLENGTH_AT = 4;
const RDATA_AT = 6;

const staleAnswer: ExtendedErrorText = { code: ExtendedError.STALE_ANSWER, text: "" };

/** A stored reply: message without OPT, then the offset of each record's TTL, two octets each. */
export interface CachedReply {
  readonly octets: Uint8Array;
  /** Of the message alone. */
  length: number;
  ttlCount: number;
  /** INFO-CODE that upstream sent; -1 for none. */
  extendedError: number;
}

/** Writes at most `maxOctets` into `out` and returns the length; `cached.octets` may be overwritten. */
export function rebuildReply(
  cached: CachedReply,
  ageSeconds: number,
  isStale: boolean,
  asked: Asked,
  id: number,
  message: Uint8Array,
  out: Uint8Array,
  maxOctets: number,
): number {
  const { octets } = cached;
  for (let record = 0; record < cached.ttlCount; record += 1) {
    const at = ttlAt(cached, record);
    const ttlSeconds = isStale ? STALE_TTL_SECONDS : Math.max(0, readUint32(octets, at) - ageSeconds);
    writeUint32(octets, at, ttlSeconds);
  }
  const error = !asked.hasEdns ? undefined : isStale ? staleAnswer : upstreamError(cached);
  const optOctets = !asked.hasEdns ? 0 : OPT_OCTETS + (error === undefined ? 0 : EXTENDED_ERROR_OCTETS);
  const room = maxOctets - optOctets;
  const isCut = cached.length > room && cut(cached, asked.questionEnd, room);
  const end = cached.length;
  copyOctets(octets, 0, end, out, 0);
  writeUint16(out, 0, id);
  writeUint16(out, 2, replyFlags(readUint16(octets, 2), asked) | (isCut ? HeaderFlag.TC : 0));
  const nameEnd = HEADER_OCTETS + asked.nameLength;
  for (let at = HEADER_OCTETS; at < nameEnd; at += 1) out[at] = message[at]!;
  if (!asked.hasEdns) return end;
  writeUint16(out, 10, readUint16(out, 10) + 1);
  return appendOpt(out, end, asked.dnssecOk, error);
}

/** RFC 8914 allows a cache to repeat the error that came with the reply. */
function upstreamError(cached: CachedReply): ExtendedErrorText | undefined {
  return cached.extendedError === -1 ? undefined : { code: cached.extendedError, text: "" };
}

function replyFlags(stored: number, asked: Asked): number {
  const copied = HeaderFlag.RD | HeaderFlag.CD;
  // RFC 6840 5.7, 5.8: AD is for those who ask for it, by AD or DO. AA: a cache is no authority.
  const kept = HeaderFlag.QR | HeaderFlag.RA | HeaderFlag.RCODE;
  const wantsAuthenticated = asked.dnssecOk || (asked.flags & HeaderFlag.AD) !== 0;
  return (asked.flags & copied) | (stored & (wantsAuthenticated ? kept | HeaderFlag.AD : kept));
}

/**
 * Drops whole records from the end until the message fits, and mends its length and the header's counts.
 * Returns whether the client must be told: not for additional records (RFC 2181 9).
 */
function cut(cached: CachedReply, questionEnd: number, maxOctets: number): boolean {
  const { octets } = cached;
  let kept = cached.ttlCount;
  let end = cached.length;
  while (kept > 0 && end > maxOctets) {
    kept -= 1;
    end = kept === 0 ? questionEnd : recordEnd(cached, kept - 1);
  }
  const answers = readUint16(octets, 6);
  const authorities = readUint16(octets, 8);
  const keptAnswers = Math.min(kept, answers);
  const keptAuthorities = Math.min(kept - keptAnswers, authorities);
  writeUint16(octets, 6, keptAnswers);
  writeUint16(octets, 8, keptAuthorities);
  writeUint16(octets, 10, kept - keptAnswers - keptAuthorities);
  cached.length = end;
  return kept < answers + authorities;
}

function recordEnd(cached: CachedReply, record: number): number {
  const at = ttlAt(cached, record);
  return at + RDATA_AT + readUint16(cached.octets, at + RDLENGTH_AT);
}

function ttlAt(cached: CachedReply, record: number): number {
  return readUint16(cached.octets, cached.length + 2 * record);
}
