/**
 * Which addresses must not stand in a slice: those that nobody reaches from there, and those that the API server
 * refuses, the whole slice with them.
 */

import { createAllocatedTest } from "../mesh/virtual-addresses.ts";
import { type IpAddress, type IpPrefix, parseIpPrefix, prefixContains } from "../wire/ip-address.ts";

export interface FilterSources {
  /** Where a mesh allocates addresses, besides the usual ranges. */
  readonly virtualRanges: readonly IpPrefix[];
  /** Where Services get theirs, as far as known. */
  readonly serviceRanges: readonly IpPrefix[];
  /** Whether a Service has it now. */
  readonly isClusterIp: (address: IpAddress) => boolean;
}

/** Why the address is left out; the end of a sentence, without a full stop. Undefined: it may be published. */
export type AddressFilter = (address: IpAddress) => string | undefined;

export function createAddressFilter({
  virtualRanges,
  serviceRanges,
  isClusterIp,
}: FilterSources): AddressFilter {
  const isAllocated = createAllocatedTest(virtualRanges);
  return (address) => {
    for (const { kind, prefix } of FORBIDDEN) if (prefixContains(prefix, address)) return `is ${kind}`;
    if (isAllocated(address)) return "is a virtual address of a mesh, which no pod outside of it reaches";
    if (isClusterIp(address)) return "is the ClusterIP of a Service, which nothing behind a Service reaches";
    if (serviceRanges.some((range) => prefixContains(range, address)))
      return "lies in the range of ClusterIPs, which nothing behind a Service reaches";
    return undefined;
  };
}

/** What is never answered, and what validation refuses in a slice. An operator's exceptions do not count here. */
const FORBIDDEN = (
  [
    ["an unspecified address", "0.0.0.0/8"],
    ["a loopback address", "127.0.0.0/8"],
    ["a link-local address", "169.254.0.0/16"],
    ["a multicast address", "224.0.0.0/4"],
    ["a broadcast address", "255.255.255.255/32"],
    ["an unspecified address", "::/128"],
    ["a loopback address", "::1/128"],
    ["a link-local address", "fe80::/10"],
    ["a multicast address", "ff00::/8"],
  ] as const
).map(([kind, text]) => ({ kind, prefix: parseIpPrefix(text)! }));
