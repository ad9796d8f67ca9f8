/**
 * Who gets a host from whom: the namespaces whose clients are answered from the same entries stand together in one
 * view, all that nothing names in the last one. Pure. A host that one entry claims has one view.
 */

import type { Namespace, ObjectRef } from "../mesh/objects.ts";
import { CLIENT_CLASSES } from "../table/host-record.ts";
import { type ByClass, byClass } from "./by-class.ts";
import { type Claims, isVisible, Nearness } from "./claims.ts";
import type { HostPlan } from "./host-plan.ts";

/** Merged entries by the client's class, oldest first; empty: nobody answers it. */
export type Winners = ByClass<readonly HostPlan[]>;

export interface View {
  readonly visibleTo: "all" | ReadonlySet<Namespace>;
  readonly winners: Winners;
}

/**
 * A claim in the place of which another one answers clients that see both. That a namespace's own entry answers its
 * own clients is no loss to others.
 */
export interface Loser {
  readonly plan: HostPlan;
  /**
   * Whose clients get the other one; "all": everybody's, the claim is not answered at all; "others": everybody's but
   * those of its own namespace.
   */
  readonly viewers: "all" | "others" | readonly Namespace[];
  readonly winner: ObjectRef;
  /** Why; the end of a sentence. */
  readonly reason: string;
}

export interface Standing {
  /** Disjoint; `all` last. Without what nobody answers. */
  readonly views: readonly View[];
  readonly losers: readonly Loser[];
}

export function standingOf(claims: Claims): Standing {
  const [first, second] = claims.candidates;
  if (first === undefined) return NOBODY;
  if (second === undefined) return { views: viewsOfOne(claims, first), losers: NO_LOSERS };

  const common = winnersFor(claims, undefined);
  const commonKey = keyOf(common);
  const grouped = new Map<string, { readonly namespaces: Set<Namespace>; readonly winners: Winners }>();
  const winnersOf = new Map<Namespace, Winners>();
  for (const namespace of claims.specialNamespaces()) {
    const winners = winnersFor(claims, namespace);
    winnersOf.set(namespace, winners);
    const key = keyOf(winners);
    if (key === commonKey) continue;
    const group = grouped.get(key);
    if (group === undefined) grouped.set(key, { namespaces: new Set([namespace]), winners });
    else group.namespaces.add(namespace);
  }
  // The order of events leaves no trace.
  const groups = [...grouped.values()].map(({ namespaces, winners }): View & { first: Namespace } => {
    const sorted = [...namespaces].sort();
    return { visibleTo: new Set(sorted), winners, first: sorted[0]! };
  });
  groups.sort((a, b) => (a.first < b.first ? -1 : 1));
  const views: View[] = groups.map(({ visibleTo, winners }) => ({ visibleTo, winners }));
  if (oldestOf(common) !== undefined) views.push({ visibleTo: "all", winners: common });
  return { views, losers: losersOf(claims, common, winnersOf) };
}

/** The oldest entry that answers, for the first class that is answered; it speaks for the view. */
export function oldestOf(winners: Winners): HostPlan | undefined {
  return mergedOf(winners)[0];
}

/** The entries that answer the first class that is answered. */
export function mergedOf(winners: Winners): readonly HostPlan[] {
  for (const client of CLIENT_CLASSES) if (winners[client].length > 0) return winners[client];
  return [];
}

/** How many claims the view's clients could see that do not answer them. */
export function countLosers(candidates: readonly HostPlan[], { visibleTo, winners }: View): number {
  const viewer = visibleTo === "all" ? undefined : visibleTo.values().next().value;
  return candidates.filter((plan) => isVisible(plan, viewer) && !isAmong(plan, winners)).length;
}

const NO_LOSERS: readonly Loser[] = [];
const NOBODY: Standing = { views: [], losers: NO_LOSERS };

function viewsOfOne(claims: Claims, plan: HostPlan): readonly View[] {
  const { isPublic, namespaces } = plan.visibility;
  if (isPublic) return [{ visibleTo: "all", winners: winnersFor(claims, undefined) }];
  const [namespace] = namespaces;
  if (namespace === undefined) return [];
  return [{ visibleTo: new Set([...namespaces].sort()), winners: winnersFor(claims, namespace) }];
}

