/**
 * From one ServiceEntry to one plan per host: which addresses it carries and which names or workloads it needs.
 * Pure: no resolutions, no other objects.
 *
 *   resolution            endpoints          workloadSelector   neither
 *   STATIC                their IPs          workloads          no real addresses
 *   NONE                  ignored            workloads          no real addresses
 *   DNS, DNS_ROUND_ROBIN  their IPs, names   workloads, names   the host itself; a wildcard: none
 *   DYNAMIC_DNS           ignored            ignored            no real addresses
 *
 * A host with neither real nor (usable) virtual addresses is not ours: it is forwarded.
 */

import type { Labels, ServiceEntry } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import { assertNever } from "../runtime.ts";
import { type HostName, isWildcard } from "../wire/host-name.ts";
import { FAMILIES, type Family, familyOf, type IpAddress } from "../wire/ip-address.ts";
import type {
  AnswerClass,
  EntryPlan,
  HostPlan,
  RealPlan,
  Report,
  SelectorTarget,
  VirtualPlan,
  Visibility,
} from "./host-plan.ts";
import { planEndpoints } from "./plan-endpoints.ts";
import { forbiddenKind, hostFault } from "./policy.ts";
import { MAX_ADDRESSES_PER_FAMILY, type RegistrySettings } from "./settings.ts";

/** The settings that plans depend on. */
export type PlanContext = Pick<RegistrySettings, "clusterDomain" | "network" | "defaultExportTo">;

export function planEntry(entry: ServiceEntry, context: PlanContext): EntryPlan {
  const problems: Problem[] = [];
  const report: Report = (code, path, message) => problems.push(problem(code, entry.ref, path, message));
  const visibility = visibilityOf(entry, context);
  if (!visibility.isPublic)
    report(
      "NotPublic",
      "spec.exportTo",
      `The entry is exported to ${exportedTo(entry, context)}, not to '*'.`,
    );

  const hosts: HostName[] = [];
  const rejectedHosts: HostName[] = [];
  for (const host of entry.hosts) {
    const fault = hostFault(host, context.clusterDomain);
    (fault === undefined ? hosts : rejectedHosts).push(host);
    if (fault !== undefined) report(fault.code, "spec.hosts", `${fault.message}.`);
  }
  const real = planReal(entry, context, report);
  const userVirtual = planUserVirtual(entry, report);
  const allocated = userVirtual === undefined ? planAllocated(entry, report) : NONE_ALLOCATED;
  const portsKey = [...new Set(entry.ports.map((port) => port.number))].sort((a, b) => a - b).join(",");
  const plans = hosts.map((host): HostPlan => {
    if (real.answerClass === "itself" && isWildcard(host))
      report("WildcardWithDns", "spec.hosts", `The wildcard ${host} cannot be resolved for itself.`);
    return {
      host,
      entry,
      visibility,
      answerClass: real.answerClass,
      virtual: userVirtual ?? allocated.get(host),
      real: real.answerClass === "itself" ? itself(host) : real.plan,
      mode: entry.answer,
      ttlSeconds: entry.ttlSeconds,
      portsKey,
    };
  });
  return { entry, visibility, hosts: plans, rejectedHosts, problems };
}

/** `planEntry` that remembers: an object is planned once in one context. */
export function createPlanner(context: PlanContext): (entry: ServiceEntry) => EntryPlan {
  const known = new WeakMap<ServiceEntry, EntryPlan>();
  return (entry) => {
    let plan = known.get(entry);
    if (plan === undefined) {
      plan = planEntry(entry, context);
      known.set(entry, plan);
    }
    return plan;
  };
}

interface EntryReal {
  readonly answerClass: AnswerClass;
  /** Of all hosts alike; undefined: none, or the class is `itself`. */
  readonly plan: RealPlan | undefined;
}

function planReal(entry: ServiceEntry, context: PlanContext, report: Report): EntryReal {
  const { resolution, selector, hasEndpoints } = entry;
  switch (resolution) {
    case "STATIC":
    case "DNS":
    case "DNS_ROUND_ROBIN": {
      const takesNames = resolution !== "STATIC";
      if (hasEndpoints) {
        if (selector !== undefined)
          report("SelectorIgnored", "spec.workloadSelector", "The entry has endpoints too.");
        const plan = planEndpoints(entry, takesNames, context.network, report);
        return { answerClass: takesNames ? "names" : "static", plan };
      }
      if (selector !== undefined) return planSelector(entry, selector, takesNames, report);
      reportTargetPorts(entry, report);
      if (takesNames) return { answerClass: "itself", plan: undefined };
      report("NoEndpoints", "spec", "Resolution STATIC has neither endpoints nor a workloadSelector.");
      return { answerClass: "static", plan: undefined };
    }
    case "NONE":
      if (hasEndpoints) report("EndpointsIgnored", "spec.endpoints", "Resolution NONE has endpoints.");
      if (selector === undefined) return { answerClass: "none", plan: undefined };
      report("SelectorWithNone", "spec.workloadSelector", "Resolution NONE has a workloadSelector.");
      return planSelector(entry, selector, false, report);
    case "DYNAMIC_DNS":
      if (hasEndpoints) report("EndpointsIgnored", "spec.endpoints", "Resolution DYNAMIC_DNS has endpoints.");
      return { answerClass: "dynamic", plan: undefined };
    default:
      return assertNever(resolution);
  }
}

