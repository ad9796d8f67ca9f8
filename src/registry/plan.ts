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

import { namespaceLabels } from "../mesh/label-selector.ts";
import type { Labels, Namespace, NamespaceObject, ServiceEntry } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import { createAllocatedTest, takesAllocated } from "../mesh/virtual-addresses.ts";
import { assertNever } from "../runtime.ts";
import { type HostName, isWildcard } from "../wire/host-name.ts";
import { FAMILIES, type Family, familyOf, type IpAddress, type IpPrefix } from "../wire/ip-address.ts";
import { isExcluded } from "./exclude.ts";
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
import { allowedAddresses, judge, maxVisibilityOf, narrowed } from "./host-policy.ts";
import { distributionOf } from "./locality.ts";
import { planEndpoints } from "./plan-endpoints.ts";
import { forbiddenKind, judgeName, type NameContext, namespaceLabelOf } from "./policy.ts";
import { MAX_ADDRESSES_PER_FAMILY, type RegistrySettings } from "./settings.ts";
import { UNKNOWN_LOCALITY } from "./weighted.ts";

/** What plans depend on besides their entries. */
export interface PlanContext {
  readonly settings: Pick<
    RegistrySettings,
    | "clusterDomain"
    | "network"
    | "defaultExportTo"
    | "hostPolicy"
    | "defaultVisibility"
    | "excludeSelectors"
    | "virtualRanges"
  >;
  /** Undefined: there is no such Namespace, or none is known at all. */
  readonly namespaceOf: (name: Namespace) => NamespaceObject | undefined;
}

export function planEntry(entry: ServiceEntry, context: PlanContext): EntryPlan {
  const { settings, namespaceOf } = context;
  const home = entry.ref.namespace;
  if (isExcluded(entry, settings.excludeSelectors)) return planNothing(entry);
  const problems: Problem[] = [];
  const report: Report = (code, path, message) => problems.push(problem(code, entry.ref, path, message));
  // Nothing but the rules asks for them.
  const labels =
    settings.hostPolicy.length === 0 ? NO_LABELS : namespaceLabels(home, namespaceOf(home)?.labels);
  const visibility = planVisibility(entry, labels, settings, report);
  const allowed = allowedAddresses(labels, settings.hostPolicy);

  const hosts: { readonly host: HostName; readonly isFallback: boolean }[] = [];
  const rejectedHosts: HostName[] = [];
  const naming: NameContext = {
    clusterDomain: settings.clusterDomain,
    namespaceExists: (name) => namespaceOf(name) !== undefined,
  };
  for (const host of entry.hosts) {
    const verdict = judgeName(host, home, naming);
    const judgement = judge(host, labels, settings);
    if (verdict.kind === "refused") report(verdict.code, "spec.hosts", `${verdict.message}.`);
    else if (judgement.kind === "refused")
      report("HostRejected", "spec.hosts", `host ${host} ${judgement.reason}.`);
    else {
      hosts.push({ host, isFallback: verdict.isFallback });
      continue;
    }
    rejectedHosts.push(host);
  }
  const real = planReal(entry, settings.network, allowed, report);
  const portNotes =
    problems.length === 0
      ? NOTHING
      : problems
          .filter(({ code }) => code === "PortMismatch")
          .map(({ message }) => message.replace(/\.$/, ""));
  const written = planWritten(entry, allowed, settings.virtualRanges, report);
  const allocated = written === undefined ? planAllocated(entry, allowed, report) : NONE_ALLOCATED;
  const portsKey = portsKeyOf(entry);
  const distribution = distributionOf(entry, namespaceOf(home));
  const plans = hosts.map(({ host, isFallback }): HostPlan => {
    if (real.answerClass === "itself" && isWildcard(host))
      report("WildcardWithDns", "spec.hosts", `The wildcard ${host} cannot be resolved for itself.`);
    return {
      host,
      entry,
      visibility,
      isFallback,
      allowedAddresses: allowed,
      answerClass: real.answerClass,
      virtual: written ?? allocated.get(host),
      real: real.answerClass === "itself" ? itself(host) : real.plan,
      mode: entry.answer,
      ttlSeconds: entry.ttlSeconds,
      distribution,
      portsKey,
      portNotes,
    };
  });
  return {
    entry,
    visibility,
    hosts: plans,
    rejectedHosts,
    readNamespaces: readNamespacesOf(entry),
    endpointNames: endpointNamesOf(entry),
    problems,
  };
}

const NO_LABELS: Labels = {};
const NOTHING: readonly never[] = [];

function portsKeyOf({ ports }: ServiceEntry): string {
  const [first, second] = ports;
  if (second === undefined) return first === undefined ? "" : String(first.number);
  return [...new Set(ports.map((port) => port.number))].sort((a, b) => a - b).join(",");
}

function readNamespacesOf({ hosts }: ServiceEntry): readonly Namespace[] {
  const namespaces: Namespace[] = [];
  for (const host of hosts) {
    const namespace = namespaceLabelOf(host);
    if (namespace !== undefined) namespaces.push(namespace);
  }
  return namespaces.length === 0 ? NOTHING : [...new Set(namespaces)];
}

