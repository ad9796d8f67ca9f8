/** Every claimed host as a row for the status page: who claims it, how it is doing, where its addresses are from. */

import type { AnswerMode, Kind, Namespace } from "../mesh/objects.ts";
import type { Resolutions } from "../mesh/resolution.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { AnswerSource } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type Family, type IpAddress } from "../wire/ip-address.ts";
import { claimCondition } from "./host-condition.ts";
import type { EntryPlan, HostPlan, SelectorTarget } from "./host-plan.ts";
import type { HostCondition, HostState } from "./host-state.ts";
import type { SelectedWorkload } from "./selection.ts";

/** Times are milliseconds since 1970. */
export interface HostRow {
  readonly host: HostName;
  readonly kind: Kind;
  readonly namespace: Namespace;
  readonly name: string;
  readonly resolution: string;
  readonly answerMode: AnswerMode;
  readonly visibleTo: "all" | readonly Namespace[];
  readonly state: HostCondition;
  readonly addresses: readonly AddressRow[];
  readonly nextRefreshMs: number | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly sinceMs: number } | null;
  readonly shadowedBy: {
    readonly namespace: Namespace;
    readonly name: string;
    readonly reason: string;
  } | null;
}

export interface AddressRow {
  readonly address: IpAddress;
  readonly source: AnswerSource;
  /** The name that was resolved, or the workload; null: the entry names the address itself. */
  readonly target: string | null;
  readonly state: "fresh" | "stale";
  /** Null: it does not expire. */
  readonly expiresAtMs: number | null;
}

/** What the refresher has to say of one name in each family; moments are monotonic. */
export type DescribeName = (name: HostName) => Readonly<Record<Family, NameDescription>> | undefined;
export interface NameDescription {
  /** Null: under way. */
  readonly nextRefreshMs: MonotonicMs | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly sinceMs: MonotonicMs;
  } | null;
}

export interface RowSources {
  readonly entries: Iterable<EntryPlan>;
  readonly stateOf: (host: HostName) => HostState | undefined;
  readonly modeOf: (plan: HostPlan) => AnswerMode;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
  readonly resolutions: Resolutions;
  readonly describeName: DescribeName | undefined;
  /** Milliseconds since 1970 of a monotonic moment. */
  readonly wallOf: (atMs: MonotonicMs) => number;
}

export function hostRows(sources: RowSources): readonly HostRow[] {
  const rows: HostRow[] = [];
  for (const entryPlan of sources.entries) {
    for (const plan of entryPlan.hosts) rows.push(claimRow(plan, sources));
    for (const host of entryPlan.rejectedHosts) rows.push(rejectedRow(host, entryPlan));
  }
  return rows;
}

function claimRow(plan: HostPlan, sources: RowSources): HostRow {
  const state = sources.stateOf(plan.host);
  const isWinner = state?.winners.includes(plan) === true;
  const loser = state?.losers.find((each) => each.plan === plan);
  const winner = state?.winners[0]?.entry.ref;
  return {
    ...rowHead(plan.host, plan),
    answerMode: isWinner ? state.mode : sources.modeOf(plan),
    state: claimCondition(plan, state),
    addresses: isWinner ? addressRows(plan, state, sources) : [],
    ...(isWinner ? refreshes(plan, state, sources) : NOT_REFRESHED),
    shadowedBy:
      loser === undefined || winner === undefined
        ? null
        : { namespace: winner.namespace, name: winner.name, reason: loser.reason },
  };
}

function rejectedRow(host: HostName, { entry, visibility }: EntryPlan): HostRow {
  return {
    ...rowHead(host, { entry, visibility }),
    answerMode: entry.answer ?? "auto",
    state: "rejected",
    addresses: [],
    ...NOT_REFRESHED,
    shadowedBy: null,
  };
}

const NOT_REFRESHED = { nextRefreshMs: null, lastError: null } as const;

function rowHead(host: HostName, { entry, visibility }: Pick<HostPlan, "entry" | "visibility">) {
  const { kind, namespace, name } = entry.ref;
  const visibleTo = visibility.isPublic ? "all" : [...visibility.namespaces].sort();
  return { host, kind, namespace, name, resolution: entry.resolution, visibleTo } as const;
}

/** Of this entry alone; other entries that are merged with it have rows of their own. */
function addressRows(plan: HostPlan, state: HostState, sources: RowSources): readonly AddressRow[] {
  if (state.choice.kind === "virtual") {
    const answered = new Set(state.choice.addresses);
    return (plan.virtual?.addresses ?? [])
      .filter((address) => answered.has(address))
      .map((address) => constantRow(address, "virtual", null));
  }
  const rows: AddressRow[] = [];
  const part = state.parts.find((each) => each.plan === plan);
  for (const { address } of part?.fixed ?? []) rows.push(constantRow(address, "static", null));
  for (const target of part?.selectors ?? [])
    for (const { workload, ips } of sources.workloadsOf(target)) {
      const { kind, namespace, name } = workload.ref;
      for (const ip of ips) rows.push(constantRow(ip, "workload", `${kind} ${namespace}/${name}`));
    }
  const answered = answeredAddresses(state);
  for (const { name } of part?.names ?? [])
    for (const family of FAMILIES) {
      const resolution = sources.resolutions(name)?.[family];
      if (resolution?.state !== "fresh" && resolution?.state !== "stale") continue;
      const expiresAtMs = resolution.state === "fresh" ? sources.wallOf(resolution.expiresAtMs) : null;
      for (const address of resolution.addresses)
        if (answered.has(address))
          rows.push({ address, source: "resolved", target: name, state: resolution.state, expiresAtMs });
    }
  return rows;
}

function constantRow(address: IpAddress, source: AnswerSource, target: string | null): AddressRow {
  return { address, source, target, state: "fresh", expiresAtMs: null };
}

function answeredAddresses({ record }: HostState): ReadonlySet<IpAddress> {
  const answers = record?.views[0]?.answers;
  return new Set(
    FAMILIES.flatMap((family) => {
      const answer = answers?.[family];
      return answer?.kind === "addresses" ? answer.addresses : [];
    }),
  );
}

/** The next refresh of any of the entry's names, and the error that has lasted longest. */
function refreshes(
  plan: HostPlan,
  state: HostState,
  { describeName, wallOf }: RowSources,
): Pick<HostRow, "nextRefreshMs" | "lastError"> {
  const part = state.parts.find((each) => each.plan === plan);
  const described = (part?.names ?? []).flatMap(({ name }) => {
    const families = describeName?.(name);
    return families === undefined ? [] : FAMILIES.map((family) => families[family]);
  });
  let nextRefreshMs: MonotonicMs | null = null;
  let lastError: NameDescription["lastError"] = null;
  for (const each of described) {
    if (each.nextRefreshMs !== null && (nextRefreshMs === null || each.nextRefreshMs < nextRefreshMs))
      nextRefreshMs = each.nextRefreshMs;
    if (each.lastError !== null && (lastError === null || each.lastError.sinceMs < lastError.sinceMs))
      lastError = each.lastError;
  }
  return {
    nextRefreshMs: nextRefreshMs === null ? null : wallOf(nextRefreshMs),
    lastError: lastError && {
      code: lastError.code,
      message: lastError.message,
      sinceMs: wallOf(lastError.sinceMs),
    },
  };
}
