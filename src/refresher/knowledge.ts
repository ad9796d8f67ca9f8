/**
 * What is known of one name in one family, and how it changes: by what a lookup says (`learn`) and by time
 * alone (`lapse`). Pure; the refresher holds the values and keeps the times.
 *
 *   known \ lookup   addresses   denied                                 failed
 *   nothing          fresh       denied                                 failed
 *   addresses        fresh       kept; denied at the second in a row,   kept; past their expiry stale,
 *                                or 60 s after the first                failed `maxStale` after it
 */

import type { LookupFailure, Resolution } from "../mesh/resolution.ts";
import { assertNever, type MonotonicMs, type Random } from "../runtime.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { AttemptEnd } from "./attempt.ts";
import { ACCEPT_REPLY_MS, formatServer } from "./lookup.ts";

/** Why a name has no (new) addresses, for the page that shows it. */
export interface LookupError {
  readonly code: LookupFailure | "nxdomain";
  /** Who said what; one sentence. */
  readonly message: string;
  /** When the present run of errors began. */
  readonly sinceMs: MonotonicMs;
}

export interface Knowledge {
  readonly resolution: Resolution;
  /** The last good reply's addresses, while they may be given, with its TTL and expiry. */
  readonly good:
    | {
        readonly addresses: readonly IpAddress[];
        readonly ttlSeconds: number;
        readonly expiresAtMs: MonotonicMs;
      }
    | undefined;
  /** Failed attempts in a row; 0: the last attempt brought an answer, if only a denial. */
  readonly failures: number;
  readonly failure: LookupFailure | undefined;
  /** Denials since the last addresses. */
  readonly denial:
    | {
        readonly by: "nxdomain" | "nodata";
        readonly firstAtMs: MonotonicMs;
        /** How many of them stood, that is, were not held back for the sake of good addresses. */
        readonly stood: number;
      }
    | undefined;
  /** When upstream last said anything that counts: addresses or a denial. */
  readonly answeredAtMs: MonotonicMs | undefined;
  readonly lastError: LookupError | null;
}

/** How long a denial must last to take away good addresses, if no second one confirms it earlier. */
const DENIAL_STANDS_AFTER_MS = 60_000;
const DENIAL_RETRY_FIRST_MS = 5000;
const DENIAL_RETRY_MAX_MS = 30_000;
const FAILURE_RETRY_FIRST_MS = 200;
const FAILURE_RETRY_MAX_MS = 30_000;
/** Shorter TTLs are not followed, longer ones not trusted for longer. */
const REFRESH_MIN_MS = 5000;
const REFRESH_MAX_MS = 300_000;

export function knowNothing(nowMs: MonotonicMs): Knowledge {
  return {
    resolution: { state: "pending", sinceMs: nowMs },
    good: undefined,
    failures: 0,
    failure: undefined,
    denial: undefined,
    answeredAtMs: undefined,
    lastError: null,
  };
}

/**
 * What is known after an attempt. `resolution` is a new value only where it differs; a set of addresses that
 * is equal to the one before stays the same array. `maxStaleMs` counts from the expiry of the addresses.
 */
export function learn(before: Knowledge, end: AttemptEnd, nowMs: MonotonicMs, maxStaleMs: number): Knowledge {
  const { result } = end;
  switch (result.kind) {
    case "addresses": {
      const addresses =
        before.good !== undefined && areEqual(before.good.addresses, result.addresses)
          ? before.good.addresses
          : result.addresses;
      const expiresAtMs = nowMs + result.ttlSeconds * 1000;
      return {
        resolution: { state: "fresh", addresses, expiresAtMs },
        good: { addresses, ttlSeconds: result.ttlSeconds, expiresAtMs },
        failures: 0,
        failure: undefined,
        denial: undefined,
        answeredAtMs: nowMs,
        lastError: null,
      };
    }
    case "denied": {
      const stands = before.good === undefined || before.denial !== undefined;
      const after = {
        ...before,
        failures: 0,
        failure: undefined,
        denial: {
          by: result.by,
          firstAtMs: before.denial?.firstAtMs ?? nowMs,
          stood: (before.denial?.stood ?? 0) + (stands ? 1 : 0),
        },
        answeredAtMs: nowMs,
        // That a name has no address of one family is no error: most names lack IPv6.
        lastError: result.by === "nodata" ? null : errorOf(before, "nxdomain", end, nowMs),
      };
      return stands ? deny(after, result.by) : after;
    }
    case "failed": {
      const after = {
        ...before,
        failures: before.failures + 1,
        failure: result.failure,
        lastError: errorOf(before, result.failure, end, nowMs),
      };
      return after.good === undefined ? fail(after, result.failure) : lapse(after, nowMs, maxStaleMs);
    }
    default:
      return assertNever(result);
  }
}

