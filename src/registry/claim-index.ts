/**
 * Every entry's plan and every host's claims, each namespace's number of hosts limited. Of entries that there is
 * nothing to say of, only they themselves are kept: they are planned again when somebody asks.
 */

import { type Namespace, type ObjectKey, objectKey, type ServiceEntry } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import type { EntryPlan, HostPlan } from "./host-plan.ts";
import { endpointNamesOf, type PlanContext, planEntry } from "./plan.ts";
import { NamespaceQuota } from "./quota.ts";
import type { RegistrySettings } from "./settings.ts";

export interface ClaimChange {
  /** Whose claims are others now. */
  readonly hosts: ReadonlySet<HostName>;
  /** A host was claimed by the entry and is no more. */
  readonly hasLostHost: boolean;
  /** Names that a proxy resolves for the entry. */
  readonly namesBefore: readonly HostName[];
  readonly namesAfter: readonly HostName[];
}

/** More than a page of a list has; of a whole list that comes at once nobody has to hold all of them. */
const MOST_NEW_PLANS = 1000;
const NO_NAMES: readonly HostName[] = [];
const NO_PLANS: readonly HostPlan[] = [];

/** All of an entry, or of one of its claims, that is kept; an entry stands for its plan, which says nothing more. */
type Kept<Plan> = Plan | ServiceEntry;

export class ClaimIndex {
  #context: PlanContext;
  /** The last one that was made: an entry is asked for several times in a row. */
  #lastPlan: EntryPlan | undefined;
  /** Of entries that have just changed: they are planned to be claimed, and asked for when they are linked. */
  readonly #newPlans = new Map<ServiceEntry, EntryPlan>();
  readonly #quota: NamespaceQuota<HostName>;
  readonly #entries = new Map<ObjectKey, Kept<EntryPlan>>();
  readonly #entriesByNamespace = new Map<Namespace, Set<ObjectKey>>();
  /** Entries with a host that spells a Service of the Namespace, if there is one. */
  readonly #readersOfNamespace = new Map<Namespace, Set<ObjectKey>>();
  /** Nearly always one. */
  readonly #claims = new Map<HostName, Kept<HostPlan> | Map<ObjectKey, HostPlan>>();

  constructor(settings: RegistrySettings, namespaceOf: PlanContext["namespaceOf"]) {
    this.#context = { settings, namespaceOf };
    this.#quota = new NamespaceQuota(settings.hostsPerNamespace);
  }

  /** Entries planned from now on follow these settings; `change` each known one. */
  updateSettings(settings: RegistrySettings): void {
    this.#context = { ...this.#context, settings };
    this.#lastPlan = undefined;
    this.#newPlans.clear();
    this.#quota.setLimit(settings.hostsPerNamespace);
  }

