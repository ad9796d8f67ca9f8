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

export function hostsJson({ version, hosts }: HostsReport): unknown {
  return { version, hosts: hosts.map(hostJson) };
}

export function problemsJson(problems: readonly ProblemReport[]): unknown {
  return { problems: problems.map(({ sinceMs, ...rest }) => ({ ...rest, since: rfc3339(sinceMs) })) };
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
    addresses: report.addresses.map(({ address, source, target, state: addressState, expiresAtMs }) => ({
      address,
      source,
      target,
      state: addressState,
      expiresAt: rfc3339(expiresAtMs),
    })),
    nextRefresh: rfc3339(report.nextRefreshMs),
    lastError: lastError && {
      code: lastError.code,
      message: lastError.message,
      since: rfc3339(lastError.sinceMs),
    },
    shadowedBy,
  };
}

/** A time that no calendar has (an expiry beyond the year 275760) is null. */
function rfc3339(ms: number | null): string | null {
  if (ms === null) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
