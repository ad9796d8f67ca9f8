/**
 * Reading the octets of a `HostRecord`: how the server answers from a table without making an object.
 * A record is given as the octets that hold it and the offset where it begins; so are the view that a client
 * sees (`viewFor`), the variant that it gets (`variantFor`) and a port (`portAt`). Resource records lie there as
 * they go into a reply.
 */

import type { MonotonicMs } from "../runtime.ts";
import { readUint16, readUint32 } from "../wire/append.ts";
import { MIN_RESOLVED_TTL_SECONDS } from "./host-record.ts";
import { NOT_FOUND } from "./host-table.ts";
import { viewOfNamespace } from "./namespace-index.ts";
import {
  ANSWER_OCTETS,
  FamilyField,
  FamilyFlag,
  FamilyIndex,
  FamilyKind,
  IndexField,
  NO_VARIANT,
  PLACE_OCTETS,
  PlacesField,
  RecordField,
  RecordFlag,
  readF64,
  VariantField,
  VariantFlag,
  ViewField,
  WEIGHT_OCTETS,
  writeF64,
} from "./record-layout.ts";

export { hasPointer, hasPorts, hasWhy, portAt, whyAt, whyLength } from "./packed-view.ts";
export { packRecord, unpackHost, unpackRecord } from "./record-codec.ts";
export { ANSWER_OCTETS, ANSWER_SOURCES, FamilyIndex, FamilyKind, PortTransport } from "./record-layout.ts";

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

/** Kubernetes cannot mean the name, whatever stands behind it. */
export function isDelegated(octets: Uint8Array, record: number): boolean {
  return (octets[record + RecordField.FLAGS]! & RecordFlag.DELEGATED) !== 0;
}

/** Upstream is asked first; the record answers where upstream says NXDOMAIN. */
export function isFallback(octets: Uint8Array, record: number): boolean {
  return (octets[record + RecordField.FLAGS]! & RecordFlag.FALLBACK) !== 0;
}

/**
 * The view that a client of the namespace sees, NOT_FOUND if none. `namespace`: the octets of its name;
 * null: an unknown client, which sees what is for all.
 */
export function viewFor(octets: Uint8Array, record: number, namespace: Uint8Array | null): number {
  const first = record + RecordField.NAME + octets[record + RecordField.NAME_LENGTH]!;
  if ((octets[record + RecordField.FLAGS]! & RecordFlag.BY_NAMESPACE) === 0) return first;
  const own = namespace === null ? 0 : viewOfNamespace(octets, record, first, namespace);
  const view = own === 0 ? readUint32(octets, first + IndexField.VIEW_FOR_ALL) : own;
  return view === 0 ? NOT_FOUND : record + view;
}

/** What a client gets of a view, NOT_FOUND if the host is not for it. `clientClass`: index of `CLIENT_CLASSES`. */
export function variantFor(octets: Uint8Array, view: number, clientClass: number): number {
  const choice = octets[view + ViewField.CHOICES + clientClass]!;
  if (choice === NO_VARIANT) return NOT_FOUND;
  let variant = view + ViewField.FIRST_VARIANT;
  for (let left = choice; left > 0; left -= 1) variant += readUint32(octets, variant + VariantField.LENGTH);
  return variant;
}

/** The first of a view's variants; NOT_FOUND if it has none. */
export function firstVariant(octets: Uint8Array, view: number): number {
  return octets[view + ViewField.VARIANT_COUNT] === 0 ? NOT_FOUND : view + ViewField.FIRST_VARIANT;
}

export function isPass(octets: Uint8Array, variant: number): boolean {
  return hasVariantFlag(octets, variant, VariantFlag.PASS);
}

export function isAuthoritative(octets: Uint8Array, variant: number): boolean {
  return hasVariantFlag(octets, variant, VariantFlag.AUTHORITATIVE);
}

export function forwardsDnssec(octets: Uint8Array, variant: number): boolean {
  return hasVariantFlag(octets, variant, VariantFlag.FORWARDS_DNSSEC);
}

/** Index into `ANSWER_SOURCES`. */
export function sourceIndex(octets: Uint8Array, variant: number): number {
  return octets[variant + VariantField.SOURCE]!;
}

