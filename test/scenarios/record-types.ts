/** Record types by the names that stories use; `TYPE257` for those that have none here (RFC 3597, section 5). */

import { RecordType } from "../../src/wire/constants.ts";
import { StoryError } from "./story-error.ts";

export function readRecordType(value: unknown, where: string): number {
  const text = String(value);
  const named = Object.entries(RecordType).find(([name]) => name === text)?.[1];
  const numbered = /^TYPE(\d+)$/.exec(text)?.[1];
  if (named !== undefined) return named;
  if (numbered === undefined) throw new StoryError(where, `${text} is no record type; AAAA and TYPE257 are`);
  return Number(numbered);
}

export function recordTypeName(type: number): string {
  return Object.entries(RecordType).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
}
