/** `check`: lints manifests before they are applied, with the eyes of the server that would answer them. */

import { parseArgs } from "node:util";
import { loadSettings } from "../config/load-settings.ts";
import { nearestName } from "../config/nearest-name.ts";
import { SettingsError } from "../config/settings-error.ts";
import type { ProblemCode, Severity } from "../mesh/problem.ts";
import { registrySettings } from "../part-settings.ts";
import { type IpAddress, type IpPrefix, parseIpAddress, parseIpPrefix } from "../wire/ip-address.ts";
import { type ExamineOptions, examine } from "./check/examine.ts";
import { EXPLANATIONS, explain } from "./check/explanations.ts";
import { type Finding, isAtLeast, SEVERITIES, sortFindings } from "./check/finding.ts";
import { jsonReport } from "./check/report-json.ts";
import { junitReport } from "./check/report-junit.ts";
import { sarifReport } from "./check/report-sarif.ts";
import { textReport } from "./check/report-text.ts";
import { readSources, type Sources } from "./check/sources.ts";
import { subjectOf } from "./check/subject.ts";
import { HELP_OPTION, helpText } from "./help-text.ts";
import { Progress } from "./progress.ts";
import {
  EXIT_USAGE,
  type Output,
  processOutput,
  readArguments,
  unknownOptionMessage,
  usageMessage,
} from "./usage.ts";

export const CHECK_HELP = helpText({
  usage: "check -f FILE|DIR|- [-f ...] [options]",
  about: `Says what is wrong with ServiceEntries, WorkloadEntries and the DNS of pods, before they are applied: what the server would report at /api/problems, what Istio's webhook refuses or warns of, and what keeps a pod from asking this server. Objects of all files are seen together, as by "serve --source".`,
  options: [
    [
      "-f, --filename PATH",
      "a manifest, a folder of them (*.yaml, *.yml, *.json, recursive), or - for standard input; may be repeated",
    ],
    ["-o, --output FORMAT", "text, json, sarif or junit (default text)"],
    ["--fail-on SEVERITY", "error, warning or info: what makes the exit status 1 (default error)"],
    [
      "--config FILE",
      "settings of the server that will answer, such as clusterDomain and hostPolicy; default: the defaults. Flags and environment of the server do not count",
    ],
    [
      "--nameserver ADDR",
      "an address of the server's Service, to judge pods' nameservers; may be repeated. Addresses of a Service with the label app: serviceentry-dns are found in the files",
    ],
    [
      "--service-range CIDR",
      "where the cluster's Services get their addresses, to judge endpoints of entries that are published; may be repeated. Addresses of Services in the files count without it",
    ],
    ["--explain [CODE]", "explain a code, or all, and end"],
    HELP_OPTION,
  ],
  status: "0 nothing as bad as --fail-on, 1 something is, 2 wrong usage or a path that is not there",
});

