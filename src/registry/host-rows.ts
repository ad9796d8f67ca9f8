/** Every claimed host as a row for the status page: who claims it, how it is doing, where its addresses are from. */

import type { AnswerMode, Kind, Namespace } from "../mesh/objects.ts";
import type { PublishedState, Publishing } from "../mesh/publication.ts";
import type { Resolutions } from "../mesh/resolution.ts";
import type { AnswerSource, HostRecord, HostVariant } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type Family, type IpAddress } from "../wire/ip-address.ts";
import type { Answer } from "./answers.ts";
import { claimCondition } from "./host-condition.ts";
import {
  type EntryPlan,
  type HostPlan,
  isAmongClaims,
  isSameClaim,
  type SelectorTarget,
} from "./host-plan.ts";
import { reasonOf } from "./host-problems.ts";
import type { HostCondition, HostState } from "./host-state.ts";
import { type DescribeName, type RefreshError, refreshOfAll, type WallOf } from "./name-refresh.ts";
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
  /** All that some client may get. */
  readonly addresses: readonly AddressRow[];
  readonly nextRefreshMs: number | null;
  readonly lastError: RefreshError | null;
  /** Null: whoever sees the entry is answered from it. */
  readonly shadowedBy: {
    readonly namespace: Namespace;
    readonly name: string;
    readonly reason: string;
  } | null;
  /** Absent: nothing asks for the host to be published. `reason`: why it was refused, else null. */
  readonly publishing?: { readonly state: PublishedState["kind"]; readonly reason: string | null };
}

export interface AddressRow {
  readonly address: IpAddress;
  readonly source: AnswerSource;
  /** The name that was resolved, or the workload; null: the entry names the address itself. */
  readonly target: string | null;
  readonly state: "fresh" | "stale";
  /** Null: it does not expire. */
  readonly expiresAtMs: number | null;
  /** When upstream last said something about its name; null or absent: it is not from upstream. */
  readonly answeredAtMs?: number | null;
}

export interface RowSources {
  readonly entries: Iterable<EntryPlan>;
  /** Of a plain host made for the call. */
  readonly stateOf: (host: HostName) => HostState | undefined;
  /** Whether one entry alone claims the host, and all is well with it. */
  readonly isPlain: (host: HostName) => boolean;
  /** What the data plane has been told. */
  readonly recordOf: (host: HostName) => HostRecord | undefined;
  readonly modeOf: (plan: HostPlan) => AnswerMode;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
  readonly resolutions: Resolutions;
  readonly describeName: DescribeName | undefined;
  readonly wallOf: WallOf;
  readonly publishing?: Pick<Publishing, "stateOf"> | undefined;
}

/** Read them at once: what a row does not say of the claim itself is found when it is first asked for. */
export function hostRows(sources: RowSources): readonly HostRow[] {
  const rows: HostRow[] = [];
  for (const entryPlan of sources.entries) {
    for (const plan of entryPlan.hosts) rows.push(claimRow(plan, sources));
    for (const host of entryPlan.rejectedHosts) rows.push(rejectedRow(host, entryPlan));
  }
  return rows;
}

function claimRow(plan: HostPlan, sources: RowSources): HostRow {
  const { isPlain, stateOf } = sources;
  const state = isPlain(plan.host) ? undefined : stateOf(plan.host);
  const loser = state?.losers.find((each) => isSameClaim(each.plan, plan));
  const details = once(() => claimDetails(plan, state ?? stateOf(plan.host), sources));
  return {
    ...rowHead(plan.host, plan),
    state: isPlain(plan.host) ? "ok" : claimCondition(plan, state),
    get answerMode() {
      return details().answerMode;
    },
    get addresses() {
      return details().addresses;
    },
    get nextRefreshMs() {
      return details().nextRefreshMs;
    },
    get lastError() {
      return details().lastError;
    },
    shadowedBy:
      loser === undefined
        ? null
        : { namespace: loser.winner.namespace, name: loser.winner.name, reason: reasonOf(loser) },
    ...publishingOf(plan, state, sources),
  };
}

