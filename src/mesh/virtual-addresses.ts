/** Which virtual addresses a mesh allocates itself, and for which entries: those are for its own pods only. */

import { type IpAddress, type IpPrefix, parseIpPrefix, prefixContains } from "../wire/ip-address.ts";
import type { ServiceEntry } from "./objects.ts";

/** Tells the virtual addresses that a mesh allocates, by Istio's and Kmesh's ranges and the operator's. */
export function createAllocatedTest(virtualRanges: readonly IpPrefix[]): (address: IpAddress) => boolean {
  const ranges = [...ALLOCATION_RANGES, ...virtualRanges];
  return (address) => ranges.some((range) => prefixContains(range, address));
}

/** Whether the addresses of the entry's status are in force; Istio leaves them there when it allocates no more. */
export function takesAllocated({ resolution, hasAddresses, labels }: ServiceEntry): boolean {
  return resolution !== "NONE" && !hasAddresses && labels[AUTOALLOCATE_LABEL]?.toLowerCase() !== "false";
}

const ALLOCATION_RANGES: readonly IpPrefix[] = ["240.0.0.0/4", "2001:2::/48", "198.18.0.0/15"].map(
  (text) => parseIpPrefix(text)!,
);
const AUTOALLOCATE_LABEL = "networking.istio.io/enable-autoallocate-ip";
