/** An endpoint that is a Service of the cluster, followed to what is behind it: a ClusterIP in a slice leads nowhere. Pure. */

import type { EndpointSlice, Service, SliceEndpoint } from "../mesh/objects.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import { type DesiredEndpoint, NOT_REACHED } from "./desired-endpoint.ts";
import { transportOf } from "./names.ts";

/**
 * `ports`: of the publication, `reached`: which of the Service's ports each of them leads to. Undefined: the
 * Service has no slices to follow, its name is to be resolved.
 */
export function serviceEndpoints(
  service: Service,
  slices: readonly EndpointSlice[],
  ports: readonly { readonly protocol: string }[],
  reached: readonly number[],
): readonly DesiredEndpoint[] | undefined {
  if (service.isExternalName) return undefined;
  return slices.flatMap((slice) => {
    if (slice.addressType === "FQDN") return [];
    const targets = reached.map((number, at) => {
      const protocol = transportOf(ports[at]!.protocol);
      return targetOf(service, slice, number, protocol);
    });
    return slice.endpoints.flatMap((endpoint) => toEndpoint(endpoint, targets));
  });
}

function targetOf(
  { ports, isHeadless }: Service,
  slice: EndpointSlice,
  number: number,
  protocol: string,
): number {
  const port = ports.find((each) => each.number === number && each.protocol === protocol);
  // A headless Service takes any port, for it stands between nobody and the pod.
  if (port === undefined) return isHeadless ? number : NOT_REACHED;
  const target = slice.ports.find((each) => each.name === port.name && each.protocol === protocol);
  if (target === undefined) return NOT_REACHED;
  return target.number === 0 ? number : target.number;
}

function toEndpoint(
  { address: written, ...rest }: SliceEndpoint,
  reached: readonly number[],
): readonly DesiredEndpoint[] {
  const address = parseIpAddress(written);
  return address === null ? [] : [{ address, reached, ...rest }];
}
