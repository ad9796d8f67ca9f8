/**
 * The reverse names that we answer: for each virtual address in a mesh's ranges, and each ClusterIP of a published
 * host, the host that it stands for, as each client would reach it, and for our own Service's addresses the server itself. Follows the hosts' records
 * one by one; what a name answers depends on nothing but the present records.
 *
 * An address that several hosts share names the first non-wildcard host, in the order of its entry, of the
 * entry that comes first for the client.
 */

import type { Namespace } from "../mesh/objects.ts";
import { createAllocatedTest } from "../mesh/virtual-addresses.ts";
import type { HostRecord, HostVariant, HostView } from "../table/host-record.ts";
import { type HostName, isWildcard } from "../wire/host-name.ts";
import { FAMILIES, type IpAddress, ipAddressOctets } from "../wire/ip-address.ts";
import type { HostPlan } from "./host-plan.ts";
import { Multimap } from "./multimap.ts";

import type { RegistrySettings } from "./settings.ts";

export type ReverseSettings = Pick<
  RegistrySettings,
  "clusterDomain" | "virtualRanges" | "serviceAddresses" | "ttlSeconds"
>;

/** Negative: `a` comes first for the client; both are visible to it. `viewer` undefined: an unknown namespace. */
export type Precedence = (a: Claimant, b: Claimant, viewer: Namespace | undefined) => number;

/** What counts of a plan here: the rest of it is not kept. */
export type Claimant = Pick<HostPlan, "entry" | "visibility">;

export class ReverseIndex {
  #settings: ReverseSettings;
  #isAllocated: (address: IpAddress) => boolean;
  readonly #precedence: Precedence;
  readonly #hosts = new Map<HostName, readonly NamedView[]>();
  /** By reverse name: the hosts with a view that answers its address. */
  readonly #sharers = new Multimap<HostName, HostName>();
  /** By reverse name: the addresses in question, our own Service's among them. */
  readonly #addresses = new Map<HostName, IpAddress>();
  #ownNames: ReadonlySet<HostName>;

  constructor(settings: ReverseSettings, precedence: Precedence) {
    this.#settings = settings;
    this.#precedence = precedence;
    this.#isAllocated = createAllocatedTest(settings.virtualRanges);
    this.#ownNames = new Set(settings.serviceAddresses.map(reverseName));
  }