export function negativeTtlSeconds(octets: Uint8Array, variant: number): number {
  return readUint32(octets, variant + VariantField.NEGATIVE_TTL_SECONDS);
}

/** A `FamilyKind`. */
export function familyKind(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return octets[familyAt(octets, variant, family) + FamilyField.KIND]!;
}

/** 0 unless the family has addresses. */
export function addressCount(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  const at = familyAt(octets, variant, family);
  return octets[at + FamilyField.KIND] === FamilyKind.ADDRESSES
    ? readUint16(octets, at + FamilyField.COUNT)
    : 0;
}

/** The constant TTL, or the cap of one that counts down. Of a family with addresses. */
export function ttlSeconds(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return readUint32(octets, familyAt(octets, variant, family) + FamilyField.TTL_SECONDS);
}

/** Whether the TTL counts down to `expiresAtMs`. */
function countsDown(octets: Uint8Array, variant: number, family: FamilyIndex): boolean {
  return hasFamilyFlag(octets, variant, family, FamilyFlag.COUNTS_DOWN);
}

/** 0 where the TTL is constant. */
export function expiresAtMs(octets: Uint8Array, variant: number, family: FamilyIndex): MonotonicMs {
  if (!countsDown(octets, variant, family)) return 0;
  return readF64(octets, familyAt(octets, variant, family) + FamilyField.MOMENT_MS);
}

/** The TTL of the family's addresses now, in whole seconds. Ready answers carry `ttlSeconds`, whatever the hour. */
export function familyTtlSeconds(
  octets: Uint8Array,
  variant: number,
  family: FamilyIndex,
  nowMs: MonotonicMs,
): number {
  const at = familyAt(octets, variant, family);
  const cap = readUint32(octets, at + FamilyField.TTL_SECONDS);
  if ((octets[at + FamilyField.FLAGS]! & FamilyFlag.COUNTS_DOWN) === 0) return cap;
  const remaining = Math.ceil((readF64(octets, at + FamilyField.MOMENT_MS) - nowMs) / 1000);
  return Math.min(cap, Math.max(remaining, MIN_RESOLVED_TTL_SECONDS));
}

export function isStale(octets: Uint8Array, variant: number, family: FamilyIndex): boolean {
  return hasFamilyFlag(octets, variant, family, FamilyFlag.STALE);
}

/**
 * Where the ready answers begin in `octets`: `addressCount` resource records of `ANSWER_OCTETS` each, owner a
 * pointer to the question's name, TTL `ttlSeconds`.
 */
export function answersAt(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return familyAt(octets, variant, family) + FamilyField.BODY;
}

/** The shares that `addressAtShare` deals out: the sum of the weights, or one for each address. */
export function shareCount(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  const count = addressCount(octets, variant, family);
  if (!hasFamilyFlag(octets, variant, family, FamilyFlag.WEIGHTED)) return count;
  const weightsAt = answersAt(octets, variant, family) + count * ANSWER_OCTETS[family];
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += readUint32(octets, weightsAt + index * WEIGHT_OCTETS);
  return sum;
}

/** Which address comes first for a share in [0, `shareCount`): each one for as many shares as its weight. */
export function addressAtShare(
  octets: Uint8Array,
  variant: number,
  family: FamilyIndex,
  share: number,
): number {
  if (!hasFamilyFlag(octets, variant, family, FamilyFlag.WEIGHTED)) return share;
  const count = addressCount(octets, variant, family);
  const weightsAt = answersAt(octets, variant, family) + count * ANSWER_OCTETS[family];
  let index = 0;
  for (; index < count - 1; index += 1) {
    share -= readUint32(octets, weightsAt + index * WEIGHT_OCTETS);
    if (share < 0) break;
  }
  return index;
}

/** Until when a pending family may be held. */
export function untilMs(octets: Uint8Array, variant: number, family: FamilyIndex): MonotonicMs {
  return readF64(octets, familyAt(octets, variant, family) + FamilyField.MOMENT_MS);
}

/** The Extended DNS Error of a failed family. */
export function errorCode(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return readUint32(octets, familyAt(octets, variant, family) + FamilyField.TTL_SECONDS);
}

/** Where the text of that error lies in `octets` (UTF-8). */
export function errorTextAt(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return familyAt(octets, variant, family) + FamilyField.BODY;
}

