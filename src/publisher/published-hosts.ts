/**
 * What is to be published, and what of it is: every replica reads that from the Services and slices that it sees.
 *
 *   no Service of ours, or no slice yet     pending; after a while refused, so that the real addresses are answered
 *   a slice of the family for 2 s           the Service's ClusterIP of that family, for as long as the slice is there
 *   whoever writes was refused              refused, at once in the replica that writes
 */

import { isDeepStrictEqual } from "node:util";
import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import { type EndpointSlice, type ObjectRef, objectKey, type Service } from "../mesh/objects.ts";
import {
  PUBLISHED_NAMESPACE,
  type Publication,
  type PublicationKey,
  type PublishedState,
  type Publishing,
  type PublishMode,
} from "../mesh/publication.ts";
import type { Clock, Timer } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { type Family, familyOf } from "../wire/ip-address.ts";
import { serviceName } from "./names.ts";
import { entryUidOf, isOurs } from "./written-objects.ts";

export interface PublishedHostsOptions {
  readonly mode: PublishMode;
  readonly store: MeshStore;
  readonly clock: Clock;
  /** Whether what the store holds was all there before us. */
  readonly isSynced: () => boolean;
  /** What the host is answered may be another now. */
  readonly onChanged: (host: HostName) => void;
  /** Whether something can be published is another now. */
  readonly onAvailable: () => void;
}

export class PublishedHosts implements Publishing {
  readonly #options: PublishedHostsOptions;
  mode: PublishMode;
  /** By the name of the Service. */
  readonly #publications = new Map<string, Publication>();
  readonly #refusals = new Map<string, string>();
  readonly #waits = new Map<string, Wait>();
  readonly #accepted = new Map<string, Accepted>();
  readonly #listeners: ((name: string) => void)[] = [];
  #isAvailable: boolean;
  #isClosed = false;

