/**
 * What one host answers: the value where both sides meet. The registry compiles it, `packed-record.ts` turns
 * it into octets, the data plane answers from those.
 */

import type { Namespace, TrafficDistribution } from "../mesh/objects.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { ExtendedError } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family, IpAddress } from "../wire/ip-address.ts";

export type { TrafficDistribution };

export interface HostRecord {
  /** `*.rest` for a wildcard host; a reverse name where it answers PTR. */
  readonly host: HostName;
  /** The last label is a delegated top-level domain or stands in `expandSuffixes`: Kubernetes cannot mean the name. */
  readonly isDelegated: boolean;
  /** Below the cluster domain: upstream is asked first, this record answers where upstream says NXDOMAIN. */
  readonly isFallback: boolean;
  /** At most 65,535. Disjoint: a namespace stands in at most one view; `all` only in the last. Unknown clients see only `all`. */
  readonly views: readonly HostView[];
}

/** What the clients of some namespaces get. */
export interface HostView {
  readonly visibleTo: "all" | ReadonlySet<Namespace>;
  /** What the view's clients may get, each different from the others; at most 6. */
  readonly variants: readonly HostVariant[];
  /** Which of `variants` a client of the class gets; null: for it the host is not ours, so it is forwarded. */
  readonly choices: Readonly<Record<ClientClass, number | null>>;
  /** What SRV answers: every named port; at most 65,535. */
  readonly ports: readonly HostPort[];
  /** Of a reverse name: what PTR answers. */
  readonly pointer?: HostName;
  /** What `_why.<host>` says; UTF-8 of at most 1000 octets. */
  readonly why?: string;
}

/** What a client is as far as the answer mode `auto` asks. */
export const CLIENT_CLASSES = [
  "unknown",
  /** A known pod that no mesh takes the traffic of. */
  "outside",
  "sidecar",
  /** A pod whose traffic the node's data plane takes, by the families of its own addresses. */
  "redirectedIpv4",
  "redirectedIpv6",
  "redirectedDual",
] as const;
export type ClientClass = (typeof CLIENT_CLASSES)[number];

export interface HostVariant {
  /** Upstream denied the host: the client's own message is forwarded, so that RCODE and SOA are upstream's. */
  readonly isPass: boolean;
  /** AA of the reply: no address of it is from upstream. */
  readonly isAuthoritative: boolean;
  readonly source: AnswerSource;
  /** A host resolved for itself: with DO=1 the client wants upstream's signatures, so it is forwarded. */
  readonly forwardsDnssec: boolean;
  /** TTL and MINIMUM of the SOA while the host has no address at all. Whole seconds. */
  readonly negativeTtlSeconds: number;
  readonly answers: Readonly<Record<Family, FamilyAnswer>>;
  /** Istio's word for who is near: only the nearest addresses are answered. Absent: all addresses to everybody. */
  readonly distribution?: TrafficDistribution;
}

/** Where a host's addresses come from; a label value of `responses_total{source}`. */
export type AnswerSource = "virtual" | "static" | "workload" | "resolved" | "published";

export type FamilyAnswer =
  | {
      readonly kind: "addresses";
      /** Not empty, no duplicates, sorted; at most 256. */
      readonly addresses: readonly IpAddress[];
      /** How often an address comes first, in the order of `addresses`; absent: all equally often. */
      readonly weights?: readonly number[];
      /** Where each address is, in the order of `addresses`; only where the variant has a distribution. */
      readonly localities?: readonly Locality[];
      /** The TTL, or its cap where `expiresAtMs` is given. Whole seconds. */
      readonly ttlSeconds: number;
      /** The TTL counts down to this moment, but not under `MIN_RESOLVED_TTL_SECONDS`; absent: it is constant. */
      readonly expiresAtMs?: MonotonicMs;
      /** Last good addresses while refreshes fail: EDE 3 (RFC 8767, RFC 8914). */
      readonly isStale: boolean;
    }
  /** The host has no address of this family: NODATA. */
  | { readonly kind: "empty" }
  /** A first attempt is under way: hold the query, at the latest until this moment. */
  | { readonly kind: "pending"; readonly untilMs: MonotonicMs }
  /** Nothing is known: SERVFAIL with this Extended DNS Error (RFC 8914). */
  | { readonly kind: "failed"; readonly error: ExtendedError; readonly text: string };

/** Where a client or an address is. "": not known, and equal to nothing. */
export interface Locality {
  readonly network: string;
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
  readonly node: string;
}

/** A named port of a host. */
export interface HostPort {
  /** As in `_name._transport.host`: lower case, without the `_`; 1 to 62 octets. */
  readonly name: string;
  readonly transport: "tcp" | "udp";
  /** Not empty, at most 256. `target` null: the asked host itself. */
  readonly targets: readonly {
    readonly port: number;
    readonly target: HostName | null;
    /** 0 to 65535 (RFC 2782). */
    readonly weight: number;
  }[];
}

/** A change of one host in the table. */
export type HostChange =
  | { readonly kind: "set"; readonly record: HostRecord }
  | { readonly kind: "delete"; readonly host: HostName }
  /** Only the moment of expiry moved, of every view and variant whose TTL of this family counts down. */
  | {
      readonly kind: "touch";
      readonly host: HostName;
      readonly family: Family;
      readonly expiresAtMs: MonotonicMs;
    };

export interface TableDelta {
  /** Grows by one with every delta; modulo 2^32 the SOA serial (RFC 1982). */
  readonly version: number;
  readonly changes: readonly HostChange[];
}

/** Answers from upstream never say less, so that a client's cache is worth asking. */
export const MIN_RESOLVED_TTL_SECONDS = 5;
