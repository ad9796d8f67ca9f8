/**
 * Name targets that are own hosts become those hosts' real targets, so that nobody asks upstream for what is
 * known here. Pure: what is looked up on the way comes back as `reads`, for a reverse index.
 */

import type { Namespace } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { HostPlan, NameTarget, SelectorTarget, WeightedAddress } from "./host-plan.ts";
import { MAX_NAMES_PER_HOST } from "./settings.ts";
import { addWeighted, isKnown, UNKNOWN_LOCALITY, type Weighted } from "./weighted.ts";

/** What one entry's plan needs, wherever it stands written. */
export interface Linked {
  readonly plan: HostPlan;
  readonly fixed: readonly WeightedAddress[];
  /** For upstream. */
  readonly names: readonly LinkedName[];
  readonly selectors: readonly SelectorTarget[];
  /** Every name that was looked up as an own host: when one of them comes or goes, link again. */
  readonly reads: readonly HostName[];
  readonly problems: readonly Problem[];
}

export interface LinkedName extends Weighted {
  readonly name: HostName;
  /** The host of the plan itself, not an endpoint's name. */
  readonly isItself: boolean;
}

export interface LinkContext {
  /** The plans with real addresses that answer the host for this namespace; empty: it is not an own host. */
  readonly realPlansOf: (host: HostName, viewer: Namespace) => readonly HostPlan[];
  /** Host names among the selected WorkloadEntries. */
  readonly selectedNames: (target: SelectorTarget) => readonly (Weighted & { readonly name: HostName })[];
}

/** How many own hosts may stand one behind the other. */
const MAX_DEPTH = 8;
/** Names followed for one host in all: hosts that name each other in a mesh would multiply. The rest go upstream. */
const MAX_FOLLOWED_NAMES = 1024;

export function link(plan: HostPlan, context: LinkContext): Linked {
  // Its own addresses, each once as the plan has them, are all that there is.
  if (plan.real === undefined || plan.real.targets.length === 0)
    return {
      plan,
      fixed: plan.real?.fixed ?? NONE,
      names: NONE,
      selectors: NONE,
      reads: NONE,
      problems: NONE,
    };
  const fixed = new Map<IpAddress, Weighted>();
  const names = new Map<HostName, Weighted>();
  const itself = new Set<HostName>();
  const selectors = new Map<string, SelectorTarget>();
  const reads = new Set<HostName>();
  const problems: Problem[] = [];
  const path: HostName[] = [];
  let followed = 0;
  let excess = 0;

  const report = (code: "EndpointSelf" | "LimitExceeded", message: string) => {
    problems.push(problem(code, plan.entry.ref, "spec.endpoints", message));
  };

  /** `by`: the endpoint that led here; its weight stands in the place of the host's own ones. */
  const expand = (from: HostPlan, by: Weighted) => {
    path.push(from.host);
    for (const each of from.real?.fixed ?? []) addWeighted(fixed, each.address, under(by, each));
    for (const target of from.real?.targets ?? []) {
      if (target.kind === "name") {
        follow({ ...target, ...under(by, target) }, from.entry.ref.namespace);
        continue;
      }
      selectors.set(target.key, target);
      for (const each of context.selectedNames(target))
        follow({ kind: "name", isItself: false, name: each.name, ...under(by, each) }, target.namespace);
    }
    path.pop();
  };

  const follow = (target: NameTarget, viewer: Namespace) => {
    const { name } = target;
    if (target.isItself) return askUpstream(target);
    followed += 1;
    if (followed > MAX_FOLLOWED_NAMES) return askUpstream(target);
    reads.add(name);
    if (path.includes(name)) {
      report("EndpointSelf", `The endpoint ${name} of ${path.at(-1)} leads back to ${name}.`);
      return askUpstream(target);
    }
    const plans = context.realPlansOf(name, viewer);
    if (plans.length === 0) return askUpstream(target);
    if (path.length > MAX_DEPTH) {
      report("LimitExceeded", `The endpoint ${name} stands behind more than ${MAX_DEPTH} other hosts.`);
      return askUpstream(target);
    }
    for (const each of plans) expand(each, target);
  };

  const askUpstream = ({ name, isItself, ...weighted }: NameTarget) => {
    const isKnownName = names.has(name);
    if (!isKnownName && names.size === MAX_NAMES_PER_HOST) {
      excess += 1;
      return;
    }
    addWeighted(names, name, weighted);
    // A name that another host resolves for itself is an endpoint's name for this one.
    if (isItself && name === plan.host) itself.add(name);
  };

  expand(plan, { weight: 0, locality: UNKNOWN_LOCALITY });
  if (followed > MAX_FOLLOWED_NAMES)
    report(
      "LimitExceeded",
      `${plan.host} stands for hosts that name each other more than ${MAX_FOLLOWED_NAMES} times; upstream is asked for the rest.`,
    );
  if (excess > 0)
    report("LimitExceeded", `${excess} names are more than ${MAX_NAMES_PER_HOST} for ${plan.host}.`);
  return {
    plan,
    fixed: [...fixed].map(([address, { weight, locality }]) => ({ address, weight, locality })),
    names: [...names].map(([name, { weight, locality }]) => ({
      name,
      weight,
      locality,
      isItself: itself.has(name),
    })),
    selectors: [...selectors.values()],
    reads: reads.size === 0 ? NONE : [...reads],
    problems,
  };
}

const NONE: readonly never[] = [];

/** What an endpoint's host has, with the endpoint's own weight, and its place where the host says none. */
function under(by: Weighted, own: Weighted): Weighted {
  return { weight: by.weight || own.weight, locality: isKnown(own.locality) ? own.locality : by.locality };
}
