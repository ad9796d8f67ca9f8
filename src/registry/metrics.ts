/** What the registry shows to a scrape: hosts by condition, and how long events take to be answered. */

import { Gauge, Histogram, type Registry } from "prom-client";
import type { HostCounts } from "./host-condition.ts";
import { HOST_CONDITIONS } from "./host-state.ts";

export interface RegistryObservers {
  /** From an event to the emission of what it changed, per host. */
  readonly observePropagation: (milliseconds: number) => void;
}

/** Within a millisecond where nothing waits, one batch window behind others; beyond a second something is wrong. */
const PROPAGATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** `counts` is asked at each scrape. */
export function registerRegistryMetrics(register: Registry, counts: () => HostCounts): RegistryObservers {
  new Gauge({
    name: "serviceentry_dns_hosts",
    help: "Hosts by state, once per ServiceEntry that claims them.",
    labelNames: ["state"],
    registers: [register],
    collect() {
      const now = counts();
      for (const state of HOST_CONDITIONS) this.set({ state }, now[state]);
    },
  });
  const propagation = new Histogram({
    name: "serviceentry_dns_propagation_seconds",
    help: "Time from the receipt of an event to the change of a host's answer.",
    buckets: PROPAGATION_BUCKETS_SECONDS,
    registers: [register],
  });
  return { observePropagation: (milliseconds) => propagation.observe(milliseconds / 1000) };
}
