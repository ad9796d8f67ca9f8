/** One endpoint of a published host, as it shall stand in a slice. */

import type { SliceEndpoint } from "../mesh/objects.ts";
import type { IpAddress } from "../wire/ip-address.ts";

export interface DesiredEndpoint extends SliceEndpoint {
  readonly address: IpAddress;
  /** The port behind each of the publication's ports, in their order. */
  readonly reached: readonly number[];
}

/** In the place of a port that the endpoint does not have. */
export const NOT_REACHED = 0;

/** Names the endpoint in its host: the same address may be there with other ports, too. */
export function endpointKey({ address, reached }: Pick<DesiredEndpoint, "address" | "reached">): string {
  return `${address} ${reached.join()}`;
}

/** What is not said of an endpoint that is just an address. */
export const PLAIN_ENDPOINT = {
  isReady: true,
  isServing: true,
  isTerminating: false,
  zone: "",
  nodeName: "",
  isForZone: false,
  pod: undefined,
} as const satisfies Partial<DesiredEndpoint>;
