/** All metrics of the process in one registry: the process's own, the threads' shared series, other parts' numbers. */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { SeriesDefinition, SharedSeries } from "../series.ts";
import { registerScrapedMetric, type ScrapedMetric } from "./scraped-metric.ts";
import { registerSharedSeries } from "./shared-metrics.ts";
import { readUdpDrops, UDP_SOCKET_TABLES } from "./udp-drops.ts";

export interface MetricsOptions {
  /** Of the program, for `build_info`. */
  readonly version: string;
  /** Ports of the UDP listeners, asked at each scrape. */
  readonly listenPorts: () => readonly number[];
  readonly udpSocketTables?: readonly string[];
  /** What `/readyz` says, asked at each scrape; never, unless given. */
  readonly isReady?: () => boolean;
}

export interface Metrics {
  /** For parts that bring metrics of the library's own classes. */
  readonly registry: Registry;
  /** Numbers of the threads; see `registerSharedSeries`. */
  addSharedSeries(definitions: readonly SeriesDefinition[], read: () => readonly SharedSeries[]): void;
  /** Numbers that a part of the control plane keeps and is asked for at each scrape. */
  addScraped(metric: ScrapedMetric): void;
  /** Counts a reading of a changed settings file. */
  noteSettingsRead(isTaken: boolean): void;
  /** Everything in the text format; `contentType` says which one. */
  text(): Promise<string>;
  readonly contentType: string;
  close(): void;
}

/** Starts to watch this thread's event loop; `close` ends that. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_RESOLUTION_MS });
  const mainLag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  mainLag.enable();

  registerScrapedMetric(registry, {
    name: "build_info",
    help: "Always 1; the labels say what is running.",
    type: "gauge",
    labelNames: ["version", "node"],
    read: () => [{ labels: { version: options.version, node: process.versions.node }, value: 1 }],
  });
  registerScrapedMetric(registry, {
    name: "ready",
    help: "Whether /readyz says that queries may come: 1 or 0.",
    type: "gauge",
    labelNames: [],
    read: () => [{ labels: {}, value: options.isReady?.() === true ? 1 : 0 }],
  });
  const settingsReads = { taken: 0, rejected: 0, isLastRejected: false };
  registerScrapedMetric(registry, {
    name: "settings_reloads_total",
    help: "Changed settings files that were read: taken, or rejected as a whole because of a mistake.",
    type: "counter",
    labelNames: ["result"],
    read: () =>
      (["taken", "rejected"] as const).map((result) => ({
        labels: { result },
        value: settingsReads[result],
      })),
  });
  registerScrapedMetric(registry, {
    name: "settings_rejected",
    help: "Whether the settings file, as it is now, was rejected: 1, and the settings before it are in force.",
    type: "gauge",
    labelNames: [],
    read: () => [{ labels: {}, value: settingsReads.isLastRejected ? 1 : 0 }],
  });
  registerScrapedMetric(registry, {
    name: "event_loop_lag_seconds",
    help: "Longest delay of a thread's event loop: of main since the last scrape, of the others in the last second.",
    type: "gauge",
    labelNames: ["thread"],
    read: () => [{ labels: { thread: "main" }, value: takeLagSeconds(mainLag) }],
  });
  registerScrapedMetric(registry, {
    name: "udp_socket_drops_total",
    help: "Datagrams to our ports that the kernel dropped because the socket's buffer was full.",
    type: "counter",
    labelNames: [],
    read: () => [
      {
        labels: {},
        value: readUdpDrops(options.listenPorts(), options.udpSocketTables ?? UDP_SOCKET_TABLES),
      },
    ],
  });

  return {
    registry,
    addSharedSeries: (definitions, read) => registerSharedSeries(registry, definitions, read),
    addScraped: (metric) => registerScrapedMetric(registry, metric),
    noteSettingsRead: (isTaken) => {
      settingsReads[isTaken ? "taken" : "rejected"]++;
      settingsReads.isLastRejected = !isTaken;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => mainLag.disable(),
  };
}

/**
 * How often the loop is looked at; a shorter delay may not be seen. Each look wakes an idle thread up, and there are two
 * monitors: with fifty looks a second they were most of what this thread cost while nothing happened.
 */
const LAG_RESOLUTION_MS = 50;

/** The monitor records the whole time between two looks, of which the resolution is no delay. */
function takeLagSeconds(monitor: ReturnType<typeof monitorEventLoopDelay>): number {
  const longestMs = monitor.max / 1e6;
  monitor.reset();
  return Math.max(0, longestMs - LAG_RESOLUTION_MS) / 1000;
}
