/** A metric whose numbers are read when it is scraped, from wherever they are kept: nothing is counted twice. */

import type { Metric, Registry } from "prom-client";

/** Of all metrics of our own. */
export const METRIC_PREFIX = "serviceentry_dns_";

export interface ScrapedMetric {
  /** Without `METRIC_PREFIX`. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labelNames: readonly string[];
  /** All present samples; called once per scrape. */
  read(): Iterable<Sample>;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** `_bucket`, `_sum` or `_count` of a histogram. */
  readonly suffix?: string;
}

/** What was registered under a name, and everybody who gives samples of it. */
interface Registered {
  readonly metric: ScrapedMetric;
  readonly readers: (() => Iterable<Sample>)[];
}
const registered = new WeakMap<Registry, Map<string, Registered>>();

/**
 * Several parts may give samples of one metric, with different label values, if they agree on type and labels.
 * Throws when they do not, or when the name is taken by a metric of the library's own classes.
 */
export function registerScrapedMetric(registry: Registry, metric: ScrapedMetric): void {
  const known = registered.get(registry) ?? new Map<string, Registered>();
  registered.set(registry, known);
  const before = known.get(metric.name);
  if (before !== undefined) {
    const isAlike =
      before.metric.type === metric.type && before.metric.labelNames.join() === metric.labelNames.join();
    if (!isAlike) throw new Error(`metric ${metric.name} is registered with another type or other labels`);
    before.readers.push(() => metric.read());
    return;
  }
  const readers = [() => metric.read()];
  registry.registerMetric(metricShape(metric, readers));
  known.set(metric.name, { metric, readers });
}

function metricShape(
  { name, help, type, labelNames }: ScrapedMetric,
  readers: readonly (() => Iterable<Sample>)[],
): Metric {
  const fullName = METRIC_PREFIX + name;
  const shape = {
    name: fullName,
    help,
    type,
    aggregator: "sum",
    labelNames,
    get: async () => ({
      ...shape,
      values: readers.flatMap((read) =>
        Array.from(read(), ({ labels, value, suffix }) =>
          suffix === undefined ? { labels, value } : { labels, value, metricName: fullName + suffix },
        ),
      ),
    }),
    reset() {},
  };
  // The library asks a metric for `name` and `get()` only; its types name its own four classes.
  return shape as unknown as Metric;
}
