/** How a scrape sees what the refresher counts. */

import { Counter, Gauge, type Metric, type Registry } from "prom-client";
import { type Buckets, REFRESH_RESULTS, type RefresherCounts, type RefresherGauges } from "./counts.ts";

/** Shows the numbers in `registry`, read anew at every scrape. `gauges` is called once per gauge and scrape. */
export function registerRefresherMetrics(
  registry: Registry,
  counts: RefresherCounts,
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
      for (const result of REFRESH_RESULTS) this.inc({ result }, counts.refreshes[result]);
    },
  });
  registry.registerMetric(
    bucketsMetric(
      "serviceentry_dns_refresh_duration_seconds",
      "Time from the first question of a lookup to its end.",
      counts.durationSeconds,
    ),
  );
  registry.registerMetric(
    bucketsMetric(
      "serviceentry_dns_refresh_lateness_seconds",
      "Time from the moment a lookup was due to its first question.",
      counts.latenessSeconds,
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