function planSelector(entry: ServiceEntry, labels: Labels, takesNames: boolean, report: Report): EntryReal {
  reportTargetPorts(entry, report);
  const { namespace } = entry.ref;
  const pairs = Object.keys(labels)
    .sort()
    .map((name) => [name, labels[name]]);
  const key = JSON.stringify([namespace, pairs, takesNames]);
  const target: SelectorTarget = { kind: "selector", key, namespace, labels, takesNames };
  return { answerClass: "selected", plan: { fixed: [], targets: [target] } };
}

function itself(host: HostName): RealPlan | undefined {
  if (isWildcard(host)) return undefined;
  return { fixed: [], targets: [{ kind: "name", name: host, weight: 0, isItself: true }] };
}

/** Clients connect to the service port; nothing between them and the address changes it. */
function reportTargetPorts(entry: ServiceEntry, report: Report): void {
  for (const { number, targetPort } of entry.ports)
    if (targetPort !== undefined && targetPort !== number)
      report("PortMismatch", "spec.ports", `Port ${number} has the target port ${targetPort}.`);
}

function planUserVirtual(entry: ServiceEntry, report: Report): VirtualPlan | undefined {
  if (entry.addresses.length === 0) return undefined;
  const allowed = allowedOf(entry.addresses, "spec.addresses", report);
  return { addresses: atMost(allowed, "spec.addresses", report), isAllocated: false };
}

const AUTOALLOCATE_LABEL = "networking.istio.io/enable-autoallocate-ip";

const NONE_ALLOCATED: ReadonlyMap<HostName, VirtualPlan> = new Map();

/** By host. The last address of each family counts: a controller appends what it allocates anew. */
function planAllocated(entry: ServiceEntry, report: Report): ReadonlyMap<HostName, VirtualPlan> {
  const isQualified =
    entry.resolution !== "NONE" &&
    !entry.hasAddresses &&
    entry.labels[AUTOALLOCATE_LABEL]?.toLowerCase() !== "false";
  if (!isQualified || entry.allocated.length === 0) return NONE_ALLOCATED;
  const last = new Map<HostName, Partial<Record<Family, IpAddress>>>();
  for (const { host, address } of entry.allocated)
    if (host !== undefined) last.set(host, { ...last.get(host), [familyOf(address)]: address });
  const plans = new Map<HostName, VirtualPlan>();
  for (const [host, byFamily] of last) {
    const addresses = FAMILIES.map((family) => byFamily[family]).filter((address) => address !== undefined);
    plans.set(host, { addresses: allowedOf(addresses, "status.addresses", report), isAllocated: true });
  }
  return plans;
}

function allowedOf(addresses: readonly IpAddress[], path: string, report: Report): readonly IpAddress[] {
  return addresses.filter((address) => {
    const kind = forbiddenKind(address);
    if (kind !== undefined) report("AddressForbidden", path, `${address} is a ${kind} address.`);
    return kind === undefined;
  });
}

function atMost(addresses: readonly IpAddress[], path: string, report: Report): readonly IpAddress[] {
  const counts = { A: 0, AAAA: 0 };
  const kept = addresses.filter((address) => ++counts[familyOf(address)] <= MAX_ADDRESSES_PER_FAMILY);
  if (kept.length < addresses.length)
    report(
      "LimitExceeded",
      path,
      `${addresses.length - kept.length} addresses are more than ${MAX_ADDRESSES_PER_FAMILY} of one family.`,
    );
  return kept;
}

function exportedTo(entry: ServiceEntry, { defaultExportTo }: PlanContext): string {
  return (entry.exportTo.length > 0 ? entry.exportTo : defaultExportTo).join(", ");
}

function visibilityOf(entry: ServiceEntry, { defaultExportTo }: PlanContext): Visibility {
  const exportTo = entry.exportTo.length > 0 ? entry.exportTo : defaultExportTo;
  if (exportTo.length === 0 || exportTo.includes("*")) return PUBLIC;
  const named = exportTo.filter((each) => each !== "~");
  return {
    isPublic: false,
    namespaces: new Set(named.map((each) => (each === "." ? entry.ref.namespace : each))),
  };
}

const PUBLIC: Visibility = { isPublic: true, namespaces: new Set() };
