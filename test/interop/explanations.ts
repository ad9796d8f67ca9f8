/** The list of differences that we know the reasons of. */

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { FieldDifference } from "./compare.ts";

export interface Explanation {
  readonly against: string;
  /** Kinds of questions. `*` stands for any text, here and in the values. */
  readonly questions: readonly RegExp[];
  readonly fields: readonly string[];
  readonly ours: RegExp;
  readonly theirs: RegExp;
  readonly why: string;
  /** As in the file, to be told when the difference is seen no more. */
  readonly text: string;
}

export function readExplanations(file: string): Explanation[] {
  const listed: unknown = parse(readFileSync(file, "utf8"));
  if (!Array.isArray(listed)) throw new Error(`${file}: no list`);
  return listed.flatMap((entry: unknown, index) => readEntry(entry, `${file}, entry ${index + 1}`));
}

/** The first explanation that fits. */
export function explain(
  explanations: readonly Explanation[],
  against: string,
  kind: string,
  { field, ours, theirs }: FieldDifference,
): Explanation | undefined {
  return explanations.find(
    (entry) =>
      entry.against === against &&
      entry.fields.includes(field) &&
      entry.questions.some((each) => each.test(kind)) &&
      entry.ours.test(ours) &&
      entry.theirs.test(theirs),
  );
}

const KEYS = ["against", "questions", "field", "ours", "theirs", "why"] as const;

/** One entry may name several servers: then it stands for one explanation each. */
function readEntry(entry: unknown, where: string): Explanation[] {
  if (typeof entry !== "object" || entry === null) throw new Error(`${where}: no mapping`);
  const values = new Map(Object.entries(entry));
  const unknown = [...values.keys()].find((key) => !KEYS.some((known) => known === key));
  if (unknown !== undefined) throw new Error(`${where}: ${unknown} is no key of an entry`);
  const missing = KEYS.find((key) => !values.has(key));
  if (missing !== undefined) throw new Error(`${where}: ${missing} is missing`);
  const [ours, theirs] = [String(values.get("ours")), String(values.get("theirs"))];
  const questions = texts(values.get("questions"));
  const fields = texts(values.get("field"));
  return texts(values.get("against")).map((against) => ({
    against,
    questions: questions.map(pattern),
    fields,
    ours: pattern(ours),
    theirs: pattern(theirs),
    why: String(values.get("why")),
    text: `${against}: ${questions.join(", ")}: ${fields.join(", ")}: ${ours} / ${theirs}`,
  }));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

function pattern(text: string): RegExp {
  return new RegExp(`^${text.split("*").map(escaped).join(".*")}$`, "s");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
