/** What the table costs. Hosts are as a cluster has them: one IPv4 address each, one in fifty a wildcard. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemRandom } from "../../src/runtime.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import type { HostChange, HostRecord, HostVariant, HostView } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { familyTtlSeconds, variantFor, viewFor } from "../../src/table/packed-record.ts";
import { isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import type { Query } from "../../src/wire/query.ts";
import { makeQuery } from "../../test/support/make-query.ts";
import { nanoseconds } from "./nanoseconds.ts";

const HOSTS_PER_TURN = 100;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** By figure: its values at 10,000 and at 100,000 hosts. */
export function measureTable(): Map<string, readonly string[]> {
  const columns = [10_000, 100_000].map(measure);
  return new Map(Object.keys(columns[0]!).map((label) => [label, columns.map((column) => column[label]!)]));
}

function measure(hosts: number): Record<string, string> {
  const names = Array.from({ length: hosts }, (_, index) =>
    index % 50 === 0 ? `*.zone-${index}.example.com` : `host-${index}.zone-${index % 1000}.example.com`,
  );
  const all = packDelta({ version: 1, changes: names.map((name, index) => set(name, index)) });
  fill(all);
  // A worker has no such garbage: its collector would be measured along with the table.
  collectGarbage();
  const { table, turnsMs } = fill(all);

  const sample = Array.from({ length: 500 }, (_, index) => (index * 7919) % hosts);
  const hits = sample.map((index) => makeQuery(names[index]!.replace("*", "any")));
  const misses = sample.map((index) => makeQuery(`other-${index}.zone-${index % 1000}.example.org`));
  const one = sample.map((index) => packDelta({ version: 2, changes: [set(names[index]!, index + 1)] }));
  const many = packDelta({
    version: 2,
    changes: sample.slice(0, HOSTS_PER_TURN).map((i) => set(names[i]!, i + 1)),
  });
  return {
    "find, hit (ns)": nanoseconds(hits, (query) => table.find(query) !== NOT_FOUND).toFixed(0),
    "find, hit, and its TTL (ns)": nanoseconds(hits, (query) => ttlOf(table, query) === 30).toFixed(0),
    "find, miss (ns)": nanoseconds(misses, (query) => table.find(query) === NOT_FOUND).toFixed(0),
    "apply of one changed host (ns)": nanoseconds(one, (delta) => table.apply(delta, 0, 1) === -1).toFixed(0),
    [`apply of ${HOSTS_PER_TURN} changed hosts (us)`]: (
      nanoseconds([many], (delta) => table.apply(delta, 0, HOSTS_PER_TURN) === -1) / 1000
    ).toFixed(0),
    "first fill, all turns (ms)": turnsMs.reduce((sum, ms) => sum + ms, 0).toFixed(1),
    "first fill, longest turn of 100 (ms)": Math.max(...turnsMs).toFixed(2),
    "memory, reserves included (octets per host)": (table.memoryOctets / hosts).toFixed(0),
    "packed delta (octets per host)": (all.length / hosts).toFixed(0),
  };
}

function fill(delta: Uint8Array): { table: FlatTable; turnsMs: number[] } {
  const table = new FlatTable(systemRandom);
  const turnsMs: number[] = [];
  for (let from = 0; from !== -1; ) {
    const start = performance.now();
    from = table.apply(delta, from, HOSTS_PER_TURN);
    turnsMs.push(performance.now() - start);
  }
  return { table, turnsMs };
}

function ttlOf(table: FlatTable, query: Query): number {
  const { octets } = table;
  const variant = variantFor(octets, viewFor(octets, table.find(query), null), 0);
  return familyTtlSeconds(octets, variant, 0, 0);
}

function set(name: string, index: number): HostChange {
  const host = parseHostName(name);
  const address = parseIpAddress(`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`);
  if (!isHostName(host) || address === null) throw new Error(`bad sample ${name}`);
  const variant: HostVariant = {
    isPass: false,
    isAuthoritative: true,
    source: "static",
    forwardsDnssec: false,
    negativeTtlSeconds: 5,
    answers: {
      A: { kind: "addresses", addresses: [address], ttlSeconds: 30, isStale: false },
      AAAA: { kind: "empty" },
    },
  };
  const record: HostRecord = {
    host,
    isDelegated: true,
    isFallback: false,
    views: [{ visibleTo: "all", variants: [variant], choices: CHOICES, ports: [] }],
  };
  return { kind: "set", record };
}

/** Every class of clients gets the same. */
const CHOICES: HostView["choices"] = {
  unknown: 0,
  outside: 0,
  sidecar: 0,
  redirectedIpv4: 0,
  redirectedIpv6: 0,
  redirectedDual: 0,
};
