/**
 * A question that passed the door: offsets and numbers of one message, no strings. One `Query` is
 * filled again for every message (`read-query.ts`), so nothing of it may be kept across messages.
 */

import { MAX_NAME_OCTETS, UDP_OCTETS_WITHOUT_EDNS } from "./constants.ts";

/** The question's name starts right behind the header in every message. */
export const QUESTION_NAME_AT = 12;

export class Query {
  id = 0;
  /** The header's second 16-bit word as sent: opcode and all flags (`HeaderFlag`). */
  flags = 0;
  type = 0;
  class = 0;
  /** QNAME on the wire, lower-cased (RFC 4343), the root label included; the first `nameLength` octets count. */
  readonly name = new Uint8Array(MAX_NAME_OCTETS + 1);
  readonly #nameBuffer = Buffer.from(this.name.buffer);
  nameLength = 0;
  /** Labels without the root. */
  labelCount = 0;
  /** Where each label's length octet lies in `name`; the first `labelCount` count. */
  readonly labelStarts = new Uint8Array(128);
  /** Where the question section ends in the message: header + QNAME + type + class. */
  questionEnd = 0;
  /** Whether some label begins with `_` (service and challenge names). */
  hasUnderscoreLabel = false;

  hasEdns = false;
  /** The requestor's UDP payload size as sent; `UDP_OCTETS_WITHOUT_EDNS` without EDNS. */
  ednsSize = UDP_OCTETS_WITHOUT_EDNS;
  ednsVersion = 0;
  /** DO (RFC 3225). */
  dnssecOk = false;
  /** Where the OPT record's options lie in the message and their octets; 0 octets: none. */
  ednsOptionsAt = 0;
  ednsOptionsLength = 0;
  /** The client asks which server this is (NSID, RFC 5001 2.1). */
  wantsServerId = false;
  /** The client asks how long its connection may be idle (RFC 7828 3.2.1). */
  wantsKeepalive = false;
  /** What only the one who answers may judge: a class that no question has, a cookie of an impossible length. */
  isFaultyIfOurs = false;
  /** The message is signed with TSIG (RFC 8945) or SIG(0). */
  hasSignature = false;
  /** Octets behind the last counted record. */
  trailingOctets = 0;
  /** Octets of the whole message. */
  length = 0;

  /** Whether an answer from the cache may serve it: RD=1, class IN, EDNS absent or plain, nothing unusual. */
  isCacheable = false;

  /** The name as a map key: the lower-cased wire octets as latin1. The only string made per query. */
  nameKey(): string {
    return this.#nameBuffer.toString("latin1", 0, this.nameLength);
  }
}

/**
 * What `readQuery` found. `OK` goes on to `decide`; `DROP_*` is not answered at all; every other verdict
 * is answered with its RCODE. The names are label values of the metric `dropped_total` and of error counters.
 */
export const Verdict = {
  OK: 0,
  /** Under 12 octets: no ID to answer to. */
  DROP_SHORT: 1,
  /** QR=1: answering a response makes reflection loops. */
  DROP_RESPONSE: 2,
  FORMERR: 3,
  NOTIMP: 4,
  /** EDNS version above 0 on a name that is ours; forwarded names pass as they are. */
  BADVERS: 5,
  /** AXFR, IXFR. */
  REFUSED: 6,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];
