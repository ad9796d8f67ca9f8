/** The reverse of linking: which hosts must be looked at again when an own host or an upstream name changes. */

import type { HostName } from "../wire/host-name.ts";
import type { Linked } from "./link.ts";
import { Multimap } from "./multimap.ts";

export class HostUses {
  /** By own host: who looked it up for an endpoint. */
  readonly #readers = new Multimap<HostName, HostName>();
  /** By upstream name: whose addresses come from it. */
  readonly #users = new Multimap<HostName, HostName>();

  readersOf(host: HostName): Iterable<HostName> {
    return this.#readers.get(host);
  }

  usersOf(name: HostName): Iterable<HostName> {
    return this.#users.get(name);
  }

  replace(host: HostName, before: readonly Linked[], after: readonly Linked[]): void {
    for (const { reads, names } of before) {
      for (const name of reads) this.#readers.drop(name, host);
      for (const { name } of names) this.#users.drop(name, host);
    }
    for (const { reads, names } of after) {
      for (const name of reads) this.#readers.add(name, host);
      for (const { name } of names) this.#users.add(name, host);
    }
  }
}
