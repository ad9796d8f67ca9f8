/**
 * Keeps the Services and EndpointSlices of published hosts equal to what the hosts resolve to, and takes away those
 * of hosts that are published no more. All replicas follow; the one that holds the lease writes. A change marks a
 * host; its turn then compares all that is wanted with all that is there, so nothing hangs on the order of events.
 */

import type { WritingApiClient } from "../cluster/api-client.ts";
import { ApiWriter } from "../cluster/api-writes.ts";
import type { Lease } from "../cluster/lease.ts";
import type { WriteCounts } from "../cluster/metrics.ts";
import type { Rate } from "../cluster/token-bucket.ts";
import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import { objectKey } from "../mesh/objects.ts";
import type { ProblemBook } from "../mesh/problem.ts";
import { PUBLISHED_NAMESPACE, type Publication } from "../mesh/publication.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Random, Timer } from "../runtime.ts";
import { FAMILIES, type IpAddress, type IpPrefix } from "../wire/ip-address.ts";
import { type AddressFilter, createAddressFilter } from "./address-filter.ts";
import { ClusterAddresses } from "./cluster-addresses.ts";
import { FailedHosts } from "./failed-hosts.ts";
import { HostTurns } from "./host-turns.ts";
import { HostWriter } from "./host-writer.ts";
import { PublisherCounts, type PublisherNumbers } from "./metrics.ts";
import { NamedSlices } from "./named-slices.ts";
import { PresentObjects } from "./present-objects.ts";
import type { PublishedHosts } from "./published-hosts.ts";
import { WorkQueue } from "./work-queue.ts";

export interface PublisherOptions {
  /** Stays open when the publisher is closed. */
  readonly client: WritingApiClient;
  /** Is closed after the publisher. */
  readonly lease: Pick<Lease, "isHeld" | "hold" | "onChange">;
  readonly hosts: PublishedHosts;
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  /** Whether store and publications are whole: before that nothing is written. */
  readonly isComplete: () => boolean;
  /** Whether entries that are not in the store are gone, and not merely hidden from us. */
  readonly mayDelete: () => boolean;
  /** Where a mesh allocates addresses, besides the usual ranges. */
  readonly virtualRanges: readonly IpPrefix[];
  readonly counts: WriteCounts;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told, per host that was written, how long it took from the change. Milliseconds. */
  readonly onWritten?: (milliseconds: number) => void;
  /** Of all writes; default 100 a second, 200 at once. */
  readonly rate?: Rate;
}

export class Publisher implements Closeable {
  readonly #options: PublisherOptions;
  readonly #present: PresentObjects;
  readonly #addresses: ClusterAddresses;
  readonly #named: NamedSlices;
  readonly #turns: HostTurns;
  readonly #failed: FailedHosts;
  readonly #queue: WorkQueue;
  readonly #counts = new PublisherCounts();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #filter: AddressFilter;
  #virtualRanges: readonly IpPrefix[];
  #round: Timer | undefined;
  /** ClusterIPs that endpoints were not compared with yet. */
  #newAddresses = new Set<IpAddress>();
  #looking: Timer | undefined;
  #isStarted = false;

