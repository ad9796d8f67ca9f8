/** Histograms of the program that is measured, read from its admin endpoint as Prometheus reads them. */

/** Upper bound in seconds -> observations at or below it, in the order of the bounds. */
export type Buckets = ReadonlyMap<number, number>;

/** Of a histogram without labels; `adminPort`: of 127.0.0.1. */
export async function scrapeHistogram(adminPort: number, name: string): Promise<Buckets> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  const text = await response.text();
  const buckets = new Map<number, number>();
  for (const [, bound, count] of text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)$`, "gm")))
    buckets.set(bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), Number(count));
  if (buckets.size === 0) throw new Error(`there is no ${name} among the metrics`);
  return buckets;
}

/** The least bound that a share of the observations between two scrapes did not exceed; NaN: there were none. */
export function bucketQuantile(before: Buckets, after: Buckets, share: number): number {
  const since = (bound: number) => (after.get(bound) ?? 0) - (before.get(bound) ?? 0);
  const all = since(Number.POSITIVE_INFINITY);
  if (all === 0) return Number.NaN;
  return [...after.keys()].find((bound) => since(bound) >= all * share) ?? Number.NaN;
}
