/** Whether a host is to be published as a Service, by what its entries, their Namespace and the setting say. Pure. */

import type { Labels } from "../mesh/objects.ts";
import { type PublishMode, publishChoice } from "../mesh/publication.ts";
import { isWildcard } from "../wire/host-name.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import { mismatchedPorts } from "./plan-endpoints.ts";
import { workloadPorts } from "./ports.ts";
import type { SelectedWorkload } from "./selection.ts";

export type PublishVerdict =
  | { readonly kind: "no" }
  | { readonly kind: "yes" }
  /** The entry asks for it; `reason`: a sentence without a full stop. */
  | { readonly kind: "refused"; readonly reason: string };

export interface PublishContext {
  readonly mode: PublishMode;
  readonly labelsOf: (plan: HostPlan) => Labels | undefined;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
}

/** `winners`: merged entries, oldest first; the oldest one decides. */
export function publishVerdict(winners: readonly HostPlan[], context: PublishContext): PublishVerdict {
  const oldest = winners[0];
  if (oldest === undefined) return NO;
  const choice = publishChoice(oldest.entry, context.labelsOf(oldest), context.mode);
  if (choice === "not") return NO;
  const reason = hindrance(winners, oldest);
  // What was not asked for is not missed.
  if (choice === "maybe") return reason === undefined && isMapped(winners, context) ? YES : NO;
  return reason === undefined ? YES : { kind: "refused", reason };
}

const NO: PublishVerdict = { kind: "no" };
const YES: PublishVerdict = { kind: "yes" };
/** What one EndpointSlice takes. */
const MAX_PORTS = 100;

function hindrance(winners: readonly HostPlan[], { host, entry, isFallback }: HostPlan): string | undefined {
  if (isWildcard(host)) return "a wildcard stands for names that nobody knows beforehand";
  if (isFallback) return "a name below the cluster domain is its Service's own";
  if (entry.resolution === "NONE" || entry.resolution === "DYNAMIC_DNS")
    return `resolution ${entry.resolution} says that clients choose the address themselves`;
  if (winners.some((plan) => plan.entry.hasAddresses)) return "the entry has a virtual address of its own";
  if (entry.ports.length === 0) return "the entry has no ports, and a Service needs one";
  if (entry.ports.length > MAX_PORTS) return `the entry has more than ${MAX_PORTS} ports`;
  return undefined;
}

/** Whether some port of the entries leads to another one of their endpoints. */
function isMapped(winners: readonly HostPlan[], { workloadsOf }: PublishContext): boolean {
  return winners.some(({ entry, portNotes, real }) => {
    if (portNotes.length > 0) return true;
    const selectors = (real?.targets ?? []).filter((target) => target.kind === "selector");
    return selectors.some((target) =>
      workloadsOf(target).some(({ workload }) => mismatchedPorts(entry, workloadPorts(workload)).length > 0),
    );
  });
}
