/**
 * Writers for the path of a query: each puts octets into a given message at an offset and returns the offset
 * behind them. None checks for room: the caller knows what it appends (`OPT_OCTETS`, `MAX_OPT_OCTETS`).
 */

import {
  COMPRESSION_POINTER,
  DNSSEC_OK,
  EdnsOption,
  OPTION_FIXED_OCTETS,
  RECORD_FIXED_OCTETS,
  RecordClass,
  RecordType,
  UDP_OCTETS_WITH_EDNS,
} from "./constants.ts";

/** Extra text of an Extended DNS Error is cut to this, so that an error is no means of amplification. */
export const MAX_ERROR_TEXT_OCTETS = 100;
/** An OPT record without options: root, type, class, TTL, RDLENGTH (RFC 6891 6.1.2). */
export const OPT_OCTETS = 11;
/** The longest OPT record that `appendOpt` writes: one option of four octets' head, INFO-CODE and text. */
export const MAX_OPT_OCTETS = OPT_OCTETS + OPTION_FIXED_OCTETS + 2 + MAX_ERROR_TEXT_OCTETS;
/** A record without its RDATA when the owner is a compression pointer. */
export const RECORD_HEAD_OCTETS = 2 + RECORD_FIXED_OCTETS;
/** Priority, weight and port, before the target of a SRV record (RFC 2782). */
export const SRV_FIXED_OCTETS = 6;
/** The longest character string (RFC 1035 3.3). */
export const MAX_STRING_OCTETS = 255;

const SOA_REFRESH_SECONDS = 3600;
const SOA_RETRY_SECONDS = 600;
const SOA_EXPIRE_SECONDS = 86_400;
/** The five numbers behind the names of a SOA (RFC 1035 3.3.13). */
const SOA_NUMBERS_OCTETS = 20;

const utf8 = new TextEncoder();

/** An Extended DNS Error (RFC 8914): an INFO-CODE and words for a human. */
export interface ExtendedErrorText {
  readonly code: number;
  readonly text: string;
}

/**
 * Our OPT record (RFC 6891): version 0, our size, DO as the client set it, no option but the error.
 * `extendedRcode`: the upper eight bits of the RCODE, 1 for BADVERS.
 */
export function appendOpt(
  octets: Uint8Array,
  at: number,
  dnssecOk: boolean,
  error?: ExtendedErrorText | undefined,
  extendedRcode = 0,
): number {
  octets[at] = 0;
  at = writeUint16(octets, at + 1, RecordType.OPT);
  at = writeUint16(octets, at, UDP_OCTETS_WITH_EDNS);
  octets[at] = extendedRcode;
  octets[at + 1] = 0;
  at = writeUint16(octets, at + 2, dnssecOk ? DNSSEC_OK : 0);
  if (error === undefined) return writeUint16(octets, at, 0);
  const textAt = at + 8;
  // encodeInto stops at the last whole character that fits.
  const room = octets.subarray(textAt, textAt + MAX_ERROR_TEXT_OCTETS);
  const textOctets = utf8.encodeInto(error.text, room).written;
  at = writeUint16(octets, at, OPTION_FIXED_OCTETS + 2 + textOctets);
  at = writeUint16(octets, at, EdnsOption.EDE);
  at = writeUint16(octets, at, 2 + textOctets);
  return writeUint16(octets, at, error.code) + textOctets;
}

/** Appends an option to the OPT record at `optAt`, which ends at `at`: the message's last one. */
export function appendOption(
  octets: Uint8Array,
  optAt: number,
  at: number,
  code: number,
  data: Uint8Array,
): number {
  at = writeUint16(octets, at, code);
  at = writeUint16(octets, at, data.length);
  octets.set(data, at);
  at += data.length;
  writeUint16(octets, optAt + OPT_OCTETS - 2, at - optAt - OPT_OCTETS);
  return at;
}

/**
 * A SOA for a negative answer (RFC 2308 2): `mname` and `rname` are whole names on the wire, uncompressed.
 * `ownerOffset` is where the owner's name stands in the message.
 */
