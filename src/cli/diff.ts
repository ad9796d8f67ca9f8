/**
 * `diff`: every own host beside what another DNS server says of it, or beside istiod's name table: the report
 * before pods are moved over, and the audit of names that entries have taken over.
 */

import { readFileSync } from "node:fs";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import { RecordType } from "../wire/constants.ts";
import { ApiError, type Environment } from "./api.ts";
import { askHosts, type HostRow } from "./api-rows.ts";
import { type CommandSpec, requestedApi, requestedFormat, runCommand, UsageError } from "./command.ts";
import {
  compareWithNameTable,
  compareWithUpstream,
  isDifference,
  type OtherAnswer,
  VERDICTS,
  type Verdict,
} from "./diff/compare.ts";
import { inParallel } from "./diff/in-parallel.ts";
import { type NameTable, readNameTable } from "./diff/name-table.ts";
import { askReason, type Reason } from "./diff/reasons.ts";
import { type HostView, viewsOf } from "./diff/views.ts";
import { exchange } from "./exchange.ts";
import { formatted, table } from "./formats.ts";
import { API_NOTES, API_OPTION, FORMAT_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { readLookupReply } from "./lookup-reply.ts";
import { printable } from "./printable.ts";
import { Progress } from "./progress.ts";
import { type Output, processOutput } from "./usage.ts";

export const DIFF_HELP = helpText({
  usage: "diff (--upstream ADDR[:PORT] | --nds FILE) [PATTERN] [options]",
  about: `Compares, for every host of the entries that a running server knows and for every client namespace with a view of its own, our answer with another one. Says the rule behind each difference and, below it, why our server answers so.`,
  options: [
    ["--upstream ADDR[:PORT]", "another DNS server, such as CoreDNS's Service; it is asked for A and AAAA"],
    ["--nds FILE", "istiod's name table of one proxy, as JSON"],
    [
      "--server ADDR[:PORT]",
      "ask our own server too, for what everybody sees, instead of believing /api/hosts",
    ],
    [
      "-n, --namespace NS",
      "with --nds: the namespace of the proxy; else: only views of these; may be repeated",
    ],
    ["--all", "equal answers too"],
    API_OPTION,
    FORMAT_OPTION,
    HELP_OPTION,
  ],
  notes: `A proxy's name table is printed by
  kubectl exec POD -c istio-proxy -- curl -s localhost:15020/debug/ndsz
${API_NOTES}

Verdicts: ${VERDICTS.join(", ")}. "other" and "only there" are what pods notice when they are moved over.`,
  status: "0 no such difference, 1 some, 2 usage, 3 no API endpoint",
});

export const DIFF_OPTIONS = {
  upstream: { type: "string" },
  nds: { type: "string" },
  server: { type: "string" },
  namespace: { type: "string", short: "n", multiple: true },
  all: { type: "boolean", default: false },
  api: { type: "string" },
  output: { type: "string", short: "o", default: "table" },
  help: { type: "boolean", default: false },
} as const;

const SPEC: CommandSpec<typeof DIFF_OPTIONS> = {
  name: "diff",
  help: DIFF_HELP,
  options: DIFF_OPTIONS,
  words: [{ name: "PATTERN", isOptional: true }],
};

export function runDiff(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return runCommand(SPEC, argv, output, async (values, [pattern = ""]) => {
    const progressOf = (things: string) =>
      new Progress(output.showsProgress ? output.error : undefined, things);
    const format = requestedFormat(values.output);
    const base = requestedApi(values.api, env);
    const { upstream, nds } = values;
    if ((upstream === undefined) === (nds === undefined))
      throw new UsageError("what to compare with? write --upstream ADDR or --nds FILE");
    const server = values.server === undefined ? undefined : readServer("--server", values.server);
    const other = upstream === undefined ? undefined : readServer("--upstream", upstream);
    const nameTable = nds === undefined ? undefined : readTable(nds);
    const rows = (await askHosts(base)).filter(({ host }) => host.includes(pattern.toLowerCase()));
    const views = groupByHost(rows).flatMap(([host, ofHost]) => viewsOf(host, ofHost));
    const wanted = values.namespace;
    let compared: readonly Row[];
    if (nameTable !== undefined) compared = compareTables(views, nameTable, wanted ?? [], pattern);
    else {
      const chosen = views.filter(({ namespace }) => wanted === undefined || wanted.includes(namespace));
      compared = await compareServers(chosen, { other: other!, server }, progressOf("hosts"));
    }
    const shown = values.all ? compared : compared.filter(isDifferenceOrNews);
    const proxyNamespace = nameTable === undefined ? undefined : wanted?.[0];
    const { rows: explained, failure } = await explain(shown, base, proxyNamespace, progressOf("reasons"));
    if (failure !== undefined) output.error(`diff: no reasons are shown. ${failure}\n`);
    output.out(
      formatted(format, { counts: countsOf(compared), rows: explained }, () =>
        diffTable(explained, compared),
      ),
    );
    return compared.some(isDifference) ? 1 : 0;
  });
}

export interface Row {
  readonly host: string;
  readonly namespace: string;
  readonly ours: readonly string[];
  readonly others: readonly string[];
  readonly verdict: Verdict;
  readonly rule: string;
}

/** With what our server says of its own answer; null: it did not. */
interface ExplainedRow extends Row {
  readonly why: Reason | null;
}

/** A name that exists here alone is no difference that hurts, and yet what the report is for. */
function isDifferenceOrNews(row: Row): boolean {
  return isDifference(row) || row.verdict === "only here";
}

function compareTables(
  views: readonly HostView[],
  { hosts }: NameTable,
  namespaces: readonly string[],
  pattern: string,
): readonly Row[] {
  const byHost = new Map<string, HostView>();
  // The view of the proxy's namespace before everybody's.
  for (const view of views)
    if (view.namespace === "*" || namespaces.includes(view.namespace)) {
      const known = byHost.get(view.host);
      if (known === undefined || known.namespace === "*") byHost.set(view.host, view);
    }
  const rows = [...byHost.values()].map((view): Row => {
    const info = hosts.get(view.host);
    const other: OtherAnswer =
      info === undefined ? { kind: "none", said: "absent" } : { kind: "addresses", addresses: info.ips };
    return rowOf(view, other, compareWithNameTable(view, other));
  });
  for (const [host, { ips, registry }] of hosts) {
    // The cluster's own Services are not ours to answer.
    if (byHost.has(host) || registry === "Kubernetes" || !host.includes(pattern.toLowerCase())) continue;
    const view: HostView = { host, namespace: "*", winners: [], addresses: [] };
    const other: OtherAnswer = { kind: "addresses", addresses: ips };
    rows.push(rowOf(view, other, compareWithNameTable(view, other)));
  }
  return rows;
}

async function compareServers(
  views: readonly HostView[],
  { other, server }: { readonly other: SocketAddress; readonly server: SocketAddress | undefined },
  progress: Progress,
): Promise<readonly Row[]> {
  const answers = new Map<string, Promise<OtherAnswer>>();
  const ask = (host: string) => {
    const known = answers.get(host);
    if (known !== undefined) return known;
    const answer = askAddresses(other, host);
    answers.set(host, answer);
    return answer;
  };
  return inParallel(
    views,
    async (asked) => {
      const view = server === undefined || asked.namespace !== "*" ? asked : await askedView(asked, server);
      const answer = await ask(view.host);
      return rowOf(view, answer, compareWithUpstream(view, answer));
    },
    progress,
  );
}

/** Asks the server why it answers each of the rows so; where it does not say it, `failure` says why not. */
async function explain(
  rows: readonly Row[],
  base: URL,
  proxyNamespace: string | undefined,
  progress: Progress,
): Promise<{ readonly rows: readonly ExplainedRow[]; readonly failure?: string }> {
  const ask = async (row: Row): Promise<ExplainedRow> => {
    // A proxy's table is compared with what its namespace sees, which may be what all see.
    const namespace = row.namespace === "*" ? (proxyNamespace ?? "*") : row.namespace;
    const addresses = [...row.ours, ...row.others];
    return { ...row, why: await askReason(base, { name: askableName(row.host), namespace, addresses }) };
  };
  try {
    return { rows: await inParallel(rows, ask, progress) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { rows: rows.map((row) => ({ ...row, why: null })), failure: error.message };
  }
}

/** The view with the addresses that our server gives over DNS now; sources and targets where they are known. */
async function askedView(view: HostView, server: SocketAddress): Promise<HostView> {
  if (view.winners.length === 0) return view;
  const answer = await askAddresses(server, view.host);
  if (answer.kind === "unknown") return view;
  const texts = answer.kind === "addresses" ? answer.addresses : [];
  const addresses = texts.map(
    (address) =>
      view.addresses.find((each) => each.address === address) ?? {
        address,
        source: view.addresses[0]?.source ?? "",
        target: view.addresses[0]?.target ?? null,
        state: "fresh",
        expiresAt: null,
      },
  );
  return { ...view, addresses };
}

/** A name below a wildcard that nobody has made on purpose. */
const BELOW_WILDCARD = "serviceentry-dns-diff";

async function askAddresses(server: SocketAddress, host: string): Promise<OtherAnswer> {
  const name = askableName(host);
  const replies = await Promise.all(
    [RecordType.A, RecordType.AAAA].map(async (type) =>
      readLookupReply(type, await exchange(server, { name, type }, "udp")),
    ),
  );
  const addresses = replies.flatMap(({ answers }) =>
    answers.filter(({ type }) => type === "A" || type === "AAAA").map(({ data }) => data),
  );
  if (addresses.length > 0) return { kind: "addresses", addresses };
  const failed = replies.find(({ status }) => status !== "NODATA" && status !== "NXDOMAIN");
  if (failed !== undefined) return { kind: "unknown", said: failed.status ?? failed.failure ?? "no reply" };
  return { kind: "none", said: replies[0]?.status ?? "NODATA" };
}

function askableName(host: string): string {
  return host.startsWith("*.") ? `${BELOW_WILDCARD}${host.slice(1)}` : host;
}

function rowOf(
  { host, namespace, addresses }: HostView,
  other: OtherAnswer,
  { verdict, rule }: { readonly verdict: Verdict; readonly rule: string },
): Row {
  const ours = [...new Set(addresses.map(({ address }) => address))];
  return {
    host,
    namespace,
    ours,
    others: other.kind === "addresses" ? other.addresses : [other.said],
    verdict,
    rule,
  };
}

function diffTable(shown: readonly ExplainedRow[], all: readonly Row[]): string {
  const cells = shown.map(({ host, namespace, ours, others, verdict, rule }) => [
    host,
    namespace,
    ours.join(",") || "-",
    others.join(",") || "-",
    verdict,
    rule,
  ]);
  const summary = Object.entries(countsOf(all))
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`);
  const heads = ["HOST", "NAMESPACE", "HERE", "THERE", "VERDICT", "RULE"];
  const lines = table(heads, cells, "no difference").trimEnd().split("\n");
  // Below each row what our server says of its answer.
  const whys = shown.map(({ why }) => (why === null ? [] : [printable(`  ${why.decision}: ${why.text}`)]));
  const body = lines.flatMap((line, index) => [line, ...(whys[index - 1] ?? [])]).join("\n");
  return `${body}\n\n${all.length} compared: ${summary.join(", ") || "nothing"}\n`;
}

function countsOf(rows: readonly Row[]): Readonly<Record<Verdict, number>> {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  for (const { verdict } of rows) counts[verdict] += 1;
  return counts;
}

function groupByHost(rows: readonly HostRow[]): readonly (readonly [string, readonly HostRow[]])[] {
  const groups = new Map<string, HostRow[]>();
  for (const row of rows) {
    const known = groups.get(row.host);
    if (known === undefined) groups.set(row.host, [row]);
    else known.push(row);
  }
  return [...groups];
}

const DNS_PORT = 53;

function readServer(option: string, text: string): SocketAddress {
  const written = parseWrittenAddress(text);
  if ("fault" in written) throw new UsageError(`${option} ${text} ${written.fault}`);
  if (written.address === undefined) throw new UsageError(`${option} ${text} has no address`);
  const server = { address: written.address, port: written.port ?? DNS_PORT };
  if (server.port === 0) throw new UsageError(`${option} ${socketAddressText(server)} has the port 0`);
  return server;
}

function readTable(path: string): NameTable {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(
      `--nds ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const read = readNameTable(text);
  if ("fault" in read) throw new UsageError(`--nds ${path} ${read.fault}`);
  return read;
}
