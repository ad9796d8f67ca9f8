/** Whether a host is to be published as a Service, by what its entries, their Namespace and the setting say. Pure. */

import type { Labels, Namespace } from "../mesh/objects.ts";
import { PUBLISH_ALLOWED, PUBLISH_NAME, type PublishMode, publishChoice } from "../mesh/publication.ts";
import { isWildcard } from "../wire/host-name.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import { mismatchedPorts } from "./plan-endpoints.ts";
import { workloadPorts } from "./ports.ts";
import type { SelectedWorkload } from "./selection.ts";

export type PublishVerdict =
  | { readonly kind: "no" }
  | { readonly kind: "yes" }
  /** The entry asks for it; `reason`: a sentence without a full stop. */
  | {
      readonly kind: "refused";
      readonly code: "PublishRefused" | "PublishNotAllowed";
      readonly reason: string;
    };

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
  const { reason } = publishHindrance(oldest) ?? ofOthers(winners) ?? NOTHING;
  // What was not asked for is not missed.
  if (choice === "maybe") return reason === undefined && isMapped(winners, context) ? YES : NO;
  if (reason !== undefined) return { kind: "refused", code: "PublishRefused", reason };
  if (choice === "yes") return YES;
  return {
    kind: "refused",
    code: "PublishNotAllowed",
    reason: namespaceHindrance(oldest.entry.ref.namespace),
  };
}

/** The end of a sentence, as all of them. */
export function namespaceHindrance(namespace: Namespace): string {
  return `Namespace ${namespace} lacks the label ${PUBLISH_NAME}: ${PUBLISH_ALLOWED}`;
}

/** Why a host of the entry can never be published. `isFallback`: as in HostPlan. `field`: of the spec. */
export function publishHindrance({
  host,
  entry,
  isFallback,
}: Pick<HostPlan, "host" | "entry" | "isFallback">): PublishHindrance | undefined {
  const { resolution, ports, hasAddresses } = entry;
  if (isWildcard(host))
    return { field: "hosts", reason: "a wildcard stands for names that nobody knows beforehand" };
  if (isFallback) return { field: "hosts", reason: "a name below the cluster domain is its Service's own" };
  if (resolution === "NONE" || resolution === "DYNAMIC_DNS") {
    const reason = `resolution ${resolution} says that clients choose the address themselves`;
    return { field: "resolution", reason };
  }
  if (hasAddresses) return { field: "addresses", reason: OWN_ADDRESS };
  if (ports.length === 0)
    return { field: "ports", reason: "the entry has no ports, and a Service needs one" };
  if (ports.length > MAX_PORTS)
    return { field: "ports", reason: `the entry has more than ${MAX_PORTS} ports` };
  return undefined;
}

export interface PublishHindrance {
  readonly field: "hosts" | "resolution" | "addresses" | "ports";
  readonly reason: string;
}

const NO: PublishVerdict = { kind: "no" };
const YES: PublishVerdict = { kind: "yes" };
/** What one EndpointSlice takes. */
const MAX_PORTS = 100;

const OWN_ADDRESS = "the entry has a virtual address of its own";
const NOTHING: Partial<PublishHindrance> = {};

/** Where entries are merged, the address of one of them would be passed over. */
function ofOthers(winners: readonly HostPlan[]): PublishHindrance | undefined {
  if (!winners.some(({ entry }) => entry.hasAddresses)) return undefined;
  return { field: "addresses", reason: OWN_ADDRESS };
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