/** What is known when nothing was heard until now; the same value, if time changed nothing. */
export function lapse(known: Knowledge, nowMs: MonotonicMs, maxStaleMs: number): Knowledge {
  const { good, denial, failure, resolution } = known;
  if (good === undefined) return known;
  if (denial !== undefined && nowMs >= denial.firstAtMs + DENIAL_STANDS_AFTER_MS)
    return deny(known, denial.by);
  if (failure === undefined || nowMs < good.expiresAtMs) return known;
  if (nowMs >= good.expiresAtMs + maxStaleMs) return fail(known, failure);
  if (resolution.state === "stale") return known;
  return { ...known, resolution: { state: "stale", addresses: good.addresses, failure } };
}

/** The next moment at which `lapse` would change something; Infinity: never. */
export function lapsesAtMs(known: Knowledge, maxStaleMs: number): MonotonicMs {
  const { good, denial, failure, resolution } = known;
  if (good === undefined) return Number.POSITIVE_INFINITY;
  const deniedAtMs =
    denial === undefined ? Number.POSITIVE_INFINITY : denial.firstAtMs + DENIAL_STANDS_AFTER_MS;
  if (failure === undefined) return deniedAtMs;
  return Math.min(deniedAtMs, good.expiresAtMs + (resolution.state === "stale" ? maxStaleMs : 0));
}

/** How long after an attempt that led to this the name is asked for again. */
export function nextDelayMs(known: Knowledge, random: Random): number {
  const chance = random.fraction();
  if (known.failures > 0) {
    const doubled = FAILURE_RETRY_FIRST_MS * 2 ** Math.min(known.failures - 1, 16);
    return Math.min(doubled, FAILURE_RETRY_MAX_MS) * (0.8 + 0.4 * chance);
  }
  if (known.denial !== undefined) {
    const doubled = DENIAL_RETRY_FIRST_MS * 2 ** Math.min(Math.max(known.denial.stood - 1, 0), 16);
    return Math.min(doubled, DENIAL_RETRY_MAX_MS) * (1 + 0.1 * chance);
  }
  const ttlMs = (known.good?.ttlSeconds ?? 0) * 1000;
  return Math.min(Math.max(ttlMs * (0.9 + 0.09 * chance), REFRESH_MIN_MS), REFRESH_MAX_MS);
}

function deny(known: Knowledge, by: "nxdomain" | "nodata"): Knowledge {
  const { resolution } = known;
  return {
    ...known,
    good: undefined,
    resolution: resolution.state === "denied" ? resolution : { state: "denied", by },
  };
}

function fail(known: Knowledge, failure: LookupFailure): Knowledge {
  const { resolution } = known;
  return {
    ...known,
    good: undefined,
    resolution: resolution.state === "failed" ? resolution : { state: "failed", failure },
  };
}

function areEqual(one: readonly IpAddress[], other: readonly IpAddress[]): boolean {
  return one.length === other.length && one.every((address, at) => address === other[at]);
}

const SAID: Readonly<Record<LookupError["code"], string>> = {
  nxdomain: "says that the name does not exist (NXDOMAIN)",
  timeout: `gave no reply within ${ACCEPT_REPLY_MS / 1000} s`,
  servfail: "answered SERVFAIL",
  refused: "answered REFUSED",
  formerr: "answered FORMERR",
  notimp: "answered NOTIMP",
  network: "cannot be reached",
  badresp: "sent a reply that makes no sense",
};

function errorOf(
  before: Knowledge,
  code: LookupError["code"],
  end: AttemptEnd,
  nowMs: MonotonicMs,
): LookupError {
  return {
    code,
    message: `${formatServer(end.server)} ${SAID[code]}`,
    sinceMs: before.lastError?.sinceMs ?? nowMs,
  };
}