function winnersFor(claims: Claims, viewer: Namespace | undefined): Winners {
  let last: readonly HostPlan[] = [];
  return byClass((client) => {
    const winners = claims.winners(viewer, client);
    // Nearly always they are the same for all classes: kept once.
    if (winners !== last && (winners.length !== last.length || winners.some((plan, at) => plan !== last[at])))
      last = winners;
    return last;
  });
}

/** Equal for equal winners. */
function keyOf(winners: Winners): string {
  const key = (plans: readonly HostPlan[]) =>
    plans.map(({ entry }) => `${entry.ref.namespace}/${entry.ref.name}`).join();
  const first = winners[CLIENT_CLASSES[0]];
  if (CLIENT_CLASSES.every((client) => winners[client] === first)) return key(first);
  return CLIENT_CLASSES.map((client) => key(winners[client])).join(";");
}

/** Each claim once, with everybody for whom another one answers. */
function losersOf(
  claims: Claims,
  common: Winners,
  winnersOf: ReadonlyMap<Namespace, Winners>,
): readonly Loser[] {
  const overridden = [...winnersOf.keys()].sort();
  const losers: Loser[] = [];
  for (const plan of claims.candidates) {
    const lost: Namespace[] = [];
    const conceded: Namespace[] = [];
    let isAnswered = false;
    const { isPublic, namespaces } = plan.visibility;
    // Of a public claim that loses among the public ones no more is said than that, and whether it wins at home.
    const losesInCommon = isPublic && !isAmong(plan, common);
    if (isPublic && !losesInCommon) isAnswered = true;
    const home = plan.entry.ref.namespace;
    const viewers = losesInCommon ? [home] : isPublic ? overridden : [...namespaces].sort();
    for (const viewer of viewers) {
      const winners = winnersOf.get(viewer);
      if (winners === undefined) continue;
      if (isAmong(plan, winners)) isAnswered = true;
      else if (home !== viewer && oldestOf(winners)?.entry.ref.namespace === viewer) conceded.push(viewer);
      else lost.push(viewer);
    }
    if (!isAnswered) lost.push(...conceded);
    if (losesInCommon) losers.push(loser(claims, plan, isAnswered ? "others" : "all", common, undefined));
    else if (lost.length > 0)
      losers.push(loser(claims, plan, isAnswered ? lost : "all", winnersOf.get(lost[0]!)!, lost[0]));
  }
  return losers;
}

function isAmong(plan: HostPlan, winners: Winners): boolean {
  return CLIENT_CLASSES.some((client) => winners[client].includes(plan));
}

function loser(
  claims: Claims,
  plan: HostPlan,
  viewers: Loser["viewers"],
  winners: Winners,
  viewer: Namespace | undefined,
): Loser {
  // Some class would get something from it, so for that class there is a winner.
  const client = CLIENT_CLASSES.find((each) => claims.hasAnswerFor(plan, each))!;
  const winner = winners[client][0]!;
  return { plan, viewers, winner: winner.entry.ref, reason: reasonAgainst(claims, plan, winner, viewer) };
}

/** Why the viewer is answered from the winner and not from the plan, both of which it sees; the end of a sentence. */
export function reasonAgainst(
  claims: Claims,
  plan: HostPlan,
  winner: HostPlan,
  viewer: Namespace | undefined,
): string {
  const { kind, namespace, name } = winner.entry.ref;
  const who = `${kind} ${namespace}/${name}`;
  if (plan.entry.ref.namespace === namespace)
    return `${who} of the same namespace comes first and has other ports`;
  const nearness = claims.nearness(winner, viewer);
  if (claims.nearness(plan, viewer) !== nearness)
    switch (nearness) {
      case Nearness.OWN:
        return `${who} is of the client's own namespace`;
      case Nearness.TRUSTED:
        return `${who} is of a trusted namespace`;
      case Nearness.NAMED:
        return `${who} is exported to the client's namespace by name`;
      case Nearness.PUBLIC:
        // Nothing is further away.
        break;
    }
  const isOlder = plan.entry.createdAtMs !== winner.entry.createdAtMs;
  return `${who} ${isOlder ? "is older" : "is as old and its name sorts first"}`;
}
