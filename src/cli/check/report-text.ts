/** Findings for a reader: place, code, the line itself with a mark under what is meant, remedy. */

import type { Severity } from "../../mesh/problem.ts";
import { type Paint, paintFor, type Style } from "../paint.ts";
import { printable } from "../printable.ts";
import { countBySeverity, type Finding, SEVERITIES, subjectText } from "./finding.ts";

export interface TextOptions {
  readonly hasColor: boolean;
  readonly files: number;
  readonly objects: number;
}

export function textReport(findings: readonly Finding[], { hasColor, files, objects }: TextOptions): string {
  const paint = paintFor(hasColor);
  const blocks = findings.map((each) => block(each, paint));
  const counts = countBySeverity(findings);
  const found = SEVERITIES.filter((severity) => counts[severity] > 0).map((severity) =>
    paint(STYLES[severity], plural(counts[severity], severity)),
  );
  const what = found.length === 0 ? "nothing to say" : found.join(", ");
  return [...blocks, `${plural(objects, "object")} in ${plural(files, "file")}: ${what}\n`].join("\n");
}

const STYLES: Readonly<Record<Severity, Style>> = { error: "red", warning: "yellow", info: "cyan" };

function block(finding: Finding, paint: Paint): string {
  const { place, severity, code, object, message, remedy } = finding;
  const where = `${place.file}:${place.line}:${place.column}`;
  const head = `${paint("bold", printable(where))}: ${paint(STYLES[severity], `${severity} ${code}`)} ${printable(subjectText(object))}`;
  const remedyLine = `  ${paint("dim", "remedy:")} ${remedy}`;
  return `${[head, `  ${printable(message)}`, ...excerpt(finding, paint), remedyLine].join("\n")}\n`;
}

/** As much of a line as a terminal has room for; a JSON file may be one line. */
const MOST_SHOWN = 100;

function excerpt({ place, severity }: Finding, paint: Paint): readonly string[] {
  const { text, column, length, line } = place;
  if (text === "") return [];
  const from = column <= MOST_SHOWN - 20 ? 0 : column - 1 - 20;
  const shown = text.slice(from, from + MOST_SHOWN);
  const number = `${line}`;
  const gutter = " ".repeat(number.length);
  const at = column - 1 - from;
  // A tab is wider than a character: the mark's own indentation repeats it.
  const indent = shown.slice(0, at).replace(/[^\t]/g, " ");
  const marks = "^".repeat(Math.max(1, Math.min(length, shown.length - at)));
  return [
    `  ${paint("dim", `${number} |`)} ${printable(shown, "\t")}`,
    `  ${paint("dim", `${gutter} |`)} ${indent}${paint(STYLES[severity], marks)}`,
  ];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 || noun === "info" ? "" : "s"}`;
}
