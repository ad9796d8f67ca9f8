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
import { toWriteFault, type WriteFaultReason } from "../cluster/write-fault.ts";
import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import { objectKey, type ServiceEntry } from "../mesh/objects.ts";
import { type Problem, type ProblemBook, problem } from "../mesh/problem.ts";
import { PUBLISHED_NAMESPACE, type Publication } from "../mesh/publication.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Random, Timer } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type IpAddress, type IpPrefix, parseIpAddress } from "../wire/ip-address.ts";
import { type AddressFilter, createAddressFilter } from "./address-filter.ts";
import { ClusterAddresses } from "./cluster-addresses.ts";
import { type DesiredEndpoint, NOT_REACHED } from "./desired-endpoint.ts";
import { HostWriter, PublishRefusal } from "./host-writer.ts";
import { Lingering } from "./lingering.ts";
import { PublisherCounts, type PublisherNumbers } from "./metrics.ts";
import { NamedSlices } from "./named-slices.ts";
import { publishedPorts } from "./names.ts";
import { PresentObjects } from "./present-objects.ts";
import type { PublishedHosts } from "./published-hosts.ts";
import { wantedEndpoints } from "./wanted-endpoints.ts";
import { WorkQueue } from "./work-queue.ts";
import { ENTRY_ANNOTATION, entryUidOf, HOST_ANNOTATION, isOurs } from "./written-objects.ts";

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
  readonly #writer: HostWriter;
  readonly #queue: WorkQueue;
  readonly #counts = new PublisherCounts();
  readonly #closing = new AbortController();
  /** Of the hosts that were looked at by this replica while it held the lease. */
  readonly #lingering = new Map<string, Lingering>();
  /** Since when a Service is not wanted any more. */
  readonly #unused = new Map<string, MonotonicMs>();
  readonly #failures = new Map<string, Failure>();
  readonly #running = new Set<Promise<void>>();
  #filter: AddressFilter;
  #virtualRanges: readonly IpPrefix[];
  #round: Timer | undefined;
  /** ClusterIPs that endpoints were not compared with yet. */
  #newAddresses = new Set<IpAddress>();
  #looking: Timer | undefined;
  #isStarted = false;

  constructor(options: PublisherOptions) {
    const { client, lease, hosts, store, clock, random, counts, rate = RATE } = options;
    this.#options = options;
    this.#virtualRanges = options.virtualRanges;
    this.#present = new PresentObjects(store);
    this.#addresses = new ClusterAddresses(store, client, clock);
    this.#named = new NamedSlices(store);
    const writer = new ApiWriter({ client, clock, random, counts, rate });
    this.#writer = new HostWriter({ writer, present: this.#present, isHeld: () => lease.isHeld });
    this.#queue = new WorkQueue(clock, () => this.#pump());
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
      // What was in the way may be gone.
      this.#failures.delete(name);
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
      this.#lingering.clear();
      this.#unused.clear();
      this.#failures.clear();
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
    const { untilMs = 0 } = this.#failures.get(name) ?? {};
    if (clock.nowMs() < untilMs) return this.#queue.addLater(name, untilMs);
    const signal = AbortSignal.any([lease.hold, this.#closing.signal]);
    const publication = hosts.publications.get(name);
    try {
      if (publication === undefined) await this.#retire(name, signal);
      else if ((await this.#publish(name, publication, signal)) > 0) {
        this.#counts.written += 1;
        this.#options.onWritten?.(clock.nowMs() - sinceMs);
      }
      this.#failures.delete(name);
    } catch (error) {
      this.#fail(name, publication, error);
    }
  }

  async #publish(name: string, publication: Publication, signal: AbortSignal): Promise<number> {
    const { hosts } = this.#options;
    this.#unused.delete(name);
    const nowMs = this.#nowMs();
    const wanted = wantedEndpoints(publication, {
      filter: this.#filter,
      serviceOf: (ref) => this.#named.serviceOf(ref),
      slicesOf: (ref) => this.#named.slicesOf(ref),
      nowMs,
    });
    if (wanted.isPending) return 0;
    const names = namesOf(publication);
    let lingering = this.#lingering.get(name);
    if (lingering === undefined) {
      lingering = new Lingering();
      this.#lingering.set(name, lingering);
      if (names.size > 0) lingering.adopt(this.#presentEndpoints(name, publication), nowMs);
    }
    const { endpoints, nextMs } = lingering.update(wanted, names, nowMs, this.#filter);
    if (nextMs < Number.POSITIVE_INFINITY) this.#queue.addLater(name, nextMs);
    const writes = await this.#writer.publish(name, publication, endpoints, signal);
    hosts.refuse(name, undefined);
    this.#report(
      name,
      wanted.skipped.map((text) => skippedProblem(publication, text)),
    );
    return writes;
  }

  /** What stands in the slices already, with the ports of the publication. */
  #presentEndpoints(name: string, publication: Publication): readonly DesiredEndpoint[] {
    const ports = publishedPorts(publication.ports);
    return this.#present
      .slicesOf(name)
      .filter(isOurs)
      .flatMap((slice) => {
        const reached = ports.map(
          (port) => slice.ports.find((each) => each.name === port.name)?.number ?? NOT_REACHED,
        );
        return slice.endpoints.flatMap((endpoint) => {
          const address = parseIpAddress(endpoint.address);
          return address === null ? [] : [{ ...endpoint, address, reached }];
        });
      });
  }

  /** A host that is published no more: its slices go, its Service later. */
  async #retire(name: string, signal: AbortSignal): Promise<void> {
    const { mayDelete, logger, clock } = this.#options;
    this.#lingering.delete(name);
    this.#report(name, []);
    const service = this.#present.service(name);
    const slices = this.#present.slicesOf(name).filter(isOurs);
    const isOwn = service !== undefined && isOurs(service);
    if (!isOwn && slices.length === 0) {
      this.#unused.delete(name);
      return;
    }
    if (!mayDelete()) return this.#queue.addLater(name, clock.nowMs() + INCOMPLETE_RETRY_MS);
    const nowMs = clock.nowMs();
    const sinceMs = this.#unused.get(name) ?? nowMs;
    this.#unused.set(name, sinceMs);
    const isOver = nowMs - sinceMs >= UNANSWERED_MS;
    // While the entry is there its clients may still have the address; without it nobody shall get through.
    if (isOver || !isOwn || !this.#hasEntry(service)) await this.#writer.withdraw(name, signal);
    if (!isOwn || service.isDeleting) return;
    if (!isOver) return this.#queue.addLater(name, sinceMs + UNANSWERED_MS);
    await this.#writer.deleteService(service, signal);
    this.#unused.delete(name);
    logger.info(
      { component: COMPONENT, service: name, host: service.annotations[HOST_ANNOTATION] },
      "host is published no more",
    );
  }

  #hasEntry(
    service: Parameters<typeof entryUidOf>[0] & { readonly annotations: Readonly<Record<string, string>> },
  ): boolean {
    const [namespace = "", name = ""] = (service.annotations[ENTRY_ANNOTATION] ?? "").split("/");
    const key = objectKey({ kind: "ServiceEntry", namespace, name });
    const entry: ServiceEntry | undefined = this.#options.store.all("ServiceEntry").get(key);
    const host = service.annotations[HOST_ANNOTATION] ?? "";
    return entry !== undefined && entry.uid === entryUidOf(service) && entry.hosts.includes(host as HostName);
  }

  #fail(name: string, publication: Publication | undefined, error: unknown): void {
    const { logger, random } = this.#options;
    if (error instanceof PublishRefusal) {
      this.#refuse(name, publication, error.message);
      this.#rest(name, REFUSED_RETRY_MS);
      return;
    }
    const { code, message } = toWriteFault(error);
    if (code === "aborted") return;
    this.#counts.failed += 1;
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const isHopeless = HOPELESS.has(code);
    const delayMs = isHopeless
      ? REFUSED_RETRY_MS
      : Math.min(FIRST_RETRY_MS * 2 ** Math.min(count - 1, 10), MOST_RETRY_MS);
    this.#rest(name, delayMs * (1 + random.fraction() / 5));
    const fields = { component: COMPONENT, service: name, host: publication?.host, code, reason: message };
    if (code === "conflict") logger.debug(fields, "what is there is another by now");
    else logger.warn(fields, "a published host could not be written");
    if (isHopeless) this.#refuse(name, publication, `the API server: ${message}`);
  }

  /** Whatever changes meanwhile, it is not tried again before. */
  #rest(name: string, delayMs: number): void {
    const untilMs = this.#nowMs() + delayMs;
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    this.#failures.set(name, { count, untilMs });
    this.#queue.addLater(name, untilMs);
  }

  #refuse(name: string, publication: Publication | undefined, reason: string): void {
    if (publication === undefined) return;
    this.#options.hosts.refuse(name, reason);
    const message = `Host ${publication.host} is not published: ${reason}.`;
    this.#report(name, [problem("PublishRefused", publication.entry, "spec.hosts", message)]);
  }

  #report(name: string, problems: readonly Problem[]): void {
    this.#options.problems.replace(`publish ${name}`, problems);
  }

  #newFilter(): AddressFilter {
    return createAddressFilter({
      virtualRanges: this.#virtualRanges,
      serviceRanges: this.#addresses.ranges,
      isClusterIp: (address) => this.#addresses.has(address),
    });
  }

  #nowMs(): MonotonicMs {
    return this.#options.clock.nowMs();
  }
}

