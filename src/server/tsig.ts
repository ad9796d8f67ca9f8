/** Of TSIG (RFC 8945) only this: telling a client that signs that its key is unknown here. */

import { readUint16, writeUint16, writeUint32 } from "../wire/append.ts";
import { HEADER_OCTETS, RecordClass, RecordType } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { expandName, skipName } from "../wire/skip-name.ts";

/** RFC 8945, section 3. */
const BADKEY = 17;
/** Type, class, TTL and RDLENGTH, behind a record's owner. */
const RECORD_TAIL_OCTETS = 10;
/** Time signed and fudge, behind the algorithm's name. */
const TIMES_OCTETS = 6 + 2;

/**
 * Appends a TSIG record without a MAC that says BADKEY (RFC 8945, section 5.3.2) and counts it in the header;
 * nothing if the query has no whole TSIG record (it was signed with SIG(0)).
 */
export function appendBadKey(reply: Uint8Array, at: number, message: Uint8Array, query: Query): number {
  const owner = findTsig(message, query);
  if (owner === -1) return at;
  const rdata = skipName(message, owner, query.length) + RECORD_TAIL_OCTETS;
  const times = skipName(message, rdata, query.length);
  if (times === -1 || times + TIMES_OCTETS > query.length) return at;
  const keyName = expandName(message, owner);
  const algorithm = expandName(message, rdata);
  reply.set(keyName, at);
  at = writeUint16(reply, at + keyName.length, RecordType.TSIG);
  at = writeUint16(reply, at, RecordClass.ANY);
  at = writeUint32(reply, at, 0);
  at = writeUint16(reply, at, algorithm.length + TIMES_OCTETS + 8);
  reply.set(algorithm, at);
  at += algorithm.length;
  reply.set(message.subarray(times, times + TIMES_OCTETS), at);
  at = writeUint16(reply, at + TIMES_OCTETS, 0); // no MAC
  at = writeUint16(reply, at, query.id);
  at = writeUint16(reply, at, BADKEY);
  at = writeUint16(reply, at, 0); // no other data
  writeUint16(reply, HEADER_OCTETS - 2, readUint16(reply, HEADER_OCTETS - 2) + 1);
  return at;
}

/** Where the query's TSIG record begins, or -1; the query was read, so its records are whole. */
function findTsig(message: Uint8Array, query: Query): number {
  const records = readUint16(message, 6) + readUint16(message, 8) + readUint16(message, 10);
  let at = query.questionEnd;
  for (let index = 0; index < records; index += 1) {
    const tail = skipName(message, at, query.length);
    if (readUint16(message, tail) === RecordType.TSIG) return at;
    at = tail + RECORD_TAIL_OCTETS + readUint16(message, tail + 8);
  }
  return -1;
}
