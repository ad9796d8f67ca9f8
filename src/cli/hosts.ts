/** `hosts`: every host that entries claim, with what answers it now. */

import type { Environment } from "./api.ts";
import { askHosts, type HostRow } from "./api-rows.ts";
import { type CommandSpec, requestedApi, requestedFormat, runCommand, UsageError } from "./command.ts";
import { durationText, formatted, table } from "./formats.ts";
import { API_NOTES, API_OPTION, FORMAT_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { type Output, processOutput } from "./usage.ts";

export const HOST_STATES = ["ok", "pending", "stale", "unresolved", "shadowed", "rejected"] as const;

export const HOSTS_HELP = helpText({
  usage: "hosts [PATTERN] [options]",
  about: `Lists the hosts of the entries that a running server knows: object, state, addresses, next refresh. PATTERN is a host, a part of one, or *.suffix for all below the suffix.`,
  options: [
    ["-n, --namespace NS", "of the entry; may be repeated"],
    ["--state STATE", `${HOST_STATES.join(", ")}; may be repeated`],
    ["--wide", "all addresses, the last error and who answers in the place of a shadowed entry"],
    API_OPTION,
    FORMAT_OPTION,
    HELP_OPTION,
  ],
  notes: API_NOTES,
  status: "0 some host fits, 1 none does, 2 usage, 3 no API endpoint",
});

export const HOSTS_OPTIONS = {
  namespace: { type: "string", short: "n", multiple: true },
  state: { type: "string", multiple: true },
  wide: { type: "boolean", default: false },
  api: { type: "string" },
  output: { type: "string", short: "o", default: "table" },
  help: { type: "boolean", default: false },
} as const;

const SPEC: CommandSpec<typeof HOSTS_OPTIONS> = {
  name: "hosts",
  help: HOSTS_HELP,
  options: HOSTS_OPTIONS,
  words: [{ name: "PATTERN", isOptional: true }],
};

export function runHosts(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return runCommand(SPEC, argv, output, async (values, [pattern = ""]) => {
    const format = requestedFormat(values.output);
    const base = requestedApi(values.api, env);
    const { namespace: namespaces, state: states } = values;
    const unknown = states?.find((each) => !HOST_STATES.some((known) => known === each));
    if (unknown !== undefined)
      throw new UsageError(`--state ${unknown} is not one of ${HOST_STATES.join(", ")}`);
    const rows = (await askHosts(base)).filter(
      (row) =>
        fits(row.host, pattern) &&
        (namespaces === undefined || namespaces.includes(row.namespace)) &&
        (states === undefined || states.includes(row.state)),
    );
    output.out(formatted(format, rows, () => hostsTable(rows, values.wide, Date.now())));
    return rows.length === 0 ? 1 : 0;
  });
}

/** `wallMs`: now. */
export function hostsTable(rows: readonly HostRow[], isWide: boolean, wallMs: number): string {
  const heads = ["HOST", "ENTRY", "RESOLUTION", "MODE", "STATE", "NEXT", "ADDRESSES"];
  const cells = rows.map((row) => [
    row.host,
    `${row.namespace}/${row.name}`,
    row.resolution,
    row.answerMode,
    row.state,
    row.nextRefresh === null ? "-" : durationText(Date.parse(row.nextRefresh) - wallMs),
    addressesText(row, isWide),
    ...(isWide ? [noteOf(row)] : []),
  ]);
  return table(isWide ? [...heads, "NOTE"] : heads, cells, "no host fits");
}

const MOST_SHOWN = 3;

function addressesText({ addresses }: HostRow, isWide: boolean): string {
  if (addresses.length === 0) return "-";
  const texts = addresses.map(({ address }) => address);
  if (isWide || texts.length <= MOST_SHOWN) return texts.join(",");
  return `${texts.slice(0, MOST_SHOWN).join(",")} and ${texts.length - MOST_SHOWN} more`;
}

function noteOf({ shadowedBy, lastError, visibleTo }: HostRow): string {
  return [
    shadowedBy === null ? "" : `${shadowedBy.namespace}/${shadowedBy.name}: ${shadowedBy.reason}`,
    lastError === null ? "" : `${lastError.code}: ${lastError.message}`,
    visibleTo === "all" ? "" : `visible to ${visibleTo.join(",") || "nobody"}`,
  ]
    .filter((each) => each !== "")
    .join("; ");
}

function fits(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) : host.includes(wanted);
}
