/** What `/api/hosts` and `/api/problems` say: the values they are made of, and their JSON with RFC 3339 times. */

/** Times are milliseconds since 1970. */
export interface HostsReport {
  /** Of the table. */
  readonly version: number;
  readonly hosts: readonly HostReport[];
}

export interface HostReport {
  readonly host: string;
  /** The object that answers. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly resolution: string;
  readonly answerMode: string;
  readonly visibleTo: "all" | readonly string[];
  /** ok, pending, stale, unresolved, shadowed or rejected. */
  readonly state: string;
  readonly addresses: readonly AddressReport[];
  readonly nextRefreshMs: number | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly sinceMs: number } | null;
  readonly shadowedBy: { readonly namespace: string; readonly name: string; readonly reason: string } | null;
}

export interface AddressReport {
  readonly address: string;
  /** virtual, static, workload or resolved. */
  readonly source: string;
  /** The name that was resolved, or the workload; null: the entry names the address itself. */
  readonly target: string | null;
  readonly state: string;
  /** Null: it does not expire. */
  readonly expiresAtMs: number | null;
  /** When upstream last said something about its name; null or absent: it is not from upstream. */
  readonly answeredAtMs?: number | null;
}

export interface ProblemReport {
  readonly code: string;
  readonly severity: string;
  readonly object: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  readonly sinceMs: number;
}

/** What else the report has is kept, before the list. */
export function hostsJson({ hosts, ...rest }: HostsReport): unknown {
  return { ...rest, hosts: hosts.map(hostJson) };
}

/** What else the report has is kept, before the list. */
export function problemsJson({
  problems,
  ...rest
}: {
  readonly problems: readonly ProblemReport[];
}): unknown {
  return {
    ...rest,
    problems: problems.map(({ sinceMs, ...problem }) => ({ ...problem, since: rfc3339(sinceMs) })),
  };
}

/** The fields one by one: their order, and nothing besides them. */
function hostJson(report: HostReport): unknown {
  const { host, kind, namespace, name, resolution, answerMode, visibleTo, state, lastError, shadowedBy } =
    report;
  return {
    host,
    kind,
    namespace,
    name,
    resolution,
    answerMode,
    visibleTo,
    state,
    addresses: report.addresses.map(addressJson),
    nextRefresh: rfc3339(report.nextRefreshMs),
    lastError: lastError && {
      code: lastError.code,
      message: lastError.message,
      since: rfc3339(lastError.sinceMs),
    },
    shadowedBy,
  };
}

function addressJson({
  address,
  source,
  target,
  state,
  expiresAtMs,
  answeredAtMs = null,
}: AddressReport): unknown {
  const answered = answeredAtMs === null ? {} : { answeredAt: rfc3339(answeredAtMs) };
  return { address, source, target, state, ...answered, expiresAt: rfc3339(expiresAtMs) };
}

/** A time that no calendar has (an expiry beyond the year 275760) is null. */
function rfc3339(ms: number | null): string | null {
  if (ms === null) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
