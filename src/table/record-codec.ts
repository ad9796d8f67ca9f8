/**
 * From a `HostRecord` to its octets and back. The way back serves the control plane and the tests; the
 * server reads the octets themselves (`packed-record.ts`).
 */

import { readUint16, readUint32, writeUint32 } from "../wire/append.ts";
import { type HostName, hostNameOctets, isWildcard, wildcardRest } from "../wire/host-name.ts";
import { readHostName } from "./host-name-octets.ts";
import type { HostRecord, HostView } from "./host-record.ts";
import { namespacesOf, packNamespaces } from "./namespace-index.ts";
import { IndexField, RecordField, RecordFlag, ViewField } from "./record-layout.ts";
import { packView, unpackView } from "./view-codec.ts";

/** A new array of its own that holds the record and nothing else. */
export function packRecord(record: HostRecord): Uint8Array {
  const views = record.views.map(packView);
  const nameEnd = RecordField.NAME + record.host.length + 2 - (isWildcard(record.host) ? 2 : 0);
  const index = isForAll(record) ? null : packNamespaces(record.views, views, nameEnd);
  const viewsAt = nameEnd + (index?.length ?? 0);
  const octets = packHost(record.host, (index?.length ?? 0) + sum(views.map((view) => view.length)));
  octets[RecordField.FLAGS]! |=
    (record.isDelegated ? RecordFlag.DELEGATED : 0) |
    (record.isFallback ? RecordFlag.FALLBACK : 0) |
    (index === null ? 0 : RecordFlag.BY_NAMESPACE);
  if (index !== null) octets.set(index, nameEnd);
  let at = viewsAt;
  for (const view of views) {
    octets.set(view, at);
    at += view.length;
  }
  return octets;
}

/** The record that begins at offset `at`: equal to the one that was packed. */
export function unpackRecord(octets: Uint8Array, at: number): HostRecord {
  const flags = octets[at + RecordField.FLAGS]!;
  const index = at + RecordField.NAME + octets[at + RecordField.NAME_LENGTH]!;
  return {
    host: unpackHost(octets, at),
    isDelegated: (flags & RecordFlag.DELEGATED) !== 0,
    isFallback: (flags & RecordFlag.FALLBACK) !== 0,
    views:
      (flags & RecordFlag.BY_NAMESPACE) === 0
        ? [unpackView(octets, index, "all")]
        : unpackViews(octets, at, index),
  };
}

/** A record without views, for changes that carry a host only; `moreOctets` are left free behind the name. */
export function packHost(host: HostName, moreOctets = 0): Uint8Array {
  const name = hostNameOctets(wildcardRest(host));
  const octets = new Uint8Array(RecordField.NAME + name.length + moreOctets);
  writeUint32(octets, RecordField.LENGTH, octets.length);
  octets[RecordField.FLAGS] = isWildcard(host) ? RecordFlag.WILDCARD : 0;
  octets[RecordField.NAME_LENGTH] = name.length;
  octets[RecordField.LABEL_COUNT] = labelCount(name);
  octets.set(name, RecordField.NAME);
  return octets;
}

/** The host of a record, be it one of `packHost`. */
export function unpackHost(octets: Uint8Array, at: number): HostName {
  const isWildcardHost = (octets[at + RecordField.FLAGS]! & RecordFlag.WILDCARD) !== 0;
  return readHostName(octets, at + RecordField.NAME, isWildcardHost);
}

function unpackViews(octets: Uint8Array, record: number, index: number): readonly HostView[] {
  const forAll = readUint32(octets, index + IndexField.VIEW_FOR_ALL);
  let at = readUint32(octets, index + IndexField.FIRST_VIEW);
  return Array.from({ length: readUint16(octets, index + IndexField.VIEW_COUNT) }, () => {
    const visibleTo = at === forAll ? "all" : namespacesOf(octets, record, index, at);
    const view = unpackView(octets, record + at, visibleTo);
    at += readUint32(octets, record + at + ViewField.LENGTH);
    return view;
  });
}

/** Almost every host. */
function isForAll({ views }: HostRecord): boolean {
  return views.length === 1 && views[0]?.visibleTo === "all";
}

function labelCount(name: Uint8Array): number {
  let count = 0;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) count += 1;
  return count;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