  /**
   * The host has this record now; undefined: none. `winners`: of each of the record's views the oldest entry
   * behind its virtual addresses. Returns the reverse names whose record may be another one now.
   */
  change(
    host: HostName,
    record: HostRecord | undefined,
    winners: readonly (Claimant | undefined)[],
  ): ReadonlySet<HostName> {
    const views = record === undefined || isWildcard(host) ? NO_VIEWS : namedViews(record, winners);
    if (views.length === 0 && !this.#hosts.has(host)) return NONE_TOUCHED;
    const touched = new Set<HostName>();
    this.#withdraw(host, touched);
    if (views.length > 0) {
      this.#hosts.set(host, views);
      this.#enter(host, views, touched);
    }
    return touched;
  }

  /** Undefined: the name is not ours. */
  recordOf(name: HostName): HostRecord | undefined {
    if (this.#ownNames.has(name)) {
      const server = `serviceentry-dns.${this.#settings.clusterDomain}` as HostName;
      return this.#record(name, [{ visibleTo: "all", pointer: server }]);
    }
    const address = this.#addresses.get(name);
    if (address === undefined) return undefined;
    const pointers = this.#pointersOf(address, [...this.#sharers.get(name)]);
    return pointers.length === 0 ? undefined : this.#record(name, pointers);
  }

  /** Returns the reverse names whose record may be another one now. */
  updateSettings(settings: ReverseSettings): ReadonlySet<HostName> {
    const touched = new Set(this.names());
    this.#settings = settings;
    this.#isAllocated = createAllocatedTest(settings.virtualRanges);
    this.#ownNames = new Set(settings.serviceAddresses.map(reverseName));
    this.#sharers.clear();
    this.#addresses.clear();
    for (const [host, views] of this.#hosts) this.#enter(host, views, touched);
    for (const name of this.#ownNames) touched.add(name);
    return touched;
  }

  /** Every reverse name that has a record. */
  *names(): IterableIterator<HostName> {
    yield* this.#ownNames;
    for (const name of this.#sharers.keys()) if (!this.#ownNames.has(name)) yield name;
  }

  #enter(host: HostName, views: readonly NamedView[], touched: Set<HostName>): void {
    for (const address of allAddresses(views)) {
      if (!this.#isAllocated(address) && !isPublished(views, address)) continue;
      const name = reverseName(address);
      this.#sharers.add(name, host);
      this.#addresses.set(name, address);
      touched.add(name);
    }
  }

  #withdraw(host: HostName, touched: Set<HostName>): void {
    for (const address of allAddresses(this.#hosts.get(host) ?? [])) {
      const name = reverseName(address);
      if (!this.#sharers.drop(name, host)) continue;
      touched.add(name);
      if (!this.#sharers.has(name)) this.#addresses.delete(name);
    }
    this.#hosts.delete(host);
  }

  /** Disjoint, the one for all clients last; empty: nobody is told a host. */
  #pointersOf(address: IpAddress, hosts: readonly HostName[]): readonly Pointer[] {
    const shares = this.#sharesOf(hosts);
    const forAll = this.#pointerFor(address, shares, undefined);
    const namespacesOf = new Map<HostName | undefined, Set<Namespace>>();
    for (const viewer of viewersOf(shares)) {
      const pointer = this.#pointerFor(address, shares, viewer);
      if (pointer === forAll) continue;
      const namespaces = namespacesOf.get(pointer) ?? new Set();
      namespacesOf.set(pointer, namespaces.add(viewer));
    }
    const pointers: Pointer[] = [...namespacesOf]
      .map(([pointer, visibleTo]) => ({ visibleTo, pointer }))
      .sort((a, b) => ((a.pointer ?? "") < (b.pointer ?? "") ? -1 : 1));
    return forAll === undefined ? pointers : [...pointers, { visibleTo: "all", pointer: forAll }];
  }

  #sharesOf(hosts: readonly HostName[]): readonly Share[] {
    const shares = hosts.map((host): Share => ({ host, views: this.#hosts.get(host)! }));
    if (shares.length <= MAX_SHARERS) return shares;
    return shares
      .map((share) => ({ share, winner: share.views.find(({ winner }) => winner !== undefined)?.winner }))
      .filter((each): each is { share: Share; winner: Claimant } => each.winner !== undefined)
      .sort((a, b) =>
        this.#compare({ ...a.share, winner: a.winner }, { ...b.share, winner: b.winner }, undefined),
      )
      .slice(0, MAX_SHARERS)
      .map(({ share }) => share);
  }

  #pointerFor(
    address: IpAddress,
    shares: readonly Share[],
    viewer: Namespace | undefined,
  ): HostName | undefined {
    let best: { readonly host: HostName; readonly winner: Claimant } | undefined;
    for (const { host, views } of shares) {
      const view = views.find((each) => isSeenBy(each, viewer));
      if (view?.winner === undefined || !view.addresses.includes(address)) continue;
      const share = { host, winner: view.winner };
      if (best === undefined || this.#compare(share, best, viewer) < 0) best = share;
    }
    return best?.host;
  }

  #compare(
    a: { readonly host: HostName; readonly winner: Claimant },
    b: { readonly host: HostName; readonly winner: Claimant },
    viewer: Namespace | undefined,
  ): number {
    if (a.winner.entry === b.winner.entry) {
      const { hosts } = a.winner.entry;
      return hosts.indexOf(a.host) - hosts.indexOf(b.host);
    }
    return this.#precedence(a.winner, b.winner, viewer) || (a.host < b.host ? -1 : 1);
  }

  #record(host: HostName, pointers: readonly Pointer[]): HostRecord {
    const variant: HostVariant = {
      isPass: false,
      isAuthoritative: true,
      source: "virtual",
      forwardsDnssec: false,
      negativeTtlSeconds: this.#settings.ttlSeconds,
      answers: { A: { kind: "empty" }, AAAA: { kind: "empty" } },
    };
    const views = pointers.map(({ visibleTo, pointer }): HostView => {
      const head = { visibleTo, variants: [variant], ports: [] } as const;
      return pointer === undefined
        ? { ...head, choices: FORWARDED }
        : { ...head, choices: FIRST_VARIANT, pointer };
    });
    return { host, isDelegated: false, isFallback: false, views };
  }
}

/** RFC 1035 3.5 and RFC 3596 2.5: the address's octets or nibbles, the last one first. */
export function reverseName(address: IpAddress): HostName {
  const octets = [...ipAddressOctets(address)].reverse();
  if (octets.length === 4) return `${octets.join(".")}.in-addr.arpa` as HostName;
  const nibbles = octets.flatMap((octet) => [octet & 0xf, octet >> 4]);
  return `${nibbles.map((nibble) => nibble.toString(16)).join(".")}.ip6.arpa` as HostName;
}

/**
 * A virtual address is one host's or a few hosts'; who gives one to thousands gets no more than this looked at. There
 * are no more views than these and two.
 */
const MAX_SHARERS = 256;

const NO_VIEWS: readonly NamedView[] = [];
const NONE_TOUCHED: ReadonlySet<HostName> = new Set();
const FIRST_VARIANT = everyClass(0);
const FORWARDED = everyClass(null);

/** `pointer` undefined: for these clients, though not for all others, the name is not ours. */
interface Pointer {
  readonly visibleTo: HostView["visibleTo"];
  readonly pointer: HostName | undefined;
}

/** One view of a host: the virtual addresses that its clients may get. */
interface NamedView {
  readonly visibleTo: HostView["visibleTo"];
  readonly winner: Claimant | undefined;
  readonly addresses: readonly IpAddress[];
  /** Of the addresses those of a Service that publishes the host. */
  readonly published: readonly IpAddress[];
}

interface Share {
  readonly host: HostName;
  readonly views: readonly NamedView[];
}

function everyClass(choice: number | null): HostView["choices"] {
  return {
    unknown: choice,
    outside: choice,
    sidecar: choice,
    redirectedIpv4: choice,
    redirectedIpv6: choice,
    redirectedDual: choice,
  };
}

/** All views where one has an address: a client must not be told what only others see. */
function namedViews({ views }: HostRecord, winners: readonly (Claimant | undefined)[]): readonly NamedView[] {
  if (views.every(({ variants }) => variants.every((variant) => !isPointedTo(variant)))) return NO_VIEWS;
  const named = views.map(({ visibleTo, variants }, at): NamedView => {
    const winner = winners[at];
    return {
      visibleTo,
      winner: winner && { entry: winner.entry, visibility: winner.visibility },
      addresses: distinct(variants),
      published: distinct(variants.filter(({ source }) => source === "published")),
    };
  });
  return named.some(({ addresses }) => addresses.length > 0) ? named : NO_VIEWS;
}

function distinct(variants: readonly HostVariant[]): readonly IpAddress[] {
  const addresses = [...new Set(variants.flatMap(pointedAddresses))];
  return addresses.length === 0 ? NO_ADDRESSES : addresses;
}

const NO_ADDRESSES: readonly IpAddress[] = [];

function isPointedTo({ source }: HostVariant): boolean {
  return source === "virtual" || source === "published";
}

function pointedAddresses(variant: HostVariant): readonly IpAddress[] {
  if (!isPointedTo(variant)) return [];
  const { answers } = variant;
  return FAMILIES.flatMap((family) => {
    const answer = answers[family];
    return answer.kind === "addresses" ? answer.addresses : [];
  });
}

function isPublished(views: readonly NamedView[], address: IpAddress): boolean {
  return views.some(({ published }) => published.includes(address));
}

function allAddresses(views: readonly NamedView[]): ReadonlySet<IpAddress> {
  return new Set(views.flatMap(({ addresses }) => [...addresses]));
}

/** As the data plane finds a view: the first that names the namespace, else the one for all. */
function isSeenBy({ visibleTo }: NamedView, viewer: Namespace | undefined): boolean {
  return visibleTo === "all" || (viewer !== undefined && visibleTo.has(viewer));
}

/** The namespaces whose clients may be told something else than all others: those named, and the entries' own. */
function viewersOf(shares: readonly Share[]): ReadonlySet<Namespace> {
  const viewers = new Set<Namespace>();
  for (const { views } of shares)
    for (const { visibleTo, winner } of views) {
      if (visibleTo !== "all") for (const namespace of visibleTo) viewers.add(namespace);
      if (winner !== undefined) viewers.add(winner.entry.ref.namespace);
    }
  return viewers;
}
