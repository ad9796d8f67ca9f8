/** What nobody may claim and what we never answer, whoever asks for it: reserved hosts, forbidden addresses. */

import { domainToASCII } from "node:url";
import tlds from "tlds" with { type: "json" };
import type { Namespace } from "../mesh/objects.ts";
import type { ProblemCode } from "../mesh/problem.ts";
import { type HostName, isAtOrBelow, isWildcard, wildcardRest } from "../wire/host-name.ts";
import { type IpAddress, type IpPrefix, prefixContains } from "../wire/ip-address.ts";

export interface NameContext {
  readonly clusterDomain: HostName;
  /** Whether there is a Namespace of this name now. */
  readonly namespaceExists: (name: Namespace) => boolean;
}

export type NameVerdict =
  | {
      readonly kind: "allowed";
      /** A Service's name below the cluster domain: upstream is asked first. */
      readonly isFallback: boolean;
    }
  | {
      readonly kind: "refused";
      readonly code: ProblemCode & ("HostReserved" | "WildcardTooWide");
      /** Without a full stop. */
      readonly message: string;
    };

/** Whether an entry of the namespace `home` may claim the host; hosts that Kubernetes could mean are its own. */
export function judgeName(host: HostName, home: Namespace, context: NameContext): NameVerdict {
  const { clusterDomain, namespaceExists } = context;
  const name = wildcardRest(host);
  const isInCluster = isAtOrBelow(name, clusterDomain);
  if (isInCluster && isServiceName(host, home, clusterDomain)) return FALLBACK;
  const zone = isInCluster ? clusterDomain : RESERVED_ZONES.find((each) => isAtOrBelow(name, each));
  if (zone !== undefined) return reserved(`host ${host} lies in the reserved ${zone}`);
  const last = lastLabel(name);
  if (RESERVED_LAST_LABELS.has(last)) return reserved(`host ${host} ends in the reserved label ${last}`);
  if (isWildcard(host) && labelCount(name) < MIN_WILDCARD_LABELS)
    return { kind: "refused", code: "WildcardTooWide", message: `host ${host} covers all of ${name}` };
  const namespace = namespaceLabelOf(host);
  if (namespace !== undefined && namespace !== home && namespaceExists(namespace))
    return reserved(`host ${host} is how a Service of the namespace ${namespace} is called`);
  return OWN;
}

/**
 * The namespace whose Services and pods the host spells, if there is a Namespace of that name: `service.namespace`
 * and `pod.service.namespace`. Undefined: the host means the same whatever Namespaces there are.
 */
export function namespaceLabelOf(host: HostName): Namespace | undefined {
  const count = labelCount(host);
  if (count < 2 || count > MAX_SHORT_NAME_LABELS) return undefined;
  const last = lastLabel(host);
  return DELEGATED.has(last) ? undefined : last;
}

/** Whether the host ends in a delegated top-level domain or in one of `expandSuffixes`: Kubernetes cannot mean it. */
export function isDelegated(host: HostName, expandSuffixes: readonly string[]): boolean {
  const name = wildcardRest(host);
  return DELEGATED.has(lastLabel(name)) || expandSuffixes.some((suffix) => isAtOrBelow(name, suffix));
}

/**
 * What kind of never answered address this is, "a loopback address"; undefined: it may be answered.
 * `allowed`: what the operator lets the entry's namespace answer all the same.
 */
export function forbiddenKind(
  address: IpAddress,
  allowed: readonly IpPrefix[] = NONE_ALLOWED,
): string | undefined {
  const kind = address.includes(":") ? forbiddenIpv6Kind(address) : forbiddenIpv4Kind(address);
  return kind !== undefined && allowed.some((prefix) => prefixContains(prefix, address)) ? undefined : kind;
}

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
/** `pod.service.namespace`. */
const MAX_SHORT_NAME_LABELS = 3;

const ASCII_LABEL = /^[a-z0-9-]+$/;
/** Host names are ASCII; the list has internationalised domains in their own script. Most need no conversion, which is slow. */
const DELEGATED: ReadonlySet<string> = new Set(
  tlds.map((domain) => (ASCII_LABEL.test(domain) ? domain : domainToASCII(domain))),
);

const NONE_ALLOWED: readonly IpPrefix[] = [];

const OWN: NameVerdict = { kind: "allowed", isFallback: false };
const FALLBACK: NameVerdict = { kind: "allowed", isFallback: true };

function reserved(message: string): NameVerdict {
  return { kind: "refused", code: "HostReserved", message };
}

/** `service.namespace.svc.<cluster domain>` of the entry's own namespace. `host`: of the cluster domain. */
function isServiceName(host: HostName, home: Namespace, clusterDomain: HostName): boolean {
  const rest = `.${home}.svc.${clusterDomain}`;
  if (!host.endsWith(rest) || isWildcard(host)) return false;
  return !host.slice(0, -rest.length).includes(".");
}

function lastLabel(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function labelCount(name: string): number {
  let count = 1;
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1)) count += 1;
  return count;
}

function forbiddenIpv4Kind(address: string): string | undefined {
  let first = 0;
  for (let at = 0; address.charCodeAt(at) !== 0x2e; at += 1)
    first = first * 10 + address.charCodeAt(at) - 0x30;
  // RFC 6890 2.2.2: "this host on this network".
  if (first === 0) return "an unspecified address";
  if (first === 127) return "a loopback address";
  // RFC 3927; cloud metadata services live here.
  if (address.startsWith("169.254.")) return "a link-local address";
  // RFC 5771: 224.0.0.0/4.
  if (first >= 224 && first <= 239) return "a multicast address";
  return address === "255.255.255.255" ? "a broadcast address" : undefined;
}

/** On canonical text (RFC 5952): a group of four digits never begins with 0. */
function forbiddenIpv6Kind(address: string): string | undefined {
  if (address === "::") return "an unspecified address";
  if (address === "::1") return "a loopback address";
  // RFC 4291 2.5.6: fe80::/10.
  if (/^fe[89ab][0-9a-f]:/.test(address)) return "a link-local address";
  // RFC 4291 2.7: ff00::/8.
  return /^ff[0-9a-f]{2}:/.test(address) ? "a multicast address" : undefined;
}
