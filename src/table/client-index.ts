/**
 * Who asks: from the address that a query came from to what is known of its client. Addresses are numbers in
 * typed arrays, namespaces and localities are numbers too, so looking one up makes no object and no string.
 */

import { readUint16, readUint32 } from "../wire/append.ts";
import { AddressMap } from "./address-map.ts";
import { addressWords } from "./address-words.ts";
import { ClientChangeField, ClientChangeKind, ClientDeltaField } from "./client-delta.ts";
import { NOT_FOUND } from "./host-table.ts";
import { SCOPE_COUNT } from "./locality-marks.ts";
import { OctetDictionary } from "./octet-dictionary.ts";

export { packClientDelta } from "./client-delta.ts";
export type {
  ClientChange,
  ClientDelta,
  ClientRecord,
  KnownClient,
  NamespaceFacts,
  SuffixAnswer,
} from "./client-record.ts";

/** What `ClientIndex.kind` says. AMBIGUOUS and FORWARDER are unknown for good, whatever the query says. */
export const ClientKind = {
  POD: ClientChangeKind.POD,
  AMBIGUOUS: ClientChangeKind.AMBIGUOUS,
  FORWARDER: ClientChangeKind.FORWARDER,
} as const;

/** A client in one number: USED, its kind, its class and the number of its namespace. */
const USED = 1;
const KIND_SHIFT = 1;
const KIND_MASK = 3;
const CLASS_SHIFT = 3;
const CLASS_MASK = 7;
const NAMESPACE_SHIFT = 6;

/** A Namespace in one number. */
const KNOWN = 1;
const DELEGATED = 2;
const SUFFIX_ANSWER_SHIFT = 2;

/** The last bit of an entry says which map it is in. */
const IPV6_ENTRY = 1;

export class ClientIndex {
  readonly #ipv4 = new AddressMap(1);
  readonly #ipv6 = new AddressMap(4);
  readonly #namespaces = new OctetDictionary();
  /** By number of the namespace; 0 where there is no such Namespace. */
  readonly #facts: number[] = [];
  readonly #localities = new OctetDictionary();
  /** By number of the locality. */
  readonly #marks: (Uint32Array | undefined)[] = [];
  readonly #words = new Uint32Array(4);

  /** Addresses of known clients. */
  get size(): number {
    return this.#ipv4.size + this.#ipv6.size;
  }

  /** What the index holds, reserves included; the dictionaries by their size. */
  get memoryOctets(): number {
    // Marks are as much again as the octets of their localities.
    const dictionaries = this.#namespaces.memoryOctets + 2 * this.#localities.memoryOctets;
    return this.#ipv4.memoryOctets + this.#ipv6.memoryOctets + dictionaries;
  }

  /**
   * The client that has the address (text, as sockets give it), or NOT_FOUND. An entry is good until the next
   * `apply`.
   */
  find(address: string): number {
    return this.#isEmpty ? NOT_FOUND : this.findWords(this.#words, addressWords(address, this.#words));
  }

