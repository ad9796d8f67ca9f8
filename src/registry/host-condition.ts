/** How hosts are doing: one word for each claim on a host, and how many there are of each. */

import type { ObjectRef, ServiceEntry } from "../mesh/objects.ts";
import type { HostVariant } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES } from "../wire/ip-address.ts";
import type { Answer } from "./answers.ts";
import type { ClaimIndex } from "./claim-index.ts";
import { type HostPlan, isAmongClaims, isSameClaim } from "./host-plan.ts";
import type { AnswerCondition, HostCondition, HostState } from "./host-state.ts";

export interface ConditionChange {
  readonly host: HostName;
  /** The entry that answers or, where none does any more, answered. */
  readonly object: ObjectRef;
  /** Undefined: it was not answered. */
  readonly before: HostCondition | undefined;
  /** Undefined: it is answered no more. */
  readonly after: HostCondition | undefined;
  /** Why it has no addresses, as the client is told; "" if there is nothing to say. */
  readonly reason: string;
}

export type HostCounts = Readonly<Record<HostCondition, number>>;

/** Counts every claimed host once per entry that claims it. `isPlain`: of a host without a state, that all is well. */
export function countHosts(
  claims: Pick<ClaimIndex, "kept" | "planOf">,
  stateOf: (host: HostName) => HostState | undefined,
  isPlain: (host: HostName) => boolean,
): HostCounts {
  const conditionIn = (state: HostState | undefined, entry: ServiceEntry, host: HostName): HostCondition => {
    const plan = state?.candidates.find((each) => each.entry === entry) ?? claims.planOf(entry, host);
    return claimCondition(plan, state);
  };
  const counts = { ok: 0, pending: 0, stale: 0, unresolved: 0, shadowed: 0, rejected: 0 };
  for (const kept of claims.kept()) {
    if (!("ref" in kept)) {
      counts.rejected += kept.rejectedHosts.length;
      for (const plan of kept.hosts)
        counts[isPlain(plan.host) ? "ok" : claimCondition(plan, stateOf(plan.host))] += 1;
      continue;
    }
    for (const host of kept.hosts) counts[isPlain(host) ? "ok" : conditionIn(stateOf(host), kept, host)] += 1;
  }
  return counts;
}

/** What has become of one entry's claim on a host. */
export function claimCondition(plan: HostPlan, state: HostState | undefined): HostCondition {
  if (state === undefined) return "rejected";
  const loser = state.losers.find((each) => isSameClaim(each.plan, plan));
  if (loser?.viewers === "all" || loser?.viewers === "others") return "shadowed";
  if (isAnswering(plan, state))
    return (
      state.conditions.find(({ object }) => object.namespace === plan.entry.ref.namespace)?.condition ??
      "unresolved"
    );
  // Meant for nobody, or beyond a limit.
  const { isPublic, namespaces } = plan.visibility;
  if ((!isPublic && namespaces.size === 0) || isAmongClaims(plan, state.excluded)) return "rejected";
  // Forwarded: that is in order where the entry asks for nothing else.
  return plan.answerClass === "none" || plan.answerClass === "dynamic" ? "ok" : "unresolved";
}

/** Whether some client is answered from the entry. */
export function isAnswering(plan: HostPlan, { answers }: HostState): boolean {
  return answers.some(({ winners }) => isAmongClaims(plan, winners));
}

/** One for each namespace that answers: the worst of its answers. `compiled`: the answers, in their order. */
export function conditionsOf(
  answers: readonly Answer[],
  compiled: readonly { readonly variant: HostVariant }[],
): readonly AnswerCondition[] {
  const conditions: AnswerCondition[] = [];
  for (const [at, answer] of answers.entries()) {
    const { variant } = compiled[at]!;
    const object = answer.winners[0]!.entry.ref;
    const one = { condition: conditionOf(variant), object, reason: reasonOf(variant) };
    const known = conditions.findIndex((each) => each.object.namespace === object.namespace);
    if (known === -1) conditions.push(one);
    else if (isWorse(one, conditions[known]!)) conditions[known] = one;
  }
  return conditions.slice();
}

/** Once for each namespace that answers the host, and once if none does any more. */
export function conditionChanges(
  host: HostName,
  before: readonly AnswerCondition[],
  after: readonly AnswerCondition[],
): readonly ConditionChange[] {
  const inNamespace = (conditions: readonly AnswerCondition[], { object }: AnswerCondition) =>
    conditions.find((each) => each.object.namespace === object.namespace);
  const gone = before.find((each) => inNamespace(after, each) === undefined);
  if (after.length === 0)
    return gone === undefined
      ? []
      : [{ host, object: gone.object, before: gone.condition, after: undefined, reason: "" }];
  return after.flatMap((each): readonly ConditionChange[] => {
    const { condition, object, reason } = each;
    // Another namespace's entries may have taken over.
    const known = (inNamespace(before, each) ?? gone)?.condition;
    return known === condition ? [] : [{ host, object, before: known, after: condition, reason }];
  });
}

function isWorse(one: AnswerCondition, other: AnswerCondition): boolean {
  return WORST_FIRST.indexOf(one.condition) < WORST_FIRST.indexOf(other.condition);
}

const WORST_FIRST: readonly HostCondition[] = ["unresolved", "pending", "stale", "ok"];

function conditionOf({ answers }: HostVariant): HostCondition {
  const both = FAMILIES.map((family) => answers[family]);
  if (both.some((answer) => answer.kind === "addresses" && answer.isStale)) return "stale";
  if (both.some((answer) => answer.kind === "addresses")) return "ok";
  return both.some((answer) => answer.kind === "pending") ? "pending" : "unresolved";
}

function reasonOf({ answers }: HostVariant): string {
  const failed = FAMILIES.map((family) => answers[family]).find((answer) => answer.kind === "failed");
  return failed?.text ?? "";
}
