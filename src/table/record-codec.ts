/**
 * From a `HostRecord` to its octets and back. The way back serves the control plane and the tests; the
 * server reads the octets themselves (`packed-record.ts`).
 */

import { assertNever } from "../runtime.ts";
import {
  appendRecordHead,
  RECORD_HEAD_OCTETS,
  readUint16,
  readUint32,
  writeUint16,
  writeUint32,
} from "../wire/append.ts";
import { ExtendedError, RecordType } from "../wire/constants.ts";
import {
  type HostName,
  hostNameOctets,
  isHostName,
  isWildcard,
  parseHostName,
  wildcardRest,
} from "../wire/host-name.ts";
import { type IpAddress, ipAddressFromOctets, ipAddressOctets } from "../wire/ip-address.ts";
import { QUESTION_NAME_AT } from "../wire/query.ts";
import type { FamilyAnswer, HostRecord, HostView } from "./host-record.ts";
import {
  ANSWER_OCTETS,
  ANSWER_SOURCES,
  FamilyField,
  FamilyFlag,
  FamilyIndex,
  FamilyKind,
  RecordField,
  RecordFlag,
  readF64,
  ViewField,
  ViewFlag,
  WEIGHT_OCTETS,
  writeF64,
} from "./record-layout.ts";

/** A new array of its own that holds the record and nothing else. */
export function packRecord(record: HostRecord): Uint8Array {
  const octets = packHost(record.host, sum(record.views.map(viewOctets)));
  octets[RecordField.VIEW_COUNT] = record.views.length;
  let at = RecordField.NAME + octets[RecordField.NAME_LENGTH]!;
  for (const view of record.views) at = writeView(octets, at, view);
  return octets;
}

/** The record that begins at offset `at`: equal to the one that was packed. */
export function unpackRecord(octets: Uint8Array, at: number): HostRecord {
  const views: HostView[] = [];
  let viewAt = at + RecordField.NAME + octets[at + RecordField.NAME_LENGTH]!;
  for (let left = octets[at + RecordField.VIEW_COUNT]!; left > 0; left -= 1) {
    views.push(readView(octets, viewAt));
    viewAt += readUint32(octets, viewAt + ViewField.LENGTH);
  }
  return { host: readHost(octets, at), views };
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

function labelCount(name: Uint8Array): number {
  let count = 0;
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) count += 1;
  return count;
}

function viewOctets(view: HostView): number {
  const { A, AAAA } = view.answers;
  return ViewField.FIRST_FAMILY + familyOctets(A, FamilyIndex.A) + familyOctets(AAAA, FamilyIndex.AAAA);
}

function familyOctets(answer: FamilyAnswer, family: FamilyIndex): number {
  switch (answer.kind) {
    case "addresses": {
      const each = ANSWER_OCTETS[family] + (answer.weights === undefined ? 0 : WEIGHT_OCTETS);
      return FamilyField.BODY + answer.addresses.length * each;
    }
    case "failed":
      return FamilyField.BODY + Buffer.byteLength(answer.text);
    case "empty":
    case "pending":
      return FamilyField.BODY;
    default:
      return assertNever(answer);
  }
}

/** Returns where the next view goes. */
function writeView(octets: Uint8Array, at: number, view: HostView): number {
  const first = at + ViewField.FIRST_FAMILY;
  const second = first + familyOctets(view.answers.A, FamilyIndex.A);
  const end = at + viewOctets(view);
  writeUint32(octets, at + ViewField.LENGTH, end - at);
  octets[at + ViewField.FLAGS] =
    (view.isPass ? ViewFlag.PASS : 0) |
    (view.isAuthoritative ? ViewFlag.AUTHORITATIVE : 0) |
    (view.forwardsDnssec ? ViewFlag.FORWARDS_DNSSEC : 0);
  octets[at + ViewField.SOURCE] = ANSWER_SOURCES.indexOf(view.source);
  writeUint32(octets, at + ViewField.NEGATIVE_TTL_SECONDS, view.negativeTtlSeconds);
  writeUint32(octets, at + ViewField.SECOND_FAMILY, second - at);
  writeFamily(octets, first, view.answers.A, FamilyIndex.A);
  writeFamily(octets, second, view.answers.AAAA, FamilyIndex.AAAA);
  return end;
}

function writeFamily(octets: Uint8Array, at: number, answer: FamilyAnswer, family: FamilyIndex): void {
  switch (answer.kind) {
    case "addresses": {
      const { addresses, weights, expiresAtMs } = answer;
      octets[at + FamilyField.KIND] = FamilyKind.ADDRESSES;
      octets[at + FamilyField.FLAGS] =
        (answer.isStale ? FamilyFlag.STALE : 0) |
        (weights === undefined ? 0 : FamilyFlag.WEIGHTED) |
        (expiresAtMs === undefined ? 0 : FamilyFlag.COUNTS_DOWN);
      writeUint16(octets, at + FamilyField.COUNT, addresses.length);
      writeUint32(octets, at + FamilyField.TTL_SECONDS, answer.ttlSeconds);
      writeF64(octets, at + FamilyField.MOMENT_MS, expiresAtMs ?? 0);
      let bodyAt = at + FamilyField.BODY;
      for (const address of addresses)
        bodyAt = writeAnswer(octets, bodyAt, address, answer.ttlSeconds, family);
      for (const [index, weight] of (weights ?? []).entries()) {
        writeUint32(octets, bodyAt + index * WEIGHT_OCTETS, weight);
      }
      return;
    }
    case "empty":
      octets[at + FamilyField.KIND] = FamilyKind.EMPTY;
      return;
    case "pending":
      octets[at + FamilyField.KIND] = FamilyKind.PENDING;
      writeF64(octets, at + FamilyField.MOMENT_MS, answer.untilMs);
      return;
    case "failed":
      octets[at + FamilyField.KIND] = FamilyKind.FAILED;
      writeUint16(octets, at + FamilyField.COUNT, Buffer.byteLength(answer.text));
      writeUint32(octets, at + FamilyField.TTL_SECONDS, answer.error);
      octets.set(Buffer.from(answer.text), at + FamilyField.BODY);
      return;
    default:
      assertNever(answer);
  }
}

