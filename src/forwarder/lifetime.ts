/** For how long a reply may be kept (RFC 2181 8, RFC 2308 5, RFC 8767 4). */

import { readUint16 } from "../wire/append.ts";
import { Rcode, RecordType } from "../wire/constants.ts";
import type { ReplySummary } from "../wire/read-reply.ts";
import type { ReplyKind } from "./metrics.ts";

/** A denial is forgotten soon: whoever creates the name waits for that. */
const MAX_NEGATIVE_SECONDS = 30;
/** RFC 2308 7.1 allows 5 minutes; upstream's trouble is usually over sooner. */
const ERROR_SECONDS = 5;
/** Addresses of pods are given to other pods. */
const MAX_SHORT_LIVED_SECONDS = 5;
const MAX_SHORT_LIVED_STALE_SECONDS = 30;

/** Positive: has an answer of the type. Null: neither an answer, nor a denial, nor SERVFAIL. */
export function replyKind(message: Uint8Array, summary: ReplySummary, type: number): ReplyKind | null {
  if (summary.rcode === Rcode.SERVFAIL) return "error";
  if (summary.rcode === Rcode.NXDOMAIN) return "negative";
  if (summary.rcode !== Rcode.NOERROR) return null;
  return hasAnswerOfType(message, summary, type) ? "positive" : "negative";
}

/** In seconds; 0: not to be stored. */
export function lifetimeSeconds(
  kind: ReplyKind,
  summary: ReplySummary,
  isShortLived: boolean,
  maxTtlSeconds: number,
): number {
  if (kind === "error") return ERROR_SECONDS;
  // RFC 2308 5: a denial without a SOA is not cached. With one, no part of the reply outlives it.
  const ttlSeconds =
    kind === "positive"
      ? summary.minTtlSeconds
      : Math.min(summary.minTtlSeconds, summary.negativeTtlSeconds, MAX_NEGATIVE_SECONDS);
  const mostSeconds = isShortLived ? Math.min(maxTtlSeconds, MAX_SHORT_LIVED_SECONDS) : maxTtlSeconds;
  return Math.max(0, Math.min(ttlSeconds, mostSeconds));
}

/** For how long after its end the reply may still be served when upstream fails. */
export function staleSeconds(kind: ReplyKind, isShortLived: boolean, maxStaleSeconds: number): number {
  if (kind === "error") return 0;
  return isShortLived ? Math.min(maxStaleSeconds, MAX_SHORT_LIVED_STALE_SECONDS) : maxStaleSeconds;
}

/** A chain of CNAMEs that ends in no record of the type is a denial (RFC 2308 2.2). */
function hasAnswerOfType(message: Uint8Array, summary: ReplySummary, type: number): boolean {
  if (type === RecordType.ANY) return summary.answerCount > 0;
  // Type and class stand right before the TTL.
  for (let index = 0; index < summary.answerCount; index += 1) {
    if (readUint16(message, summary.ttlOffsets[index]! - 4) === type) return true;
  }
  return false;
}
