/**
 * The octets of a `TableDelta`: transferred or copied to each worker and applied by its table in pieces.
 * A header (version, count), then the changes one behind the other: each its length, its kind, and a record;
 * of a deleted or touched host the record is its name alone.
 */

import { assertNever, type MonotonicMs } from "../runtime.ts";
import { readUint32, writeUint32 } from "../wire/append.ts";
import type { HostChange, TableDelta } from "./host-record.ts";
import { OctetWriter } from "./octet-writer.ts";
import { FamilyIndex, recordLength } from "./packed-record.ts";
import { writeHost, writeRecord } from "./record-codec.ts";
import { readF64, writeF64 } from "./record-layout.ts";

/** f64: a version is a count that never wraps. */
const VERSION = 0;
/** u32. */
const CHANGE_COUNT = 8;
const DELTA_HEADER_OCTETS = 12;

/** u32: octets of the whole change, this field included. */
const CHANGE_LENGTH = 0;
/** u8: `ChangeKind`. */
const CHANGE_KIND = 4;
/** u8: `FamilyIndex`, of a touch. Two unused octets follow. */
const CHANGE_FAMILY = 5;
/** f64: of a touch. */
const CHANGE_MOMENT_MS = 8;
const CHANGE_RECORD = 16;

/** The kinds of a `HostChange` as numbers. */
export const ChangeKind = { SET: 0, DELETE: 1, TOUCH: 2 } as const;

/** An array with a buffer of its own, so it may be transferred. */
export function packDelta(delta: TableDelta): Uint8Array<ArrayBuffer> {
  const out = new OctetWriter();
  out.grow(DELTA_HEADER_OCTETS);
  writeF64(out.octets, VERSION, delta.version);
  writeUint32(out.octets, CHANGE_COUNT, delta.changes.length);
  for (const change of delta.changes) {
    const at = out.grow(CHANGE_RECORD);
    writeKind(out.octets, at, change);
    if (change.kind === "set") writeRecord(change.record, out);
    else writeHost(change.host, out);
    writeUint32(out.octets, at + CHANGE_LENGTH, out.length - at);
  }
  return out.toOctets();
}

/** A table's records as one delta that sets them all; `records`: where each begins in `table`. */
export function packTable(
  version: number,
  table: Uint8Array,
  records: readonly number[],
): Uint8Array<ArrayBuffer> {
  const length = records.reduce(
    (total, record) => total + CHANGE_RECORD + recordLength(table, record),
    DELTA_HEADER_OCTETS,
  );
  const octets = new Uint8Array(length);
  writeF64(octets, VERSION, version);
  writeUint32(octets, CHANGE_COUNT, records.length);
  let at = DELTA_HEADER_OCTETS;
  for (const record of records) {
    const recordOctets = recordLength(table, record);
    writeUint32(octets, at + CHANGE_LENGTH, CHANGE_RECORD + recordOctets);
    octets[at + CHANGE_KIND] = ChangeKind.SET;
    octets.set(table.subarray(record, record + recordOctets), at + CHANGE_RECORD);
    at += CHANGE_RECORD + recordOctets;
  }
  return octets;
}

function writeKind(octets: Uint8Array, at: number, change: HostChange): void {
  switch (change.kind) {
    case "set":
      octets[at + CHANGE_KIND] = ChangeKind.SET;
      return;
    case "delete":
      octets[at + CHANGE_KIND] = ChangeKind.DELETE;
      return;
    case "touch":
      octets[at + CHANGE_KIND] = ChangeKind.TOUCH;
      octets[at + CHANGE_FAMILY] = FamilyIndex[change.family];
      writeF64(octets, at + CHANGE_MOMENT_MS, change.expiresAtMs);
      return;
    default:
      assertNever(change);
  }
}

export function deltaVersion(delta: Uint8Array): number {
  return readF64(delta, VERSION);
}

/** Changes in the delta. */
export function changeCount(delta: Uint8Array): number {
  return readUint32(delta, CHANGE_COUNT);
}

/** Where the change lies that comes at or after `from`; 0 stands for the beginning. `delta.length`: no more. */
export function changeFrom(from: number): number {
  return Math.max(from, DELTA_HEADER_OCTETS);
}

/** Where the change behind the one at `change` lies; `delta.length`: none. */
export function changeAfter(delta: Uint8Array, change: number): number {
  return change + readUint32(delta, change + CHANGE_LENGTH);
}

/** A `ChangeKind`. */
export function changeKind(delta: Uint8Array, change: number): number {
  return delta[change + CHANGE_KIND]!;
}

/** Where the change's record lies in `delta`; except of a set it has no views. */
export function changeRecord(change: number): number {
  return change + CHANGE_RECORD;
}

/** Of a touch. */
export function touchedFamily(delta: Uint8Array, change: number): FamilyIndex {
  return delta[change + CHANGE_FAMILY] === FamilyIndex.A ? FamilyIndex.A : FamilyIndex.AAAA;
}

/** Of a touch. */
export function touchedMomentMs(delta: Uint8Array, change: number): MonotonicMs {
  return readF64(delta, change + CHANGE_MOMENT_MS);
}
