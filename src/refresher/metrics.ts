/** What the refresher counts, as plain numbers; `registerRefresherMetrics` shows them to a scrape. */

import { Counter, Gauge, type Metric, type Registry } from "prom-client";
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
export class RefresherMetrics {
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

/** Shows the numbers in `registry`, read anew at every scrape. `gauges` is called once per gauge and scrape. */
export function registerRefresherMetrics(
  registry: Registry,
  metrics: RefresherMetrics,
  gauges: () => RefresherGauges,
): void {
  const registers = [registry];
  new Counter({
    name: "serviceentry_dns_refreshes_total",
    help: "Lookups of endpoint names and DNS hosts at the upstreams, by result.",
    labelNames: ["result"],
    registers,
    collect() {
      this.reset();
      for (const result of REFRESH_RESULTS) this.inc({ result }, metrics.refreshes[result]);
    },
  });
  registry.registerMetric(
    bucketsMetric(
      "serviceentry_dns_refresh_duration_seconds",
      "Time from the first question of a lookup to its end.",
      metrics.durationSeconds,
    ),
  );
  registry.registerMetric(
    bucketsMetric(
      "serviceentry_dns_refresh_lateness_seconds",
      "Time from the moment a lookup was due to its first question.",
      metrics.latenessSeconds,
    ),
  );
  const gauge = (name: string, help: string, read: (now: RefresherGauges) => number) =>
    new Gauge({
      name: `serviceentry_dns_${name}`,
      help,
      registers,
      collect() {
        this.set(read(gauges()));
      },
    });
  gauge("refresh_in_flight", "Lookups that run.", (now) => now.inFlight);
  gauge(
    "refresh_backoff",
    "Names, by family, whose last lookup failed and that wait for a retry.",
    (now) => now.backoff,
  );
  gauge(
    "refresh_oldest_success_age_seconds",
    "Time since upstream last answered for the name and family that waits for longest.",
    (now) => now.oldestSuccessAgeSeconds,
  );
}

/** A histogram that shows `Buckets`: the library's own class takes observations one by one only. */
function bucketsMetric(name: string, help: string, buckets: Buckets): Metric {
  const shape = {
    name,
    help,
    type: "histogram",
    aggregator: "sum",
    reset() {},
    get: async () => {
      const { bounds, counts, sum } = buckets;
      let count = 0;
      const values = counts.map((inBucket, at) => {
        count += inBucket;
        return { metricName: `${name}_bucket`, labels: { le: String(bounds[at] ?? "+Inf") }, value: count };
      });
      return {
        ...shape,
        values: [
          ...values,
          { metricName: `${name}_sum`, labels: {}, value: sum },
          { metricName: `${name}_count`, labels: {}, value: count },
        ],
      };
    },
  };
  // A registry asks for `name` and `get()` only; its types name the library's own four classes.
  return shape as unknown as Metric;
}
