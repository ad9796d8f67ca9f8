import { expect } from "chai";
import { Registry } from "prom-client";
import { RESTART_REASONS, registerClusterMetrics, WatchCounts } from "../../src/cluster/metrics.ts";

describe("the metrics of the watches", () => {
  it("are all there at 0, and show the numbers of the moment", async () => {
    const registry = new Registry();
    const counts = { ServiceEntry: new WatchCounts(), Pod: new WatchCounts() };
    let isConnected = false;
    registerClusterMetrics(registry, () => [
      { kind: "ServiceEntry", counts: counts.ServiceEntry, isConnected },
      { kind: "Pod", counts: counts.Pod, isConnected: undefined },
    ]);
    const first = await registry.metrics();
    for (const kind of ["ServiceEntry", "Pod"]) {
      for (const reason of RESTART_REASONS) {
        expect(first).to.contain(`watch_restarts_total{kind="${kind}",reason="${reason}"} 0\n`);
      }
    }
    expect(first).to.contain('serviceentry_dns_watch_connected{kind="ServiceEntry"} 0\n');
    expect(first).not.to.contain('watch_connected{kind="Pod"}');
    isConnected = true;
    counts.Pod.note("expired");
    counts.Pod.note("expired");
    const second = await registry.metrics();
    expect(second).to.contain('serviceentry_dns_watch_connected{kind="ServiceEntry"} 1\n');
    expect(second).to.contain('watch_restarts_total{kind="Pod",reason="expired"} 2\n');
    expect(second).to.contain('watch_restarts_total{kind="ServiceEntry",reason="expired"} 0\n');
  });
});
