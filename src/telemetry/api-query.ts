/** The parameters of `/api/hosts` and `/api/problems`: a part of what there is, chosen by the server. */

import type { HostReport, HostsReport, ProblemReport } from "./api-reports.ts";

/** A parameter that cannot be read; the message says what may stand there. */
export class QueryError extends Error {
  override readonly name = "QueryError";
}

/** Which hosts: all that are given must hold. */
export interface HostsQuery {
  /** This host alone. */
  readonly host: string | null;
  /** Words, each part of the host, of `namespace/name` or of an address. */
  readonly words: readonly string[];
  readonly namespace: string | null;
  readonly state: string | null;
  readonly part: Part;
}

export interface Part {
  readonly limit: number;
  readonly offset: number;
}

/** Hosts by name, who answers before who does not; the counts are of all hosts, whatever the query. */
export interface HostsPart {
  readonly version: number;
  readonly total: number;
  readonly matched: number;
  readonly namespaces: Readonly<Record<string, number>>;
  readonly states: Readonly<Record<string, number>>;
  readonly hosts: readonly HostReport[];
}

/** Undefined without any parameter: everything, in the program's own order. Throws `QueryError`. */
export function readHostsQuery(parameters: URLSearchParams): HostsQuery | undefined {
  checkNames(parameters, ["host", "search", "namespace", "state", "limit", "offset"]);
  if (parameters.size === 0) return undefined;
  const search = parameters.get("search") ?? "";
  return {
    host: parameters.get("host"),
    words: search
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== ""),
    namespace: parameters.get("namespace"),
    state: parameters.get("state"),
    part: readPart(parameters),
  };
}

/** As for hosts. */
export function readProblemsQuery(parameters: URLSearchParams): Part | undefined {
  checkNames(parameters, ["limit", "offset"]);
  return parameters.size === 0 ? undefined : readPart(parameters);
}

export function chooseHosts({ version, hosts }: HostsReport, query: HostsQuery): HostsPart {
  const matching = hosts.filter((row) => isChosen(row, query)).sort(compareHosts);
  return {
    version,
    total: hosts.length,
    matched: matching.length,
    namespaces: countBy(hosts, ({ namespace }) => namespace),
    states: countBy(hosts, ({ state }) => state),
    hosts: cut(matching, query.part),
  };
}

/** The gravest first, and of those the newest. */
export function chooseProblems(
  problems: readonly ProblemReport[],
  part: Part,
): { readonly total: number; readonly problems: readonly ProblemReport[] } {
  const sorted = problems.toSorted((a, b) => gravity(a) - gravity(b) || b.sinceMs - a.sinceMs);
  return { total: problems.length, problems: cut(sorted, part) };
}

/** The addresses of a row take time to find, so they are looked at for such words only. */
const ADDRESS_PART = /^(?=.*\d)[\da-f]*[.:][\da-f.:]*$/;

const DEFAULT_LIMIT = 100;
/** More is better read whole, without parameters. */
const MAX_LIMIT = 1000;

const GRAVITY = ["error", "warning", "info"];

function gravity({ severity }: ProblemReport): number {
  return GRAVITY.indexOf(severity);
}

function isChosen(row: HostReport, { host, words, namespace, state }: HostsQuery): boolean {
  if (host !== null && row.host !== host) return false;
  if (namespace !== null && row.namespace !== namespace) return false;
  if (state !== null && row.state !== state) return false;
  return words.every(
    (word) =>
      row.host.includes(word) ||
      `${row.namespace}/${row.name}`.includes(word) ||
      (ADDRESS_PART.test(word) && row.addresses.some(({ address }) => address.includes(word))),
  );
}

function compareHosts(a: HostReport, b: HostReport): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1;
  return Number(a.shadowedBy !== null) - Number(b.shadowedBy !== null);
}

function cut<Value>(values: readonly Value[], { limit, offset }: Part): readonly Value[] {
  return values.slice(offset, offset + limit);
}

function countBy(
  rows: readonly HostReport[],
  keyOf: (row: HostReport) => string,
): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
  return Object.fromEntries([...counts].sort());
}

function readPart(parameters: URLSearchParams): Part {
  return {
    limit: readNumber(parameters, "limit", DEFAULT_LIMIT, MAX_LIMIT),
    offset: readNumber(parameters, "offset", 0, Number.MAX_SAFE_INTEGER),
  };
}

function readNumber(parameters: URLSearchParams, name: string, otherwise: number, max: number): number {
  const text = parameters.get(name);
  if (text === null) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw new QueryError(`${name} must be a whole number up to ${max}`);
}

/** Throws `QueryError` for a parameter that is not known. */
export function checkNames(parameters: URLSearchParams, known: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (!known.includes(name)) {
      throw new QueryError(`no such parameter ${JSON.stringify(name)}; there are ${known.join(", ")}`);
    }
  }
}
