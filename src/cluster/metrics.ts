/** What watches of the API and writes to it count, as plain numbers, and how a scrape sees them. */

import { Counter, Gauge, type Registry } from "prom-client";
import { FAULT_REASONS } from "./api-fault.ts";
import { WRITE_FAULT_REASONS } from "./write-fault.ts";

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

export const WRITE_VERBS = ["get", "create", "replace", "patch", "apply", "delete"] as const;
export type WriteVerb = (typeof WRITE_VERBS)[number];
/** Values of the label `result`. */
export const WRITE_RESULTS = ["ok", ...WRITE_FAULT_REASONS] as const;
export type WriteResult = (typeof WRITE_RESULTS)[number];

/** Of all writers. */
export class WriteCounts {
  readonly #counts = new Map<string, number>();

  note(verb: WriteVerb, result: WriteResult): void {
    const key = `${verb} ${result}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  count(verb: WriteVerb, result: WriteResult): number {
    return this.#counts.get(`${verb} ${result}`) ?? 0;
  }
}

/** `isHeld`: whether this replica is the one that writes. */
export function registerWriteMetrics(registry: Registry, counts: WriteCounts, isHeld: () => boolean): void {
  const registers = [registry];
  new Counter({
    name: "serviceentry_dns_api_writes_total",
    help: "Attempts to write to the API server, and the reads that belong to them, by result.",
    labelNames: ["verb", "result"],
    registers,
    collect() {
      this.reset();
      for (const verb of WRITE_VERBS)
        for (const result of WRITE_RESULTS) this.inc({ verb, result }, counts.count(verb, result));
    },
  });
  new Gauge({
    name: "serviceentry_dns_lease_held",
    help: "Whether this replica holds the Lease and so is the one that writes to the API server.",
    registers,
    collect() {
      this.set(isHeld() ? 1 : 0);
    },
  });
}
