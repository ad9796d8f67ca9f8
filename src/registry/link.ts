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

/** What one entry's plan needs, wherever it stands written. */
export interface Linked {
  readonly plan: HostPlan;
  readonly fixed: readonly WeightedAddress[];
  /** For upstream. */
  readonly names: readonly LinkedName[];
  readonly selectors: readonly SelectorTarget[];
  /** Every name that was looked up as an own host: when one of them comes or goes, link again. */
  readonly reads: ReadonlySet<HostName>;
  readonly problems: readonly Problem[];
}

export interface LinkedName {
  readonly name: HostName;
  /** 0: not said. */
  readonly weight: number;
  /** The host of the plan itself, not an endpoint's name. */
  readonly isItself: boolean;
}

export interface LinkContext {
  /** The plans with real addresses that answer the host for this namespace; empty: it is not an own host. */
  readonly realPlansOf: (host: HostName, viewer: Namespace) => readonly HostPlan[];
  /** Host names among the selected WorkloadEntries. */
  readonly selectedNames: (
    target: SelectorTarget,
  ) => readonly { readonly name: HostName; readonly weight: number }[];
}

/** How many own hosts may stand one behind the other. */
const MAX_DEPTH = 8;
/** Names followed for one host in all: hosts that name each other in a mesh would multiply. The rest go upstream. */
const MAX_FOLLOWED_NAMES = 1024;

export function link(plan: HostPlan, context: LinkContext): Linked {
  const fixed = new Map<IpAddress, number>();
  const names = new Map<HostName, LinkedName>();
  const selectors = new Map<string, SelectorTarget>();
  const reads = new Set<HostName>();
  const problems: Problem[] = [];
  const path: HostName[] = [];
  let followed = 0;
  let excess = 0;

  const report = (code: "EndpointSelf" | "LimitExceeded", message: string) => {
    problems.push(problem(code, plan.entry.ref, "spec.endpoints", message));
  };

  /** `weight`: of the endpoint that led here, in the place of the host's own weights; 0: not said. */
  const expand = (from: HostPlan, weight: number) => {
    path.push(from.host);
    for (const each of from.real?.fixed ?? [])
      fixed.set(each.address, Math.max(fixed.get(each.address) ?? 0, weight || each.weight));
    for (const target of from.real?.targets ?? []) {
      if (target.kind === "name") {
        follow({ ...target, weight: weight || target.weight }, from.entry.ref.namespace);
        continue;
      }
      selectors.set(target.key, target);
      for (const each of context.selectedNames(target))
        follow(
          { kind: "name", isItself: false, name: each.name, weight: weight || each.weight },
          target.namespace,
        );
    }
    path.pop();
  };

  const follow = (target: NameTarget, viewer: Namespace) => {
    const { name, weight } = target;
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
    for (const each of plans) expand(each, weight);
  };

  const askUpstream = ({ name, weight, isItself }: NameTarget) => {
    const known = names.get(name);
    if (known === undefined && names.size === MAX_NAMES_PER_HOST) {
      excess += 1;
      return;
    }
    // A name that another host resolves for itself is an endpoint's name for this one.
    const isOwn = isItself && name === plan.host;
    names.set(name, {
      name,
      weight: Math.max(known?.weight ?? 0, weight),
      isItself: isOwn || known?.isItself === true,
    });
  };

  expand(plan, 0);
  if (followed > MAX_FOLLOWED_NAMES)
    report(
      "LimitExceeded",
      `${plan.host} stands for hosts that name each other more than ${MAX_FOLLOWED_NAMES} times; upstream is asked for the rest.`,
    );
  if (excess > 0)
    report("LimitExceeded", `${excess} names are more than ${MAX_NAMES_PER_HOST} for ${plan.host}.`);
  return {
    plan,
    fixed: [...fixed].map(([address, weight]) => ({ address, weight })),
    names: [...names.values()],
    selectors: [...selectors.values()],
    reads,
    problems,
  };
}
