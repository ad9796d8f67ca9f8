/** Questions of our own to an upstream, whose replies nobody waits for. */

import type { MonotonicMs } from "../runtime.ts";
import { writeUint16 } from "../wire/append.ts";
import {
  HEADER_OCTETS,
  HeaderFlag,
  QUESTION_FIXED_OCTETS,
  RecordClass,
  RecordType,
  UDP_OCTETS_WITHOUT_EDNS,
} from "../wire/constants.ts";
import { PendingQuery, type Purpose } from "./pending-query.ts";
import type { Upstream } from "./upstream.ts";

const ROOT = Uint8Array.of(0);

/** What an upstream is asked that is dead or may be: for the root's name servers, RD=0; any reply will do. */
export function healthProbe(upstream: Upstream, startedAtMs: MonotonicMs): PendingQuery {
  return ownQuery(upstream, ROOT, RecordType.NS, 0, startedAtMs, "health");
}

/** `name`: wire octets. */
export function loopProbe(upstream: Upstream, name: Uint8Array, startedAtMs: MonotonicMs): PendingQuery {
  return ownQuery(upstream, name, RecordType.TXT, HeaderFlag.RD, startedAtMs, "loop");
}

function ownQuery(
  upstream: Upstream,
  name: Uint8Array,
  type: number,
  flags: number,
  startedAtMs: MonotonicMs,
  purpose: Purpose,
): PendingQuery {
  const questionEnd = HEADER_OCTETS + name.length + QUESTION_FIXED_OCTETS;
  const message = new Uint8Array(questionEnd);
  writeUint16(message, 2, flags);
  writeUint16(message, 4, 1);
  message.set(name, HEADER_OCTETS);
  writeUint16(message, writeUint16(message, HEADER_OCTETS + name.length, type), RecordClass.IN);
  return new PendingQuery({
    message,
    asked: {
      flags,
      type,
      nameLength: name.length,
      questionEnd,
      hasEdns: false,
      dnssecOk: false,
      ednsSize: UDP_OCTETS_WITHOUT_EDNS,
    },
    transport: "udp",
    startedAtMs,
    cacheKey: null,
    isShortLived: false,
    generation: 0,
    upstreams: [upstream],
    purpose,
  });
}
