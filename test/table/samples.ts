/** Records and deltas for the tests of the table: by hand and at random. */

import fc from "fast-check";
import type {
  AnswerSource,
  FamilyAnswer,
  HostChange,
  HostRecord,
  HostView,
} from "../../src/table/host-record.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { ExtendedError } from "../../src/wire/constants.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import {
  FAMILIES,
  type Family,
  type IpAddress,
  ipAddressFromOctets,
  parseIpAddress,
} from "../../src/wire/ip-address.ts";

export function hostName(text: string): HostName {
  const host = parseHostName(text);
  if (!isHostName(host)) throw new Error(`${text} ${host.fault}`);
  return host;
}

export function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

export function addresses(...texts: readonly string[]): FamilyAnswer {
  return { kind: "addresses", addresses: texts.map(ip), ttlSeconds: 30, isStale: false };
}

/** A family whose TTL counts down. */
export function resolved(expiresAtMs: number, ...texts: readonly string[]): FamilyAnswer {
  return { kind: "addresses", addresses: texts.map(ip), ttlSeconds: 30, expiresAtMs, isStale: false };
}

export function record(
  host: string,
  a: FamilyAnswer = addresses("192.0.2.1"),
  aaaa: FamilyAnswer = { kind: "empty" },
  fields: Partial<HostView> = {},
): HostRecord {
  const view: HostView = {
    visibleTo: "all",
    isPass: false,
    isAuthoritative: true,
    source: "static",
    forwardsDnssec: false,
    negativeTtlSeconds: 5,
    answers: { A: a, AAAA: aaaa },
    ...fields,
  };
  return { host: hostName(host), views: [view] };
}

export function set(...records: readonly HostRecord[]): readonly HostChange[] {
  return records.map((each) => ({ kind: "set", record: each }));
}

export function remove(...hosts: readonly string[]): readonly HostChange[] {
  return hosts.map((host) => ({ kind: "delete", host: hostName(host) }));
}

export function touch(host: string, family: Family, expiresAtMs: number): HostChange {
  return { kind: "touch", host: hostName(host), family, expiresAtMs };
}

export function delta(version: number, ...changes: readonly HostChange[]): Uint8Array {
  return packDelta({ version, changes });
}

const ttlSeconds = fc.integer({ min: 0, max: 3600 });
const momentMs = fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constantFrom(0, 5, 1234.5678));

function familyAnswer(addressOctets: 4 | 16): fc.Arbitrary<FamilyAnswer> {
  const address = fc
    .uint8Array({ minLength: addressOctets, maxLength: addressOctets })
    // A mapped address would come back as IPv4: no IpAddress of this family.
    .map((octets) => ipAddressFromOctets(addressOctets === 16 ? octets.with(0, 0x20) : octets));
  const some = fc.uniqueArray(address, { minLength: 1, maxLength: 40 });
  const withWeights = some.chain((list) =>
    fc.record(
      {
        kind: fc.constant("addresses" as const),
        addresses: fc.constant(list),
        weights: fc.array(fc.integer({ min: 1, max: 0xffffffff }), {
          minLength: list.length,
          maxLength: list.length,
        }),
        ttlSeconds,
        expiresAtMs: momentMs,
        isStale: fc.boolean(),
      },
      { requiredKeys: ["kind", "addresses", "ttlSeconds", "isStale"] },
    ),
  );
  return fc.oneof(
    { weight: 4, arbitrary: withWeights },
    fc.constant<FamilyAnswer>({ kind: "empty" }),
    fc.record({ kind: fc.constant("pending" as const), untilMs: momentMs }),
    fc.record({
      kind: fc.constant("failed" as const),
      error: fc.constantFrom(...Object.values(ExtendedError)),
      text: fc.string({ maxLength: 60, unit: "grapheme" }),
    }),
  );
}

const SOURCES: readonly AnswerSource[] = ["virtual", "static", "workload", "resolved"];

const hostView: fc.Arbitrary<HostView> = fc.record({
  visibleTo: fc.constant("all"),
  isPass: fc.boolean(),
  isAuthoritative: fc.boolean(),
  source: fc.constantFrom(...SOURCES),
  forwardsDnssec: fc.boolean(),
  negativeTtlSeconds: ttlSeconds,
  answers: fc.record({ A: familyAnswer(4), AAAA: familyAnswer(16) }),
});

export function hostRecord(
  host: fc.Arbitrary<HostName>,
  views = { minLength: 1, maxLength: 1 },
): fc.Arbitrary<HostRecord> {
  return fc.record({ host, views: fc.array(hostView, views) });
}

/** Names of few short labels of few letters: collisions of suffixes, wildcards and hosts are the rule. */
export const fewLabels: fc.Arbitrary<readonly string[]> = fc.array(
  fc.constantFrom("a", "b", "ab", "_a", "__proto__"),
  { minLength: 1, maxLength: 4 },
);

export const fewHosts: fc.Arbitrary<HostName> = fc
  .tuple(fc.boolean(), fewLabels)
  .map(([isWildcard, labels]) => hostName([...(isWildcard ? ["*"] : []), ...labels].join(".")));

export const hostChange: fc.Arbitrary<HostChange> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("set" as const), record: hostRecord(fewHosts) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), host: fewHosts }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("touch" as const),
      host: fewHosts,
      family: fc.constantFrom(...FAMILIES),
      expiresAtMs: momentMs,
    }),
  },
);