export function errorTextLength(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return readUint16(octets, familyAt(octets, variant, family) + FamilyField.COUNT);
}

/**
 * Where the places of the family's addresses lie, for `nearness`; NOT_FOUND where all addresses are for
 * everybody.
 */
export function placesAt(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  const at = familyAt(octets, variant, family);
  const flags = octets[at + FamilyField.FLAGS]!;
  if ((flags & FamilyFlag.LOCALISED) === 0 || octets[variant + VariantField.SCOPE_COUNT] === 0)
    return NOT_FOUND;
  const count = readUint16(octets, at + FamilyField.COUNT);
  const weights = (flags & FamilyFlag.WEIGHTED) === 0 ? 0 : count * WEIGHT_OCTETS;
  return at + FamilyField.BODY + count * ANSWER_OCTETS[family] + weights;
}

/**
 * How near the address at `index` is to the client with these marks (`locality-marks.ts`): the narrowest scope
 * that they share of those that count, 1 for the network; 0: none. `places`: of `placesAt`.
 */
export function nearness(
  octets: Uint8Array,
  variant: number,
  family: FamilyIndex,
  places: number,
  index: number,
  marks: Uint32Array,
): number {
  const count = readUint16(octets, familyAt(octets, variant, family) + FamilyField.COUNT);
  const indexes = places + PlacesField.INDEXES;
  const place = indexes + count + octets[indexes + index]! * PLACE_OCTETS;
  for (let scope = octets[variant + VariantField.SCOPE_COUNT]! - 1; scope >= 0; scope -= 1) {
    const mark = marks[scope]!;
    if (mark !== 0 && readUint32(octets, place + scope * 4) === mark) return scope + 1;
  }
  return 0;
}

/** Of the address at `index`: 1 unless the family has weights. */
export function addressWeight(
  octets: Uint8Array,
  variant: number,
  family: FamilyIndex,
  index: number,
): number {
  const at = familyAt(octets, variant, family);
  if ((octets[at + FamilyField.FLAGS]! & FamilyFlag.WEIGHTED) === 0) return 1;
  const count = readUint16(octets, at + FamilyField.COUNT);
  return readUint32(octets, at + FamilyField.BODY + count * ANSWER_OCTETS[family] + index * WEIGHT_OCTETS);
}

/**
 * Moves the moment to which a TTL of the family counts down, in every variant of every view; false, and nothing
 * done, where none does.
 */
export function touchRecord(
  octets: Uint8Array,
  record: number,
  family: FamilyIndex,
  momentMs: MonotonicMs,
): boolean {
  let view = record + RecordField.NAME + octets[record + RecordField.NAME_LENGTH]!;
  if ((octets[record + RecordField.FLAGS]! & RecordFlag.BY_NAMESPACE) !== 0)
    view = record + readUint32(octets, view + IndexField.FIRST_VIEW);
  const end = record + recordLength(octets, record);
  let isMoved = false;
  for (; view < end; view += readUint32(octets, view + ViewField.LENGTH)) {
    let variant = view + ViewField.FIRST_VARIANT;
    for (let left = octets[view + ViewField.VARIANT_COUNT]!; left > 0; left -= 1) {
      if (countsDown(octets, variant, family)) {
        writeF64(octets, familyAt(octets, variant, family) + FamilyField.MOMENT_MS, momentMs);
        isMoved = true;
      }
      variant += readUint32(octets, variant + VariantField.LENGTH);
    }
  }
  return isMoved;
}

function familyAt(octets: Uint8Array, variant: number, family: FamilyIndex): number {
  return (
    variant +
    (family === FamilyIndex.A
      ? VariantField.FIRST_FAMILY
      : readUint32(octets, variant + VariantField.SECOND_FAMILY))
  );
}

function hasVariantFlag(octets: Uint8Array, variant: number, flag: number): boolean {
  return (octets[variant + VariantField.FLAGS]! & flag) !== 0;
}

function hasFamilyFlag(octets: Uint8Array, variant: number, family: FamilyIndex, flag: number): boolean {
  return (octets[familyAt(octets, variant, family) + FamilyField.FLAGS]! & flag) !== 0;
}
