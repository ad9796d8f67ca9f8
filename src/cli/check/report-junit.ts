/** Findings as JUnit XML, which CI systems show as tests: one case per object, failed where it has to be mended. */

import type { Severity } from "../../mesh/problem.ts";
import { type Finding, isAtLeast, type Subject, subjectText } from "./finding.ts";

export interface CheckedObject {
  readonly file: string;
  readonly object: Subject;
}

/** `objects`: all that were looked at; those without a finding passed. `failOn`: what fails a case. */
export function junitReport(
  objects: readonly CheckedObject[],
  findings: readonly Finding[],
  failOn: Severity,
): string {
  const suites = new Map<string, Map<string, Finding[]>>();
  const caseOf = (file: string, object: Subject): Finding[] => {
    const suite = suites.get(file) ?? new Map<string, Finding[]>();
    suites.set(file, suite);
    const name = subjectText(object);
    const found = suite.get(name) ?? [];
    suite.set(name, found);
    return found;
  };
  for (const { file, object } of objects) caseOf(file, object);
  for (const each of findings) caseOf(each.place.file, each.object).push(each);
  const isFailed = (found: readonly Finding[]) => found.some(({ severity }) => isAtLeast(severity, failOn));
  const all = [...suites.values()].flatMap((suite) => [...suite.values()]);
  const head = (tests: number, failures: number) => `tests="${tests}" failures="${failures}" errors="0"`;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="serviceentry-dns check" ${head(all.length, all.filter(isFailed).length)}>`,
  ];
  for (const [file, suite] of suites) {
    const failures = [...suite.values()].filter(isFailed).length;
    lines.push(`  <testsuite name="${xml(file)}" ${head(suite.size, failures)}>`);
    for (const [name, found] of suite) lines.push(...testCase(file, name, found, failOn));
    lines.push("  </testsuite>");
  }
  return `${[...lines, "</testsuites>"].join("\n")}\n`;
}

function testCase(
  file: string,
  name: string,
  findings: readonly Finding[],
  failOn: Severity,
): readonly string[] {
  const head = `    <testcase classname="${xml(file)}" name="${xml(name)}"`;
  if (findings.length === 0) return [`${head}/>`];
  const failures = findings.filter(({ severity }) => isAtLeast(severity, failOn));
  const others = findings.filter((each) => !failures.includes(each));
  return [
    `${head}>`,
    ...failures.map(
      (each) =>
        `      <failure type="${each.code}" message="${xml(each.message)}">${xml(textOf(each))}</failure>`,
    ),
    ...(others.length === 0 ? [] : [`      <system-out>${xml(others.map(textOf).join("\n"))}</system-out>`]),
    "    </testcase>",
  ];
}

function textOf({ place, severity, code, message, remedy }: Finding): string {
  return `${place.file}:${place.line}:${place.column}: ${severity} ${code}: ${message}\n${place.text.trim()}\n${remedy}`;
}

/** Text and attribute values; what XML 1.0 (section 2.2) cannot hold is replaced. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;");
}
