/** What each host's answers need: own hosts that they lead to, selectors, names from upstream; and who needs them. */

import type { Namespace } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import { HostUses } from "./host-uses.ts";
import type { Linked } from "./link.ts";
import { NamespaceQuota } from "./quota.ts";
import type { Selection } from "./selection.ts";

export interface WantedNames {
  want(name: HostName, namespace: Namespace): void;
  unwant(name: HostName, namespace: Namespace): void;
}

export class HostNeeds {
  readonly #selection: Selection;
  readonly #wanted: WantedNames;
  readonly #uses = new HostUses();
  /** Names that a namespace's hosts resolve. */
  readonly #names: NamespaceQuota<HostName>;

  constructor(selection: Selection, wanted: WantedNames, namesPerNamespace: number) {
    this.#selection = selection;
    this.#wanted = wanted;
    this.#names = new NamespaceQuota(namesPerNamespace);
  }

  /** Hosts with an endpoint that names this one. */
  readersOf(host: HostName): Iterable<HostName> {
    return this.#uses.readersOf(host);
  }

  /** Hosts whose addresses come from the name. */
  usersOf(name: HostName): Iterable<HostName> {
    return this.#uses.usersOf(name);
  }

  /** Whether the name is not resolved because the namespace has too many. */
  readonly isExcluded = (namespace: Namespace, name: HostName): boolean =>
    this.#names.isExcluded(namespace, name);

  setLimit(namesPerNamespace: number): void {
    this.#names.setLimit(namesPerNamespace);
  }

  /** What stays is not given up in between. */
  replace(host: HostName, before: readonly Linked[], now: readonly Linked[]): void {
    this.#uses.replace(host, before, now);
    for (const { plan, names, selectors } of now) {
      for (const target of selectors) this.#selection.use(target, host);
      for (const { name, isItself } of names) this.#names.add(plan.entry.ref.namespace, name, isItself);
    }
    if (before.length === 0) return;
    const stays = new Set(now.flatMap((part) => part.selectors.map((target) => target.key)));
    for (const { plan, names, selectors } of before) {
      for (const target of selectors) if (!stays.has(target.key)) this.#selection.release(target, host);
      for (const { name, isItself } of names) this.#names.remove(plan.entry.ref.namespace, name, isItself);
    }
  }

  /** Says which names are wanted; returns the hosts with a name that is resolved from now on, or no more. */
  settle(): ReadonlySet<HostName> {
    const changes = this.#names.settle();
    for (const { namespace, item, isInForce } of changes) if (isInForce) this.#wanted.want(item, namespace);
    for (const { namespace, item, isInForce } of changes)
      if (!isInForce) this.#wanted.unwant(item, namespace);
    return new Set(changes.flatMap(({ item }) => [...this.usersOf(item)]));
  }
}
