/** What the publisher counts, and how a scrape sees it. */

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { PublishedState } from "../mesh/publication.ts";

export interface PublisherNumbers {
  /** Hosts that are to be published, by what has become of them. */
  readonly hosts: Readonly<Record<PublishedState["kind"], number>>;
  /** Hosts that wait for their turn to be written, or are being written. */
  readonly waiting: number;
  readonly counts: PublisherCounts;
}

/** Numbers that only grow. */
export class PublisherCounts {
  /** Hosts of which something was written. */
  written = 0;
  /** Attempts that ended in a fault, and were or will be repeated. */
  failed = 0;
}

/** Shows the numbers in `registry`, read anew at every scrape; undefined: nothing is published. */
export function registerPublisherMetrics(
  registry: Registry,
  numbers: () => PublisherNumbers | undefined,
): { readonly observeWritten: (milliseconds: number) => void } {
  const registers = [registry];
  new Gauge({
    name: "serviceentry_dns_published_hosts",
    help: "Hosts that are to be published as Services, by what has become of them.",
    labelNames: ["state"],
    registers,
    collect() {
      const hosts = numbers()?.hosts;
      for (const state of ["published", "pending", "refused"] as const)
        this.set({ state }, hosts?.[state] ?? 0);
    },
  });
  new Gauge({
    name: "serviceentry_dns_publisher_waiting",
    help: "Hosts whose Services and EndpointSlices wait to be compared and written, or are being written.",
    registers,
    collect() {
      this.set(numbers()?.waiting ?? 0);
    },
  });
  const counter = (name: string, help: string, read: (counts: PublisherCounts) => number) =>
    new Counter({
      name: `serviceentry_dns_publisher_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        const counts = numbers()?.counts;
        this.inc(counts === undefined ? 0 : read(counts));
      },
    });
  counter("writes_total", "Times that something of a host was written.", ({ written }) => written);
  counter(
    "failures_total",
    "Times that a host could not be written; it is tried again.",
    ({ failed }) => failed,
  );
  const lag = new Histogram({
    name: "serviceentry_dns_publisher_write_seconds",
    help: "From the change of a host's endpoints to the API server's having accepted the last of its slices.",
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
    registers,
  });
  return { observeWritten: (milliseconds) => lag.observe(milliseconds / 1000) };
}
