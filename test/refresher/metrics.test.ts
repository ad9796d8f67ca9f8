import { expect } from "chai";
import { Registry } from "prom-client";
import { REFRESH_RESULTS, RefresherCounts } from "../../src/refresher/counts.ts";
import { registerRefresherMetrics } from "../../src/refresher/metrics.ts";

describe("the refresher's metrics", () => {
  const registered = () => {
    const registry = new Registry();
    const counts = new RefresherCounts();
    const gauges = { inFlight: 0, backoff: 0, oldestSuccessAgeSeconds: 0 };
    registerRefresherMetrics(registry, counts, () => gauges);
    return { registry, counts, gauges };
  };
  const lines = async (registry: Registry) => (await registry.metrics()).split("\n");

  it("are all there at 0 before anything happened", async () => {
    const text = await lines(registered().registry);
    for (const result of REFRESH_RESULTS) {
      expect(text).to.include(`serviceentry_dns_refreshes_total{result="${result}"} 0`);
    }
    for (const name of ["refresh_duration_seconds", "refresh_lateness_seconds"]) {
      expect(text).to.include(`# TYPE serviceentry_dns_${name} histogram`);
      expect(text).to.include(`serviceentry_dns_${name}_bucket{le="+Inf"} 0`);
      expect(text).to.include(`serviceentry_dns_${name}_count 0`);
    }
    for (const name of ["refresh_in_flight", "refresh_backoff", "refresh_oldest_success_age_seconds"]) {
      expect(text).to.include(`serviceentry_dns_${name} 0`);
    }
  });

  it("show the numbers of the moment at every scrape, each once", async () => {
    const { registry, counts, gauges } = registered();
    counts.refreshes.changed = 3;
    counts.durationSeconds.observe(0.02);
    await registry.metrics();
    counts.refreshes.changed = 5;
    counts.durationSeconds.observe(0.5);
    counts.durationSeconds.observe(9);
    Object.assign(gauges, { inFlight: 2, backoff: 7, oldestSuccessAgeSeconds: 12.5 });
    const text = await lines(registry);
    expect(text).to.include('serviceentry_dns_refreshes_total{result="changed"} 5');
    expect(text).to.include('serviceentry_dns_refresh_duration_seconds_bucket{le="0.01"} 0');
    expect(text).to.include('serviceentry_dns_refresh_duration_seconds_bucket{le="0.025"} 1');
    expect(text).to.include('serviceentry_dns_refresh_duration_seconds_bucket{le="0.5"} 2');
    expect(text).to.include('serviceentry_dns_refresh_duration_seconds_bucket{le="5"} 2');
    expect(text).to.include('serviceentry_dns_refresh_duration_seconds_bucket{le="+Inf"} 3');
    expect(text).to.include("serviceentry_dns_refresh_duration_seconds_sum 9.52");
    expect(text).to.include("serviceentry_dns_refresh_duration_seconds_count 3");
    expect(text).to.include("serviceentry_dns_refresh_in_flight 2");
    expect(text).to.include("serviceentry_dns_refresh_backoff 7");
    expect(text).to.include("serviceentry_dns_refresh_oldest_success_age_seconds 12.5");
  });
});
