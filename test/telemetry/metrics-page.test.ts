/** The docs page of metrics, from whatever a registry holds. */

import { expect } from "chai";
import { Gauge, Histogram, Registry } from "prom-client";
import { describeMetrics, metricsPage } from "../../src/telemetry/metrics-page.ts";
import { registerScrapedMetric } from "../../src/telemetry/scraped-metric.ts";

describe("telemetry: docs page of metrics", () => {
  it("lists own metrics with their label values, the others with label names, sorted", async () => {
    const registry = new Registry();
    new Gauge({ name: "process_things", help: "A | B.", labelNames: ["kind"], registers: [registry] }).set(
      { kind: "today" },
      1,
    );
    const upstreamUp = { name: "serviceentry_dns_upstream_up", help: "Up.", labelNames: ["to"] };
    new Gauge({ ...upstreamUp, registers: [registry] }).set({ to: "192.0.2.53:53" }, 1);
    registerScrapedMetric(registry, {
      name: "asked_total",
      help: "Questions.",
      type: "counter",
      labelNames: ["proto", "type"],
      read: () => [
        { labels: { proto: "udp", type: "A" }, value: 0 },
        { labels: { proto: "udp", type: "MX" }, value: 0 },
        { labels: { proto: "tcp", type: "A" }, value: 0 },
      ],
    });
    registerScrapedMetric(registry, {
      name: "build_info",
      help: "Always 1.",
      type: "gauge",
      labelNames: ["node"],
      read: () => [{ labels: { node: "24.0.0" }, value: 1 }],
    });
    new Histogram({
      name: "serviceentry_dns_took_seconds",
      help: "Took.",
      buckets: [1],
      registers: [registry],
    });

    const page = metricsPage(await describeMetrics(registry));
    expect(page.split("\n").filter((line) => line.startsWith("| `"))).to.deep.equal([
      "| `serviceentry_dns_asked_total` | counter | `proto`: udp, tcp<br>`type`: A, MX | Questions. |",
      "| `serviceentry_dns_build_info` | gauge | `node` | Always 1. |",
      "| `serviceentry_dns_took_seconds` | histogram |  | Took. |",
      "| `serviceentry_dns_upstream_up` | gauge | `to` | Up. |",
      "| `process_things` | gauge | `kind` | A \\| B. |",
    ]);
  });
});
