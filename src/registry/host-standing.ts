/**
 * What there is to say of a host to one client: which entries answer it, why the others do not, in which mode, and
 * where each address is from. Made on demand, for people; no answer depends on it.
 */

import type { AnswerMode, Kind, Namespace, ObjectRef } from "../mesh/objects.ts";
import type { ProblemCode } from "../mesh/problem.ts";
import type { Resolution } from "../mesh/resolution.ts";
import type { ClientClass } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type Family, familyOf } from "../wire/ip-address.ts";
import { type Choice, chooseAnswer } from "./choice.ts";
import { choiceReason } from "./choice-reason.ts";
import { type Claims, isVisible } from "./claims.ts";
import { type EntryPlan, type HostPlan, isAmongClaims, type Visibility } from "./host-plan.ts";
import { listed } from "./host-problems.ts";
import { type AddressRow, addressRows, type RowSources } from "./host-rows.ts";
import type { HostState } from "./host-state.ts";
import { type RefreshError, refreshOf } from "./name-refresh.ts";
import { reasonAgainst } from "./views.ts";
import type { WhyInput } from "./why.ts";

/** `namespace` undefined: not known, or not there. */
export interface Viewer {
  readonly namespace: Namespace | undefined;
  readonly clientClass: ClientClass;
}

export interface HostStanding {
  readonly host: HostName;
  /** Some entry answers clients of this namespace, if not all kinds of them. */
  readonly isSeen: boolean;
  /** The entries that answer the client, oldest first; empty: for it the host is not ours. */
  readonly winners: readonly Winner[];
  /** Of the winners, else of an entry that the client sees; null: it sees none. */
  readonly mode: ModeStanding | null;
  /** Every other claim, and why the client is not answered from it; the reason is the end of a sentence. */
  readonly losers: readonly { readonly object: ObjectRef; readonly reason: string }[];
  readonly addresses: readonly StandingAddress[];
  /** What upstream is asked for the client's answer. */
  readonly names: readonly StandingName[];
  /** Service ports that lead to another port behind real addresses; a sentence each, without a full stop. */
  readonly portNotes: readonly string[];
}

export interface Winner {
  readonly object: ObjectRef;
  readonly resolution: string;
}

export interface ModeStanding {
  readonly mode: AnswerMode;
  /** Who chose the mode, and what it gives this client. */
  readonly reason: string;
}

/** Times are milliseconds since 1970. */
export interface StandingAddress extends AddressRow {
  /** When upstream said so; null: it is not from upstream. */
  readonly answeredAtMs: number | null;
  readonly nextRefreshMs: number | null;
  readonly lastError: RefreshError | null;
}

/** One name in one family. */
export interface StandingName {
  readonly name: HostName;
  readonly family: Family;
  readonly state: Resolution["state"];
  readonly nextRefreshMs: number | null;
  readonly lastError: RefreshError | null;
}

export interface StandingSources extends Omit<RowSources, "entries" | "stateOf" | "isPlain"> {
  /** All claims on the host, those beyond a limit among them. */
  readonly plans: readonly HostPlan[];
  readonly claims: Claims;
  /** Some entry names the host as an endpoint. */
  readonly isEndpoint: boolean;
  readonly modeFrom: (plan: HostPlan) => WhyInput["modeFrom"];
}

export function hostStanding(state: HostState, viewer: Viewer, sources: StandingSources): HostStanding {
  const { plans } = sources;
  const view = state.views.find(
    ({ visibleTo }) =>
      visibleTo === "all" || (viewer.namespace !== undefined && visibleTo.has(viewer.namespace)),
  );
  const answer = view?.choices[viewer.clientClass] ?? null;
  const winners = answer?.winners ?? [];
  const speaking =
    winners.length > 0 ? winners : plans.filter((plan) => isVisible(plan, viewer.namespace)).slice(0, 1);
  const portNotes = answer?.choice.kind === "real" ? winners.flatMap((plan) => plan.portNotes) : [];
  const rows =
    answer === null
      ? []
      : winners.flatMap((plan) => addressRows(plan, answer, sources.recordOf(state.host), sources));
  const names = new Set(answer?.parts.flatMap((part) => part.names.map(({ name }) => name)));
  return {
    host: state.host,
    isSeen: view !== undefined,
    winners: winners.map(({ entry }) => ({ object: entry.ref, resolution: entry.resolution })),
    mode: modeStanding(speaking, answer?.choice.kind ?? "forward", viewer, sources),
    losers: plans
      .filter((plan) => !isAmongClaims(plan, winners))
      .map((plan) => ({
        object: plan.entry.ref,
        reason: lossReason(plan, winners[0], state, viewer, sources),
      })),
    addresses: rows.map((row) => withRefresh(row, names, sources)),
    names: [...names].flatMap((name) => FAMILIES.map((family) => nameStanding(name, family, sources))),
    portNotes: [...new Set(portNotes)],
  };
}

