/**
 * The octets of a `ClientDelta`: copied to each worker and applied by its `ClientIndex` in pieces. A header, then
 * the changes, all of one size, then the names and localities that they point at, each once.
 */

import type { Namespace } from "../mesh/objects.ts";
import { writeUint16, writeUint32 } from "../wire/append.ts";
import { MAX_LABEL_OCTETS } from "../wire/constants.ts";
import { ipAddressOctets } from "../wire/ip-address.ts";
import type { ClientChange, ClientDelta, NamespaceFacts, SuffixAnswer } from "./client-record.ts";
import { CLIENT_CLASSES, type Locality } from "./host-record.ts";
import { localityMarks, SCOPES } from "./locality-marks.ts";
import { PLACE_OCTETS } from "./record-layout.ts";

/** What a change is about; the first three are kinds of a client, as `ClientIndex.kind` says them. */
export const ClientChangeKind = {
  POD: 0,
  AMBIGUOUS: 1,
  FORWARDER: 2,
  GONE: 3,
  NAMESPACE: 4,
  NAMESPACE_GONE: 5,
} as const;

/** 0: not said. */
export const SUFFIX_ANSWER_CODES: Readonly<Record<SuffixAnswer, number>> = {
  cname: 1,
  nxdomain: 2,
  forward: 3,
};

export const ClientDeltaField = {
  /** u32: changes. */
  COUNT: 0,
  CHANGES: 4,
} as const;
export const ClientChangeField = {
  /** u8: `ClientChangeKind`. */
  KIND: 0,
  /** u8: index of `CLIENT_CLASSES`; of a namespace its suffix answer. */
  DETAIL: 1,
  /** u8: 4 or 16; of a namespace 1 if its name is a delegated top-level domain. */
  ADDRESS_LENGTH: 2,
  /** An unused octet, then 16 octets, of which IPv4 uses the first four. */
  ADDRESS: 4,
  /** u32: where the namespace's name lies: a u16 and so many octets. 0: none. */
  NAMESPACE: 20,
  /** u32: where the locality lies: a u16 and so many octets, its five marks (u32). 0: none. */
  LOCALITY: 24,
  OCTETS: 28,
} as const;
/** An array with a buffer of its own, so it may be transferred. */
export function packClientDelta(delta: ClientDelta): Uint8Array<ArrayBuffer> {
  const count = delta.clients.length + delta.namespaces.length;
  const texts = new Texts(ClientDeltaField.CHANGES + count * ClientChangeField.OCTETS);
  const changes = new Uint8Array(texts.startAt);
  writeUint32(changes, ClientDeltaField.COUNT, count);
  let at: number = ClientDeltaField.CHANGES;
  for (const { name, facts } of delta.namespaces) {
    writeNamespace(changes, at, texts.namespaceAt(name), facts);
    at += ClientChangeField.OCTETS;
  }
  for (const change of delta.clients) {
    writeClient(changes, at, change, texts);
    at += ClientChangeField.OCTETS;
  }
  return texts.behind(changes);
}

function writeNamespace(octets: Uint8Array, at: number, nameAt: number, facts: NamespaceFacts | null): void {
  writeUint32(octets, at + ClientChangeField.NAMESPACE, nameAt);
  octets[at + ClientChangeField.KIND] =
    facts === null ? ClientChangeKind.NAMESPACE_GONE : ClientChangeKind.NAMESPACE;
  if (facts === null) return;
  if (facts.suffixAnswer !== undefined)
    octets[at + ClientChangeField.DETAIL] = SUFFIX_ANSWER_CODES[facts.suffixAnswer];
  octets[at + ClientChangeField.ADDRESS_LENGTH] = facts.isDelegated ? 1 : 0;
}

function writeClient(octets: Uint8Array, at: number, { address, client }: ClientChange, texts: Texts): void {
  const addressOctets = ipAddressOctets(address);
  octets[at + ClientChangeField.ADDRESS_LENGTH] = addressOctets.length;
  octets.set(addressOctets, at + ClientChangeField.ADDRESS);
  if (client === null) octets[at + ClientChangeField.KIND] = ClientChangeKind.GONE;
  else if (client === "ambiguous") octets[at + ClientChangeField.KIND] = ClientChangeKind.AMBIGUOUS;
  else if (client === "forwarder") octets[at + ClientChangeField.KIND] = ClientChangeKind.FORWARDER;
  else {
    octets[at + ClientChangeField.KIND] = ClientChangeKind.POD;
    octets[at + ClientChangeField.DETAIL] = CLIENT_CLASSES.indexOf(client.clientClass);
    writeUint32(octets, at + ClientChangeField.NAMESPACE, texts.namespaceAt(client.namespace));
    writeUint32(octets, at + ClientChangeField.LOCALITY, texts.localityAt(client.locality));
  }
}

/** What many changes say alike, each once, behind the changes. */
class Texts {
  readonly startAt: number;
  #endAt: number;
  readonly #pieces: Uint8Array[] = [];
  readonly #places = new Map<string, number>();

  constructor(startAt: number) {
    this.startAt = startAt;
    this.#endAt = startAt;
  }

  namespaceAt(name: Namespace): number {
    // What is longer than a label is no namespace (RFC 1123).
    return this.#place(name, () => Buffer.from(name).subarray(0, MAX_LABEL_OCTETS));
  }

  /** 0 for a locality that says nothing. */
  localityAt(locality: Locality): number {
    if (SCOPES.every((scope) => locality[scope] === "")) return 0;
    // Namespaces are no arrays: the keys differ.
    return this.#place(JSON.stringify(SCOPES.map((scope) => locality[scope])), () => {
      const marks = new Uint8Array(PLACE_OCTETS);
      let at = 0;
      for (const mark of localityMarks(locality)) at = writeUint32(marks, at, mark);
      return marks;
    });
  }

  behind(changes: Uint8Array): Uint8Array<ArrayBuffer> {
    const octets = new Uint8Array(this.#endAt);
    octets.set(changes);
    let at = this.startAt;
    for (const piece of this.#pieces) {
      octets.set(piece, writeUint16(octets, at, piece.length));
      at += 2 + piece.length;
    }
    return octets;
  }

  #place(key: string, make: () => Uint8Array): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const piece = make();
    const at = this.#endAt;
    this.#places.set(key, at);
    this.#pieces.push(piece);
    this.#endAt += 2 + piece.length;
    return at;
  }
}
