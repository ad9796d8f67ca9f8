/** The texts of addresses that were met lately, so that most queries need no new string. */

import { ipAddressFromOctets } from "../wire/ip-address.ts";
import type { DatagramEnds } from "./system-calls.ts";

/** Two thousand clients of a node; more take turns. */
const PLACES = 2048;
const NUMBERS = 5;
const MULTIPLIER = 0x9e3779b1;

export class AddressTexts {
  /** The address and its scope, by place. */
  readonly #numbers = new Int32Array(PLACES * NUMBERS);
  readonly #texts = new Array<string>(PLACES).fill("");
  readonly #octets = new Uint8Array(16);

  /** The remote address. */
  textOf(ends: DatagramEnds, isIpv6: boolean): string {
    const { remote0 } = ends;
    // Of IPv4 the other numbers are left over from another client.
    const remote1 = isIpv6 ? ends.remote1 : 0;
    const remote2 = isIpv6 ? ends.remote2 : 0;
    const remote3 = isIpv6 ? ends.remote3 : 0;
    const scope = isIpv6 ? ends.scope : IPV4_SCOPE;
    const place = placeOf(remote0, remote1, remote2, remote3);
    const at = place * NUMBERS;
    const numbers = this.#numbers;
    if (
      numbers[at] === remote0 &&
      numbers[at + 1] === remote1 &&
      numbers[at + 2] === remote2 &&
      numbers[at + 3] === remote3 &&
      numbers[at + 4] === scope &&
      this.#texts[place] !== ""
    )
      return this.#texts[place]!;
    numbers[at] = remote0;
    numbers[at + 1] = remote1;
    numbers[at + 2] = remote2;
    numbers[at + 3] = remote3;
    numbers[at + 4] = scope;
    const text = this.#write(remote0, remote1, remote2, remote3, scope);
    this.#texts[place] = text;
    return text;
  }

  #write(remote0: number, remote1: number, remote2: number, remote3: number, scope: number): string {
    const octets = this.#octets;
    [remote0, remote1, remote2, remote3].forEach((word, index) => {
      octets[index * 4] = word >>> 24;
      octets[index * 4 + 1] = word >>> 16;
      octets[index * 4 + 2] = word >>> 8;
      octets[index * 4 + 3] = word;
    });
    if (scope === IPV4_SCOPE) return ipAddressFromOctets(octets.subarray(0, 4));
    const text = ipAddressFromOctets(octets);
    return scope === 0 ? text : `${text}%${scope}`;
  }
}

/** No interface has this number. */
const IPV4_SCOPE = -1;

function placeOf(word0: number, word1: number, word2: number, word3: number): number {
  let hash = Math.imul(word0 ^ (word1 << 7), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 15) ^ word2, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 15) ^ word3, MULTIPLIER);
  return (hash >>> 16) % PLACES;
}
