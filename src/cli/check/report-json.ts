/** Findings for scripts: one object, in the order of the files. */

import { EXPLANATIONS } from "./explanations.ts";
import { countBySeverity, type Finding } from "./finding.ts";

export interface JsonOptions {
  readonly files: number;
  readonly objects: number;
}

export function jsonReport(findings: readonly Finding[], { files, objects }: JsonOptions): string {
  const rows = findings.map(({ code, severity, object, place, path, message, remedy }) => ({
    code,
    severity,
    file: place.file,
    line: place.line,
    column: place.column,
    object,
    path,
    message,
    explanation: EXPLANATIONS[code],
    remedy,
  }));
  return `${JSON.stringify({ files, objects, counts: countBySeverity(findings), findings: rows }, null, 2)}\n`;
}
