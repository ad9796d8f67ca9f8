/** Whether a message from upstream replies to our question (RFC 5452 9.1); the ID was looked up before. */

import { readUint16 } from "../wire/append.ts";
import { HEADER_OCTETS, HeaderFlag } from "../wire/constants.ts";
import { echoesQuestion } from "../wire/read-reply.ts";

/** Why a message from upstream is not the reply that we wait for (RFC 5452 9.1). */
export const MISMATCH_REASONS = ["short", "not_response", "id", "question_count", "question"] as const;
export type MismatchReason = (typeof MISMATCH_REASONS)[number];

/** What was asked. */
export interface SentQuestion {
  readonly message: Uint8Array;
  /** Where the question section ends in the message. */
  readonly questionEnd: number;
}

/** What can be said before the ID is looked up; null: nothing wrong. */
export function headerMismatch(message: Uint8Array): MismatchReason | null {
  if (message.length < HEADER_OCTETS) return "short";
  return (readUint16(message, 2) & HeaderFlag.QR) === 0 ? "not_response" : null;
}

export function questionMismatch(message: Uint8Array, sent: SentQuestion): MismatchReason | null {
  if (readUint16(message, 4) !== 1) return "question_count";
  return echoesQuestion(message, message.length, sent.message, sent.questionEnd) ? null : "question";
}
