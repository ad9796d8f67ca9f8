/** What is to be reported of a host's claims, beside what each entry says wrong on its own. */

import { type Problem, problem } from "../mesh/problem.ts";
import type { HostName } from "../wire/host-name.ts";
import type { HostPlan } from "./host-plan.ts";
import type { HostState } from "./host-state.ts";
import type { Loser } from "./views.ts";

/** `compiled`: what was found with the host's addresses. */
export function hostProblems(state: HostState, compiled: readonly Problem[]): readonly Problem[] {
  const { host, losers, excluded, parts } = state;
  if (losers.length === 0 && excluded.length === 0 && parts.every(({ problems }) => problems.length === 0))
    return compiled;
  return [
    ...losers.map((loser) => conflict(host, loser)),
    ...excluded.map(beyondLimit),
    ...parts.flatMap((part) => part.problems),
    ...compiled,
  ];
}

/** Why the claim answers less than its entry says; the end of a sentence. */
export function reasonOf({ viewers, reason }: Loser): string {
  switch (viewers) {
    case "all":
      return reason;
    case "others":
      return `for other namespaces ${reason}`;
    default:
      return `for ${listed(viewers)} ${reason}`;
  }
}

/** A public host may have an entry of its own in every namespace. */
const MAX_LISTED = 5;

/** "a, b and 3 more". */
export function listed(namespaces: readonly string[]): string {
  const names = namespaces.slice(0, MAX_LISTED).join(", ");
  return namespaces.length > MAX_LISTED ? `${names} and ${namespaces.length - MAX_LISTED} more` : names;
}

function conflict(host: HostName, loser: Loser): Problem {
  const message = `Host ${host} is not answered from here: ${reasonOf(loser)}.`;
  return problem("HostConflict", loser.plan.entry.ref, "spec.hosts", message);
}

function beyondLimit({ host, entry }: HostPlan): Problem {
  const message = `Host ${host} is beyond the hosts per namespace (hostsPerNamespace) and is not answered.`;
  return problem("LimitExceeded", entry.ref, "spec.hosts", message);
}
