/** The reverse of linking: which hosts must be looked at again when an own host or an upstream name changes. */

import type { HostName } from "../wire/host-name.ts";
import type { Linked } from "./link.ts";

export class HostUses {
  /** By own host: who looked it up for an endpoint. */
  readonly #readers = new Map<HostName, Set<HostName>>();
  /** By upstream name: whose addresses come from it. */
  readonly #users = new Map<HostName, Set<HostName>>();

  readersOf(host: HostName): Iterable<HostName> {
    return this.#readers.get(host) ?? [];
  }

  usersOf(name: HostName): Iterable<HostName> {
    return this.#users.get(name) ?? [];
  }

  replace(host: HostName, before: readonly Linked[], after: readonly Linked[]): void {
    for (const { reads, names } of before) {
      for (const name of reads) drop(this.#readers, name, host);
      for (const { name } of names) drop(this.#users, name, host);
    }
    for (const { reads, names } of after) {
      for (const name of reads) add(this.#readers, name, host);
      for (const { name } of names) add(this.#users, name, host);
    }
  }
}

function add(index: Map<HostName, Set<HostName>>, name: HostName, host: HostName): void {
  const hosts = index.get(name);
  if (hosts === undefined) index.set(name, new Set([host]));
  else hosts.add(host);
}

function drop(index: Map<HostName, Set<HostName>>, name: HostName, host: HostName): void {
  const hosts = index.get(name);
  if (hosts === undefined) return;
  hosts.delete(host);
  if (hosts.size === 0) index.delete(name);
}