  /** The same by `count` words of the address, as `addressWords` gives them. */
  findWords(words: Uint32Array, count: 0 | 1 | 4): number {
    if (this.#isEmpty) return NOT_FOUND;
    if (count === 1) {
      const slot = this.#ipv4.find(words);
      return slot === NOT_FOUND ? NOT_FOUND : slot << 1;
    }
    if (count === 0) return NOT_FOUND;
    const slot = this.#ipv6.find(words);
    return slot === NOT_FOUND ? NOT_FOUND : (slot << 1) | IPV6_ENTRY;
  }

  /** A `ClientKind`. */
  kind(entry: number): number {
    return (this.#value(entry) >>> KIND_SHIFT) & KIND_MASK;
  }

  /** The number of a pod's namespace; 0 for every other kind. */
  namespaceOf(entry: number): number {
    return this.#value(entry) >>> NAMESPACE_SHIFT;
  }

  /** Index of `CLIENT_CLASSES`; 0, unknown, for every kind but a pod. */
  classOf(entry: number): number {
    return (this.#value(entry) >>> CLASS_SHIFT) & CLASS_MASK;
  }

  /** The number of a pod's locality; 0: nothing is known of it. */
  localityOf(entry: number): number {
    return this.#mapOf(entry).detailAt(entry >>> 1);
  }

  /** What `ReplyWriter` and `nearness` compare; null for 0. Not to be changed. */
  localityMarks(locality: number): Uint32Array | null {
    return this.#marks[locality] ?? null;
  }

  /** The name of a namespace, for `viewFor`. Not to be changed. */
  namespaceOctets(namespace: number): Uint8Array {
    return this.#namespaces.octetsOf(namespace);
  }

  /** The number of the Namespace whose name is the label; NOT_FOUND if there is no such Namespace now. */
  namespaceId(octets: Uint8Array, from: number, length: number): number {
    const id = this.#namespaces.find(octets, from, length);
    return id === NOT_FOUND || (this.#facts[id]! & KNOWN) === 0 ? NOT_FOUND : id;
  }

  /** 0 not said, 1 cname, 2 nxdomain, 3 forward. */
  suffixAnswerOf(namespace: number): number {
    return (this.#facts[namespace] ?? 0) >> SUFFIX_ANSWER_SHIFT;
  }

  /** Whether the namespace's name is a delegated top-level domain; false where there is no such Namespace. */
  isDelegatedName(namespace: number): boolean {
    return ((this.#facts[namespace] ?? 0) & DELEGATED) !== 0;
  }

  /**
   * Applies at most `maxChanges` changes of a packed delta, beginning at octet `from` (0: at the first). Returns
   * where to go on, -1 when the delta is wholly applied.
   */
  apply(delta: Uint8Array, from: number, maxChanges: number): number {
    const end =
      ClientDeltaField.CHANGES + readUint32(delta, ClientDeltaField.COUNT) * ClientChangeField.OCTETS;
    let change = Math.max(from, ClientDeltaField.CHANGES);
    for (let left = maxChanges; left > 0 && change < end; left -= 1) {
      this.#applyChange(delta, change);
      change += ClientChangeField.OCTETS;
    }
    return change < end ? change : -1;
  }

  #applyChange(delta: Uint8Array, change: number): void {
    const kind = delta[change + ClientChangeField.KIND]!;
    if (kind === ClientChangeKind.NAMESPACE || kind === ClientChangeKind.NAMESPACE_GONE) {
      this.#applyNamespace(delta, change, kind === ClientChangeKind.NAMESPACE);
      return;
    }
    const map = this.#readAddress(delta, change);
    const known = map.find(this.#words);
    const [before, localityBefore] = known === NOT_FOUND ? [0, 0] : [map.valueAt(known), map.detailAt(known)];
    if (kind === ClientChangeKind.GONE) {
      if (known !== NOT_FOUND) map.deleteAt(known);
    } else {
      // Taken before the old ones are given back, so that what stays is not made anew.
      const namespace = this.#acquire(this.#namespaces, delta, change + ClientChangeField.NAMESPACE);
      const locality = this.#acquire(this.#localities, delta, change + ClientChangeField.LOCALITY);
      if (locality !== 0) this.#marks[locality] ??= marksOf(this.#localities.octetsOf(locality));
      const detail = delta[change + ClientChangeField.DETAIL]!;
      const value = USED | (kind << KIND_SHIFT) | (detail << CLASS_SHIFT) | (namespace << NAMESPACE_SHIFT);
      map.set(this.#words, value >>> 0, locality);
    }
    this.#namespaces.release(before >>> NAMESPACE_SHIFT);
    if (this.#localities.release(localityBefore)) this.#marks[localityBefore] = undefined;
  }

  #applyNamespace(delta: Uint8Array, change: number, isKnown: boolean): void {
    const id = this.#acquire(this.#namespaces, delta, change + ClientChangeField.NAMESPACE);
    const wasKnown = (this.#facts[id] ?? 0) !== 0;
    const detail = delta[change + ClientChangeField.DETAIL]!;
    const delegated = delta[change + ClientChangeField.ADDRESS_LENGTH] === 1 ? DELEGATED : 0;
    this.#facts[id] = isKnown ? KNOWN | delegated | (detail << SUFFIX_ANSWER_SHIFT) : 0;
    // A known Namespace holds its number once.
    if (wasKnown) this.#namespaces.release(id);
    if (!isKnown) this.#namespaces.release(id);
  }

  /** The number of the text that the field at `at` points at; 0 for none. */
  #acquire(dictionary: OctetDictionary, delta: Uint8Array, at: number): number {
    const textAt = readUint32(delta, at);
    return textAt === 0 ? 0 : dictionary.acquire(delta, textAt + 2, readUint16(delta, textAt));
  }

  get #isEmpty(): boolean {
    return this.#ipv4.size === 0 && this.#ipv6.size === 0;
  }

  /** Leaves the address in `#words`. */
  #readAddress(delta: Uint8Array, change: number): AddressMap {
    const isIpv6 = delta[change + ClientChangeField.ADDRESS_LENGTH] === 16;
    for (let word = 0; word < (isIpv6 ? 4 : 1); word += 1)
      this.#words[word] = readUint32(delta, change + ClientChangeField.ADDRESS + word * 4);
    return isIpv6 ? this.#ipv6 : this.#ipv4;
  }

  #mapOf(entry: number): AddressMap {
    return (entry & IPV6_ENTRY) === 0 ? this.#ipv4 : this.#ipv6;
  }

  #value(entry: number): number {
    return this.#mapOf(entry).valueAt(entry >>> 1);
  }
}

function marksOf(octets: Uint8Array): Uint32Array {
  return Uint32Array.from({ length: SCOPE_COUNT }, (_, scope) => readUint32(octets, scope * 4));
}
