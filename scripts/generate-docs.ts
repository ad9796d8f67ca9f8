/**
 * Writes docs/settings.md and docs/metrics.md from the program itself, docs/rfc.md from its tests.
 * `--check` writes nothing: exit 1 with the names of the files that are stale.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  registerClusterMetrics,
  registerWriteMetrics,
  WatchCounts,
  WriteCounts,
} from "../src/cluster/metrics.ts";
import { settingsPage } from "../src/config/settings-page.ts";
import { dataPlaneSeries } from "../src/data-plane-series.ts";
import { MeshStore } from "../src/mesh/mesh-store.ts";
import { ProblemBook } from "../src/mesh/problem.ts";
import { registerPublisherMetrics } from "../src/publisher/metrics.ts";
import { RefresherCounts } from "../src/refresher/counts.ts";
import { registerRefresherMetrics } from "../src/refresher/metrics.ts";
import { registerRegistryMetrics } from "../src/registry/metrics.ts";
import { registerReporterMetrics } from "../src/reporter/metrics.ts";
import { SharedSeries } from "../src/series.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { describeMetrics, metricsPage } from "../src/telemetry/metrics-page.ts";
import { registerSnapshotMetrics, registerWatcherMetrics } from "../src/watcher/metrics.ts";
import { WATCHED_KINDS } from "../src/watcher/watched-kinds.ts";
import { rfcPage } from "./rfc-page.ts";

const { values } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    docs: { type: "string", default: fileURLToPath(new URL("../docs", import.meta.url)) },
  },
});

for (const [name, text] of [
  ["settings.md", settingsPage()],
  ["metrics.md", await currentMetricsPage()],
  ["rfc.md", await rfcPage()],
] as const) {
  const path = `${values.docs}/${name}`;
  if (readOrNothing(path) === text) continue;
  if (values.check) {
    process.stderr.write(`${path} is stale; run: node scripts/generate-docs.ts\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    process.stdout.write(`${path} written\n`);
  }
}

/** The metrics of a program that has just started: every part registers its own, none has counted anything. */
async function currentMetricsPage(): Promise<string> {
  const metrics = createMetrics({ version: "", listenPorts: () => [] });
  const definitions = dataPlaneSeries({ upstreams: [], clusterUpstreams: [] });
  metrics.addSharedSeries(definitions, () => [new SharedSeries(definitions)]);
  registerRefresherMetrics(metrics.registry, new RefresherCounts(), () => ({
    inFlight: 0,
    backoff: 0,
    oldestSuccessAgeSeconds: 0,
  }));
  registerRegistryMetrics(
    metrics.registry,
    () => ({
      ok: 0,
      pending: 0,
      stale: 0,
      unresolved: 0,
      shadowed: 0,
      rejected: 0,
    }),
    0,
  );
  registerSnapshotMetrics(metrics.registry, () => undefined);
  registerWriteMetrics(metrics.registry, new WriteCounts(), () => false);
  registerReporterMetrics(metrics.registry, () => undefined);
  registerPublisherMetrics(metrics.registry, () => undefined);
  registerClusterMetrics(metrics.registry, () =>
    WATCHED_KINDS.map((kind) => ({ kind, counts: new WatchCounts(), isConnected: false })),
  );
  registerWatcherMetrics(metrics.registry, new MeshStore(), new ProblemBook(Date.now), Date.now);
  const page = metricsPage(await describeMetrics(metrics.registry));
  metrics.close();
  return page;
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
