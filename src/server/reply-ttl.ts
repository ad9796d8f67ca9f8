/** How long what we say of a host holds, in whole seconds. */

import type { MonotonicMs } from "../runtime.ts";
import {
  addressCount,
  FamilyIndex,
  familyTtlSeconds,
  isStale,
  negativeTtlSeconds,
  ttlSeconds,
} from "../table/packed-record.ts";

/** RFC 8767, section 5: what is stale is to be asked again soon. */
const MAX_STALE_TTL_SECONDS = 30;

/** Of a family with addresses. */
export function presentTtlSeconds(
  table: Uint8Array,
  variant: number,
  family: FamilyIndex,
  nowMs: MonotonicMs,
): number {
  return isStale(table, variant, family)
    ? Math.min(ttlSeconds(table, variant, family), MAX_STALE_TTL_SECONDS)
    : familyTtlSeconds(table, variant, family, nowMs);
}

/** How long a denial holds: as long as the addresses that the host has, if it has some. */
export function hostTtlSeconds(table: Uint8Array, variant: number, nowMs: MonotonicMs): number {
  if (addressCount(table, variant, FamilyIndex.A) > 0)
    return presentTtlSeconds(table, variant, FamilyIndex.A, nowMs);
  if (addressCount(table, variant, FamilyIndex.AAAA) > 0)
    return presentTtlSeconds(table, variant, FamilyIndex.AAAA, nowMs);
  return negativeTtlSeconds(table, variant);
}
