/** What the registry is told by settings. */

import type { LabelSelector } from "../mesh/label-selector.ts";
import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpAddress, IpPrefix } from "../wire/ip-address.ts";

export interface RegistrySettings {
  /** For hosts whose entry and Namespace say nothing. */
  readonly answer: AnswerMode;
  /** Of virtual addresses and inline endpoint addresses. */
  readonly ttlSeconds: number;
  /** Of selected workloads. */
  readonly workloadTtlSeconds: number;
  /** Upper limit of what upstream's TTL may be. */
  readonly resolvedMaxTtlSeconds: number;
  /** SOA of a host without any address. */
  readonly negativeTtlSeconds: number;
  /** How long a query may wait for a host's first addresses. */
  readonly pendingTimeoutMs: number;
  /** For entries that say nothing; empty: `*`. */
  readonly defaultExportTo: readonly (Namespace | "*" | "." | "~")[];
  readonly clusterDomain: HostName;
  /** Our clients' network; undefined: endpoints of all networks are taken. */
  readonly network: string | undefined;
  readonly hostsPerNamespace: number;
  /** Endpoint names to resolve; a host that is resolved for itself is none. */
  readonly namesPerNamespace: number;
  /** Whose entries come next after those of the client's own namespace. */
  readonly trustedNamespaces: readonly Namespace[];
  /** Who may claim which hosts; the first rule that fits a namespace counts. */
  readonly hostPolicy: readonly HostPolicyRule[];
  /** What entries of namespaces that no rule fits may be at most. */
  readonly defaultVisibility: "public" | "namespace";
  /** ServiceEntries and WorkloadEntries with such labels do not exist for us. */
  readonly excludeSelectors: readonly LabelSelector[];
  /** Where a mesh allocates virtual addresses, besides the usual ranges. */
  readonly virtualRanges: readonly IpPrefix[];
  /** Our own Service's: PTR names the server. */
  readonly serviceAddresses: readonly IpAddress[];
  /** Last labels that Kubernetes cannot mean, besides the delegated top-level domains. */
  readonly expandSuffixes: readonly string[];
  /** Whether TXT of `_why.<host>` explains the host. */
  readonly explainTxt: boolean;
}

export interface HostPolicyRule {
  /** Of the labels of the entry's Namespace. */
  readonly namespaceSelector: LabelSelector;
  /** Hosts, wildcards; empty: all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly maxVisibility: "public" | "namespace";
  /** Addresses that are never answered otherwise. */
  readonly allowAddresses: readonly IpPrefix[];
}

/** Whatever the source: what one host answers in one family, and what one host may have us resolve. */
export const MAX_ADDRESSES_PER_FAMILY = 256;
export const MAX_NAMES_PER_HOST = 256;