  constructor(options: PublishedHostsOptions) {
    this.#options = options;
    this.mode = options.mode;
    this.#isAvailable = this.#hasNamespace();
    for (const slice of options.store.all("EndpointSlice").values())
      this.#noteSlice(slice.serviceName, slice);
    options.store.onChange((changes) => this.#apply(changes));
  }

  /** While the Namespace is there: it comes with the right to write in it. */
  get isAvailable(): boolean {
    return this.#isAvailable;
  }

  /** By the name of the Service. */
  get publications(): ReadonlyMap<string, Publication> {
    return this.#publications;
  }

  /** Told the Service's name when its publication may be another, or is no more. */
  onPublication(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  change(key: PublicationKey, publication: Publication | undefined): void {
    const [namespace = "", entry = "", host = ""] = key.split("/");
    const name = serviceName(namespace, entry, host as HostName);
    if (publication === undefined) {
      if (!this.#publications.delete(name)) return;
      this.#refusals.delete(name);
      this.#endWait(name);
    } else {
      // Compiled anew, mostly, because of what we told.
      if (isDeepStrictEqual(this.#publications.get(name), publication)) return;
      this.#publications.set(name, publication);
    }
    for (const listener of this.#listeners) listener(name);
  }

  stateOf(entry: ObjectRef, entryUid: string, host: HostName): PublishedState {
    if (!this.#isAvailable) return { kind: "refused", reason: NO_NAMESPACE };
    const name = serviceName(entry.namespace, entry.name, host);
    const service = this.#serviceOf(name);
    if (service !== undefined && isOurs(service) && entryUidOf(service) === entryUid && !service.isDeleting) {
      const accepted = this.#accepted.get(name);
      const addresses = service.clusterIps.filter((address) => accepted?.isInForce[familyOf(address)]);
      if (addresses.length > 0) {
        this.#endWait(name);
        return { kind: "published", addresses };
      }
    }
    const refusal = this.#refusals.get(name);
    if (refusal !== undefined) return { kind: "refused", reason: refusal };
    return this.#waitFor(name, host);
  }

  /** The one that writes was refused; undefined: it no longer is. `name`: of the Service. */
  refuse(name: string, reason: string | undefined): void {
    if (this.#refusals.get(name) === reason) return;
    if (reason === undefined) this.#refusals.delete(name);
    else this.#refusals.set(name, reason);
    this.#tell(name);
  }

  /** Of all publications, how many are in each state. */
  counts(): Readonly<Record<PublishedState["kind"], number>> {
    const counts = { published: 0, pending: 0, refused: 0 };
    for (const { entry, entryUid, host } of this.#publications.values())
      counts[this.stateOf(entry, entryUid, host).kind] += 1;
    return counts;
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#waits.values()) timer.cancel();
    for (const accepted of this.#accepted.values()) cancelTimers(accepted);
  }

  #apply(changes: readonly MeshChange[]): void {
    if (this.#isClosed) return;
    const { store } = this.#options;
    const touched = new Set<string>();
    let isOther = false;
    for (const change of changes) {
      if (change.kind === "Namespace") isOther ||= change.key === NAMESPACE_KEY;
      if (change.kind === "Service" && change.key.startsWith(SERVICE_PREFIX))
        touched.add(change.key.slice(SERVICE_PREFIX.length));
      if (change.kind !== "EndpointSlice" || !change.key.startsWith(SLICE_PREFIX)) continue;
      const after = store.all("EndpointSlice").get(change.key);
      for (const slice of [change.before, after]) {
        if (slice === undefined || slice.serviceName === "" || !isOurs(slice)) continue;
        if (this.#noteSlice(slice.serviceName, slice)) touched.add(slice.serviceName);
      }
    }
    for (const name of touched) this.#tell(name);
    if (!isOther || this.#hasNamespace() === this.#isAvailable) return;
    this.#isAvailable = this.#hasNamespace();
    this.#options.onAvailable();
  }

  /** Counts the slices of the Service anew in the family of this one; returns whether there are none or some now. */
  #noteSlice(name: string, slice: EndpointSlice): boolean {
    if (slice.ref.namespace !== PUBLISHED_NAMESPACE || !isOurs(slice)) return false;
    const { store, clock } = this.#options;
    const family: Family = slice.addressType === "IPv6" ? "AAAA" : "A";
    const key = objectKey(slice.ref);
    const present = store.all("EndpointSlice").get(key);
    const accepted = this.#accepted.get(name) ?? newAccepted();
    const slices = accepted.slices[family];
    const hadAny = slices.size > 0;
    if (present?.serviceName === name) slices.add(key);
    else slices.delete(key);
    if (slices.size > 0 === hadAny) return false;
    if (slices.size > 0) {
      this.#accepted.set(name, accepted);
      accepted.timers[family]?.cancel();
      accepted.isInForce[family] = this.#wasThere(slice);
      // By the timer alone: a clock may say that it is a moment too early.
      if (!accepted.isInForce[family])
        accepted.timers[family] = clock.setTimer(SETTLE_MS, () => {
          accepted.isInForce[family] = true;
          this.#tell(name);
        });
      return true;
    }
    accepted.isInForce[family] = false;
    accepted.timers[family]?.cancel();
    if (accepted.slices.A.size === 0 && accepted.slices.AAAA.size === 0) {
      cancelTimers(accepted);
      this.#accepted.delete(name);
    }
    return true;
  }

  /** A slice of the first list that is old enough was accepted long ago. */
  #wasThere({ createdAtMs }: EndpointSlice): boolean {
    const { clock, isSynced } = this.#options;
    // Creation times are whole seconds.
    return !isSynced() && createdAtMs !== undefined && clock.wallMs() - createdAtMs >= SETTLE_MS + 1000;
  }

  #waitFor(name: string, host: HostName): PublishedState {
    const known = this.#waits.get(name);
    if (known?.isOver) return { kind: "refused", reason: NOT_IN_TIME };
    if (known !== undefined) return PENDING;
    const end = () => {
      wait.isOver = true;
      this.#tell(name);
    };
    const wait: Wait = { host, isOver: false, timer: this.#options.clock.setTimer(PATIENCE_MS, end) };
    this.#waits.set(name, wait);
    return PENDING;
  }

  #endWait(name: string): void {
    this.#waits.get(name)?.timer.cancel();
    this.#waits.delete(name);
  }

  #tell(name: string): void {
    if (this.#isClosed) return;
    const host = this.#publications.get(name)?.host ?? this.#waits.get(name)?.host;
    if (host !== undefined) this.#options.onChanged(host);
  }

  #serviceOf(name: string): Service | undefined {
    return this.#options.store.all("Service").get(`${SERVICE_PREFIX}${name}`);
  }

  #hasNamespace(): boolean {
    return this.#options.store.all("Namespace").has(NAMESPACE_KEY);
  }
}

/** Until then kube-proxy, or what stands in its place, has seen the slices on every node. */
export const SETTLE_MS = 2000;
/** A host that nobody publishes for so long is answered with its real addresses: the writer is away, or refused. */
const PATIENCE_MS = 30_000;

const PENDING: PublishedState = { kind: "pending" };
export const NO_NAMESPACE = `there is no Namespace ${PUBLISHED_NAMESPACE}; the component manifests/components/publishing has it`;
const NOT_IN_TIME = `no Service was published within ${PATIENCE_MS / 1000} s; the replica that holds the Lease says why`;

const NAMESPACE_KEY = objectKey({ kind: "Namespace", namespace: "", name: PUBLISHED_NAMESPACE });
const SERVICE_PREFIX = `Service/${PUBLISHED_NAMESPACE}/`;
const SLICE_PREFIX = `EndpointSlice/${PUBLISHED_NAMESPACE}/`;

interface Wait {
  readonly host: HostName;
  isOver: boolean;
  readonly timer: Timer;
}

/** The slices of a Service, by family, and since when they count. */
interface Accepted {
  readonly slices: Readonly<Record<Family, Set<string>>>;
  readonly isInForce: Record<Family, boolean>;
  readonly timers: Record<Family, Timer | undefined>;
}

function newAccepted(): Accepted {
  return {
    slices: { A: new Set(), AAAA: new Set() },
    isInForce: { A: false, AAAA: false },
    timers: { A: undefined, AAAA: undefined },
  };
}

function cancelTimers({ timers }: Accepted): void {
  timers.A?.cancel();
  timers.AAAA?.cancel();
}
