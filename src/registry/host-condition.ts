/** How hosts are doing: one word for each claim on a host, and how many there are of each. */

import { type ObjectKey, type ObjectRef, objectKey, type ServiceEntry } from "../mesh/objects.ts";
import type { HostVariant } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES } from "../wire/ip-address.ts";
import type { Answer } from "./answers.ts";
import type { ClaimIndex } from "./claim-index.ts";
import { type HostPlan, isAmongClaims, isSameClaim } from "./host-plan.ts";
import type { AnswerCondition, HostCondition, HostState } from "./host-state.ts";

/** What one entry answers is doing otherwise than before. */
export interface ConditionChange {
  readonly host: HostName;
  readonly object: ObjectRef;
  /** Undefined: it did not answer. */
  readonly before: HostCondition | undefined;
  /** Undefined: it answers no more. */
  readonly after: HostCondition | undefined;
  /** Whether any entry answers the host now. */
  readonly isAnswered: boolean;
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
      state.conditions.find(({ object }) => objectKey(object) === objectKey(plan.entry.ref))?.condition ??
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

/** One for each entry that answers: the worst of its answers. `compiled`: the answers, in their order. */
export function conditionsOf(
  answers: readonly Answer[],
  compiled: readonly { readonly variant: HostVariant }[],
): readonly AnswerCondition[] {
  const [only, second] = answers;
  if (only?.winners.length === 1 && second === undefined) {
    const { variant } = compiled[0]!;
    return [
      { condition: conditionOf(variant), object: only.winners[0]!.entry.ref, reason: reasonOf(variant) },
    ];
  }
  const conditions = new Map<ObjectKey, AnswerCondition>();
  for (const [at, answer] of answers.entries()) {
    const { variant } = compiled[at]!;
    const condition = conditionOf(variant);
    const reason = reasonOf(variant);
    for (const { entry } of answer.winners) {
      const key = objectKey(entry.ref);
      const known = conditions.get(key);
      if (known === undefined || isWorse(condition, known.condition))
        conditions.set(key, { condition, object: entry.ref, reason });
    }
  }
  return [...conditions.values()];
}

/** One for each entry: of those that answer no more first. */
export function conditionChanges(
  host: HostName,
  before: readonly AnswerCondition[],
  after: readonly AnswerCondition[],
): readonly ConditionChange[] {
  const isAnswered = after.length > 0;
  if (before.length === 0)
    return after.map(({ object, condition, reason }) => ({
      host,
      object,
      before: undefined,
      after: condition,
      isAnswered,
      reason,
    }));
  const known = new Map(before.map((each) => [objectKey(each.object), each.condition]));
  const changes: ConditionChange[] = [];
  for (const { object, condition, reason } of after) {
    const key = objectKey(object);
    const previous = known.get(key);
    known.delete(key);
    if (previous !== condition)
      changes.push({ host, object, before: previous, after: condition, isAnswered, reason });
  }
  const gone = before.filter(({ object }) => known.has(objectKey(object)));
  return [
    ...gone.map(({ object, condition }) => ({
      host,
      object,
      before: condition,
      after: undefined,
      isAnswered,
      reason: "",
    })),
    ...changes,
  ];
}

function isWorse(one: HostCondition, other: HostCondition): boolean {
  return WORST_FIRST.indexOf(one) < WORST_FIRST.indexOf(other);
}

const WORST_FIRST: readonly HostCondition[] = ["unresolved", "pending", "stale", "ok"];

function conditionOf({ answers }: HostVariant): HostCondition {
  const { A, AAAA } = answers;
  if ((A.kind === "addresses" && A.isStale) || (AAAA.kind === "addresses" && AAAA.isStale)) return "stale";
  if (A.kind === "addresses" || AAAA.kind === "addresses") return "ok";
  return A.kind === "pending" || AAAA.kind === "pending" ? "pending" : "unresolved";
}

function reasonOf({ answers }: HostVariant): string {
  for (const family of FAMILIES) {
    const answer = answers[family];
    if (answer.kind === "failed") return answer.text;
  }
  return "";
}
