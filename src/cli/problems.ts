/** `problems`: what a running server has to say of its objects, with what to do about it. */

import type { Environment } from "./api.ts";
import { askProblems, type ProblemRow } from "./api-rows.ts";
import { isAtLeast, SEVERITIES } from "./check/finding.ts";
import { type CommandSpec, requestedApi, requestedFormat, runCommand, UsageError } from "./command.ts";
import { durationText, formatted, table } from "./formats.ts";
import { API_NOTES, API_OPTION, FORMAT_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { type Output, processOutput } from "./usage.ts";

export const PROBLEMS_HELP = helpText({
  usage: "problems [options]",
  about: `Lists what a running server found wrong, worst first: code, object, field, and what to do. "check --explain CODE" says more of a code.`,
  options: [
    ["-n, --namespace NS", "of the object; may be repeated"],
    ["--code CODE", "may be repeated"],
    ["--severity SEVERITY", "error, warning or info: these and worse ones (default info)"],
    ["--fail-on SEVERITY", "what makes the exit status 1 (default error)"],
    API_OPTION,
    FORMAT_OPTION,
    HELP_OPTION,
  ],
  notes: API_NOTES,
  status: "0 nothing listed is as bad as --fail-on, 1 something is, 2 usage, 3 no API endpoint",
});

export const PROBLEMS_OPTIONS = {
  namespace: { type: "string", short: "n", multiple: true },
  code: { type: "string", multiple: true },
  severity: { type: "string", default: "info" },
  "fail-on": { type: "string", default: "error" },
  api: { type: "string" },
  output: { type: "string", short: "o", default: "table" },
  help: { type: "boolean", default: false },
} as const;

const SPEC: CommandSpec<typeof PROBLEMS_OPTIONS> = {
  name: "problems",
  help: PROBLEMS_HELP,
  options: PROBLEMS_OPTIONS,
  words: [],
};

export function runProblems(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return runCommand(SPEC, argv, output, async (values) => {
    const format = requestedFormat(values.output);
    const base = requestedApi(values.api, env);
    const least = severityOf("--severity", values.severity);
    const failOn = severityOf("--fail-on", values["fail-on"]);
    const { namespace: namespaces, code: codes } = values;
    const rows = (await askProblems(base))
      .filter(
        ({ object, code, severity }) =>
          (namespaces === undefined || namespaces.includes(object.namespace)) &&
          (codes === undefined || codes.includes(code)) &&
          isAsBad(severity, least),
      )
      .toSorted((a, b) => rank(a.severity) - rank(b.severity));
    output.out(formatted(format, rows, () => problemsTable(rows, Date.now())));
    return rows.some(({ severity }) => isAsBad(severity, failOn)) ? 1 : 0;
  });
}

export function problemsTable(rows: readonly ProblemRow[], wallMs: number): string {
  const cells = rows.flatMap(({ severity, code, object, path, message, remedy, since }) => {
    const { kind, namespace, name } = object;
    const subject = `${kind} ${[namespace, name].filter((each) => each !== "").join("/")}`.trim();
    const age = since === null ? "-" : durationText(wallMs - Date.parse(since));
    return [
      [severity, code, age, subject, path === "" ? message : `${path}: ${message}`],
      ["", "", "", "", `  ${remedy}`],
    ];
  });
  return table(["SEVERITY", "CODE", "SINCE", "OBJECT", "WHAT AND REMEDY"], cells, "no problems");
}

function severityOf(option: string, text: string): (typeof SEVERITIES)[number] {
  const severity = SEVERITIES.find((each) => each === text);
  if (severity === undefined)
    throw new UsageError(`${option} ${text} is not one of ${SEVERITIES.join(", ")}`);
  return severity;
}

/** A severity that this program does not know counts as an error. */
function isAsBad(text: string, least: (typeof SEVERITIES)[number]): boolean {
  return isAtLeast(SEVERITIES.find((each) => each === text) ?? "error", least);
}

function rank(text: string): number {
  const severities: readonly string[] = SEVERITIES;
  return severities.indexOf(text);
}