/** A claim that counts for nobody. */
export interface RefusedClaim {
  readonly host: HostName;
  readonly object: { readonly kind: Kind; readonly namespace: Namespace; readonly name: string };
  /** The end of a sentence. */
  readonly reason: string;
}

/** Looks at every entry. */
export function refusedClaims(
  entries: Iterable<EntryPlan>,
  hosts: ReadonlySet<HostName>,
): readonly RefusedClaim[] {
  const refused: RefusedClaim[] = [];
  for (const { entry, hosts: plans, rejectedHosts, problems } of entries) {
    for (const host of rejectedHosts) {
      if (!hosts.has(host)) continue;
      const said = problems.find(
        ({ code, message }) => REFUSALS.includes(code) && message.startsWith(`host ${host} `),
      );
      const reason = said?.message.replace(/\.$/, "") ?? "the operator does not allow it";
      refused.push({ host, object: entry.ref, reason });
    }
    if (plans.length > 0 || rejectedHosts.length > 0) continue;
    for (const host of entry.hosts)
      if (hosts.has(host))
        refused.push({
          host,
          object: entry.ref,
          reason: "the setting excludeSelectors takes no entry with its labels",
        });
  }
  return refused;
}

const REFUSALS: readonly ProblemCode[] = ["HostReserved", "WildcardTooWide", "HostRejected"];

const MODE_SOURCES = {
  entry: "by the entry's annotation serviceentry-dns.io/answer",
  namespace: "by its Namespace's annotation serviceentry-dns.io/answer",
  setting: "by the setting answer",
} as const satisfies Record<WhyInput["modeFrom"], string>;

function modeStanding(
  plans: readonly HostPlan[],
  kind: Choice["kind"],
  { clientClass }: Viewer,
  { modeOf, modeFrom }: StandingSources,
): ModeStanding | null {
  const [oldest] = plans;
  if (oldest === undefined) return null;
  const mode = modeOf(oldest);
  return {
    mode,
    reason: `${MODE_SOURCES[modeFrom(oldest)]}; ${choiceReason(plans, mode, clientClass, kind)}`,
  };
}

function lossReason(
  plan: HostPlan,
  winner: HostPlan | undefined,
  { excluded }: HostState,
  { namespace, clientClass }: Viewer,
  { claims, modeOf, isEndpoint }: StandingSources,
): string {
  if (isAmongClaims(plan, excluded)) return "it is beyond the hosts per namespace (hostsPerNamespace)";
  if (!isVisible(plan, namespace)) return invisibleReason(plan.visibility, namespace);
  const mode = modeOf(plan);
  const { kind } = chooseAnswer([plan], mode, clientClass, isEndpoint);
  if (kind === "forward" || winner === undefined) return choiceReason([plan], mode, clientClass, "forward");
  return reasonAgainst(claims, plan, winner, namespace);
}

function invisibleReason({ namespaces }: Visibility, viewer: Namespace | undefined): string {
  const who = viewer === undefined ? "the client's namespace is not known" : `the client is in ${viewer}`;
  if (namespaces.size === 0) return "nobody may see it (exportTo, or hostPolicy)";
  return `only ${listed([...namespaces].sort())} may see it (exportTo, or hostPolicy), and ${who}`;
}

function withRefresh(
  row: AddressRow,
  names: Iterable<HostName>,
  { describeName, wallOf }: StandingSources,
): StandingAddress {
  const name = row.source === "resolved" ? [...names].find((each) => each === row.target) : undefined;
  const described = name === undefined ? undefined : describeName?.(name)?.[familyOf(row.address)];
  const answeredAtMs = described?.answeredAtMs;
  return {
    ...row,
    answeredAtMs: answeredAtMs === undefined ? null : wallOf(answeredAtMs),
    ...refreshOf(described, wallOf),
  };
}

function nameStanding(name: HostName, family: Family, sources: StandingSources): StandingName {
  const { resolutions, describeName, wallOf } = sources;
  const state = resolutions(name)?.[family].state ?? "pending";
  return { name, family, state, ...refreshOf(describeName?.(name)?.[family], wallOf) };
}
