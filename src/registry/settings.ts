/** What the registry is told by settings. */

import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";

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
}

/** Whatever the source: what one host answers in one family, and what one host may have us resolve. */
export const MAX_ADDRESSES_PER_FAMILY = 256;
export const MAX_NAMES_PER_HOST = 256;
