/** Messages for property tests: every kind of record, names that share their ends. */

import fc from "fast-check";
import { ipAddressFromOctets } from "../../src/wire/ip-address.ts";
import type { Edns, Message, Question, RecordData, ResourceRecord } from "../../src/wire/message.ts";
import { nameToText } from "../../src/wire/name.ts";
import { octets } from "./octets.ts";

export const uint8 = fc.nat({ max: 0xff });
export const uint16s = fc.nat({ max: 0xffff });
export const uint32s = fc.integer({ min: 0, max: 0xffff_ffff });

const octetLabel = fc.uint8Array({ minLength: 1, maxLength: 20 });
const commonLabel = fc.constantFrom("www", "WWW", "example", "com", "a", "b").map((text) => octets(text));

/** Presentation text of any name, most of them of a few labels over and over. */
export const anyNames = fc
  .array(fc.oneof({ weight: 4, arbitrary: commonLabel }, { weight: 1, arbitrary: octetLabel }), {
    maxLength: 6,
  })
  .map((labels) => nameToText(octets(...labels.flatMap((label) => [label.length, label]), 0)));

/** Names that every codec takes alike: one letter case, no octets to escape, never the root. */
export const plainNames = fc
  .array(fc.constantFrom("www", "_tcp", "example", "com", "x1", "y-2"), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join("."));

const anyStrings = fc.uint8Array({ maxLength: 255 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipAddressFromOctets);
const ipv6 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map(ipAddressFromOctets)
  .filter((address) => address.includes(":"));

type TypeAndData = readonly [type: number, recordClass: number, data: RecordData];

/** Type, class and data of every kind, with the given names and character strings. */
export function recordKinds(
  names: fc.Arbitrary<string>,
  strings: fc.Arbitrary<string>,
): fc.Arbitrary<TypeAndData> {
  const of = (type: number, data: fc.Arbitrary<RecordData>) =>
    data.map((value): TypeAndData => [type, 1, value]);
  const name = fc.record({ kind: fc.constant("name" as const), name: names });
  return fc.oneof(
    of(1, fc.record({ kind: fc.constant("A" as const), address: ipv4 })),
    of(28, fc.record({ kind: fc.constant("AAAA" as const), address: ipv6 })),
    of(5, name),
    of(2, name),
    of(12, name),
    of(
      6,
      fc.record({
        kind: fc.constant("SOA" as const),
        mname: names,
        rname: names,
        serial: uint32s,
        refreshSeconds: uint32s,
        retrySeconds: uint32s,
        expireSeconds: uint32s,
        minimumSeconds: fc.nat(),
      }),
    ),
    of(
      33,
      fc.record({
        kind: fc.constant("SRV" as const),
        priority: uint16s,
        weight: uint16s,
        port: uint16s,
        target: names,
      }),
    ),
    of(15, fc.record({ kind: fc.constant("MX" as const), preference: uint16s, exchange: names })),
    of(
      16,
      fc.record({
        kind: fc.constant("TXT" as const),
        strings: fc.array(strings, { minLength: 1, maxLength: 3 }),
      }),
    ),
  );
}

const hinfo = fc
  .record({ kind: fc.constant("HINFO" as const), cpu: anyStrings, os: anyStrings })
  .map((data): TypeAndData => [13, 1, data]);
const rawData = fc.record({ kind: fc.constant("raw" as const), octets: fc.uint8Array({ maxLength: 40 }) });
const unknown = fc
  .tuple(fc.integer({ min: 256, max: 65535 }), uint16s, rawData)
  .map(([type, recordClass, data]): TypeAndData => [type, recordClass, data]);
/** A, AAAA and SRV of another class than IN are raw. */
const otherClass = fc
  .tuple(fc.constantFrom(1, 28, 33), fc.integer({ min: 2, max: 65535 }), rawData)
  .map(([type, recordClass, data]): TypeAndData => [type, recordClass, data]);
/** RDATA too short to be of its type. */
const malformed = fc.constantFrom<TypeAndData>(
  [1, 1, { kind: "raw", octets: octets(1, 2, 3) }],
  [28, 1, { kind: "raw", octets: octets(new Uint8Array(10), 255, 255, 1, 2, 3, 4) }],
  [5, 1, { kind: "raw", octets: octets() }],
  [6, 1, { kind: "raw", octets: octets(0, 0, 1, 2, 3) }],
  [33, 1, { kind: "raw", octets: octets(0, 1, 0, 1, 0) }],
  [15, 1, { kind: "raw", octets: octets(0) }],
  [13, 1, { kind: "raw", octets: octets(1, "x") }],
  [16, 1, { kind: "raw", octets: octets(2, "x") }],
);

export function records(
  names: fc.Arbitrary<string>,
  kinds: fc.Arbitrary<TypeAndData>,
  ttls: fc.Arbitrary<number>,
): fc.Arbitrary<ResourceRecord> {
  return fc.tuple(names, kinds, ttls).map(([name, [type, recordClass, data], ttlSeconds]) => {
    return { name, type, class: recordClass, ttlSeconds, data };
  });
}

export function questions(names: fc.Arbitrary<string>): fc.Arbitrary<Question> {
  return fc.record({ name: names, type: uint16s, class: uint16s });
}

const anyEdns: fc.Arbitrary<Edns> = fc.record({
  size: uint16s,
  version: uint8,
  dnssecOk: fc.boolean(),
  extendedRcode: uint8,
  options: fc.array(fc.record({ code: uint16s, data: fc.uint8Array({ maxLength: 20 }) }), { maxLength: 3 }),
});

const anyRecords = fc.array(
  records(
    anyNames,
    fc.oneof(recordKinds(anyNames, anyStrings), hinfo, unknown, otherClass, malformed),
    uint32s,
  ),
  { maxLength: 5 },
);

export const anyMessages: fc.Arbitrary<Message> = fc
  .tuple(
    fc.record({
      id: uint16s,
      flags: uint16s,
      questions: fc.array(questions(anyNames), { maxLength: 2 }),
      answers: anyRecords,
      authorities: anyRecords,
      additionals: anyRecords,
    }),
    fc.option(anyEdns),
  )
  .map(([message, edns]) => (edns === null ? message : { ...message, edns }));
