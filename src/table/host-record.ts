/**
 * What one host answers: the value where both sides meet. The registry compiles it, `packed-record.ts` turns
 * it into octets, the data plane answers from those.
 */

import type { MonotonicMs } from "../runtime.ts";
import type { ExtendedError } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family, IpAddress } from "../wire/ip-address.ts";

/** Where a host's addresses come from; a label value of `responses_total{source}`. */
export type AnswerSource = "virtual" | "static" | "workload" | "resolved";

export type FamilyAnswer =
  | {
      readonly kind: "addresses";
      /** Not empty, no duplicates, sorted; at most 256. */
      readonly addresses: readonly IpAddress[];
      /** How often an address comes first, in the order of `addresses`; absent: all equally often. */
      readonly weights?: readonly number[];
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

export interface HostView {
  /** Who sees it. Entries for some namespaces only are a later step, so there is one view per host now. */
  readonly visibleTo: "all";
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
}

export interface HostRecord {
  /** `*.rest` for a wildcard host. */
  readonly host: HostName;
  /** The first one that the client may see answers. */
  readonly views: readonly HostView[];
}

/** A change of one host in the table. */
export type HostChange =
  | { readonly kind: "set"; readonly record: HostRecord }
  | { readonly kind: "delete"; readonly host: HostName }
  /** Only the moment of expiry moved: the addresses are the same. */
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
