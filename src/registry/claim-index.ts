/** Every entry's plan and every host's claims, each namespace's number of hosts limited. */

import type { Namespace, ObjectKey, ServiceEntry } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import type { EntryPlan, HostPlan } from "./host-plan.ts";
import { createPlanner } from "./plan.ts";
import { NamespaceQuota } from "./quota.ts";
import type { RegistrySettings } from "./settings.ts";

export interface ClaimChange {
  /** Whose claims are others now. */
  readonly hosts: ReadonlySet<HostName>;
  /** A host was claimed by the entry and is no more. */
  readonly hasLostHost: boolean;
}

export class ClaimIndex {
  #planner: (entry: ServiceEntry) => EntryPlan;
  readonly #quota: NamespaceQuota<HostName>;
  readonly #entries = new Map<ObjectKey, EntryPlan>();
  readonly #entriesByNamespace = new Map<Namespace, Set<ObjectKey>>();
  readonly #claims = new Map<HostName, Map<ObjectKey, HostPlan>>();

  constructor(settings: RegistrySettings) {
    this.#planner = createPlanner(settings);
    this.#quota = new NamespaceQuota(settings.hostsPerNamespace);
  }

  /** Entries planned from now on follow these settings; `change` each known one. */
  updateSettings(settings: RegistrySettings): void {
    this.#planner = createPlanner(settings);
    this.#quota.setLimit(settings.hostsPerNamespace);
  }

  /** The entry came, changed or (undefined) went. */
  change(key: ObjectKey, entry: ServiceEntry | undefined): ClaimChange {
    const before = this.#entries.get(key);
    const after = entry && this.#planner(entry);
    const hosts = new Set<HostName>();
    const namespace = (after ?? before)?.entry.ref.namespace;
    if (before === after || namespace === undefined) return { hosts, hasLostHost: false };
    for (const plan of after?.hosts ?? []) {
      const claims = this.#claims.get(plan.host) ?? new Map<ObjectKey, HostPlan>();
      claims.set(key, plan);
      this.#claims.set(plan.host, claims);
      this.#quota.add(namespace, plan.host);
      hosts.add(plan.host);
    }
    let hasLostHost = false;
    for (const { host } of before?.hosts ?? []) {
      this.#quota.remove(namespace, host);
      if (hosts.has(host)) continue;
      hasLostHost = true;
      const claims = this.#claims.get(host);
      claims?.delete(key);
      if (claims?.size === 0) this.#claims.delete(host);
    }
    for (const { host } of before?.hosts ?? []) hosts.add(host);
    this.#note(key, namespace, after);
    return { hosts, hasLostHost };
  }

  /** Applies the limit; returns the hosts that came under or over it. */
  settle(): readonly HostName[] {
    return this.#quota.settle().map(({ item }) => item);
  }

  /** All entries' plans. */
  entries(): ReadonlyMap<ObjectKey, EntryPlan> {
    return this.#entries;
  }

  isClaimed(host: HostName): boolean {
    return this.#claims.has(host);
  }

  /** The claims that are within their namespace's limit. */
  plansOf(host: HostName): readonly HostPlan[] {
    return this.#all(host).filter((plan) => !this.#isExcluded(plan));
  }

  /** The claims beyond their namespace's limit. */
  excludedPlansOf(host: HostName): readonly HostPlan[] {
    return this.#all(host).filter((plan) => this.#isExcluded(plan));
  }

  *hostsOf(namespace: Namespace): IterableIterator<HostName> {
    for (const key of this.#entriesByNamespace.get(namespace) ?? [])
      for (const { host } of this.#entries.get(key)?.hosts ?? []) yield host;
  }

  #all(host: HostName): readonly HostPlan[] {
    const claims = this.#claims.get(host);
    return claims === undefined ? [] : [...claims.values()];
  }

  #isExcluded({ host, entry }: HostPlan): boolean {
    return this.#quota.isExcluded(entry.ref.namespace, host);
  }

  #note(key: ObjectKey, namespace: Namespace, plan: EntryPlan | undefined): void {
    const ofNamespace = this.#entriesByNamespace.get(namespace) ?? new Set();
    if (plan === undefined) {
      this.#entries.delete(key);
      ofNamespace.delete(key);
    } else {
      this.#entries.set(key, plan);
      ofNamespace.add(key);
    }
    if (ofNamespace.size > 0) this.#entriesByNamespace.set(namespace, ofNamespace);
    else this.#entriesByNamespace.delete(namespace);
  }
}
