/**
 * Everything of ours that writes to the cluster, as one: replicas compete for one lease, and the one that holds it
 * writes. Where nothing is to be written there is no lease either.
 */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { WritingApiClient } from "./cluster/api-client.ts";
import { Lease } from "./cluster/lease.ts";
import type { WriteCounts } from "./cluster/metrics.ts";
import type { MeshStore } from "./mesh/mesh-store.ts";
import type { Problem } from "./mesh/problem.ts";
import type { PublisherNumbers } from "./publisher/metrics.ts";
import type { PublishedHosts } from "./publisher/published-hosts.ts";
import { Publisher, type PublisherOptions } from "./publisher/publisher.ts";
import type { ConditionChange } from "./registry/registry.ts";
import type { UpstreamError } from "./reporter/event-reasons.ts";
import type { ReporterNumbers } from "./reporter/metrics.ts";
import { Reporter } from "./reporter/reporter.ts";
import { type Closeable, type Logger, systemClock, systemRandom } from "./runtime.ts";

/** Name of the lease, and the namespace that it is in where the pod does not say its own. */
const PROGRAM = "serviceentry-dns";

export interface ClusterWriterOptions {
  readonly client: WritingApiClient;
  readonly store: MeshStore;
  readonly counts: WriteCounts;
  readonly logger: Logger;
  /** Whether events are written. */
  readonly reporter: boolean;
  /** Whether the status condition `Resolved` is written beside the events. */
  readonly conditions: boolean;
  readonly hosts: PublishedHosts;
  readonly publishing: Pick<
    PublisherOptions,
    "problems" | "isComplete" | "mayDelete" | "virtualRanges" | "onWritten"
  >;
}

export class ClusterWriters implements Closeable {
  readonly #lease: Lease;
  readonly #reporter: Reporter | undefined;
  readonly #publisher: Publisher;
  readonly #hosts: PublishedHosts;
  #isStarted = false;

  constructor(options: ClusterWriterOptions) {
    const instance = hostname();
    const common = { ...options, clock: systemClock, random: systemRandom };
    this.#lease = new Lease({
      ...common,
      namespace: process.env["POD_NAMESPACE"] ?? PROGRAM,
      name: PROGRAM,
      identity: `${instance}_${randomUUID()}`,
    });
    const lease = this.#lease;
    if (options.reporter) this.#reporter = new Reporter({ ...common, lease, instance });
    this.#hosts = options.hosts;
    this.#publisher = new Publisher({ ...common, ...options.publishing, lease });
  }

  /** Whether this replica is the one that writes. */
  get isLeading(): boolean {
    return this.#lease.isHeld;
  }

  reporterNumbers(): ReporterNumbers | undefined {
    return this.#reporter?.numbers();
  }

  publisherNumbers(): PublisherNumbers {
    return this.#publisher.numbers();
  }

  /** `error`: why the host's names have no new addresses, the one that lasts longest; null: none is known. */
  noteCondition(change: ConditionChange, error: UpstreamError | null): void {
    this.#reporter?.noteCondition({ ...change, error });
  }

  noteProblem(found: Problem): void {
    this.#reporter?.noteProblem(found);
  }

  /** After the first compile: what is so already when we start is no news. Waits for nothing. */
  start(): void {
    this.#isStarted = true;
    this.#reporter?.start();
    this.#publisher.start();
    this.followHosts();
  }

  /** Whether hosts can be published is another now: where there is nothing else to write, the lease waits for that. */
  followHosts(): void {
    const hasWork = this.#reporter !== undefined || (this.#hosts.mode !== "off" && this.#hosts.isAvailable);
    if (this.#isStarted && hasWork) this.#lease.start();
  }

  updateSettings(settings: Pick<PublisherOptions, "virtualRanges">): void {
    this.#publisher.updateSettings(settings);
    this.followHosts();
  }

  /** The writers end before the lease is given to another replica. */
  async close(): Promise<void> {
    await this.#publisher.close();
    await this.#reporter?.close();
    await this.#lease.close();
  }
}
