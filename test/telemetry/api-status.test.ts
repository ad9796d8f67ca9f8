/** `/api/status` says what `/metrics` says, and reads nothing that a scrape would miss afterwards. */

import { expect } from "chai";
import { Registry } from "prom-client";
import { registerClusterMetrics, WatchCounts } from "../../src/cluster/metrics.ts";
import { dataPlaneSeries } from "../../src/data-plane-series.ts";
import { SharedSeries } from "../../src/series.ts";
import { statusReport } from "../../src/telemetry/api-status.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { registerScrapedMetric } from "../../src/telemetry/scraped-metric.ts";
import { registerSharedSeries } from "../../src/telemetry/shared-metrics.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const UPSTREAM = { address: parseIpAddress("192.0.2.53")!, port: 53 };

function reportOf(registry: Registry, missing: readonly string[] = []) {
  return statusReport({
    registry,
    version: "1.2.3",
    missing: () => missing,
    tableVersion: () => 41,
    nowMs: () => NOW,
  });
}

describe("telemetry: /api/status", () => {
  it("adds up what all threads have counted", async () => {
    const registry = new Registry();
    const definitions = dataPlaneSeries({ upstreams: [UPSTREAM], clusterUpstreams: [] });
    const threads = [new SharedSeries(definitions), new SharedSeries(definitions)];
    registerSharedSeries(registry, definitions, () => threads);
    for (const [at, thread] of threads.entries()) {
      const add = (count: number, name: string, ...labels: string[]) => {
        thread.values[thread.at(name, ...labels)]! += count;
      };
      add(10 + at, "responses_total", "NOERROR", "static");
      add(1, "responses_total", "NXDOMAIN", "negative");
      add(3, "cache_hits_total", "positive");
      add(1, "cache_hits_total", "negative");
      add(2, "cache_misses_total");
      add(1, "upstream_failures_total", "192.0.2.53:53", "timeout");
      add(1, "upstream_up", "192.0.2.53:53");
      const { buckets = [] } = definitions.find(({ name }) => name === "upstream_request_duration_seconds")!;
      thread.observe(thread.at("upstream_request_duration_seconds", "192.0.2.53:53"), buckets, 0.003);
    }
    const { queries, cache, upstreams } = await reportOf(registry);
    expect(queries.bySource).to.include({ static: 21, negative: 2, virtual: 0 });
    expect(queries.byRcode).to.include({ NOERROR: 21, NXDOMAIN: 2, SERVFAIL: 0 });
    expect(cache).to.include({ hits: 8, misses: 4 });
    expect(upstreams, "none that nobody has asked").to.have.length(1);
    expect(upstreams[0]).to.include({ address: "192.0.2.53:53", up: true, looping: false });
    expect(upstreams[0]!.failures).to.include({ timeout: 2, servfail: 0 });
    const { boundsSeconds, counts, sumSeconds } = upstreams[0]!.duration;
    expect(counts).to.have.length(boundsSeconds.length + 1);
    expect(boundsSeconds).to.deep.equal(boundsSeconds.toSorted((a, b) => a - b));
    expect(counts.map((count, at) => [boundsSeconds[at], count])).to.deep.include.members([
      [0.002, 0],
      [0.004, 2],
      [undefined, 2],
    ]);
    expect(sumSeconds).to.be.closeTo(0.006, 1e-9);
  });

  it("shows upstreams that came with new settings as soon as they are asked", async () => {
    const registry = new Registry();
    const definitions = dataPlaneSeries({ upstreams: [], clusterUpstreams: [] });
    const series = new SharedSeries(definitions);
    registerSharedSeries(registry, definitions, () => [series]);
    expect((await reportOf(registry)).upstreams).to.deep.equal([]);
    series.values[series.at("upstream_failures_total", "other", "refused")]! += 1;
    expect((await reportOf(registry)).upstreams.map(({ address }) => address)).to.deep.equal(["other"]);
  });

  it("tells kinds that are watched from those that are read from files", async () => {
    const registry = new Registry();
    const gauge = (name: string, values: Readonly<Record<string, number>>) =>
      registerScrapedMetric(registry, {
        name,
        help: name,
        type: "gauge",
        labelNames: ["kind"],
        read: () => Object.entries(values).map(([kind, value]) => ({ labels: { kind }, value })),
      });
    gauge("objects", { ServiceEntry: 5, Pod: 70, Namespace: 3 });
    gauge("last_event_timestamp_seconds", { ServiceEntry: NOW / 1000 - 60, Pod: 0, Namespace: 0 });
    const counts = new WatchCounts();
    for (const reason of ["ended", "ended", "relist", "stalled", "connection"] as const) counts.note(reason);
    registerClusterMetrics(registry, () => [
      { kind: "ServiceEntry", isConnected: true, counts },
      { kind: "Pod", isConnected: false, counts: new WatchCounts() },
    ]);
    expect((await reportOf(registry)).kinds).to.deep.equal([
      { kind: "ServiceEntry", objects: 5, connected: true, lastEvent: "2026-03-01T11:59:00.000Z", faults: 2 },
      { kind: "Pod", objects: 70, connected: false, lastEvent: null, faults: 0 },
      { kind: "Namespace", objects: 3, connected: null, lastEvent: null, faults: 0 },
    ]);
  });

  it("lists the problems that there are", async () => {
    const registry = new Registry();
    registerScrapedMetric(registry, {
      name: "problems",
      help: "problems",
      type: "gauge",
      labelNames: ["reason"],
      read: () => [
        { labels: { reason: "HostConflict" }, value: 2 },
        { labels: { reason: "HostInvalid" }, value: 0 },
      ],
    });
    expect((await reportOf(registry)).problems).to.deep.equal({ HostConflict: 2 });
  });

  it("leaves the lag of the main thread to the scrape", async () => {
    const metrics = createMetrics({ version: "1.2.3", listenPorts: () => [] });
    await new Promise((done) => setTimeout(done, 60));
    for (const endMs = performance.now() + 100; performance.now() < endMs; );
    await new Promise((done) => setTimeout(done, 60));
    const { time, version, startedAt, ready, missing, tableVersion } = await reportOf(metrics.registry, [
      "all",
    ]);
    expect({ time, version, ready, missing, tableVersion }).to.deep.equal({
      time: "2026-03-01T12:00:00.000Z",
      version: "1.2.3",
      ready: false,
      missing: ["all"],
      tableVersion: 41,
    });
    expect(Date.parse(startedAt)).to.be.closeTo(Date.now() - process.uptime() * 1000, 5000);
    const lag = /event_loop_lag_seconds\{thread="main"\} (\S+)/.exec(await metrics.text())![1];
    expect(Number(lag)).to.be.greaterThan(0.005);
    metrics.close();
  });
});
