/**
 * From a `HostRecord` to its octets and back. The way back serves the control plane and the tests; the
 * server reads the octets themselves (`packed-record.ts`).
 */

import { readUint16, readUint32, writeUint32 } from "../wire/append.ts";
import { type HostName, isWildcard, wildcardRest, writeHostName } from "../wire/host-name.ts";
import { readHostName } from "./host-name-octets.ts";
import type { HostRecord, HostView } from "./host-record.ts";
import { NamespaceIndex, namespacesOf } from "./namespace-index.ts";
import { OctetWriter } from "./octet-writer.ts";
import { IndexField, RecordField, RecordFlag, ViewField } from "./record-layout.ts";
import { packView, unpackView } from "./view-codec.ts";

/** A new array of its own that holds the record and nothing else. */
export function packRecord(record: HostRecord): Uint8Array {
  const out = new OctetWriter();
  writeRecord(record, out);
  return out.toOctets();
}

export function writeRecord(record: HostRecord, out: OctetWriter): void {
  const { host, views } = record;
  const at = writeHost(host, out);
  let flags = (record.isDelegated ? RecordFlag.DELEGATED : 0) | (record.isFallback ? RecordFlag.FALLBACK : 0);
  if (isForAll(record)) {
    packView(views[0]!, out);
  } else {
    flags |= RecordFlag.BY_NAMESPACE;
    const index = new NamespaceIndex(views);
    const indexAt = out.grow(index.length);
    const viewsAt = views.map((view) => {
      const viewAt = out.length - at;
      packView(view, out);
      return viewAt;
    });
    index.write(out.octets, at, indexAt, viewsAt);
  }
  out.octets[at + RecordField.FLAGS]! |= flags;
  writeUint32(out.octets, at + RecordField.LENGTH, out.length - at);
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

/** A record without views, for changes that carry a host only. Returns where it begins. */
export function writeHost(host: HostName, out: OctetWriter): number {
  const name = wildcardRest(host);
  const at = out.grow(RecordField.NAME + name.length + 2);
  const { octets } = out;
  writeUint32(octets, at + RecordField.LENGTH, out.length - at);
  octets[at + RecordField.FLAGS] = isWildcard(host) ? RecordFlag.WILDCARD : 0;
  octets[at + RecordField.NAME_LENGTH] = name.length + 2;
  writeHostName(octets, at + RecordField.NAME, name);
  octets[at + RecordField.LABEL_COUNT] = labelCount(octets, at + RecordField.NAME);
  return at;
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

function labelCount(octets: Uint8Array, name: number): number {
  let count = 0;
  for (let at = name; octets[at] !== 0; at += octets[at]! + 1) count += 1;
  return count;
}
