import { expect } from "chai";
import { Registry as MetricsRegistry } from "prom-client";
import { registerRegistryMetrics } from "../../src/registry/metrics.ts";

describe("registerRegistryMetrics", () => {
  it("shows every state, and each observation in seconds", async () => {
    const register = new MetricsRegistry();
    const counts = { ok: 3, pending: 0, stale: 1, unresolved: 0, shadowed: 0, rejected: 0 };
    const { observePropagation } = registerRegistryMetrics(register, () => counts, 0);
    observePropagation(20);
    const text = await register.metrics();
    expect(text).to.include('serviceentry_dns_hosts{state="ok"} 3');
    expect(text).to.include('serviceentry_dns_hosts{state="pending"} 0');
    expect(text).to.include("serviceentry_dns_propagation_seconds_sum 0.02");
    expect(text).to.include("serviceentry_dns_propagation_seconds_count 1");
  });

  it("takes no time below zero from clocks that differ, and none from before the start", async () => {
    const register = new MetricsRegistry();
    const counts = { ok: 0, pending: 0, stale: 0, unresolved: 0, shadowed: 0, rejected: 0 };
    const { observeProgramming } = registerRegistryMetrics(register, () => counts, 10_000);
    observeProgramming("Pod", 9_000, 11_000);
    observeProgramming("Pod", 11_000, 13_500);
    observeProgramming("Pod", 14_000, 13_500);
    const text = await register.metrics();
    const name = "serviceentry_dns_dns_programming_duration_seconds";
    expect(text).to.include(`${name}_sum{kind="Pod"} 2.5`);
    expect(text).to.include(`${name}_count{kind="Pod"} 2`);
    expect(text).to.include(`${name}_count{kind="ServiceEntry"} 0`);
  });
});
