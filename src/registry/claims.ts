/**
 * Which entries answer a host for one client, and how. Pure and independent of the order of its input.
 *
 * Only what the client sees and what would not be forwarded counts. The namespace that wins: the client's own,
 * else that of the oldest entry exported to it by name, else that of the oldest public entry (ties by name, then
 * namespace; without a creation time last). Never are two namespaces merged: one could add its addresses to
 * another's host. Within the winning namespace entries whose port numbers are equal to the oldest one's merge.
 */

import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { HostPlan } from "./host-plan.ts";

export interface Standing {
  /** Oldest first; empty: nobody answers the host. */
  readonly winners: readonly HostPlan[];
  readonly losers: readonly Loser[];
}

export interface Loser {
  readonly plan: HostPlan;
  /** Why the winners answer in its place; the end of a sentence. */
  readonly reason: string;
}

/** `viewer`: the client's namespace; undefined: not known, so only public entries count. */
export function standingOf(
  plans: Iterable<HostPlan>,
  viewer: Namespace | undefined,
  modeOf: (plan: HostPlan) => AnswerMode,
): Standing {
  const candidates = [...plans]
    .filter((plan) => isVisible(plan, viewer) && chooseAnswer([plan], modeOf(plan)).kind !== "forward")
    .sort((a, b) => rank(a, viewer) - rank(b, viewer) || compareAge(a, b));
  const first = candidates[0];
  if (first === undefined) return NOBODY;
  if (candidates.length === 1) return { winners: candidates, losers: [] };

  const { namespace } = first.entry.ref;
  const ofNamespace = candidates.filter((plan) => plan.entry.ref.namespace === namespace).sort(compareAge);
  const oldest = ofNamespace[0]!;
  const winners = ofNamespace.filter((plan) => plan.portsKey === oldest.portsKey);
  const losers = candidates
    .filter((plan) => !winners.includes(plan))
    .map((plan) => ({ plan, reason: reasonAgainst(plan, oldest, viewer) }));
  return { winners, losers };
}

/** What of a host's addresses is answered. */
export type Choice =
  | { readonly kind: "virtual"; readonly addresses: readonly IpAddress[] }
  | { readonly kind: "real" }
  /** Nothing: the host is not ours. */
  | { readonly kind: "forward" };

/**
 * The choice for a client of which we do not know whether it is in the mesh: `auto` gives it no allocated
 * virtual address, and the user's own one only where real addresses are not resolved from names.
 * `winners`: merged entries, oldest first; the oldest one's class and mode decide.
 */
export function chooseAnswer(winners: readonly HostPlan[], mode: AnswerMode): Choice {
  const real: Choice = winners.some((plan) => plan.real !== undefined) ? REAL : FORWARD;
  switch (mode) {
    case "resolved":
      return real;
    case "virtual":
      return virtualOf(winners, true) ?? real;
    case "auto":
      switch (winners[0]?.answerClass ?? "none") {
        case "static":
        case "selected":
        case "none":
          return virtualOf(winners, false) ?? real;
        case "dynamic":
          return real.kind === "real" ? real : (virtualOf(winners, false) ?? FORWARD);
        case "names":
        case "itself":
          return real;
      }
  }
}

const NOBODY: Standing = { winners: [], losers: [] };
const REAL: Choice = { kind: "real" };
const FORWARD: Choice = { kind: "forward" };

function virtualOf(winners: readonly HostPlan[], takesAllocated: boolean): Choice | undefined {
  const lists = winners
    .map((plan) => plan.virtual)
    .filter((virtual) => virtual !== undefined && (takesAllocated || !virtual.isAllocated));
  if (lists.length === 0) return undefined;
  return { kind: "virtual", addresses: [...new Set(lists.flatMap((list) => list?.addresses ?? []))] };
}

function isVisible({ visibility }: HostPlan, viewer: Namespace | undefined): boolean {
  return visibility.isPublic || (viewer !== undefined && visibility.namespaces.has(viewer));
}

/** The smaller one wins. */
function rank({ entry, visibility }: HostPlan, viewer: Namespace | undefined): number {
  if (entry.ref.namespace === viewer) return 0;
  return visibility.isPublic ? 2 : 1;
}

function compareAge({ entry: a }: HostPlan, { entry: b }: HostPlan): number {
  return (
    compare(a.createdAtMs ?? Number.POSITIVE_INFINITY, b.createdAtMs ?? Number.POSITIVE_INFINITY) ||
    compare(a.ref.name, b.ref.name) ||
    compare(a.ref.namespace, b.ref.namespace)
  );
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function reasonAgainst(loser: HostPlan, winner: HostPlan, viewer: Namespace | undefined): string {
  const { kind, namespace, name } = winner.entry.ref;
  const who = `${kind} ${namespace}/${name}`;
  if (rank(loser, viewer) !== rank(winner, viewer)) return `${who} is nearer to the client`;
  const isSameNamespace = loser.entry.ref.namespace === namespace;
  if (isSameNamespace) return `${who} of the same namespace comes first and has other ports`;
  const isOlder = loser.entry.createdAtMs !== winner.entry.createdAtMs;
  return `${who} ${isOlder ? "is older" : "is as old and its name sorts first"}`;
}
