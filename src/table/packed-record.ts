/**
 * Reading the octets of a `HostRecord`: how the server answers from a table without making an object.
 * A record is given as the octets that hold it and the offset where it begins. The readers see its first
 * view. Resource records lie there as they go into a reply.
 */

import type { MonotonicMs } from "../runtime.ts";
import { readUint16, readUint32 } from "../wire/append.ts";
import { MIN_RESOLVED_TTL_SECONDS } from "./host-record.ts";
import {
  ANSWER_OCTETS,
  FamilyField,
  FamilyFlag,
  type FamilyIndex,
  FamilyKind,
  RecordField,
  RecordFlag,
  readF64,
  ViewField,
  ViewFlag,
  WEIGHT_OCTETS,
  writeF64,
} from "./record-layout.ts";

export { packRecord, unpackRecord } from "./record-codec.ts";
export { ANSWER_OCTETS, ANSWER_SOURCES, FamilyIndex, FamilyKind } from "./record-layout.ts";

/** Octets of the whole record. */
export function recordLength(octets: Uint8Array, record: number): number {
  return readUint32(octets, record + RecordField.LENGTH);
}

export function isWildcardRecord(octets: Uint8Array, record: number): boolean {
  return (octets[record + RecordField.FLAGS]! & RecordFlag.WILDCARD) !== 0;
}

/** Where the host's name lies in `octets`, on the wire and lower-cased; of a wildcard the part after `*.`. */
export function nameAt(record: number): number {
  return record + RecordField.NAME;
}

/** Octets of that name, the root label included. */
export function nameLength(octets: Uint8Array, record: number): number {
  return octets[record + RecordField.NAME_LENGTH]!;
}

/** Labels of that name without the root: it is the last so many labels of any QNAME that the record answers. */
export function nameLabelCount(octets: Uint8Array, record: number): number {
  return octets[record + RecordField.LABEL_COUNT]!;
}

/** Whether the record is of the host whose name stands in `name` at `from` (of a wildcard: after its `*.`). */
export function isRecordOf(
  octets: Uint8Array,
  record: number,
  isWildcard: boolean,
  name: Uint8Array,
  from: number,
  length: number,
): boolean {
  if (nameLength(octets, record) !== length || isWildcardRecord(octets, record) !== isWildcard) return false;
  const start = nameAt(record);
  for (let index = 0; index < length; index += 1) {
    if (octets[start + index] !== name[from + index]) return false;
  }
  return true;
}

export function isPass(octets: Uint8Array, record: number): boolean {
  return hasViewFlag(octets, record, ViewFlag.PASS);
}

export function isAuthoritative(octets: Uint8Array, record: number): boolean {
  return hasViewFlag(octets, record, ViewFlag.AUTHORITATIVE);
}

export function forwardsDnssec(octets: Uint8Array, record: number): boolean {
  return hasViewFlag(octets, record, ViewFlag.FORWARDS_DNSSEC);
}

/** Index into `ANSWER_SOURCES`. */
export function sourceIndex(octets: Uint8Array, record: number): number {
  return octets[viewAt(octets, record) + ViewField.SOURCE]!;
}

export function negativeTtlSeconds(octets: Uint8Array, record: number): number {
  return readUint32(octets, viewAt(octets, record) + ViewField.NEGATIVE_TTL_SECONDS);
}

/** A `FamilyKind`. */
export function familyKind(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return octets[familyAt(octets, record, family) + FamilyField.KIND]!;
}

/** 0 unless the family has addresses. */
export function addressCount(octets: Uint8Array, record: number, family: FamilyIndex): number {
  const at = familyAt(octets, record, family);
  return octets[at + FamilyField.KIND] === FamilyKind.ADDRESSES
    ? readUint16(octets, at + FamilyField.COUNT)
    : 0;
}

/** The constant TTL, or the cap of one that counts down. Of a family with addresses. */
export function ttlSeconds(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return readUint32(octets, familyAt(octets, record, family) + FamilyField.TTL_SECONDS);
}

/** Whether the TTL counts down to `expiresAtMs`. */
export function countsDown(octets: Uint8Array, record: number, family: FamilyIndex): boolean {
  return hasFamilyFlag(octets, record, family, FamilyFlag.COUNTS_DOWN);
}

/** 0 where the TTL is constant. */
export function expiresAtMs(octets: Uint8Array, record: number, family: FamilyIndex): MonotonicMs {
  if (!countsDown(octets, record, family)) return 0;
  return readF64(octets, familyAt(octets, record, family) + FamilyField.MOMENT_MS);
}