/** One ready answer. Returns where the next one goes. */
function writeAnswer(
  octets: Uint8Array,
  at: number,
  address: IpAddress,
  ttlSeconds: number,
  family: FamilyIndex,
): number {
  const rdata = ipAddressOctets(address);
  const type = family === FamilyIndex.A ? RecordType.A : RecordType.AAAA;
  const rdataAt = appendRecordHead(octets, at, QUESTION_NAME_AT, type, ttlSeconds, rdata.length);
  octets.set(rdata, rdataAt);
  return rdataAt + rdata.length;
}

/** As text; throws where the octets hold no host name, so not a record. */
function readHost(octets: Uint8Array, at: number): HostName {
  const labels = (octets[at + RecordField.FLAGS]! & RecordFlag.WILDCARD) === 0 ? [] : ["*"];
  let labelAt = at + RecordField.NAME;
  for (let left = octets[at + RecordField.LABEL_COUNT]!; left > 0; left -= 1) {
    const end = labelAt + 1 + octets[labelAt]!;
    labels.push(String.fromCharCode(...octets.subarray(labelAt + 1, end)));
    labelAt = end;
  }
  const host = parseHostName(labels.join("."));
  if (!isHostName(host)) throw new Error(`the host name of a packed record ${host.fault}`);
  return host;
}

function readView(octets: Uint8Array, at: number): HostView {
  const flags = octets[at + ViewField.FLAGS]!;
  const first = at + ViewField.FIRST_FAMILY;
  const second = at + readUint32(octets, at + ViewField.SECOND_FAMILY);
  return {
    visibleTo: "all",
    isPass: (flags & ViewFlag.PASS) !== 0,
    isAuthoritative: (flags & ViewFlag.AUTHORITATIVE) !== 0,
    source: ANSWER_SOURCES[octets[at + ViewField.SOURCE]!]!,
    forwardsDnssec: (flags & ViewFlag.FORWARDS_DNSSEC) !== 0,
    negativeTtlSeconds: readUint32(octets, at + ViewField.NEGATIVE_TTL_SECONDS),
    answers: {
      A: readFamily(octets, first, FamilyIndex.A),
      AAAA: readFamily(octets, second, FamilyIndex.AAAA),
    },
  };
}

const EXTENDED_ERRORS = Object.values(ExtendedError);

function readFamily(octets: Uint8Array, at: number, family: FamilyIndex): FamilyAnswer {
  const flags = octets[at + FamilyField.FLAGS]!;
  const count = readUint16(octets, at + FamilyField.COUNT);
  const ttlSeconds = readUint32(octets, at + FamilyField.TTL_SECONDS);
  const momentMs = readF64(octets, at + FamilyField.MOMENT_MS);
  const bodyAt = at + FamilyField.BODY;
  switch (octets[at + FamilyField.KIND]) {
    case FamilyKind.ADDRESSES: {
      const weightsAt = bodyAt + count * ANSWER_OCTETS[family];
      return {
        kind: "addresses",
        addresses: times(count, (index) => readAddress(octets, bodyAt, index, family)),
        ...((flags & FamilyFlag.WEIGHTED) !== 0 && {
          weights: times(count, (index) => readUint32(octets, weightsAt + index * WEIGHT_OCTETS)),
        }),
        ttlSeconds,
        ...((flags & FamilyFlag.COUNTS_DOWN) !== 0 && { expiresAtMs: momentMs }),
        isStale: (flags & FamilyFlag.STALE) !== 0,
      };
    }
    case FamilyKind.PENDING:
      return { kind: "pending", untilMs: momentMs };
    case FamilyKind.FAILED: {
      const error = EXTENDED_ERRORS.find((code) => code === ttlSeconds);
      if (error === undefined)
        throw new Error(`a packed record has the unknown Extended DNS Error ${ttlSeconds}`);
      const text = Buffer.from(octets.subarray(bodyAt, bodyAt + count)).toString();
      return { kind: "failed", error, text };
    }
    default:
      return { kind: "empty" };
  }
}

function readAddress(octets: Uint8Array, bodyAt: number, index: number, family: FamilyIndex): IpAddress {
  const end = bodyAt + (index + 1) * ANSWER_OCTETS[family];
  return ipAddressFromOctets(octets.subarray(end - (ANSWER_OCTETS[family] - RECORD_HEAD_OCTETS), end));
}

function times<Value>(count: number, make: (index: number) => Value): readonly Value[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
