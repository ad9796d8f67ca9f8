/** Values for the publisher's tests: entries, endpoints and slices by hand. */

import type { EndpointSlice, ServicePort } from "../../src/mesh/objects.ts";
import { PUBLISHED_NAMESPACE } from "../../src/mesh/publication.ts";
import type { DesiredEndpoint } from "../../src/publisher/desired-endpoint.ts";
import { PLAIN_ENDPOINT } from "../../src/publisher/desired-endpoint.ts";
import type { SliceContent, SliceWrite } from "../../src/publisher/slice-plan.ts";
import { MANAGED_BY, MANAGED_LABEL } from "../../src/publisher/written-objects.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { type IpAddress, parseIpAddress } from "../../src/wire/ip-address.ts";

export function host(text: string): HostName {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new Error(text);
  return name;
}

export function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(text);
  return address;
}

export function port(number: number, name = "http", protocol = "HTTP", targetPort?: number): ServicePort {
  return { number, name, protocol, targetPort };
}

export function endpoint(
  address: string,
  reached: readonly number[],
  rest: Partial<DesiredEndpoint> = {},
): DesiredEndpoint {
  return { ...PLAIN_ENDPOINT, address: ip(address), reached, ...rest };
}

export function sliceOf(
  service: string,
  { name, addressType, ports, endpoints }: SliceContent,
  version = "1",
): EndpointSlice {
  return {
    ref: { kind: "EndpointSlice", namespace: PUBLISHED_NAMESPACE, name },
    uid: `uid-${name}`,
    resourceVersion: version,
    createdAtMs: 0,
    labels: { [MANAGED_LABEL]: MANAGED_BY },
    annotations: {},
    serviceName: service,
    addressType,
    ports,
    endpoints,
  };
}

/** The slices after the writes; a name that is made twice, or changed without being there, throws. */
export function afterWrites(
  service: string,
  present: readonly EndpointSlice[],
  writes: readonly SliceWrite[],
): readonly EndpointSlice[] {
  const slices = new Map(present.map((slice) => [slice.ref.name, slice]));
  for (const write of writes) {
    const name = write.kind === "create" ? write.content.name : write.present.ref.name;
    if (slices.has(name) === (write.kind === "create")) throw new Error(`${write.kind} ${name}`);
    if (write.kind === "delete") slices.delete(name);
    else {
      if (slices.get(name) !== undefined && slices.get(name)!.addressType !== write.content.addressType)
        throw new Error(`the address type of ${name} cannot change`);
      slices.set(name, sliceOf(service, write.content));
    }
  }
  return [...slices.values()];
}
