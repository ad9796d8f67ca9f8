/** Records and deltas for the tests of the table: by hand and at random. */

import fc from "fast-check";
import {
  type AnswerSource,
  CLIENT_CLASSES,
  type ClientClass,
  type FamilyAnswer,
  type HostChange,
  type HostPort,
  type HostRecord,
  type HostVariant,
  type HostView,
  type Locality,
  type TrafficDistribution,
} from "../../src/table/host-record.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { variantFor, viewFor } from "../../src/table/packed-record.ts";
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

/** One view for all, in which every class gets the same variant. */
export function record(
  host: string,
  a: FamilyAnswer = addresses("192.0.2.1"),
  aaaa: FamilyAnswer = { kind: "empty" },
  fields: Partial<HostVariant> = {},
  viewFields: Partial<HostView> = {},
): HostRecord {
  const variants = [variant(a, aaaa, fields)];
  return hostOf(host, { visibleTo: "all", variants, choices: forEveryClass(0), ports: [], ...viewFields });
}

export function hostOf(host: string, ...views: readonly HostView[]): HostRecord {
  return { host: hostName(host), isDelegated: false, isFallback: false, views };
}

export function variant(
  a: FamilyAnswer = addresses("192.0.2.1"),
  aaaa: FamilyAnswer = { kind: "empty" },
  fields: Partial<HostVariant> = {},
): HostVariant {
  return {
    isPass: false,
    isAuthoritative: true,
    source: "static",
    forwardsDnssec: false,
    negativeTtlSeconds: 5,
    answers: { A: a, AAAA: aaaa },
    ...fields,
  };
}

export function forEveryClass(choice: number | null): Record<ClientClass, number | null> {
  return Object.fromEntries(CLIENT_CLASSES.map((name) => [name, choice])) as Record<
    ClientClass,
    number | null
  >;
}

/** A view of the namespaces with one address. */
export function viewOf(visibleTo: readonly string[] | "all", address: string): HostView {
  return {
    visibleTo: visibleTo === "all" ? "all" : new Set(visibleTo),
    variants: [variant(addresses(address))],
    choices: forEveryClass(0),
    ports: [],
  };
}

/** Where what an unknown client gets lies in the octets of a record. */
export function variantAt(octets: Uint8Array, at = 0): number {
  return variantFor(octets, viewFor(octets, at, null), 0);
}

export const NOWHERE: Locality = { network: "", region: "", zone: "", subzone: "", node: "" };

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

const place = fc.constantFrom("", "", "a", "b", "eu-west-1", "é", "*", "x".repeat(255));
const locality: fc.Arbitrary<Locality> = fc.record({
  network: place,
  region: place,
  zone: place,
  subzone: place,
  node: place,
});

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
        localities: fc.array(locality, { minLength: list.length, maxLength: list.length }),
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

const DISTRIBUTIONS: readonly TrafficDistribution[] = [
  "PreferNetwork",
  "PreferSameZone",
  "PreferClose",
  "PreferSameNode",
];

const hostVariant: fc.Arbitrary<HostVariant> = fc.record(
  {
    isPass: fc.boolean(),
    isAuthoritative: fc.boolean(),
    source: fc.constantFrom(...SOURCES),
    forwardsDnssec: fc.boolean(),
    negativeTtlSeconds: ttlSeconds,
    answers: fc.record({ A: familyAnswer(4), AAAA: familyAnswer(16) }),
    distribution: fc.constantFrom(...DISTRIBUTIONS),
  },
  {
    requiredKeys: ["isPass", "isAuthoritative", "source", "forwardsDnssec", "negativeTtlSeconds", "answers"],
  },
);

const uint16 = fc.integer({ min: 0, max: 0xffff });
const someHost = fc.constantFrom("a.example", "b.c.example", "x").map(hostName);
const hostPort: fc.Arbitrary<HostPort> = fc.record({
  name: fc.constantFrom("http", "h", "grpc-web", "x".repeat(62)),
  transport: fc.constantFrom("tcp", "udp"),
  targets: fc.array(fc.record({ port: uint16, target: fc.option(someHost, { nil: null }), weight: uint16 }), {
    minLength: 1,
    maxLength: 4,
  }),
});

function hostView(visibleTo: HostView["visibleTo"]): fc.Arbitrary<HostView> {
  return fc.array(hostVariant, { minLength: 1, maxLength: 6 }).chain((variants) => {
    const choice = fc.option(fc.nat(variants.length - 1), { nil: null });
    return fc.record(
      {
        visibleTo: fc.constant(visibleTo),
        variants: fc.constant(variants),
        choices: fc.record({
          unknown: choice,
          outside: choice,
          sidecar: choice,
          redirectedIpv4: choice,
          redirectedIpv6: choice,
          redirectedDual: choice,
        }),
        ports: fc.array(hostPort, { maxLength: 3 }),
        pointer: someHost,
        why: fc.string({ maxLength: 200, unit: "grapheme" }),
      },
      { requiredKeys: ["visibleTo", "variants", "choices", "ports"] },
    );
  });
}

/** Of different lengths, one the beginning of another. */
export const NAMESPACES = ["a", "b", "ab", "aa", "team", "team-1", "team-2", "z".repeat(63)] as const;

/** Who sees which view: each namespace in one at most, `all` in the last if in any. */
const audiences: fc.Arbitrary<readonly HostView["visibleTo"][]> = fc
  .tuple(fc.array(fc.nat(3), { minLength: NAMESPACES.length, maxLength: NAMESPACES.length }), fc.boolean())
  .map(([places, isForAll]) => {
    const sets = [1, 2, 3]
      .map((place) => new Set<string>(NAMESPACES.filter((_, index) => places[index] === place)))
      .filter((names) => names.size > 0);
    return isForAll || sets.length === 0 ? [...sets, "all"] : sets;
  });

/** Half of them with one view for all, as most hosts are. */
export function hostRecord(host: fc.Arbitrary<HostName>): fc.Arbitrary<HostRecord> {
  const views = fc
    .oneof(fc.constant(["all" as const]), audiences)
    .chain((each) => fc.tuple(...each.map(hostView)));
  return fc.record({ host, isDelegated: fc.boolean(), isFallback: fc.boolean(), views });
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
