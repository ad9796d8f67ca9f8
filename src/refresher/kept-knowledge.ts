/** What is known of a name in one family, in the form in which it outlives the process, and back. Pure. */

import type { KeptName, KeptResolution } from "../mesh/resolution.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { Family } from "../wire/ip-address.ts";
import type { Knowledge } from "./knowledge.ts";

/** `wallAheadMs`: time since 1970 less monotonic time. Nothing where nothing is known. */
export function keep(
  family: Family,
  { good, denial, resolution }: Knowledge,
  wallAheadMs: number,
): Partial<Pick<KeptName, Family>> {
  if (good !== undefined) {
    const { addresses, ttlSeconds, expiresAtMs } = good;
    const expiresAtWallMs = Math.round(expiresAtMs + wallAheadMs);
    return { [family]: { state: "resolved", addresses, ttlSeconds, expiresAtWallMs } };
  }
  if (resolution.state !== "denied" || denial === undefined) return {};
  return { [family]: { state: "denied", by: denial.by } };
}

/** Undefined: nothing was kept, or it is too old to be given. */
export function recall(
  kept: KeptResolution | undefined,
  nowMs: MonotonicMs,
  wallAheadMs: number,
  maxStaleMs: number,
): Knowledge | undefined {
  if (kept === undefined) return undefined;
  if (kept.state === "denied") {
    const { by } = kept;
    return {
      ...NOTHING_YET,
      resolution: { state: "denied", by },
      good: undefined,
      denial: { by, firstAtMs: nowMs, stood: 1 },
    };
  }
  const { addresses, ttlSeconds, expiresAtWallMs } = kept;
  // The clock may have been set since: then the TTL itself is the bound.
  const expiresAtMs = Math.min(expiresAtWallMs - wallAheadMs, nowMs + ttlSeconds * 1000);
  if (nowMs >= expiresAtMs + maxStaleMs) return undefined;
  return {
    ...NOTHING_YET,
    // Past their expiry as well: a refresh is on its way.
    resolution: { state: "fresh", addresses, expiresAtMs },
    good: { addresses, ttlSeconds, expiresAtMs },
    denial: undefined,
  };
}

/** The first lookup has not ended. */
const NOTHING_YET = {
  failures: 0,
  failure: undefined,
  answeredAtMs: undefined,
  lastError: null,
} as const;