  /** The entry came, changed or (undefined) went, or what its plan depends on besides it is another. */
  change(key: ObjectKey, entry: ServiceEntry | undefined): ClaimChange {
    const kept = this.#entries.get(key);
    const before = kept === undefined ? NOTHING : noted(kept);
    const plan = entry && planEntry(entry, this.#context);
    this.#lastPlan = plan;
    const after = plan === undefined ? NOTHING : noted(plan);
    const hosts = new Set<HostName>();
    const namespace = (entry ?? (kept === undefined ? undefined : entryOf(kept)))?.ref.namespace;
    if (namespace === undefined)
      return { hosts, hasLostHost: false, namesBefore: NO_NAMES, namesAfter: NO_NAMES };
    const isBare = plan !== undefined && saysNothingMore(plan);
    // It may have been planned before in the same batch, when its Namespace was another.
    if (entry !== undefined) this.#newPlans.delete(entry);
    if (isBare && this.#newPlans.size < MOST_NEW_PLANS) this.#newPlans.set(plan.entry, plan);
    for (const each of plan?.hosts ?? []) {
      this.#claim(key, isBare ? plan.entry : each, each);
      this.#quota.add(namespace, each.host);
      hosts.add(each.host);
    }
    let hasLostHost = false;
    for (const host of before.hosts) {
      this.#quota.remove(namespace, host);
      if (hosts.has(host)) continue;
      hasLostHost = true;
      this.#unclaim(host, key);
    }
    for (const host of before.hosts) hosts.add(host);
    if (plan === undefined) this.#entries.delete(key);
    else this.#entries.set(key, isBare ? plan.entry : plan);
    this.#note(key, namespace, before, after, plan !== undefined);
    return { hosts, hasLostHost, namesBefore: before.endpointNames, namesAfter: after.endpointNames };
  }

  /** Applies the limit; returns the hosts that came under or over it. */
  settle(): readonly HostName[] {
    return this.#quota.settle().map(({ item }) => item);
  }

  /** What has changed so far is linked. */
  forgetNewPlans(): void {
    this.#newPlans.clear();
  }

  /** Of every entry its plan, or only itself where its plan says nothing more. */
  kept(): Iterable<Kept<EntryPlan>> {
    return this.#entries.values();
  }

  /** Undefined: there is no such entry. */
  entryPlan(key: ObjectKey): EntryPlan | undefined {
    const kept = this.#entries.get(key);
    return kept && this.#planned(kept);
  }

  *entryPlans(): IterableIterator<EntryPlan> {
    for (const kept of this.#entries.values()) yield this.#planned(kept);
  }

  entries(): ReadonlyMap<ObjectKey, ServiceEntry> {
    return new Map(Array.from(this.#entries, ([key, kept]) => [key, entryOf(kept)]));
  }

  /** The only entry that claims the host; undefined: there are others, or none. */
  soleEntry(host: HostName): ServiceEntry | undefined {
    const claim = this.#claims.get(host);
    return claim === undefined || isMap(claim) ? undefined : entryOf(claim);
  }

  /** `entry`: it claims the host. */
  planOf(entry: ServiceEntry, host: HostName): HostPlan {
    return this.#planned(entry).hosts.find((plan) => plan.host === host)!;
  }

  isClaimed(host: HostName): boolean {
    return this.#claims.has(host);
  }

  /** The claims that are within their namespace's limit. */
  plansOf(host: HostName): readonly HostPlan[] {
    return this.#within(host, false);
  }

  /** The claims beyond their namespace's limit. */
  excludedPlansOf(host: HostName): readonly HostPlan[] {
    return this.#within(host, true);
  }

  *hostsOf(namespace: Namespace): IterableIterator<HostName> {
    for (const key of this.#entriesByNamespace.get(namespace) ?? [])
      for (const host of noted(this.#entries.get(key)!).hosts) yield host;
  }

  entriesOf(namespace: Namespace): readonly ServiceEntry[] {
    return this.#entriesOf(this.#entriesByNamespace.get(namespace));
  }

  /** Entries that may lose or win a host when the Namespace comes or goes. */
  readersOf(namespace: Namespace): readonly ServiceEntry[] {
    return this.#entriesOf(this.#readersOfNamespace.get(namespace));
  }

  #entriesOf(keys: Iterable<ObjectKey> = []): readonly ServiceEntry[] {
    return [...keys].map((key) => entryOf(this.#entries.get(key)!));
  }

  /** The claims beyond their namespace's limit, or those that are not. */
  #within(host: HostName, isExcluded: boolean): readonly HostPlan[] {
    const claim = this.#claims.get(host);
    if (claim === undefined) return NO_PLANS;
    if (isMap(claim))
      return [...claim.values()].filter(({ entry }) => this.#isExcluded(entry, host) === isExcluded);
    if (this.#isExcluded(entryOf(claim), host) !== isExcluded) return NO_PLANS;
    return ["ref" in claim ? this.planOf(claim, host) : claim];
  }

  #planned(kept: Kept<EntryPlan>): EntryPlan {
    if (!("ref" in kept)) return kept;
    const known = this.#newPlans.get(kept);
    if (known !== undefined) return known;
    if (this.#lastPlan?.entry !== kept) this.#lastPlan = planEntry(kept, this.#context);
    return this.#lastPlan;
  }

  #claim(key: ObjectKey, claim: Kept<HostPlan>, plan: HostPlan): void {
    const { host } = plan;
    const known = this.#claims.get(host);
    if (known === undefined || (!isMap(known) && keyOf(known) === key)) this.#claims.set(host, claim);
    else if (isMap(known)) known.set(key, plan);
    else {
      // Who claims a host that many claim is asked for often.
      const other = "ref" in known ? this.planOf(known, host) : known;
      this.#claims.set(host, new Map([[keyOf(known), other] as const, [key, plan] as const]));
    }
  }

  #unclaim(host: HostName, key: ObjectKey): void {
    const known = this.#claims.get(host);
    if (known === undefined) return;
    if (!isMap(known)) {
      this.#claims.delete(host);
      return;
    }
    known.delete(key);
    const [only, second] = known.values();
    if (only !== undefined && second === undefined) this.#claims.set(host, only);
  }

  #isExcluded(entry: ServiceEntry, host: HostName): boolean {
    return this.#quota.isExcluded(entry.ref.namespace, host);
  }

  #note(key: ObjectKey, namespace: Namespace, before: Noted, after: Noted, isThere: boolean): void {
    for (const name of before.readNamespaces) drop(this.#readersOfNamespace, name, key);
    for (const name of after.readNamespaces) add(this.#readersOfNamespace, name, key);
    if (isThere) add(this.#entriesByNamespace, namespace, key);
    else drop(this.#entriesByNamespace, namespace, key);
  }
}

/** What the indexes know of an entry. */
interface Noted extends Pick<EntryPlan, "readNamespaces" | "endpointNames"> {
  readonly hosts: readonly HostName[];
}

const NOTHING: Noted = { hosts: [], readNamespaces: [], endpointNames: [] };

function noted(kept: Kept<EntryPlan>): Noted {
  if ("ref" in kept) return { ...NOTHING, hosts: kept.hosts, endpointNames: endpointNamesOf(kept) };
  const { hosts, readNamespaces, endpointNames } = kept;
  return { hosts: hosts.map(({ host }) => host), readNamespaces, endpointNames };
}

/** Whether all that must be known of the plan later on can be read from the entry. */
function saysNothingMore({ entry, hosts, readNamespaces, problems }: EntryPlan): boolean {
  return hosts.length === entry.hosts.length && readNamespaces.length === 0 && problems.length === 0;
}

function entryOf(kept: Kept<EntryPlan> | Kept<HostPlan>): ServiceEntry {
  return "ref" in kept ? kept : kept.entry;
}

function keyOf(claim: Kept<HostPlan>): ObjectKey {
  return objectKey(entryOf(claim).ref);
}

function isMap<K, V>(value: object | Map<K, V>): value is Map<K, V> {
  return value instanceof Map;
}

function add<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function drop<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
