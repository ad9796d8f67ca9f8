/** What the watches of the API count, as plain numbers; `registerClusterMetrics` shows them to a scrape. */

import { Counter, Gauge, type Registry } from "prom-client";
import { FAULT_REASONS } from "./api-fault.ts";

/** Values of the label `reason`: "ended" is a watch's usual end, "relist" the usual look at everything. */
export const RESTART_REASONS = ["ended", "relist", ...FAULT_REASONS] as const;
export type RestartReason = (typeof RESTART_REASONS)[number];

/** Of one kind, for as long as the program runs. */
export class WatchCounts {
  readonly #restarts = new Map<RestartReason, number>(RESTART_REASONS.map((reason) => [reason, 0]));

  note(reason: RestartReason): void {
    this.#restarts.set(reason, this.restarts(reason) + 1);
  }

  restarts(reason: RestartReason): number {
    return this.#restarts.get(reason) ?? 0;
  }
}

export interface WatchedKind {
  readonly kind: string;
  /** Undefined: the kind is not needed now, and not watched. */
  readonly isConnected: boolean | undefined;
  readonly counts: WatchCounts;
}

/** Shows the watches in `registry`, read anew at every scrape. */
export function registerClusterMetrics(registry: Registry, watches: () => Iterable<WatchedKind>): void {
  const registers = [registry];
  new Gauge({
    name: "serviceentry_dns_watch_connected",
    help: "Whether changes of the kind arrive from the API server; a kind that is not needed has no series.",
    labelNames: ["kind"],
    registers,
    collect() {
      this.reset();
      for (const { kind, isConnected } of watches()) {
        if (isConnected !== undefined) this.set({ kind }, isConnected ? 1 : 0);
      }
    },
  });
  new Counter({
    name: "serviceentry_dns_watch_restarts_total",
    help: "Lists and watches of the API server that came to an end, by reason; ended and relist are usual.",
    labelNames: ["kind", "reason"],
    registers,
    collect() {
      this.reset();
      for (const { kind, counts } of watches()) {
        for (const reason of RESTART_REASONS) this.inc({ kind, reason }, counts.restarts(reason));
      }
    },
  });
}
