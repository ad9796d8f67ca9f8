/** Spans of time and ranges of numbers as stories write them: `27 s`, `5..30`, `<=1`. */

import { StoryError } from "./story-error.ts";

/** Both ends included. */
export interface Range {
  /** As it is written. */
  readonly text: string;
  readonly min: number;
  readonly max: number;
}

export function isWithin({ min, max }: Range, value: number): boolean {
  return value >= min && value <= max;
}

/** A number, `5..30`, `<=1` or `>=2`. */
export function readRange(value: unknown, where: string): Range {
  const text = String(value);
  const found = /^(?:(\d+)(?:\.\.(\d+))?|<=(\d+)|>=(\d+))$/.exec(text);
  if (found === null) {
    throw new StoryError(where, `${JSON.stringify(value)} is none of 7, "5..30", "<=1", ">=2"`);
  }
  const [, from, to, most, least] = found;
  return {
    text,
    min: Number(from ?? least ?? 0),
    max: Number(to ?? from ?? most ?? Number.POSITIVE_INFINITY),
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** `800 ms`, `27 s`, `2.5 s`, `10 min`, `1 h`; in milliseconds. */
export function readDurationMs(value: unknown, where: string): number {
  const found = /^(\d+(?:\.\d+)?) ?(ms|s|min|h)$/.exec(String(value));
  if (found === null) {
    throw new StoryError(
      where,
      `${JSON.stringify(value)} is no time such as "800 ms", "27 s", "5 min", "1 h"`,
    );
  }
  return Number(found[1]) * UNITS_MS[found[2]!]!;
}