const NAMESPACE_KEY = objectKey({ kind: "Namespace", namespace: "", name: PUBLISHED_NAMESPACE });

/** Attempts that failed one after the other, and until when there is none. */
interface Failure {
  readonly count: number;
  readonly untilMs: MonotonicMs;
}

const COMPONENT = "dns.publish";
/** Twice what Kubernetes' own controllers take for a whole cluster's Services; a thousand hosts are out in 20 s. */
const RATE: Rate = { perSecond: 100, burst: 200 };
const MOST_AT_ONCE = 8;
/** How long a Service stays after its host: clients keep an answer for its TTL, and whoever has it meets no stranger. */
const UNANSWERED_MS = 60_000;
const ROUND_MS = 300_000;
const INCOMPLETE_RETRY_MS = 1000;
const CLUSTER_IP_MS = 1000;
const FIRST_RETRY_MS = 500;
const MOST_RETRY_MS = 60_000;
const REFUSED_RETRY_MS = 60_000;
/** Somebody has to do something first. */
const HOPELESS: ReadonlySet<WriteFaultReason> = new Set<WriteFaultReason>([
  "denied",
  "quota",
  "terminating",
  "invalid",
]);

function namesOf({ sources }: Publication): ReadonlySet<HostName> {
  return new Set(sources.flatMap((source) => (source.kind === "name" ? [source.name] : [])));
}

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

function skippedProblem({ entry, host }: Publication, text: string): Problem {
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  return problem(
    "PublishSkipped",
    entry,
    "spec.endpoints",
    `Host ${host} is published without it. ${sentence}`,
  );
}
