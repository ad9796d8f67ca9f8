/** Addresses given as prefixes: whether a client's is among them. */

import { type IpPrefix, parseIpAddress, prefixContains } from "../wire/ip-address.ts";

export class AddressSet {
  readonly #prefixes: readonly IpPrefix[];

  constructor(prefixes: readonly IpPrefix[]) {
    this.#prefixes = prefixes;
  }

  has(text: string): boolean {
    if (this.#prefixes.length === 0) return false;
    const address = parseIpAddress(text);
    return address !== null && this.#prefixes.some((prefix) => prefixContains(prefix, address));
  }
}
