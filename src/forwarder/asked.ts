/** What a reply of our own making copies from the question: the part that a `Query` and a waiting one share. */

import { UDP_OCTETS_WITHOUT_EDNS } from "../wire/constants.ts";

export interface Asked {
  /** The header's second 16-bit word as sent. */
  readonly flags: number;
  readonly type: number;
  readonly nameLength: number;
  /** Where the question section ends in the message. */
  readonly questionEnd: number;
  readonly hasEdns: boolean;
  readonly dnssecOk: boolean;
  /** As sent. */
  readonly ednsSize: number;
}

/** What the client takes over UDP; values below 512 count as 512 (RFC 6891 6.2.3). */
export function udpOctetsFor(asked: Asked): number {
  return asked.hasEdns ? Math.max(asked.ednsSize, UDP_OCTETS_WITHOUT_EDNS) : UDP_OCTETS_WITHOUT_EDNS;
}
