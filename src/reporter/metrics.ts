/** What the reporter counts, and how a scrape sees it. */

import { Counter, Gauge, type Registry } from "prom-client";
import { EVENT_REASONS, type EventReason } from "./event-reasons.ts";

/** Numbers that only grow. */
export class ReporterCounts {
  readonly events: Record<EventReason, number> = {
    Resolved: 0,
    ResolveFailed: 0,
    PortMismatch: 0,
    NoReadyEndpoints: 0,
    EndpointSkipped: 0,
    HostConflict: 0,
    HostRejected: 0,
    PublishRefused: 0,
  };
  conditions = 0;
  /** Events that the API server refused for good. */
  refused = 0;
}

export interface ReporterNumbers {
  readonly counts: ReporterCounts;
  /** Events that wait to be written. */
  readonly waiting: number;
  /** Events that were never written because too many waited. */
  readonly dropped: number;
}

/** Shows the numbers in `registry`, read anew at every scrape; `numbers` undefined: there is no reporter. */
export function registerReporterMetrics(
  registry: Registry,
  numbers: () => ReporterNumbers | undefined,
): void {
  const registers = [registry];
  new Counter({
    name: "serviceentry_dns_reporter_events_total",
    help: "Events on ServiceEntries that were written, by reason; several happenings within a minute are one.",
    labelNames: ["reason"],
    registers,
    collect() {
      this.reset();
      const counts = numbers()?.counts;
      for (const reason of EVENT_REASONS) this.inc({ reason }, counts?.events[reason] ?? 0);
    },
  });
  const counter = (name: string, help: string, read: (now: ReporterNumbers) => number) =>
    new Counter({
      name: `serviceentry_dns_reporter_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        const now = numbers();
        this.inc(now === undefined ? 0 : read(now));
      },
    });
  counter(
    "conditions_total",
    "Status conditions of ServiceEntries that were written.",
    (now) => now.counts.conditions,
  );
  counter("dropped_total", "Events that were not written because too many waited.", (now) => now.dropped);
  counter("refused_total", "Events that the API server refused.", (now) => now.counts.refused);
  new Gauge({
    name: "serviceentry_dns_reporter_waiting",
    help: "Events that wait to be written.",
    registers,
    collect() {
      this.set(numbers()?.waiting ?? 0);
    },
  });
}
