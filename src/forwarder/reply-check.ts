/** Whether a message from upstream replies to our question (RFC 5452 9.1); the ID was looked up before. */

import { readUint16 } from "../wire/append.ts";
import { HEADER_OCTETS, HeaderFlag } from "../wire/constants.ts";
import { echoesQuestion } from "../wire/read-reply.ts";
import type { MismatchReason, PendingQuery } from "./pending-query.ts";

/** What can be said before the ID is looked up; null: nothing wrong. */
export function headerMismatch(message: Uint8Array): MismatchReason | null {
  if (message.length < HEADER_OCTETS) return "short";
  return (readUint16(message, 2) & HeaderFlag.QR) === 0 ? "not_response" : null;
}

export function questionMismatch(message: Uint8Array, query: PendingQuery): MismatchReason | null {
  if (readUint16(message, 4) !== 1) return "question_count";
  return echoesQuestion(message, message.length, query.message, query.questionEnd) ? null : "question";
}
