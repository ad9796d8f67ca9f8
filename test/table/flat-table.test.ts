import { expect } from "chai";
import fc from "fast-check";
import { type Random, systemRandom } from "../../src/runtime.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { unpackRecord } from "../../src/table/packed-record.ts";
import { makeQuery } from "../support/make-query.ts";
import { addresses, delta, hostName, record, remove, set } from "./samples.ts";

/** All hashes are equal: every host and every wildcard stands in one run of slots. */
const noRandom: Random = { fraction: () => 0, uint16: () => 0 };

function names(count: number, prefix = "host"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}.example.com`);
}

describe("FlatTable's memory", () => {
  it("does not grow while the same hosts come and go 10,000 times", () => {
    const table = new FlatTable(systemRandom);
    const hosts = names(20);
    const sizes = [1, 3, 12, 60].map((count) =>
      addresses(...Array.from({ length: count }, (_, index) => `192.0.2.${index}`)),
    );
    const setOf = sizes.map((family) => hosts.map((host) => delta(1, ...set(record(host, family)))));
    const deletes = hosts.map((host) => delta(1, ...remove(host)));
    let before = 0;
    for (let cycle = 0; cycle < 10_000; cycle += 1) {
      const host = cycle % hosts.length;
      table.apply(setOf[(cycle * 7) % sizes.length]![host]!, 0, 1);
      table.apply(setOf[(cycle >> 3) % sizes.length]![host]!, 0, 1);
      if (cycle % 3 !== 0) table.apply(deletes[host]!, 0, 1);
      // By then each host has had each size.
      if (cycle === 1000) before = table.memoryOctets;
    }
    expect(table.memoryOctets).to.equal(before);
    expect(before).to.be.below(128 * 1024);
  });

  it("takes at most 180 octets per host with one address, and as much again in reserve", () => {
    const table = new FlatTable(systemRandom);
    table.apply(delta(1, ...set(...names(5000).map((name) => record(name)))), 0, 1e6);
    expect(table.memoryOctets / table.size).to.be.below(2 * 180);
  });
});

describe("FlatTable's slots", () => {
  it("finds and deletes hosts whose hashes are all equal", () => {
    const table = new FlatTable(noRandom);
    const hosts = [...names(150), ...names(50).map((name) => `*.${name}`)];
    table.apply(delta(1, ...set(...hosts.map((name) => record(name)))), 0, 1e6);
    table.apply(delta(2, ...remove(...hosts.filter((_, index) => index % 2 === 0))), 0, 1e6);
    for (const [index, host] of hosts.entries()) {
      const found = table.findHost(hostName(host));
      expect(found !== NOT_FOUND, host).to.equal(index % 2 === 1);
      if (found !== NOT_FOUND) expect(unpackRecord(table.octets, found).host).to.equal(host);
    }
    expect(table.find(makeQuery("x.host-1.example.com"))).to.equal(
      table.findHost(hostName("*.host-1.example.com")),
    );
  });

  it("keeps every host reachable over any order of insertions and deletions", () => {
    const all = names(120);
    const order = fc.array(fc.integer({ min: 0, max: all.length - 1 }), { minLength: 100, maxLength: 400 });
    // The same secret for every octet: hashes differ by the name's length alone, so runs are long, and they
    // lie anywhere, across the end of the arrays too.
    const dice = fc.oneof(
      fc.constant(systemRandom),
      fc.nat(0xffff).map((secret): Random => ({ fraction: () => 0, uint16: () => secret })),
    );
    fc.assert(
      fc.property(order, dice, (indexes, random) => {
        const table = new FlatTable(random);
        const present = new Set<string>();
        for (const index of indexes) {
          const host = all[index]!;
          table.apply(delta(1, ...(present.has(host) ? remove(host) : set(record(host)))), 0, 1);
          if (!present.delete(host)) present.add(host);
        }
        expect(table.size).to.equal(present.size);
        for (const host of all) {
          const found = table.findHost(hostName(host));
          expect(found === NOT_FOUND ? null : unpackRecord(table.octets, found).host).to.equal(
            present.has(host) ? host : null,
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});
