/** How hosts are doing: one word for each claim on a host, and how many there are of each. */

import type { HostRecord } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES } from "../wire/ip-address.ts";
import type { EntryPlan, HostPlan } from "./host-plan.ts";
import type { HostCondition, HostState } from "./host-state.ts";

export type HostCounts = Readonly<Record<HostCondition, number>>;

/** Counts every claimed host once per entry that claims it. */
export function countHosts(
  entries: Iterable<EntryPlan>,
  stateOf: (host: HostName) => HostState | undefined,
): HostCounts {
  const counts = { ok: 0, pending: 0, stale: 0, unresolved: 0, shadowed: 0, rejected: 0 };
  for (const { hosts, rejectedHosts } of entries) {
    counts.rejected += rejectedHosts.length;
    for (const plan of hosts) counts[claimCondition(plan, stateOf(plan.host))] += 1;
  }
  return counts;
}

/** What has become of one entry's claim on a host. */
export function claimCondition(plan: HostPlan, state: HostState | undefined): HostCondition {
  if (state === undefined) return "rejected";
  if (state.winners.includes(plan)) return state.condition ?? "unresolved";
  if (state.losers.some((loser) => loser.plan === plan)) return "shadowed";
  // Seen by nobody that we answer, or beyond a limit.
  if (!plan.visibility.isPublic || state.excluded.includes(plan)) return "rejected";
  // Forwarded: that is in order where the entry asks for nothing else.
  return plan.answerClass === "none" || plan.answerClass === "dynamic" ? "ok" : "unresolved";
}

/** How a host that is answered is doing. */
export function conditionOf(record: HostRecord): HostCondition {
  const answers = FAMILIES.map((family) => record.views[0]?.answers[family]);
  if (answers.some((answer) => answer?.kind === "addresses" && answer.isStale)) return "stale";
  if (answers.some((answer) => answer?.kind === "addresses")) return "ok";
  return answers.some((answer) => answer?.kind === "pending") ? "pending" : "unresolved";
}
