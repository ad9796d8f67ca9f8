import { expect } from "chai";
import { Registry as MetricsRegistry } from "prom-client";
import { registerRegistryMetrics } from "../../src/registry/metrics.ts";

describe("registerRegistryMetrics", () => {
  it("shows every state, and each observation in seconds", async () => {
    const register = new MetricsRegistry();
    const counts = { ok: 3, pending: 0, stale: 1, unresolved: 0, shadowed: 0, rejected: 0 };
    const { observePropagation } = registerRegistryMetrics(register, () => counts);
    observePropagation(20);
    const text = await register.metrics();
    expect(text).to.include('serviceentry_dns_hosts{state="ok"} 3');
    expect(text).to.include('serviceentry_dns_hosts{state="pending"} 0');
    expect(text).to.include("serviceentry_dns_propagation_seconds_sum 0.02");
    expect(text).to.include("serviceentry_dns_propagation_seconds_count 1");
  });
});