/** An entry that does not exist for us. */
function planNothing(entry: ServiceEntry): EntryPlan {
  return {
    entry,
    visibility: NOBODY,
    hosts: [],
    rejectedHosts: [],
    readNamespaces: [],
    endpointNames: [],
    problems: [],
  };
}

interface EntryReal {
  readonly answerClass: AnswerClass;
  /** Of all hosts alike; undefined: none, or the class is `itself`. */
  readonly plan: RealPlan | undefined;
}

function planReal(
  entry: ServiceEntry,
  network: string | undefined,
  allowed: readonly IpPrefix[],
  report: Report,
): EntryReal {
  const { resolution, selector, hasEndpoints } = entry;
  switch (resolution) {
    case "STATIC":
    case "DNS":
    case "DNS_ROUND_ROBIN": {
      const takesNames = resolution !== "STATIC";
      if (hasEndpoints) {
        if (selector !== undefined)
          report("SelectorIgnored", "spec.workloadSelector", "The entry has endpoints too.");
        const plan = planEndpoints(entry, { takesNames, network, allowed }, report);
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
  return {
    fixed: [],
    targets: [{ kind: "name", name: host, weight: 0, locality: UNKNOWN_LOCALITY, isItself: true }],
  };
}

/** Clients connect to the service port; nothing between them and the address changes it. */
function reportTargetPorts(entry: ServiceEntry, report: Report): void {
  for (const { number, targetPort } of entry.ports)
    if (targetPort !== undefined && targetPort !== number)
      report("PortMismatch", "spec.ports", `Port ${number} has the target port ${targetPort}.`);
}

/** Names that a proxy resolves for the entry, its own workloads' not among them. */
export function endpointNamesOf(entry: ServiceEntry): readonly HostName[] {
  const { resolution } = entry;
  if (resolution !== "DNS" && resolution !== "DNS_ROUND_ROBIN") return NOTHING;
  return entry.endpoints.flatMap(({ address }) => (address.kind === "name" ? [address.name] : [])).slice();
}

function planWritten(
  entry: ServiceEntry,
  allowed: readonly IpPrefix[],
  virtualRanges: RegistrySettings["virtualRanges"],
  report: Report,
): VirtualPlan | undefined {
  if (entry.addresses.length === 0) return undefined;
  const isAllocated = createAllocatedTest(virtualRanges);
  const usable = allowedOf(entry.addresses, allowed, "spec.addresses", report);
  const addresses = atMost(usable, "spec.addresses", report);
  return { addresses, isWritten: true, allocated: new Set(addresses.filter(isAllocated)) };
}

const NONE_ALLOCATED: ReadonlyMap<HostName, VirtualPlan> = new Map();

/** By host. The last address of each family counts: a controller appends what it allocates anew. */
function planAllocated(
  entry: ServiceEntry,
  allowed: readonly IpPrefix[],
  report: Report,
): ReadonlyMap<HostName, VirtualPlan> {
  if (entry.allocated.length === 0 || !takesAllocated(entry)) return NONE_ALLOCATED;
  const last = new Map<HostName, Partial<Record<Family, IpAddress>>>();
  for (const { host, address } of entry.allocated)
    if (host !== undefined) last.set(host, { ...last.get(host), [familyOf(address)]: address });
  const plans = new Map<HostName, VirtualPlan>();
  for (const [host, byFamily] of last) {
    const given = FAMILIES.map((family) => byFamily[family]).filter((address) => address !== undefined);
    const addresses = allowedOf(given, allowed, "status.addresses", report);
    plans.set(host, { addresses, isWritten: false, allocated: new Set(addresses) });
  }
  return plans;
}

function allowedOf(
  addresses: readonly IpAddress[],
  allowed: readonly IpPrefix[],
  path: string,
  report: Report,
): readonly IpAddress[] {
  return addresses.filter((address) => {
    const kind = forbiddenKind(address, allowed);
    if (kind !== undefined) report("AddressForbidden", path, `${address} is ${kind}.`);
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

function planVisibility(
  entry: ServiceEntry,
  labels: Labels,
  settings: PlanContext["settings"],
  report: Report,
): Visibility {
  const home = entry.ref.namespace;
  const meant = visibilityOf(entry, settings.defaultExportTo);
  const visibility = narrowed(meant, home, maxVisibilityOf(labels, settings));
  const isWider =
    meant.isPublic !== visibility.isPublic || meant.namespaces.size > visibility.namespaces.size;
  // What the entry does not say itself it does not miss.
  if (entry.exportTo.length > 0 && isWider)
    report(
      "VisibilityNarrowed",
      "spec.exportTo",
      `The entry is exported to ${entry.exportTo.join(", ")}; no more than ${home} may see it.`,
    );
  return visibility;
}

function visibilityOf(entry: ServiceEntry, defaultExportTo: RegistrySettings["defaultExportTo"]): Visibility {
  const exportTo = entry.exportTo.length > 0 ? entry.exportTo : defaultExportTo;
  if (exportTo.length === 0 || exportTo.includes("*")) return PUBLIC;
  const named = exportTo.filter((each) => each !== "~");
  return {
    isPublic: false,
    namespaces: new Set(named.map((each) => (each === "." ? entry.ref.namespace : each))),
  };
}

const PUBLIC: Visibility = { isPublic: true, namespaces: new Set() };
const NOBODY: Visibility = { isPublic: false, namespaces: new Set() };
