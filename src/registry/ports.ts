/**
 * What SRV says of a host: every named port, as `_name._tcp` or `_name._udp`. Pure.
 *
 *   answer of the host   port                                                          target
 *   virtual              the service port: the mesh leads on from there                the host
 *   real, one port       the endpoint's port of that name, else the target port,       the host
 *                        else the service port
 *   real, several ports  the same, for each endpoint                                   an endpoint's name; the
 *                                                                                      host for one without
 */

import type { Endpoint, ServiceEntry, ServicePort } from "../mesh/objects.ts";
import type { HostPort } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import { isInOtherNetwork } from "./plan-endpoints.ts";
import { forbiddenKind } from "./policy.ts";
import type { SelectedWorkload, Workload } from "./selection.ts";

export type PortSource =
  | { readonly kind: "virtual" }
  | {
      readonly kind: "real";
      /** Our clients' network; undefined: endpoints of all networks count. */
      readonly network: string | undefined;
      readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
    };

/** `winners`: the merged entries, oldest first. */
export function hostPorts(winners: readonly HostPlan[], source: PortSource): readonly HostPort[] {
  const [plan, another] = winners;
  if (plan === undefined || another !== undefined || !isAlikeEverywhere(plan, source))
    return joinedPorts(winners, source);
  // Thousands of entries share their ports.
  const known = ALIKE_EVERYWHERE[source.kind].get(plan.entry.ports);
  if (known !== undefined) return known;
  const ports = joinedPorts(winners, source);
  ALIKE_EVERYWHERE[source.kind].set(plan.entry.ports, ports);
  return ports;
}

/** Whether every port is the same wherever its clients arrive, whichever addresses are answered, and has no name of its own there. */
function isAlikeEverywhere({ entry, answerClass }: HostPlan, { kind }: PortSource): boolean {
  if (kind === "virtual") return true;
  if (answerClass !== "static") return false;
  return entry.endpoints.every(
    ({ address, ports }) => address.kind !== "name" && Object.keys(ports).length === 0,
  );
}

/** What was found for the ports of an entry that says all about them. */
const ALIKE_EVERYWHERE = {
  virtual: new WeakMap<ServiceEntry["ports"], readonly HostPort[]>(),
  real: new WeakMap<ServiceEntry["ports"], readonly HostPort[]>(),
} as const;

function joinedPorts(winners: readonly HostPlan[], source: PortSource): readonly HostPort[] {
  const ports = new Map<string, { port: Pick<HostPort, "name" | "transport">; reached: Reached[] }>();
  for (const plan of winners) {
    let places: readonly Place[] | undefined;
    for (const servicePort of plan.entry.ports) {
      const name = servicePort.name.toLowerCase();
      if (!PORT_NAME.test(name)) continue;
      const transport = servicePort.protocol.toUpperCase() === "UDP" ? "udp" : "tcp";
      const key = `${name} ${transport}`;
      if (!ports.has(key) && ports.size === MAX_NAMED_PORTS) continue;
      places ??= source.kind === "virtual" ? [] : placesOf(plan, source);
      const reached = reachedAt(servicePort, places, source.kind);
      const known = ports.get(key);
      if (known === undefined) ports.set(key, { port: { name, transport }, reached });
      else known.reached.push(...reached);
    }
  }
  if (ports.size === 0) return NO_PORTS;
  let room = MAX_TARGETS;
  return [...ports.values()].flatMap(({ port, reached }) => {
    const targets = targetsOf(reached).slice(0, room);
    room -= targets.length;
    return targets.length === 0 ? [] : [{ ...port, targets }];
  });
}

const NO_PORTS: readonly HostPort[] = [];

/** The ports that a workload has under names of its own. */
export function workloadPorts(workload: Workload): Endpoint["ports"] {
  return "endpoint" in workload ? workload.endpoint.ports : workload.portNames;
}

/** One label of a name, with room for the `_` before it (RFC 2782). */
const PORT_NAME = /^[a-z0-9]([a-z0-9_-]{0,60}[a-z0-9])?$/;
/** One entry may have thousands of hosts, and each host carries its ports. */
const MAX_NAMED_PORTS = 64;
const MAX_TARGETS = 256;
/** RFC 2782: 16 bits. */
const MAX_WEIGHT = 65_535;

/** An endpoint or workload as far as ports go. */
interface Place {
  readonly ports: Endpoint["ports"];
  /** null: it has no name of its own, only addresses. */
  readonly name: HostName | null;
  readonly weight: number;
}

interface Reached {
  readonly port: number;
  readonly target: HostName | null;
  readonly weight: number;
}

/** Where the plan's clients arrive; of endpoints those that are answered. */
function placesOf(
  { entry, real, answerClass, allowedAddresses }: HostPlan,
  { network, workloadsOf }: PortSource & { kind: "real" },
): readonly Place[] {
  if (answerClass === "static" || answerClass === "names")
    return entry.endpoints.flatMap((endpoint) =>
      isInOtherNetwork(endpoint, network) ? [] : placeOfEndpoint(endpoint, entry, allowedAddresses),
    );
  return (real?.targets ?? [])
    .filter((target) => target.kind === "selector")
    .flatMap((target) => workloadsOf(target))
    .filter(({ ips, name }) => ips.length > 0 || name !== undefined)
    .map(({ workload, name, weight }) => ({ ports: workloadPorts(workload), name: name ?? null, weight }));
}

function placeOfEndpoint(
  { address, ports, weight }: Endpoint,
  { resolution }: ServiceEntry,
  allowed: HostPlan["allowedAddresses"],
): readonly Place[] {
  switch (address.kind) {
    case "ip":
      return forbiddenKind(address.ip, allowed) === undefined ? [{ ports, name: null, weight }] : [];
    case "name":
      return resolution === "STATIC" ? [] : [{ ports, name: address.name, weight }];
    case "unix":
    case "none":
      return [];
  }
}

function reachedAt(
  { name, number, targetPort }: ServicePort,
  places: readonly Place[],
  kind: PortSource["kind"],
): Reached[] {
  const usual = kind === "virtual" ? number : (targetPort ?? number);
  if (places.length === 0) return [{ port: usual, target: null, weight: 1 }];
  return places.map(({ ports, name: target, weight }) => {
    const named = Object.hasOwn(ports, name) ? ports[name] : undefined;
    // Envoy takes an endpoint without a weight for one of weight 1.
    return { port: named ?? usual, target, weight: weight || 1 };
  });
}

function targetsOf(reached: readonly Reached[]): HostPort["targets"] {
  const first = reached[0];
  if (first === undefined) return [];
  // RFC 2782: weight 0 where there is nothing to choose between.
  if (reached.every(({ port }) => port === first.port))
    return [{ port: first.port, target: null, weight: 0 }];
  const summed = new Map<string, Reached>();
  for (const { port, target, weight } of reached) {
    const key = `${target ?? ""} ${String(port).padStart(5, "0")}`;
    summed.set(key, { port, target, weight: weight + (summed.get(key)?.weight ?? 0) });
  }
  const targets = [...summed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  const excess = Math.max(1, ...targets.map(({ weight }) => weight / MAX_WEIGHT));
  return targets.map((each) => ({ ...each, weight: Math.max(1, Math.floor(each.weight / excess)) }));
}
