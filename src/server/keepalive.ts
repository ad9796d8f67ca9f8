/**
 * How long a client's TCP connection may be idle, and telling it so (RFC 7828). The option belongs to one
 * connection, so a relayed reply carries ours, never upstream's.
 */

import { appendOption, OPT_OCTETS, readUint16 } from "../wire/append.ts";
import { EdnsOption, MAX_MESSAGE_OCTETS, OPTION_FIXED_OCTETS } from "../wire/constants.ts";
import { ReplySummary, readReply } from "../wire/read-reply.ts";

/** RFC 7766, section 6.2.3: idle connections are closed after some seconds. */
export const IDLE_MS = 10_000;
/** RFC 7828, section 3.1: TIMEOUT is counted in tenths of a second. */
const TIMEOUT = IDLE_MS / 100;
export const KEEPALIVE_DATA: Readonly<Uint8Array> = Uint8Array.of(TIMEOUT >> 8, TIMEOUT & 0xff);
/** RFC 7828, section 3.3.2: while we end, the client is to close its connection. */
export const ENDING_DATA: Readonly<Uint8Array> = Uint8Array.of(0, 0);
export const KEEPALIVE_OCTETS = OPTION_FIXED_OCTETS + 2;

const summary = new ReplySummary();

/**
 * Writes the relayed reply with our option, which says `data`, into `out` and returns its octets; 0 where it must go as it is: it has
 * no OPT record, one that is not its last octets (behind it a signature or unknown octets), or no room.
 */
export function writeWithKeepalive(
  reply: Uint8Array,
  length: number,
  data: Readonly<Uint8Array>,
  out: Uint8Array,
): number {
  if (length + KEEPALIVE_OCTETS > MAX_MESSAGE_OCTETS || !readReply(reply, length, summary)) return 0;
  const { optAt, optLength } = summary;
  if (optAt === -1 || optAt + optLength !== length) return 0;
  let to = optAt + OPT_OCTETS;
  out.set(reply.subarray(0, to));
  for (let at = to; at < length; ) {
    const next = at + OPTION_FIXED_OCTETS + readUint16(reply, at + 2);
    if (readUint16(reply, at) !== EdnsOption.KEEPALIVE) {
      out.set(reply.subarray(at, next), to);
      to += next - at;
    }
    at = next;
  }
  return appendOption(out, optAt, to, EdnsOption.KEEPALIVE, data);
}