export const CHECK_OPTIONS = {
  filename: { type: "string", short: "f", multiple: true },
  output: { type: "string", short: "o", default: "text" },
  "fail-on": { type: "string", default: "error" },
  config: { type: "string" },
  nameserver: { type: "string", multiple: true },
  "service-range": { type: "string", multiple: true },
  explain: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

export const CHECK_FORMATS = ["text", "json", "sarif", "junit"] as const;
type CheckFormat = (typeof CHECK_FORMATS)[number];

export interface CheckParts {
  /** Of the program. */
  readonly version: string;
  /** Text of standard input. */
  readonly stdin?: () => Promise<string>;
}

const EXIT_FOUND = 1;

export async function runCheck(
  argv: readonly string[],
  { version, stdin = readStdin }: CheckParts,
  output: Output = processOutput,
): Promise<number> {
  const wanted = readCheckArguments(argv);
  if ("show" in wanted) {
    output.out(wanted.show);
    return 0;
  }
  if ("fault" in wanted) {
    output.error(wanted.fault);
    return EXIT_USAGE;
  }
  const { paths, format, failOn, examination } = wanted;
  const progress = new Progress(output.showsProgress ? output.error : undefined, "files");
  const sources = await readSources(paths, {
    stdin,
    onRead: (done, all) => progress.update(done, all),
  });
  progress.end();
  if ("fault" in sources) {
    output.error(usageMessage("check", sources.fault));
    return EXIT_USAGE;
  }
  const found = examine(sources, examination);
  const findings = sortFindings([...sources.findings, ...found]);
  output.out(report(format, sources, findings, { version, failOn, hasColor: output.hasColor === true }));
  return findings.some(({ severity }) => isAtLeast(severity, failOn)) ? EXIT_FOUND : 0;
}

function report(
  format: CheckFormat,
  sources: Sources,
  findings: readonly Finding[],
  options: { readonly version: string; readonly failOn: Severity; readonly hasColor: boolean },
): string {
  const counts = { files: sources.files, objects: sources.objects.length };
  switch (format) {
    case "text":
      return textReport(findings, { ...counts, hasColor: options.hasColor });
    case "json":
      return jsonReport(findings, counts);
    case "sarif":
      return sarifReport(findings, options.version);
    case "junit": {
      const objects = sources.objects.map((each) => ({
        file: each.document.file,
        object: subjectOf(each),
      }));
      return junitReport(objects, findings, options.failOn);
    }
  }
}

interface CheckArguments {
  readonly paths: readonly string[];
  readonly format: CheckFormat;
  readonly failOn: Severity;
  readonly examination: ExamineOptions;
}

function readCheckArguments(
  argv: readonly string[],
): CheckArguments | { readonly show: string } | { readonly fault: string } {
  const wrong = (fault: string) => ({ fault: usageMessage("check", fault) });
  const unknown = unknownOptionMessage("check", argv, Object.keys(CHECK_OPTIONS));
  if (unknown !== undefined) return { fault: unknown };
  const parsed = readArguments("check", () =>
    parseArgs({ args: [...argv], options: CHECK_OPTIONS, allowPositionals: true }),
  );
  if ("fault" in parsed) return parsed;
  const { values, positionals } = parsed;
  if (values.help) return { show: CHECK_HELP };
  if (values.explain) return explained(positionals);
  if (positionals.length > 0) return wrong(`${positionals[0]} stands alone; write -f ${positionals[0]}`);
  const paths = [...new Set(values.filename ?? [])];
  if (paths.length === 0)
    return wrong("there is nothing to check; write -f FILE, -f DIR, or -f - for standard input");
  const format = CHECK_FORMATS.find((each) => each === values.output);
  if (format === undefined)
    return wrong(`--output ${values.output} is not one of ${CHECK_FORMATS.join(", ")}`);
  const failOn = SEVERITIES.find((each) => each === values["fail-on"]);
  if (failOn === undefined)
    return wrong(`--fail-on ${values["fail-on"]} is not one of ${SEVERITIES.join(", ")}`);
  const ourAddresses: IpAddress[] = [];
  for (const text of values.nameserver ?? []) {
    const address = parseIpAddress(text);
    if (address === null) return wrong(`--nameserver ${text} is no IP address`);
    ourAddresses.push(address);
  }
  const serviceRanges: IpPrefix[] = [];
  for (const text of values["service-range"] ?? []) {
    const range = parseIpPrefix(text);
    if (range === null) return wrong(`--service-range ${text} is no range of addresses such as 10.96.0.0/16`);
    serviceRanges.push(range);
  }
  try {
    const examination = { ...settingsOf(values.config), ourAddresses, serviceRanges };
    return { paths, format, failOn, examination };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { fault: `${error.faults.map(({ message }) => `check: ${message}\n`).join("")}` };
  }
}

/** What the server forwards to plays no part here, so that the machine's own resolver need not be readable. */
const NO_UPSTREAM = "192.0.2.1";

function settingsOf(config: string | undefined): Pick<ExamineOptions, "settings" | "publish"> {
  const { settings } = loadSettings({
    argv: config === undefined ? [] : ["--config", config],
    env: {},
    defaults: { upstreams: NO_UPSTREAM },
    localAddresses: () => [],
  });
  return { settings: registrySettings(settings), publish: settings.publish };
}

function explained(codes: readonly string[]): { readonly show: string } | { readonly fault: string } {
  const all = Object.keys(EXPLANATIONS) as ProblemCode[];
  if (codes.length === 0) return { show: all.map(explain).join("\n") };
  const texts: string[] = [];
  for (const code of codes) {
    const known = all.find((each) => each.toLowerCase() === code.toLowerCase());
    if (known === undefined) {
      const nearest = nearestName(code, all);
      const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
      return { fault: usageMessage("check", `there is no code ${code}${hint}`) };
    }
    texts.push(explain(known));
  }
  return { show: texts.join("\n") };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