  constructor(options: PublisherOptions) {
    const { client, lease, hosts, store, problems, mayDelete, counts, rate = RATE } = options;
    const { clock, random, logger } = options;
    this.#options = options;
    this.#virtualRanges = options.virtualRanges;
    this.#present = new PresentObjects(store);
    this.#addresses = new ClusterAddresses(store, client, clock);
    this.#named = new NamedSlices(store);
    const writer = new ApiWriter({ client, clock, random, counts, rate });
    this.#queue = new WorkQueue(clock, () => this.#pump());
    this.#turns = new HostTurns({
      writer: new HostWriter({ writer, present: this.#present, isHeld: () => lease.isHeld }),
      present: this.#present,
      named: this.#named,
      later: (name, atMs) => this.#queue.addLater(name, atMs),
      ...{ store, problems, mayDelete, clock, logger },
    });
    this.#failed = new FailedHosts({ hosts, problems, counts: this.#counts, clock, random, logger });
    this.#filter = this.#newFilter();
    hosts.onPublication((name) => this.#notePublication(name));
    store.onChange((changes) => this.#apply(changes));
    lease.onChange((isHeld) => this.#changeHold(isHeld));
  }

  /** Begins to write, when the lease is held. */
  start(): void {
    this.#isStarted = true;
    for (const [name, publication] of this.#options.hosts.publications) this.#named.change(name, publication);
    if (this.#options.lease.isHeld) this.#changeHold(true);
  }

  updateSettings({ virtualRanges }: Pick<PublisherOptions, "virtualRanges">): void {
    this.#virtualRanges = virtualRanges;
    this.#filter = this.#newFilter();
    this.#markAll();
  }

  /** For `registerPublisherMetrics`. */
  numbers(): PublisherNumbers {
    return {
      hosts: this.#options.hosts.counts(),
      waiting: this.#queue.size + this.#running.size,
      counts: this.#counts,
    };
  }

  /** Nothing of ours is on its way any more when it resolves. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#round?.cancel();
    this.#looking?.cancel();
    this.#queue.clear();
    await Promise.all(this.#running);
  }

  #notePublication(name: string): void {
    if (!this.#isStarted) return;
    this.#named.change(name, this.#options.hosts.publications.get(name));
    if (this.#options.lease.isHeld) this.#queue.add(name);
  }

  #apply(changes: readonly MeshChange[]): void {
    const { store, lease } = this.#options;
    const names = new Set(this.#present.apply(changes, store));
    for (const name of this.#named.apply(changes)) names.add(name);
    const newAddresses = this.#addresses.apply(changes);
    if (!this.#isStarted || !lease.isHeld) return;
    for (const address of newAddresses) this.#newAddresses.add(address);
    if (changes.some(({ kind, key }) => kind === "Namespace" && key === NAMESPACE_KEY)) this.#markAll();
    for (const name of names) {
      if (name === "") continue;
      this.#failed.tryAgain(name);
      this.#queue.add(name);
    }
    if (this.#newAddresses.size > 0) this.#looking ??= this.#lookAfter(CLUSTER_IP_MS);
  }

  /** A new ClusterIP may be somebody's endpoint; many that come one after the other are looked for together. */
  #lookAfter(delayMs: number): Timer {
    const { clock, hosts } = this.#options;
    return clock.setTimer(delayMs, () => {
      this.#looking = undefined;
      const addresses = this.#newAddresses;
      this.#newAddresses = new Set();
      for (const [name, publication] of hosts.publications)
        if (namesAny(publication, addresses)) this.#queue.add(name);
    });
  }

  #changeHold(isHeld: boolean): void {
    this.#round?.cancel();
    if (!isHeld || !this.#isStarted || this.#closing.signal.aborted) {
      this.#queue.clear();
      this.#turns.clear();
      this.#failed.clear();
      return;
    }
    void this.#beginRound();
  }

  /** Looks at everything, now and then again: what no event told is found all the same. */
  async #beginRound(): Promise<void> {
    const { clock, random, lease } = this.#options;
    const { hold } = lease;
    await this.#addresses.readRanges(AbortSignal.any([hold, this.#closing.signal]));
    if (hold.aborted || this.#closing.signal.aborted) return;
    this.#filter = this.#newFilter();
    this.#markAll();
    this.#round?.cancel();
    this.#round = clock.setTimer(ROUND_MS * (1 + random.fraction()), () => void this.#beginRound());
  }

  #markAll(): void {
    if (!this.#options.lease.isHeld || !this.#isStarted) return;
    for (const name of this.#options.hosts.publications.keys()) this.#queue.add(name);
    for (const name of this.#present.serviceNames()) this.#queue.add(name);
  }

  #pump(): void {
    const { lease } = this.#options;
    while (this.#running.size < MOST_AT_ONCE && lease.isHeld && !this.#closing.signal.aborted) {
      const next = this.#queue.take();
      if (next === undefined) return;
      const run = this.#turn(next.name, next.sinceMs).finally(() => {
        this.#running.delete(run);
        this.#queue.done(next.name);
        this.#pump();
      });
      this.#running.add(run);
    }
  }

  /** Never rejects. */
  async #turn(name: string, sinceMs: MonotonicMs): Promise<void> {
    const { hosts, isComplete, lease, clock } = this.#options;
    // Not in the caller's own turn, which may be that of the watch.
    await Promise.resolve();
    if (!isComplete()) return this.#queue.addLater(name, clock.nowMs() + INCOMPLETE_RETRY_MS);
    if (!hosts.isAvailable) return;
    const untilMs = this.#failed.restsUntilMs(name);
    if (clock.nowMs() < untilMs) return this.#queue.addLater(name, untilMs);
    const signal = AbortSignal.any([lease.hold, this.#closing.signal]);
    const publication = hosts.publications.get(name);
    try {
      if (publication === undefined) await this.#turns.retire(name, signal);
      else {
        const writes = await this.#turns.publish(name, publication, this.#filter, signal);
        if (writes === undefined) return;
        hosts.refuse(name, undefined);
        if (writes > 0) {
          this.#counts.written += 1;
          this.#options.onWritten?.(clock.nowMs() - sinceMs);
        }
      }
      this.#failed.noteSuccess(name, publication);
    } catch (error) {
      const retryAtMs = this.#failed.note(name, publication, error);
      if (retryAtMs !== undefined) this.#queue.addLater(name, retryAtMs);
    }
  }

  #newFilter(): AddressFilter {
    return createAddressFilter({
      virtualRanges: this.#virtualRanges,
      serviceRanges: this.#addresses.ranges,
      isClusterIp: (address) => this.#addresses.has(address),
    });
  }
}

const NAMESPACE_KEY = objectKey({ kind: "Namespace", namespace: "", name: PUBLISHED_NAMESPACE });

/** Twice what Kubernetes' own controllers take for a whole cluster's Services; a thousand hosts are out in 20 s. */
const RATE: Rate = { perSecond: 100, burst: 200 };
const MOST_AT_ONCE = 8;
const ROUND_MS = 300_000;
const INCOMPLETE_RETRY_MS = 1000;
const CLUSTER_IP_MS = 1000;

/** Whether an endpoint has one of the addresses now. */
function namesAny({ sources }: Publication, addresses: ReadonlySet<IpAddress>): boolean {
  return sources.some((source) => {
    if (source.kind === "address") return addresses.has(source.address);
    return FAMILIES.some((family) => {
      const resolution = source.resolutions?.[family];
      const isKnown = resolution?.state === "fresh" || resolution?.state === "stale";
      return isKnown && resolution.addresses.some((address) => addresses.has(address));
    });
  });
}