function publishingOf(
  plan: HostPlan,
  state: HostState | undefined,
  { publishing }: RowSources,
): Pick<HostRow, "publishing"> {
  const answers = state?.answers.filter(({ winners }) => isAmongClaims(plan, winners)) ?? [];
  const refused = answers.find(({ verdict }) => verdict.kind === "refused")?.verdict;
  if (refused?.kind === "refused") return { publishing: { state: "refused", reason: refused.reason } };
  const oldest = answers.find(({ choice }) => choice.kind === "published")?.winners[0];
  if (oldest === undefined || publishing === undefined) return {};
  const now = publishing.stateOf(oldest.entry.ref, oldest.entry.uid, plan.host);
  return { publishing: { state: now.kind, reason: now.kind === "refused" ? now.reason : null } };
}

/** Most of a row's work, done for the rows that somebody looks at. */
function claimDetails(plan: HostPlan, state: HostState | undefined, sources: RowSources) {
  const answers = state?.answers.filter(({ winners }) => isAmongClaims(plan, winners)) ?? [];
  const record = sources.recordOf(plan.host);
  return {
    answerMode: answers[0]?.mode ?? sources.modeOf(plan),
    addresses: answers
      .flatMap((answer) => addressRows(plan, answer, record, sources))
      .filter(isFirst)
      .map((row) => withAge(row, sources)),
    ...refreshOfAll(
      answers
        .flatMap(({ parts }) => parts)
        .find((part) => isSameClaim(part.plan, plan))
        ?.names.map(({ name }) => name) ?? [],
      sources.describeName,
      sources.wallOf,
    ),
  };
}

function once<Value>(compute: () => Value): () => Value {
  let value: { readonly computed: Value } | undefined;
  return () => {
    value ??= { computed: compute() };
    return value.computed;
  };
}

function withAge(row: AddressRow, { describeName, wallOf }: RowSources): AddressRow {
  if (row.source !== "resolved" || row.target === null) return row;
  const family: Family = row.address.includes(":") ? "AAAA" : "A";
  const answeredAtMs = describeName?.(row.target as HostName)?.[family].answeredAtMs;
  return answeredAtMs === undefined ? row : { ...row, answeredAtMs: wallOf(answeredAtMs) };
}

/** Answers of several families share addresses. */
function isFirst({ address, source }: AddressRow, at: number, rows: readonly AddressRow[]): boolean {
  return rows.findIndex((row) => row.address === address && row.source === source) === at;
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
export function addressRows(
  plan: HostPlan,
  { choice, parts }: Answer,
  record: HostRecord | undefined,
  sources: Pick<RowSources, "workloadsOf" | "resolutions" | "wallOf">,
): readonly AddressRow[] {
  if (choice.kind === "virtual") {
    const answered = new Set(choice.addresses);
    return (plan.virtual?.addresses ?? [])
      .filter((address) => answered.has(address))
      .map((address) => constantRow(address, "virtual", null));
  }
  if (choice.kind === "published") {
    const variants = record?.views.flatMap((view) => view.variants) ?? [];
    const published = variants.filter(({ source }) => source === "published");
    if (published.length > 0)
      return [...addressesOf(published)].map((address) => constantRow(address, "published", null));
  }
  const rows: AddressRow[] = [];
  const part = parts.find((each) => isSameClaim(each.plan, plan));
  for (const { address } of part?.fixed ?? []) rows.push(constantRow(address, "static", null));
  for (const target of part?.selectors ?? [])
    for (const { workload, ips } of sources.workloadsOf(target)) {
      const { kind, namespace, name } = workload.ref;
      for (const ip of ips) rows.push(constantRow(ip, "workload", `${kind} ${namespace}/${name}`));
    }
  const names = part?.names ?? [];
  const answered = names.length === 0 ? NO_ADDRESSES : answeredAddresses(record);
  for (const { name } of names)
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

const NO_ADDRESSES: ReadonlySet<IpAddress> = new Set();

function constantRow(address: IpAddress, source: AnswerSource, target: string | null): AddressRow {
  return { address, source, target, state: "fresh", expiresAtMs: null };
}

function answeredAddresses(record: HostRecord | undefined): ReadonlySet<IpAddress> {
  return addressesOf(record?.views.flatMap((view) => view.variants) ?? []);
}

function addressesOf(variants: readonly HostVariant[]): ReadonlySet<IpAddress> {
  return new Set(
    variants.flatMap(({ answers }) =>
      FAMILIES.flatMap((family) => {
        const answer = answers[family];
        return answer.kind === "addresses" ? answer.addresses : [];
      }),
    ),
  );
}
