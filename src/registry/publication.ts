/**
 * What a published host has for endpoints, source by source, each with the ports that it is reached at: an answer
 * keeps addresses alone, a Service leads each of them to its own port. Pure.
 */

import type { Endpoint, Namespace, ServicePort } from "../mesh/objects.ts";
import {
  type Publication,
  type PublishedSource,
  publicationKey,
  serviceOfName,
} from "../mesh/publication.ts";
import type { FamilyResolutions, Resolution, Resolutions } from "../mesh/resolution.ts";
import type { HostName } from "../wire/host-name.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import type { Linked } from "./link.ts";
import { isInOtherNetwork } from "./plan-endpoints.ts";
import { forbiddenKind } from "./policy.ts";
import { workloadPorts } from "./ports.ts";
import type { SelectedWorkload } from "./selection.ts";

/** Something that one entry is reached by, linked on its own. */
export interface PublishedPart {
  readonly plan: HostPlan;
  /** Undefined: each workload's own. */
  readonly ports: Endpoint["ports"] | undefined;
  /** "": not said. */
  readonly zone: string;
  readonly linked: Linked;
}

/** `link`: of one plan; a plan with several endpoints is linked endpoint by endpoint. */
export function publishedParts(
  winners: readonly HostPlan[],
  network: string | undefined,
  link: (plan: HostPlan) => Linked,
): readonly PublishedPart[] {
  return winners.flatMap((plan): readonly PublishedPart[] => {
    const { entry, real, answerClass, allowedAddresses } = plan;
    if (real === undefined) return [];
    if (answerClass !== "static" && answerClass !== "names")
      return [{ plan, ports: undefined, zone: "", linked: link(plan) }];
    return entry.endpoints.flatMap((endpoint): readonly PublishedPart[] => {
      const { address, ports } = endpoint;
      if (isInOtherNetwork(endpoint, network)) return [];
      const zone = endpoint.locality.split("/")[1] ?? "";
      if (address.kind === "ip") {
        if (forbiddenKind(address.ip, allowedAddresses) !== undefined) return [];
        const fixed = real.fixed.filter((each) => each.address === address.ip);
        return [{ plan, ports, zone, linked: link({ ...plan, real: { fixed, targets: [] } }) }];
      }
      const targets = real.targets.filter(
        (each) => each.kind === "name" && address.kind === "name" && each.name === address.name,
      );
      if (targets.length === 0) return [];
      return [{ plan, ports, zone, linked: link({ ...plan, real: { fixed: [], targets } }) }];
    });
  });
}

export interface PublicationSources {
  readonly clusterDomain: HostName;
  readonly resolutions: Resolutions;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
  /** Whether a name is not resolved because the namespace has too many. */
  readonly isExcluded: (namespace: Namespace, name: HostName) => boolean;
}

/** `winners`: merged entries, oldest first; not empty. */
export function publicationOf(
  winners: readonly HostPlan[],
  parts: readonly PublishedPart[],
  sources: PublicationSources,
): Publication {
  const { host, entry, distribution } = winners[0]!;
  const ports = distinctPorts(entry.ports);
  return {
    key: publicationKey(entry.ref, host),
    host,
    entry: entry.ref,
    entryUid: entry.uid,
    ports,
    // Nodes know of zones; a network is none, and hints for nodes are written by no version of the API before 1.34.
    prefersZone: distribution !== undefined && distribution !== "PreferNetwork",
    sources: parts.flatMap((part) => sourcesOf(part, ports, sources)),
  };
}

/** A Service takes each number once for each transport. */
function distinctPorts(ports: readonly ServicePort[]): readonly ServicePort[] {
  const isUdp = ({ protocol }: ServicePort) => protocol.toUpperCase() === "UDP";
  return ports.filter(
    (port, at) =>
      ports.findIndex((each) => each.number === port.number && isUdp(each) === isUdp(port)) === at,
  );
}

function sourcesOf(
  { plan, ports: own, zone, linked }: PublishedPart,
  ports: readonly ServicePort[],
  { clusterDomain, resolutions, workloadsOf, isExcluded }: PublicationSources,
): readonly PublishedSource[] {
  const reachedBy = (at: Endpoint["ports"]) => ports.map((port) => reachedPort(port, plan, at));
  const reached = reachedBy(own ?? NO_PORTS);
  const found: PublishedSource[] = [];
  for (const { address, locality } of linked.fixed)
    found.push({
      kind: "address",
      address,
      reached,
      zone: locality.zone || zone,
      node: "",
      pod: undefined,
    });
  for (const target of linked.selectors)
    for (const { workload, ips, locality } of workloadsOf(target)) {
      const isPod = !("endpoint" in workload);
      const { namespace, name } = workload.ref;
      for (const address of ips)
        found.push({
          kind: "address",
          address,
          reached: own === undefined ? reachedBy(workloadPorts(workload)) : reached,
          zone: locality.zone || zone,
          node: isPod ? workload.nodeName : "",
          pod: isPod ? { namespace, name, uid: workload.uid } : undefined,
        });
    }
  for (const { name, locality, isItself } of linked.names) {
    const isLeftOut = !isItself && isExcluded(plan.entry.ref.namespace, name);
    found.push({
      kind: "name",
      name,
      service: serviceOfName(name, clusterDomain),
      reached,
      zone: locality.zone || zone,
      resolutions: isLeftOut ? undefined : (resolutions(name) ?? NOT_ASKED),
    });
  }
  return found;
}

/** `port`: of the oldest entry; others that are merged with it have the same numbers under names of their own. */
function reachedPort(port: ServicePort, { entry }: HostPlan, own: Endpoint["ports"]): number {
  const { name, number, targetPort } = entry.ports.find((each) => each.number === port.number) ?? port;
  return (Object.hasOwn(own, name) ? own[name] : undefined) ?? targetPort ?? number;
}

const NO_PORTS: Endpoint["ports"] = {};
const PENDING: Resolution = { state: "pending", sinceMs: 0 };
const NOT_ASKED: FamilyResolutions = { A: PENDING, AAAA: PENDING };
