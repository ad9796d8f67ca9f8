/** Replies that we make without upstream: header, the client's question, and OPT if the client sent one. */

import { appendOpt, type ExtendedErrorText, readUint16, writeUint16 } from "../wire/append.ts";
import { ExtendedError, HEADER_OCTETS, HeaderFlag, Rcode } from "../wire/constants.ts";
import type { Asked } from "./asked.ts";

/** Why there is no reply of upstream's to give. */
export const NO_REPLY: ExtendedErrorText = {
  code: ExtendedError.NO_REACHABLE_AUTHORITY,
  text: "no upstream replied in time",
};
export const UNREACHABLE: ExtendedErrorText = {
  code: ExtendedError.NETWORK_ERROR,
  text: "no upstream could be reached",
};
export const TOO_MANY: ExtendedErrorText = {
  code: ExtendedError.OTHER,
  text: "too many queries wait or come at once",
};
export const LOOPING: ExtendedErrorText = {
  code: ExtendedError.NO_REACHABLE_AUTHORITY,
  text: "the upstream sends queries back to this server",
};

/** SERVFAIL; `error` is told to clients with EDNS (RFC 8914). */
export function writeServerFailure(
  out: Uint8Array,
  message: Uint8Array,
  id: number,
  asked: Asked,
  error: ExtendedErrorText,
): number {
  return writeEmptyReply(out, message, id, asked, Rcode.SERVFAIL, error);
}

/** An empty answer that sends the client to TCP. */
export function writeTruncated(out: Uint8Array, message: Uint8Array, id: number, asked: Asked): number {
  return writeEmptyReply(out, message, id, asked, HeaderFlag.TC | Rcode.NOERROR);
}

function writeEmptyReply(
  out: Uint8Array,
  message: Uint8Array,
  id: number,
  asked: Asked,
  flags: number,
  error?: ExtendedErrorText,
): number {
  for (let at = HEADER_OCTETS; at < asked.questionEnd; at += 1) out[at] = message[at]!;
  const copied = asked.flags & (HeaderFlag.OPCODE | HeaderFlag.RD | HeaderFlag.CD);
  writeUint16(out, 0, id);
  writeUint16(out, 2, HeaderFlag.QR | HeaderFlag.RA | copied | flags);
  writeUint16(out, 4, 1);
  writeUint16(out, 6, 0);
  writeUint16(out, 8, 0);
  writeUint16(out, 10, asked.hasEdns ? 1 : 0);
  if (!asked.hasEdns) return asked.questionEnd;
  return appendOpt(out, asked.questionEnd, asked.dnssecOk, error);
}

/** The header's RCODE (RFC 1035 4.1.1). */
export function rcodeOf(reply: Uint8Array): number {
  return readUint16(reply, 2) & HeaderFlag.RCODE;
}
