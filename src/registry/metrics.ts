/** What the registry shows to a scrape: hosts by condition, and how long events take to be answered. */

import { Gauge, Histogram, type Registry } from "prom-client";
import type { Kind } from "../mesh/objects.ts";
import type { HostCounts } from "./host-condition.ts";
import { HOST_CONDITIONS } from "./host-state.ts";

export interface RegistryObservers {
  /** From an event to the emission of what it changed, per host. */
  readonly observePropagation: (milliseconds: number) => void;
  /** From the writing of an object, per host; both are milliseconds since 1970. */
  readonly observeProgramming: (kind: Kind, writtenAtMs: number, nowMs: number) => void;
}

/** Within a millisecond where nothing waits, one batch window behind others; beyond a second something is wrong. */
const PROPAGATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Objects tell whole seconds of their writing: below one nothing is to be told apart. */
const PROGRAMMING_BUCKETS_SECONDS = [0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300];
/** The others change no host. */
const PROGRAMMING_KINDS = [
  "ServiceEntry",
  "WorkloadEntry",
  "Pod",
  "Namespace",
] as const satisfies readonly Kind[];

/** `counts` is asked at each scrape. `startedAtMs`: of the program, since 1970; what was written before is not observed. */
export function registerRegistryMetrics(
  register: Registry,
  counts: () => HostCounts,
  startedAtMs: number,
): RegistryObservers {
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
  const programming = new Histogram({
    name: "serviceentry_dns_dns_programming_duration_seconds",
    help: "Time from the writing of an object, by its managed fields or its Ready transition, to the change of a host's answer.",
    labelNames: ["kind"],
    buckets: PROGRAMMING_BUCKETS_SECONDS,
    registers: [register],
  });
  for (const kind of PROGRAMMING_KINDS) programming.zero({ kind });
  return {
    observePropagation: (milliseconds) => propagation.observe(milliseconds / 1000),
    observeProgramming(kind, writtenAtMs, nowMs) {
      if (writtenAtMs < startedAtMs) return;
      // Its clock may be ahead of ours.
      programming.observe({ kind }, Math.max(0, nowMs - writtenAtMs) / 1000);
    },
  };
}
