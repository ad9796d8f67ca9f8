/**
 * The TCP keepalive option (RFC 7828) is between two ends of one connection: taken out of what goes on to
 * upstream, and of what comes back. Everything else of a message stays as it is.
 */

import { readUint16, writeUint16 } from "../wire/append.ts";
import { EdnsOption, HEADER_OCTETS, OPTION_FIXED_OCTETS } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { ReplySummary, readReply } from "../wire/read-reply.ts";

/** Behind the owner of an OPT record, the root: type, class, TTL, RDLENGTH. */
const OPTIONS_AT = 11;

const summary = new ReplySummary();

/** The first `query.length` octets without the option: the same octets if it is not there, else a copy. */
export function queryWithoutKeepalive(message: Uint8Array, query: Query): Uint8Array {
  const whole = message.subarray(0, query.length);
  // A signature covers the option (RFC 8945 4.3.2); another version of EDNS may have another form.
  if (!query.wantsKeepalive || query.hasSignature || query.ednsVersion !== 0) return whole;
  return withoutKeepalive(whole, query.ednsOptionsAt, query.ednsOptionsLength);
}

/** The reply without the option: the same octets if it is not there, else a copy. */
export function replyWithoutKeepalive(reply: Uint8Array): Uint8Array {
  if (readUint16(reply, 10) === 0 || !readReply(reply, reply.length, summary)) return reply;
  const { optAt, optLength } = summary;
  // Names behind the OPT record may be pointed to, and a signature covers it.
  if (optAt < HEADER_OCTETS || optAt + optLength !== reply.length) return reply;
  return withoutKeepalive(reply, optAt + OPTIONS_AT, optLength - OPTIONS_AT);
}

function withoutKeepalive(message: Uint8Array, optionsAt: number, optionsLength: number): Uint8Array {
  const end = optionsAt + optionsLength;
  let kept: Uint8Array | null = null;
  let to = optionsAt;
  for (let at = optionsAt; at < end; ) {
    const next = at + OPTION_FIXED_OCTETS + readUint16(message, at + 2);
    if (readUint16(message, at) === EdnsOption.KEEPALIVE) {
      kept ??= new Uint8Array(message);
    } else {
      kept?.copyWithin(to, at, next);
      to += next - at;
    }
    at = next;
  }
  if (kept === null) return message;
  writeUint16(kept, optionsAt - 2, to - optionsAt);
  kept.copyWithin(to, end);
  return kept.subarray(0, message.length - (end - to));
}
