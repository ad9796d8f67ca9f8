/** Findings as SARIF 2.1.0, the format that code hosts show beside the lines of a change. */

import { hash } from "node:crypto";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { PROBLEMS, type ProblemCode, type Severity } from "../../mesh/problem.ts";
import { EXPLANATIONS } from "./explanations.ts";
import { type Finding, subjectText } from "./finding.ts";

/** SARIF 2.1.0, section 3.27.10. */
const LEVELS: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  info: "note",
};

export function sarifReport(findings: readonly Finding[], version: string): string {
  const codes = [...new Set(findings.map(({ code }) => code))].sort();
  const log = {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "serviceentry-dns check",
            version,
            semanticVersion: version,
            rules: codes.map(rule),
          },
        },
        columnKind: "utf16CodeUnits",
        results: findings.map((each) => result(each, codes)),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function rule(code: ProblemCode) {
  const { severity, remedy } = PROBLEMS[code];
  return {
    id: code,
    name: code,
    shortDescription: { text: firstSentence(EXPLANATIONS[code]) },
    fullDescription: { text: EXPLANATIONS[code] },
    help: { text: remedy },
    defaultConfiguration: { level: LEVELS[severity] },
  };
}

function result(
  { code, severity, object, place, path, message, remedy }: Finding,
  codes: readonly ProblemCode[],
) {
  const { file, line, column, length, text } = place;
  const named = subjectText(object);
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: LEVELS[severity],
    message: { text: `${named}: ${message} ${remedy}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(file) },
          region: {
            startLine: line,
            startColumn: column,
            endColumn: column + length,
            ...(text === "" ? {} : { snippet: { text } }),
          },
        },
        logicalLocations: [
          { name: object.name, fullyQualifiedName: `${named} ${path}`.trim(), kind: "object" },
        ],
      },
    ],
    // The same finding after lines were added above it.
    partialFingerprints: { "object/v1": hash("sha256", `${code} ${named} ${path} ${message}`, "hex") },
  };
}

/** Relative to where the command runs, as it was given; code hosts take it from the root of the repository. */
function uriOf(file: string): string {
  if (isAbsolute(file)) return pathToFileURL(file).href;
  return file
    .replace(/^(\.\/)+/, "")
    .split("/")
    .map((part) => encodeURIComponent(part))
    .join("/");
}

function firstSentence(text: string): string {
  return /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;
}
