/**
 * The part of `record-codec.ts` that is for the localities of a family's addresses: few addresses are alone at
 * their place, so each different place is kept once. Texts are kept for the way back alone.
 */

import { readUint16, writeUint16, writeUint32 } from "../wire/append.ts";
import type { Locality } from "./host-record.ts";
import { localityMarks, SCOPE_COUNT, SCOPES } from "./locality-marks.ts";
import { PLACE_OCTETS, PlacesField } from "./record-layout.ts";

/** `localities`: of at most 256 addresses. */
export function packPlaces(localities: readonly Locality[]): Uint8Array {
  const places = new Map<string, { readonly locality: Locality; readonly index: number }>();
  const indexes = localities.map((locality) => {
    const key = JSON.stringify(SCOPES.map((scope) => locality[scope]));
    const known = places.get(key) ?? { locality, index: places.size };
    places.set(key, known);
    return known.index;
  });
  const head = new Uint8Array(PlacesField.INDEXES + indexes.length + places.size * PLACE_OCTETS);
  writeUint16(head, PlacesField.COUNT, places.size);
  head.set(indexes, PlacesField.INDEXES);
  let at = PlacesField.INDEXES + indexes.length;
  for (const { locality } of places.values()) {
    for (const mark of localityMarks(locality)) at = writeUint32(head, at, mark);
  }
  return Buffer.concat([head, ...[...places.values()].map(({ locality }) => localityOctets(locality))]);
}

/** `addressCount`: of the family whose places begin at `at`. */
export function unpackPlaces(octets: Uint8Array, at: number, addressCount: number): readonly Locality[] {
  const placeCount = readUint16(octets, at + PlacesField.COUNT);
  const indexes = octets.subarray(at + PlacesField.INDEXES, at + PlacesField.INDEXES + addressCount);
  let textAt = at + PlacesField.INDEXES + addressCount + placeCount * PLACE_OCTETS;
  const places = Array.from({ length: placeCount }, () => {
    const place = readLocality(octets, textAt);
    textAt += localityLength(octets, textAt);
    return place;
  });
  return Array.from(indexes, (index) => places[index]!);
}

/** What a length octet can say; the names of nodes and the values of labels are shorter. */
const MAX_TEXT_OCTETS = 255;

/** Five texts, each behind its length. */
function localityOctets(locality: Locality): Uint8Array {
  return Buffer.concat(
    SCOPES.map((scope) => {
      const text = Buffer.from(locality[scope]).subarray(0, MAX_TEXT_OCTETS);
      return Buffer.concat([Uint8Array.of(text.length), text]);
    }),
  );
}

/** Octets of the locality that `localityOctets` made, here at `at`. */
function localityLength(octets: Uint8Array, at: number): number {
  let end = at;
  for (let scope = 0; scope < SCOPE_COUNT; scope += 1) end += 1 + octets[end]!;
  return end - at;
}

function readLocality(octets: Uint8Array, at: number): Locality {
  const next = (): string => {
    const from = at + 1;
    at = from + octets[at]!;
    return Buffer.from(octets.subarray(from, at)).toString();
  };
  return { network: next(), region: next(), zone: next(), subzone: next(), node: next() };
}
