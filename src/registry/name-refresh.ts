/** What the refresher has to say of names, for people: when upstream is asked next, and what went wrong last. */

import type { MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type Family } from "../wire/ip-address.ts";

/** Of one name in each family; moments are monotonic. */
export type DescribeName = (name: HostName) => Readonly<Record<Family, NameDescription>> | undefined;
export interface NameDescription {
  /** When upstream last said anything that counts; undefined: never. */
  readonly answeredAtMs?: MonotonicMs | undefined;
  /** Null: under way. */
  readonly nextRefreshMs: MonotonicMs | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly sinceMs: MonotonicMs;
  } | null;
}

/** Times are milliseconds since 1970. */
export interface Refresh {
  readonly nextRefreshMs: number | null;
  readonly lastError: RefreshError | null;
}
export interface RefreshError {
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
}

/** Milliseconds since 1970 of a monotonic moment. */
export type WallOf = (atMs: MonotonicMs) => number;

/** Of one name in one family; undefined: it is not resolved. */
export function refreshOf(
  described: Pick<NameDescription, "nextRefreshMs" | "lastError"> | undefined,
  wallOf: WallOf,
): Refresh {
  const { nextRefreshMs = null, lastError = null } = described ?? {};
  return {
    nextRefreshMs: nextRefreshMs === null ? null : wallOf(nextRefreshMs),
    lastError: lastError && {
      code: lastError.code,
      message: lastError.message,
      sinceMs: wallOf(lastError.sinceMs),
    },
  };
}

/** The next refresh of any of the names, and the error that has lasted longest. */
export function refreshOfAll(
  names: readonly HostName[],
  describeName: DescribeName | undefined,
  wallOf: WallOf,
): Refresh {
  const described = names.flatMap((name) => {
    const families = describeName?.(name);
    return families === undefined ? [] : FAMILIES.map((family) => families[family]);
  });
  let nextRefreshMs: MonotonicMs | null = null;
  let lastError: NameDescription["lastError"] = null;
  for (const each of described) {
    if (each.nextRefreshMs !== null && (nextRefreshMs === null || each.nextRefreshMs < nextRefreshMs))
      nextRefreshMs = each.nextRefreshMs;
    if (each.lastError !== null && (lastError === null || each.lastError.sinceMs < lastError.sinceMs))
      lastError = each.lastError;
  }
  return refreshOf({ nextRefreshMs, lastError }, wallOf);
}
