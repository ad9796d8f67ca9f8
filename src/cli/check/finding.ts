/** What `check` has to say of one place in one file: a problem of the product, or one that only a linter sees. */

import { PROBLEMS, type ProblemCode, type Severity } from "../../mesh/problem.ts";

export interface Finding {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly object: Subject;
  readonly place: Place;
  /** The field, for instance `spec.endpoints[1].address`; "" for the whole object. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** The object; texts are "" where the file does not say them. */
export interface Subject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Where, for an editor and for a reader. Lines and columns count from 1, columns in UTF-16 code units. */
export interface Place {
  /** As it was given or found below what was given; `stdin` for standard input. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** How many code units of the line are meant; at least 1. */
  readonly length: number;
  /** The whole line. */
  readonly text: string;
}

/** A problem without its place. */
export interface Fault {
  readonly code: ProblemCode;
  readonly path: string;
  readonly message: string;
  /** Where the code's own does not fit; absent: it does. */
  readonly remedy?: string;
}

export const SEVERITIES: readonly Severity[] = ["error", "warning", "info"];

export function finding(fault: Fault, object: Subject, place: Place): Finding {
  const { code, path, message, remedy = PROBLEMS[code].remedy } = fault;
  const { kind, namespace, name } = object;
  const { severity } = PROBLEMS[code];
  return { code, severity, remedy, object: { kind, namespace, name }, place, path, message };
}

/** By file, line and column; at one place errors first. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(
    (a, b) =>
      compareTexts(a.place.file, b.place.file) ||
      a.place.line - b.place.line ||
      a.place.column - b.place.column ||
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      compareTexts(a.code, b.code) ||
      compareTexts(a.message, b.message),
  );
}

/** `ServiceEntry default/web`; without what the file does not say. */
export function subjectText({ kind, namespace, name }: Subject): string {
  const full = namespace === "" ? name : `${namespace}/${name}`;
  return full === "" ? kind : `${kind} ${full}`;
}

export function countBySeverity(findings: readonly Finding[]): Readonly<Record<Severity, number>> {
  const counts = { error: 0, warning: 0, info: 0 };
  for (const { severity } of findings) counts[severity] += 1;
  return counts;
}

/** Whether the severity is `least` or worse. */
export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(least);
}

function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
