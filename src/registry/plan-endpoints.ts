/** The inline endpoints of an entry as addresses and names: which count, and why the others do not. */

import type { Endpoint, ServiceEntry, ServicePort } from "../mesh/objects.ts";
import { assertNever } from "../runtime.ts";
import { familyOf, type IpPrefix } from "../wire/ip-address.ts";
import type { NameTarget, RealPlan, Report, WeightedAddress } from "./host-plan.ts";
import { endpointLocality } from "./locality.ts";
import { forbiddenKind } from "./policy.ts";
import { MAX_ADDRESSES_PER_FAMILY, MAX_NAMES_PER_HOST } from "./settings.ts";
import { isKnown, UNKNOWN_LOCALITY, WeightedList } from "./weighted.ts";

export interface EndpointContext {
  /** False for resolution STATIC. */
  readonly takesNames: boolean;
  /** Ours; undefined: not known. */
  readonly network: string | undefined;
  /** Of the addresses that are never answered otherwise. */
  readonly allowed: readonly IpPrefix[];
}

export function planEndpoints(
  entry: ServiceEntry,
  { takesNames, network, allowed }: EndpointContext,
  report: Report,
): RealPlan {
  const addresses = new WeightedList<WeightedAddress>(({ address }) => address);
  const names = new WeightedList<NameTarget>(({ name }) => name);
  const counts = { A: 0, AAAA: 0 };
  let excess = 0;
  for (const endpoint of entry.endpoints) {
    const { address, path } = endpoint;
    if (isInOtherNetwork(endpoint, network)) {
      report("EndpointOtherNetwork", path, `${path} is in the network ${endpoint.network}.`);
      continue;
    }
    const { weight } = endpoint;
    const place = endpointLocality(endpoint, network);
    // Most endpoints do not say where they are: kept once.
    const locality = isKnown(place) ? place : UNKNOWN_LOCALITY;
    switch (address.kind) {
      case "ip": {
        const kind = forbiddenKind(address.ip, allowed);
        if (kind !== undefined) {
          report("AddressForbidden", `${path}.address`, `${address.ip} is ${kind}.`);
          continue;
        }
        if (!addresses.has(address.ip) && ++counts[familyOf(address.ip)] > MAX_ADDRESSES_PER_FAMILY) {
          excess += 1;
          continue;
        }
        addresses.add({ address: address.ip, weight, locality });
        break;
      }
      case "name": {
        if (!takesNames) {
          report("EndpointNameInStatic", `${path}.address`, `${address.name} is a name, not an IP address.`);
          continue;
        }
        if (!names.has(address.name) && names.size === MAX_NAMES_PER_HOST) {
          excess += 1;
          continue;
        }
        names.add({ kind: "name", name: address.name, weight, locality, isItself: false });
        break;
      }
      case "unix":
        report("EndpointUnixSocket", `${path}.address`, `unix:${address.path} is a Unix socket.`);
        continue;
      case "none":
        report("EndpointWithoutAddress", path, `${path} has no address.`);
        continue;
      default:
        assertNever(address);
    }
    reportPorts(entry, endpoint, report);
  }
  if (excess > 0)
    report(
      "LimitExceeded",
      "spec.endpoints",
      `${excess} endpoints are more than ${MAX_ADDRESSES_PER_FAMILY} addresses of one family ` +
        `or ${MAX_NAMES_PER_HOST} names.`,
    );
  return { fixed: addresses.toArray(), targets: names.toArray() };
}

/** An endpoint that names no network, and all while our own is not known, count as ours. */
export function isInOtherNetwork(endpoint: Endpoint, network: string | undefined): boolean {
  return network !== undefined && endpoint.network !== undefined && endpoint.network !== network;
}

function reportPorts(entry: ServiceEntry, { ports, path }: Endpoint, report: Report): void {
  for (const { port, reached, isNamed } of mismatchedPorts(entry, ports))
    report(
      "PortMismatch",
      isNamed ? `${path}.ports` : "spec.ports",
      `Port ${port.number} (${port.name}) is port ${reached} at ${path}.`,
    );
}

/**
 * The service ports that lead to another port of the endpoint: clients connect to the service port, and nothing
 * between them and the endpoint changes it. `isNamed`: the endpoint itself says so, not the entry's target port.
 */
export function mismatchedPorts(entry: ServiceEntry, ports: Endpoint["ports"]): readonly MismatchedPort[] {
  const mismatched: MismatchedPort[] = [];
  for (const port of entry.ports) {
    const named = Object.hasOwn(ports, port.name) ? ports[port.name] : undefined;
    const reached = named ?? port.targetPort ?? port.number;
    if (reached !== port.number) mismatched.push({ port, reached, isNamed: named !== undefined });
  }
  return mismatched;
}

interface MismatchedPort {
  readonly port: ServicePort;
  readonly reached: number;
  readonly isNamed: boolean;
}
