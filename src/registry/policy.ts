/** What nobody may claim and what we never answer, whoever asks for it: reserved hosts, forbidden addresses. */

import type { ProblemCode } from "../mesh/problem.ts";
import { type HostName, isAtOrBelow, isWildcard, wildcardRest } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";

/** Names that mean something of their own in every cluster (RFC 6761: localhost, invalid). */
const RESERVED_ZONES: readonly string[] = [
  "clusterset.local",
  "in-addr.arpa",
  "ip6.arpa",
  "localhost",
  "invalid",
];
/** A client's search list turns `x.svc` and `x.pod` into names of the cluster. */
const RESERVED_LAST_LABELS: ReadonlySet<string> = new Set(["svc", "pod"]);
/** `*.com` would take over a whole top-level domain. */
const MIN_WILDCARD_LABELS = 2;

export interface HostFault {
  readonly code: ProblemCode & ("HostReserved" | "WildcardTooWide");
  readonly message: string;
}

/** Why the host may not be claimed; undefined: it may. */
export function hostFault(host: HostName, clusterDomain: HostName): HostFault | undefined {
  const name = wildcardRest(host);
  const zone = [clusterDomain, ...RESERVED_ZONES].find((each) => isAtOrBelow(name, each));
  if (zone !== undefined)
    return { code: "HostReserved", message: `host ${host} lies in the reserved ${zone}` };
  const lastLabel = name.slice(name.lastIndexOf(".") + 1);
  if (RESERVED_LAST_LABELS.has(lastLabel))
    return { code: "HostReserved", message: `host ${host} ends in the reserved label ${lastLabel}` };
  if (isWildcard(host) && name.split(".").length < MIN_WILDCARD_LABELS)
    return { code: "WildcardTooWide", message: `host ${host} covers all of ${name}` };
  return undefined;
}

/** What kind of never answered address this is, as in "a loopback address"; undefined: it may be answered. */
export function forbiddenKind(address: IpAddress): string | undefined {
  return address.includes(":") ? forbiddenIpv6Kind(address) : forbiddenIpv4Kind(address);
}

function forbiddenIpv4Kind(address: string): string | undefined {
  const first = Number(address.slice(0, address.indexOf(".")));
  // RFC 6890 2.2.2: "this host on this network".
  if (first === 0) return "unspecified";
  if (first === 127) return "loopback";
  // RFC 3927; cloud metadata services live here.
  if (address.startsWith("169.254.")) return "link-local";
  // RFC 5771: 224.0.0.0/4.
  if (first >= 224 && first <= 239) return "multicast";
  return address === "255.255.255.255" ? "broadcast" : undefined;
}

/** On canonical text (RFC 5952): a group of four digits never begins with 0. */
function forbiddenIpv6Kind(address: string): string | undefined {
  if (address === "::") return "unspecified";
  if (address === "::1") return "loopback";
  // RFC 4291 2.5.6: fe80::/10.
  if (/^fe[89ab][0-9a-f]:/.test(address)) return "link-local";
  // RFC 4291 2.7: ff00::/8.
  return /^ff[0-9a-f]{2}:/.test(address) ? "multicast" : undefined;
}
