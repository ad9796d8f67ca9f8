/** What a scrape says: shared series of threads, our own metrics, the process's. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import fc from "fast-check";
import { Counter } from "prom-client";
import { type SeriesDefinition, SharedSeries } from "../../src/series.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { udpDropsIn } from "../../src/telemetry/udp-drops.ts";
import { until } from "../support/waiting.ts";
import { parseExposition, sampleOf } from "./exposition.ts";

const BOUNDS = [0.001, 0.01, 0.1];
const DEFINITIONS: readonly SeriesDefinition[] = [
  {
    name: "asked_total",
    help: "Questions by transport and type.",
    type: "counter",
    labels: { proto: ["udp", "tcp"], type: ["A", "AAAA", "other"] },
  },
  { name: "waiting", help: "Waiting now.", type: "gauge", labels: {} },
  { name: "version", help: "Newest version of any thread.", type: "gauge", labels: {}, across: "max" },
  { name: "up", help: "Up for all threads.", type: "gauge", labels: {}, across: "min" },
  {
    name: "took_seconds",
    help: "Time to a reply.",
    type: "histogram",
    labels: { source: ["own", "forward"] },
    buckets: BOUNDS,
  },
];

describe("telemetry: metrics", () => {
  let metrics: Metrics;
  const scrape = async () => parseExposition(await metrics.text());

  beforeEach(() => {
    metrics = createMetrics({ version: "1.2.3", listenPorts: () => [53] });
  });
  afterEach(() => metrics.close());

  it("names nothing but our own, the process's and Node's metrics, each with help and samples", async () => {
    metrics.addSharedSeries(DEFINITIONS, () => []);
    const exposed = await scrape();
    for (const { name, type, help } of exposed.values()) {
      expect(name).to.match(/^(serviceentry_dns_|process_|nodejs_)/);
      expect(type, name).to.not.equal("");
      expect(help, name).to.not.equal("");
    }
    expect([...exposed.keys()]).to.include.members([
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "nodejs_eventloop_lag_p99_seconds",
      "serviceentry_dns_asked_total",
    ]);
    expect(metrics.contentType).to.equal("text/plain; version=0.0.4; charset=utf-8");
  });

  it("says what is running", async () => {
    const labels = { version: "1.2.3", node: process.versions.node };
    expect(sampleOf(await scrape(), "serviceentry_dns_build_info", labels)).to.equal(1);
  });

  it("has every label combination from the start, with 0", async () => {
    metrics.addSharedSeries(DEFINITIONS, () => [new SharedSeries(DEFINITIONS)]);
    const exposed = await scrape();
    const asked = exposed.get("serviceentry_dns_asked_total")!;
    expect(asked.samples).to.have.length(6);
    expect(asked.samples.every(({ value }) => value === 0)).to.equal(true);
    expect(exposed.get("serviceentry_dns_took_seconds")!.samples).to.have.length(2 * (BOUNDS.length + 3));
    expect(sampleOf(exposed, "serviceentry_dns_waiting")).to.equal(0);
  });

  it("sums counters and gauges of two threads, and takes the largest or least where the definition says so", async () => {
    const one = new SharedSeries(DEFINITIONS);
    const two = new SharedSeries(DEFINITIONS);
    metrics.addSharedSeries(DEFINITIONS, () => [one, two]);
    one.values[one.at("asked_total", "udp", "A")]! += 3;
    two.values[two.at("asked_total", "udp", "A")]! += 4;
    two.values[two.at("asked_total", "tcp", "other")]! += 1;
    one.values[one.at("waiting")] = 5;
    two.values[two.at("waiting")] = 2;
    one.values[one.at("version")] = 41;
    two.values[two.at("version")] = 40;
    one.values[one.at("up")] = 1;
    const exposed = await scrape();
    expect(sampleOf(exposed, "serviceentry_dns_asked_total", { proto: "udp", type: "A" })).to.equal(7);
    expect(sampleOf(exposed, "serviceentry_dns_asked_total", { proto: "tcp", type: "other" })).to.equal(1);
    expect(sampleOf(exposed, "serviceentry_dns_asked_total", { proto: "udp", type: "other" })).to.equal(0);
    expect(sampleOf(exposed, "serviceentry_dns_waiting")).to.equal(7);
    expect(sampleOf(exposed, "serviceentry_dns_version")).to.equal(41);
    expect(sampleOf(exposed, "serviceentry_dns_up")).to.equal(0);
    one.values[one.at("asked_total", "udp", "A")]! += 1;
    const again = await scrape();
    expect(
      sampleOf(again, "serviceentry_dns_asked_total", { proto: "udp", type: "A" }),
      "read anew",
    ).to.equal(8);
  });

  it("adds threads with different definitions", async () => {
    const server = DEFINITIONS.slice(0, 1);
    const forwarder = DEFINITIONS.slice(1, 2);
    const both = new SharedSeries([...server, ...forwarder]);
    const half = new SharedSeries(forwarder);
    metrics.addSharedSeries([...server, ...forwarder], () => [both, half]);
    both.values[both.at("waiting")] = 1;
    half.values[half.at("waiting")] = 1;
    both.values[both.at("asked_total", "udp", "A")] = 9;
    const exposed = await scrape();
    expect(sampleOf(exposed, "serviceentry_dns_waiting")).to.equal(2);
    expect(sampleOf(exposed, "serviceentry_dns_asked_total", { proto: "udp", type: "A" })).to.equal(9);
  });

  it("gives cumulative histograms: buckets, sum and count as if each observation was compared", async () => {
    const observation = fc.constantFrom(0, 0.0005, 0.001, 0.0011, 0.01, 0.05, 0.1, 0.2, 7);
    const threads = fc.array(fc.array(observation, { maxLength: 20 }), { minLength: 1, maxLength: 3 });
    let series: SharedSeries[] = [];
    metrics.addSharedSeries(DEFINITIONS, () => series);
    await fc.assert(
      fc.asyncProperty(threads, async (observed) => {
        series = observed.map((values) => {
          const thread = new SharedSeries(DEFINITIONS);
          for (const value of values) thread.observe(thread.at("took_seconds", "own"), BOUNDS, value);
          return thread;
        });
        const exposed = await scrape();
        const all: readonly number[] = observed.flat();
        const read = (suffix: string, labels: Record<string, string>) =>
          sampleOf(exposed, "serviceentry_dns_took_seconds", labels, suffix);
        for (const bound of BOUNDS) {
          const below = all.filter((value) => value <= bound).length;
          expect(read("_bucket", { source: "own", le: String(bound) })).to.equal(below);
          expect(read("_bucket", { source: "forward", le: String(bound) })).to.equal(0);
        }
        expect(read("_bucket", { source: "own", le: "+Inf" })).to.equal(all.length);
        expect(read("_count", { source: "own" })).to.equal(all.length);
        expect(read("_sum", { source: "own" })).to.be.closeTo(
          all.reduce((sum, value) => sum + value, 0),
          1e-9,
        );
      }),
      { numRuns: 50 },
    );
  });

  it("reads what a real worker thread counts, by its buffer", async () => {
    const ours = new SharedSeries(DEFINITIONS);
    const code = `
      import { workerData, parentPort } from "node:worker_threads";
      import { SharedSeries } from ${JSON.stringify(new URL("../../src/series.ts", import.meta.url).href)};
      const series = new SharedSeries(workerData.definitions, workerData.buffer);
      for (let n = 0; n < 1000; n += 1) series.values[series.at("asked_total", "tcp", "AAAA")] += 1;
      parentPort.postMessage("done");
    `;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { definitions: DEFINITIONS, buffer: ours.buffer },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    worker.once("message", () => resolve());
    worker.once("error", reject);
    await promise;
    await worker.terminate();
    const other = new SharedSeries(DEFINITIONS);
    other.values[other.at("asked_total", "tcp", "AAAA")] = 1;
    metrics.addSharedSeries(DEFINITIONS, () => [ours, other]);
    expect(sampleOf(await scrape(), "serviceentry_dns_asked_total", { proto: "tcp", type: "AAAA" })).to.equal(
      1001,
    );
  });

  it("takes numbers of other parts at scrape time, and metrics of the library's own", async () => {
    let stale = 1;
    metrics.addScraped({
      name: "hosts",
      help: "Hosts by state.",
      type: "gauge",
      labelNames: ["state"],
      read: () => [
        { labels: { state: "ok" }, value: 12 },
        { labels: { state: "stale" }, value: stale },
      ],
    });
    const events = new Counter({
      name: "serviceentry_dns_events_total",
      help: "Events.",
      labelNames: ["kind"],
      registers: [metrics.registry],
    });
    events.inc({ kind: 'Pod "x"\n\\' }, 2);
    stale = 4;
    const exposed = await scrape();
    expect(sampleOf(exposed, "serviceentry_dns_hosts", { state: "stale" })).to.equal(4);
    expect(sampleOf(exposed, "serviceentry_dns_events_total", { kind: 'Pod "x"\n\\' })).to.equal(2);
    const clash = {
      name: "hosts",
      help: "Other.",
      type: "counter",
      labelNames: ["state"],
      read: () => [],
    } as const;
    expect(() => metrics.addScraped(clash)).to.throw("hosts is registered with another type or other labels");
    expect(() => metrics.addScraped({ ...clash, name: "events_total" })).to.throw("already been registered");
  });

  it("measures how long the event loop was held up, since the last scrape", async () => {
    const lag = async () =>
      sampleOf(await scrape(), "serviceentry_dns_event_loop_lag_seconds", { thread: "main" });
    const turn = () => new Promise((resolve) => setTimeout(resolve, 60));
    await turn();
    for (const endMs = performance.now() + 200; performance.now() < endMs; );
    await turn();
    expect(await lag()).to.be.at.least(0.1);
    // Counted once: a busy machine holds it up again, but not each time.
    await until(async () => {
      await turn();
      return (await lag()) < 0.1;
    });
    const definition = {
      name: "event_loop_lag_seconds",
      help: "Of this thread.",
      type: "gauge",
      labels: { thread: ["udp"] },
    } as const;
    const thread = new SharedSeries([definition]);
    thread.values[thread.at("event_loop_lag_seconds", "udp")] = 0.25;
    metrics.addSharedSeries([definition], () => [thread]);
    const exposed = await scrape();
    const lags = exposed.get("serviceentry_dns_event_loop_lag_seconds")!.samples;
    expect(lags.map(({ labels }) => labels["thread"])).to.deep.equal(["main", "udp"]);
    expect(lags[1]!.value).to.equal(0.25);
  });
});

describe("telemetry: dropped datagrams", () => {
  const HEADER =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
  const line = (local: string, drops: number) =>
    `  123: ${local} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 ${drops}   \n`;

  it("sums over our ports only", () => {
    const table = `${HEADER}${line("0100007F:0035", 7)}${line("00000000:0035", 5)}${line("00000000:14E9", 900)}`;
    expect(udpDropsIn(table, [53])).to.equal(12);
    expect(udpDropsIn(table, [53, 5353])).to.equal(912);
    expect(udpDropsIn(table, [54])).to.equal(0);
    expect(udpDropsIn(HEADER, [53])).to.equal(0);
    expect(udpDropsIn("", [53])).to.equal(0);
  });

  it("reads IPv4 and IPv6 at each scrape; a system without such files has none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "drops-"));
    const tables = [join(folder, "udp"), join(folder, "udp6"), join(folder, "gone")];
    writeFileSync(tables[0]!, HEADER + line("00000000:041D", 2));
    writeFileSync(tables[1]!, HEADER + line("00000000000000000000000000000000:041D", 40));
    const metrics = createMetrics({ version: "0", listenPorts: () => [1053], udpSocketTables: tables });
    const read = async () =>
      sampleOf(parseExposition(await metrics.text()), "serviceentry_dns_udp_socket_drops_total");
    expect(await read()).to.equal(42);
    writeFileSync(tables[0]!, HEADER + line("00000000:041D", 3));
    expect(await read()).to.equal(43);
    metrics.close();
    rmSync(folder, { recursive: true });
  });
});

describe("telemetry: what the process says of itself", () => {
  it("is ready when it is, and says of settings files whether the last one was taken", async () => {
    let isReady = false;
    const metrics = createMetrics({ version: "0", listenPorts: () => [], isReady: () => isReady });
    const sampled = async (name: string, labels = {}) =>
      sampleOf(parseExposition(await metrics.text()), `serviceentry_dns_${name}`, labels);
    expect(await sampled("ready")).to.equal(0);
    isReady = true;
    expect(await sampled("ready")).to.equal(1);
    for (const [isTaken, taken, rejected, isRejected] of [
      [true, 1, 0, 0],
      [false, 1, 1, 1],
      [false, 1, 2, 1],
      [true, 2, 2, 0],
    ] as const) {
      metrics.noteSettingsRead(isTaken);
      expect(await sampled("settings_reloads_total", { result: "taken" })).to.equal(taken);
      expect(await sampled("settings_reloads_total", { result: "rejected" })).to.equal(rejected);
      expect(await sampled("settings_rejected")).to.equal(isRejected);
    }
    metrics.close();
  });
});
