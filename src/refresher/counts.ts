/** What the refresher counts, as plain numbers. */

import type { LookupFailure } from "../mesh/resolution.ts";

/** Values of the label `result`; "changed" and "unchanged" are about the set of addresses. */
export const REFRESH_RESULTS = [
  "changed",
  "unchanged",
  "nxdomain",
  "nodata",
  "timeout",
  "servfail",
  "refused",
  "formerr",
  "notimp",
  "network",
  "badresp",
] as const satisfies readonly ("changed" | "unchanged" | "nxdomain" | "nodata" | LookupFailure)[];
export type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** The state of things at the moment of a scrape. */
export interface RefresherGauges {
  /** Lookups that run. */
  readonly inFlight: number;
  /** Names and families whose last lookup failed: they wait for a retry. */
  readonly backoff: number;
  /** Since the last answer (addresses or a denial) of the one that waits for longest; 0: there is none. */
  readonly oldestSuccessAgeSeconds: number;
}

/** Numbers that only grow. */
export class RefresherCounts {
  readonly refreshes: Record<RefreshResult, number> = {
    changed: 0,
    unchanged: 0,
    nxdomain: 0,
    nodata: 0,
    timeout: 0,
    servfail: 0,
    refused: 0,
    formerr: 0,
    notimp: 0,
    network: 0,
    badresp: 0,
  };
  /** From the first question to the end of a lookup: fractions of a millisecond up to the 4.5 s limit. */
  readonly durationSeconds = new Buckets([
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
  ]);
  /** From the due time to the first question. */
  readonly latenessSeconds = new Buckets([0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60]);
}

/** A histogram of fixed bounds. */
export class Buckets {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative; one more at the end for those above every bound. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket += 1;
    this.counts[bucket]! += 1;
    this.sum += value;
  }
}
