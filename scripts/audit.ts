/**
 * Asks the registry for known vulnerabilities of what the program runs with: exit 1 for high and critical ones. A
 * registry that cannot tell (mirrors often cannot, and there is none offline) is said and is no failure.
 */

import { runNpm } from "./npm.ts";

/** Less than these is said only. */
const FAILING = ["high", "critical"] as const;

/** Of a registry that is silent, the usual five minutes are more than the answer is worth. */
const BRIEF = ["--fetch-retries=1", "--fetch-timeout=30000"] as const;

const { out, error } = runNpm(["audit", "--json", "--omit=dev", ...BRIEF]);
const report = parsed(out);
const counts = report?.metadata?.vulnerabilities;
if (counts === undefined) {
  const [reason = "npm said nothing"] = [report?.message, ...error.split("\n")].filter(Boolean);
  process.stdout.write(`skipped: the registry does not tell of vulnerabilities: ${reason}\n`);
} else {
  for (const { name, severity, range } of Object.values(report?.vulnerabilities ?? {}))
    process.stdout.write(`${severity}: ${name} ${range}\n`);
  const failing = FAILING.reduce((sum, severity) => sum + (counts[severity] ?? 0), 0);
  process.stdout.write(
    `${counts["total"] ?? 0} known vulnerabilities, ${failing} of them high or critical\n`,
  );
  if (failing > 0) process.exitCode = 1;
}

interface Report {
  readonly message?: string;
  readonly metadata?: { readonly vulnerabilities?: Readonly<Record<string, number>> };
  readonly vulnerabilities?: Readonly<
    Record<string, { readonly name: string; readonly severity: string; readonly range: string }>
  >;
}

function parsed(text: string): Report | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