export function appendSoa(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  ttlSeconds: number,
  minimumSeconds: number,
  serial: number,
  mname: Uint8Array,
  rname: Uint8Array,
): number {
  const rdataLength = mname.length + rname.length + SOA_NUMBERS_OCTETS;
  at = appendRecordHead(octets, at, ownerOffset, RecordType.SOA, ttlSeconds, rdataLength);
  octets.set(mname, at);
  octets.set(rname, at + mname.length);
  at = writeUint32(octets, at + mname.length + rname.length, serial);
  at = writeUint32(octets, at, SOA_REFRESH_SECONDS);
  at = writeUint32(octets, at, SOA_RETRY_SECONDS);
  at = writeUint32(octets, at, SOA_EXPIRE_SECONDS);
  return writeUint32(octets, at, minimumSeconds);
}

/** A HINFO, the short answer to ANY (RFC 8482 4.2). Both texts are ASCII of at most 255 characters. */
export function appendHinfo(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  ttlSeconds: number,
  cpu: string,
  os: string,
): number {
  const rdataLength = cpu.length + os.length + 2;
  at = appendRecordHead(octets, at, ownerOffset, RecordType.HINFO, ttlSeconds, rdataLength);
  return appendCharacterString(octets, appendCharacterString(octets, at, cpu), os);
}

/** A TXT record: the text in as few character strings as hold it, one at least (RFC 1035 3.3.14). */
export function appendTxt(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  recordClass: number,
  ttlSeconds: number,
  text: Uint8Array,
): number {
  const { TXT } = RecordType;
  at = appendRecordHead(octets, at, ownerOffset, TXT, ttlSeconds, txtOctets(text.length), recordClass);
  let from = 0;
  do {
    const string = text.subarray(from, from + MAX_STRING_OCTETS);
    octets[at] = string.length;
    octets.set(string, at + 1);
    at += 1 + string.length;
    from += string.length;
  } while (from < text.length);
  return at;
}

/** Octets of the RDATA that `appendTxt` makes of so many octets of text. */
export function txtOctets(textLength: number): number {
  return textLength + Math.max(1, Math.ceil(textLength / MAX_STRING_OCTETS));
}

/** A record whose RDATA is a name alone: CNAME, PTR. The name is the `length` octets of `source` from `from` on. */
export function appendNameRecord(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  type: number,
  ttlSeconds: number,
  source: Uint8Array,
  from: number,
  length: number,
): number {
  at = appendRecordHead(octets, at, ownerOffset, type, ttlSeconds, length);
  return appendOctets(octets, at, source, from, length);
}

/** A SRV record (RFC 2782) of priority 0; its target, uncompressed, is the `length` octets of `source` from `from` on. */
export function appendSrv(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  ttlSeconds: number,
  weight: number,
  port: number,
  source: Uint8Array,
  from: number,
  length: number,
): number {
  at = appendRecordHead(octets, at, ownerOffset, RecordType.SRV, ttlSeconds, SRV_FIXED_OCTETS + length);
  at = writeUint16(octets, at, 0);
  at = writeUint16(octets, at, weight);
  at = writeUint16(octets, at, port);
  return appendOctets(octets, at, source, from, length);
}

/** All of a record before its RDATA; the owner is a pointer to `ownerOffset` (below 16384). */
export function appendRecordHead(
  octets: Uint8Array,
  at: number,
  ownerOffset: number,
  type: number,
  ttlSeconds: number,
  rdataLength: number,
  recordClass: number = RecordClass.IN,
): number {
  at = writeUint16(octets, at, COMPRESSION_POINTER | ownerOffset);
  at = writeUint16(octets, at, type);
  at = writeUint16(octets, at, recordClass);
  at = writeUint32(octets, at, ttlSeconds);
  return writeUint16(octets, at, rdataLength);
}

export function writeUint16(octets: Uint8Array, at: number, value: number): number {
  octets[at] = value >>> 8;
  octets[at + 1] = value;
  return at + 2;
}

export function writeUint32(octets: Uint8Array, at: number, value: number): number {
  octets[at] = value >>> 24;
  octets[at + 1] = value >>> 16;
  octets[at + 2] = value >>> 8;
  octets[at + 3] = value;
  return at + 4;
}

export function readUint16(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!;
}

export function readUint32(octets: Uint8Array, at: number): number {
  return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}

/** Octet by octet: of the few that a name has, `subarray` would make an object. */
function appendOctets(
  octets: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): number {
  for (let index = 0; index < length; index += 1) octets[at + index] = source[from + index]!;
  return at + length;
}

function appendCharacterString(octets: Uint8Array, at: number, text: string): number {
  octets[at] = text.length;
  for (let index = 0; index < text.length; index += 1) octets[at + 1 + index] = text.charCodeAt(index);
  return at + 1 + text.length;
}