/** The TTL of the family's addresses now, in whole seconds. Ready answers carry `ttlSeconds`, whatever the hour. */
export function familyTtlSeconds(
  octets: Uint8Array,
  record: number,
  family: FamilyIndex,
  nowMs: MonotonicMs,
): number {
  const at = familyAt(octets, record, family);
  const cap = readUint32(octets, at + FamilyField.TTL_SECONDS);
  if ((octets[at + FamilyField.FLAGS]! & FamilyFlag.COUNTS_DOWN) === 0) return cap;
  const remaining = Math.ceil((readF64(octets, at + FamilyField.MOMENT_MS) - nowMs) / 1000);
  return Math.min(cap, Math.max(remaining, MIN_RESOLVED_TTL_SECONDS));
}

export function isStale(octets: Uint8Array, record: number, family: FamilyIndex): boolean {
  return hasFamilyFlag(octets, record, family, FamilyFlag.STALE);
}

/**
 * Where the ready answers begin in `octets`: `addressCount` resource records of `ANSWER_OCTETS` each, owner a
 * pointer to the question's name, TTL `ttlSeconds`.
 */
export function answersAt(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return familyAt(octets, record, family) + FamilyField.BODY;
}

/** The shares that `addressAtShare` deals out: the sum of the weights, or one for each address. */
export function shareCount(octets: Uint8Array, record: number, family: FamilyIndex): number {
  const count = addressCount(octets, record, family);
  if (!hasFamilyFlag(octets, record, family, FamilyFlag.WEIGHTED)) return count;
  const weightsAt = answersAt(octets, record, family) + count * ANSWER_OCTETS[family];
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += readUint32(octets, weightsAt + index * WEIGHT_OCTETS);
  return sum;
}

/** Which address comes first for a share in [0, `shareCount`): each one for as many shares as its weight. */
export function addressAtShare(
  octets: Uint8Array,
  record: number,
  family: FamilyIndex,
  share: number,
): number {
  if (!hasFamilyFlag(octets, record, family, FamilyFlag.WEIGHTED)) return share;
  const count = addressCount(octets, record, family);
  const weightsAt = answersAt(octets, record, family) + count * ANSWER_OCTETS[family];
  let index = 0;
  for (; index < count - 1; index += 1) {
    share -= readUint32(octets, weightsAt + index * WEIGHT_OCTETS);
    if (share < 0) break;
  }
  return index;
}

/** Until when a pending family may be held. */
export function untilMs(octets: Uint8Array, record: number, family: FamilyIndex): MonotonicMs {
  return readF64(octets, familyAt(octets, record, family) + FamilyField.MOMENT_MS);
}

/** The Extended DNS Error of a failed family. */
export function errorCode(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return readUint32(octets, familyAt(octets, record, family) + FamilyField.TTL_SECONDS);
}

/** Where the text of that error lies in `octets` (UTF-8). */
export function errorTextAt(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return familyAt(octets, record, family) + FamilyField.BODY;
}

export function errorTextLength(octets: Uint8Array, record: number, family: FamilyIndex): number {
  return readUint16(octets, familyAt(octets, record, family) + FamilyField.COUNT);
}

/** Moves the moment to which a TTL counts down; false, and nothing done, where none does. */
export function touchRecord(
  octets: Uint8Array,
  record: number,
  family: FamilyIndex,
  momentMs: MonotonicMs,
): boolean {
  if (!countsDown(octets, record, family)) return false;
  writeF64(octets, familyAt(octets, record, family) + FamilyField.MOMENT_MS, momentMs);
  return true;
}

function viewAt(octets: Uint8Array, record: number): number {
  return record + RecordField.NAME + octets[record + RecordField.NAME_LENGTH]!;
}

function familyAt(octets: Uint8Array, record: number, family: FamilyIndex): number {
  const view = viewAt(octets, record);
  return view + (family === 0 ? ViewField.FIRST_FAMILY : readUint32(octets, view + ViewField.SECOND_FAMILY));
}

function hasViewFlag(octets: Uint8Array, record: number, flag: number): boolean {
  return (octets[viewAt(octets, record) + ViewField.FLAGS]! & flag) !== 0;
}

function hasFamilyFlag(octets: Uint8Array, record: number, family: FamilyIndex, flag: number): boolean {
  return (octets[familyAt(octets, record, family) + FamilyField.FLAGS]! & flag) !== 0;
}
