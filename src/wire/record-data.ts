/** Records as values, for tools and tests: RDATA of the types that we name, and of all others raw. */

import { assertNever } from "../runtime.ts";
import { readUint16, readUint32 } from "./append.ts";
import { RecordClass, RecordType } from "./constants.ts";
import { familyOf, type IpAddress, ipAddressFromOctets, ipAddressOctets } from "./ip-address.ts";
import type { MessageWriter } from "./message-writer.ts";
import { nameToText } from "./name.ts";
import { expandName, skipName } from "./skip-name.ts";

export interface ResourceRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** As on the wire, 0 to 2^32 - 1. */
  readonly ttlSeconds: number;
  readonly data: RecordData;
}

/** Names are presentation text (`name.ts`); character strings have one character, U+0000 to U+00FF, per octet. */
export type RecordData =
  | { readonly kind: "A"; readonly address: IpAddress }
  | { readonly kind: "AAAA"; readonly address: IpAddress }
  /** CNAME, PTR, NS. */
  | { readonly kind: "name"; readonly name: string }
  | {
      readonly kind: "SOA";
      readonly mname: string;
      readonly rname: string;
      readonly serial: number;
      readonly refreshSeconds: number;
      readonly retrySeconds: number;
      readonly expireSeconds: number;
      readonly minimumSeconds: number;
    }
  | {
      readonly kind: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly kind: "MX"; readonly preference: number; readonly exchange: string }
  | { readonly kind: "HINFO"; readonly cpu: string; readonly os: string }
  | { readonly kind: "TXT"; readonly strings: readonly string[] }
  /** Any type; of the types above, RDATA that is not well-formed too (RFC 3597). */
  | { readonly kind: "raw"; readonly octets: Uint8Array };

/** Writes the RDATA; throws a RangeError for data that is not of the type and class or does not fit its fields. */
export function writeRecordData(
  writer: MessageWriter,
  type: number,
  recordClass: number,
  data: RecordData,
): void {
  if (data.kind !== "raw" && data.kind !== kindOf(type, recordClass)) {
    throw new RangeError(`data of kind ${data.kind} in a record of type ${type}, class ${recordClass}`);
  }
  switch (data.kind) {
    case "A":
    case "AAAA":
      if (familyOf(data.address) !== data.kind) throw new RangeError(`${data.address} in ${data.kind} data`);
      writer.octets(ipAddressOctets(data.address));
      break;
    case "name":
      writer.name(data.name, true);
      break;
    case "SOA":
      writer.name(data.mname, true);
      writer.name(data.rname, true);
      writer.uint32(data.serial);
      writer.uint32(data.refreshSeconds);
      writer.uint32(data.retrySeconds);
      writer.uint32(data.expireSeconds);
      writer.uint32(data.minimumSeconds);
      break;
    case "SRV":
      writer.uint16(data.priority);
      writer.uint16(data.weight);
      writer.uint16(data.port);
      // RFC 3597 4: names in types later than RFC 1035 are not compressed.
      writer.name(data.target, false);
      break;
    case "MX":
      writer.uint16(data.preference);
      writer.name(data.exchange, true);
      break;
    case "HINFO":
      writer.characterString(data.cpu);
      writer.characterString(data.os);
      break;
    case "TXT":
      for (const string of data.strings) writer.characterString(string);
      break;
    case "raw":
      writer.octets(data.octets);
      break;
    default:
      assertNever(data);
  }
}

/** The RDATA between `at` and `end`, which lie in the message. */
export function readRecordData(
  message: Uint8Array,
  at: number,
  end: number,
  type: number,
  recordClass: number,
): RecordData {
  return (
    readKnown(message, at, end, kindOf(type, recordClass)) ?? {
      kind: "raw",
      octets: new Uint8Array(message.subarray(at, end)),
    }
  );
}

type Kind = RecordData["kind"];

/** A, AAAA and SRV have this shape in class IN alone; the others are the same in all classes (RFC 1035 3.3). */
function kindOf(type: number, recordClass: number): Kind {
  switch (type) {
    case RecordType.A:
      return recordClass === RecordClass.IN ? "A" : "raw";
    case RecordType.AAAA:
      return recordClass === RecordClass.IN ? "AAAA" : "raw";
    case RecordType.SRV:
      return recordClass === RecordClass.IN ? "SRV" : "raw";
    case RecordType.NS:
    case RecordType.CNAME:
    case RecordType.PTR:
      return "name";
    case RecordType.SOA:
      return "SOA";
    case RecordType.MX:
      return "MX";
    case RecordType.HINFO:
      return "HINFO";
    case RecordType.TXT:
      return "TXT";
    default:
      return "raw";
  }
}

/** Null if the RDATA is not well-formed for the kind. */
function readKnown(message: Uint8Array, at: number, end: number, kind: Kind): RecordData | null {
  switch (kind) {
    case "A":
    case "AAAA": {
      if (end - at !== (kind === "A" ? 4 : 16)) return null;
      const address = ipAddressFromOctets(message.subarray(at, end));
      // An IPv4-mapped address in AAAA would be written as A.
      return familyOf(address) === kind ? { kind, address } : null;
    }
    case "name":
      return isLastName(message, at, end) ? { kind, name: textAt(message, at) } : null;
    case "SOA":
      return readSoa(message, at, end);
    case "SRV":
      if (!isLastName(message, at + 6, end)) return null;
      return {
        kind,
        priority: readUint16(message, at),
        weight: readUint16(message, at + 2),
        port: readUint16(message, at + 4),
        target: textAt(message, at + 6),
      };
    case "MX":
      if (!isLastName(message, at + 2, end)) return null;
      return { kind, preference: readUint16(message, at), exchange: textAt(message, at + 2) };
    case "HINFO": {
      const strings = readCharacterStrings(message, at, end);
      return strings?.length === 2 ? { kind, cpu: strings[0]!, os: strings[1]! } : null;
    }
    case "TXT": {
      const strings = readCharacterStrings(message, at, end);
      return strings === null ? null : { kind, strings };
    }
    case "raw":
      return null;
    default:
      return assertNever(kind);
  }
}

function readSoa(message: Uint8Array, at: number, end: number): RecordData | null {
  const rname = skipName(message, at, end);
  if (rname === -1) return null;
  const numbers = skipName(message, rname, end);
  if (numbers === -1 || numbers + 20 !== end) return null;
  return {
    kind: "SOA",
    mname: textAt(message, at),
    rname: textAt(message, rname),
    serial: readUint32(message, numbers),
    refreshSeconds: readUint32(message, numbers + 4),
    retrySeconds: readUint32(message, numbers + 8),
    expireSeconds: readUint32(message, numbers + 12),
    minimumSeconds: readUint32(message, numbers + 16),
  };
}

function isLastName(message: Uint8Array, at: number, end: number): boolean {
  return skipName(message, at, end) === end;
}

function textAt(message: Uint8Array, at: number): string {
  return nameToText(expandName(message, at));
}

function readCharacterStrings(message: Uint8Array, at: number, end: number): string[] | null {
  const strings: string[] = [];
  while (at < end) {
    const next = at + 1 + message[at]!;
    if (next > end) return null;
    strings.push(String.fromCharCode(...message.subarray(at + 1, next)));
    at = next;
  }
  return strings;
}
