/** What every `HostTable` must do. Each body runs them in `host-table.test.ts`. */

import { expect } from "chai";
import { type HostTable, NOT_FOUND, type OnHostChange } from "../../src/table/host-table.ts";
import { nameLabelCount, unpackRecord } from "../../src/table/packed-record.ts";
import type { Query } from "../../src/wire/query.ts";
import { makeQuery, makeRawQuery } from "../support/make-query.ts";
import {
  addresses,
  delta,
  hostName,
  hostOf,
  record,
  remove,
  resolved,
  set,
  touch,
  variant,
  viewOf,
} from "./samples.ts";

export function hostTableCases(makeTable: () => HostTable): void {
  let table: HostTable;
  beforeEach(() => {
    table = makeTable();
  });

  /** The host that answers. */
  const answering = (query: Query | string): string | null => {
    const found = table.find(typeof query === "string" ? makeQuery(query) : query);
    return found === NOT_FOUND ? null : unpackRecord(table.octets, found).host;
  };
  const hosts = (...names: readonly string[]) => {
    expect(
      table.apply(delta(table.version + 1, ...set(...names.map((name) => record(name)))), 0, 1e6),
    ).to.equal(-1);
  };

  describe("find", () => {
    it("is empty at first", () => {
      expect(answering("example.com")).to.equal(null);
      expect([table.version, table.size]).to.deep.equal([0, 0]);
    });

    it("finds a host by its whole name", () => {
      hosts("shop.example.com", "www.shop.example.com", "example.org");
      expect(answering("shop.example.com")).to.equal("shop.example.com");
      expect(answering("www.shop.example.com")).to.equal("www.shop.example.com");
      for (const other of [
        "example.com",
        "a.shop.example.com",
        "hop.example.com",
        "shop.example.co",
        "com",
        ".",
      ]) {
        expect(answering(other), other).to.equal(null);
      }
    });

    it("takes a name as it is: lower-casing is the reader's part", () => {
      hosts("shop.example.com");
      expect(answering("SHOP.Example.Com")).to.equal("shop.example.com");
    });

    it("matches a wildcard at any depth, but not at its apex", () => {
      hosts("*.example.com");
      expect(answering("a.example.com")).to.equal("*.example.com");
      expect(answering("a.b.c.d.example.com")).to.equal("*.example.com");
      expect(answering("example.com")).to.equal(null);
      expect(answering("anexample.com")).to.equal(null);
      expect(answering("com")).to.equal(null);
    });

    it("takes the most specific wildcard", () => {
      hosts("*.example.com", "*.b.example.com", "*.d.c.b.example.com");
      expect(answering("x.example.com")).to.equal("*.example.com");
      expect(answering("b.example.com")).to.equal("*.example.com");
      expect(answering("x.b.example.com")).to.equal("*.b.example.com");
      expect(answering("d.c.b.example.com")).to.equal("*.b.example.com");
      expect(answering("x.d.c.b.example.com")).to.equal("*.d.c.b.example.com");
    });

    it("lets an exact host go before any wildcard, and only for its own name", () => {
      hosts("*.example.com", "a.example.com");
      expect(answering("a.example.com")).to.equal("a.example.com");
      expect(answering("x.a.example.com")).to.equal("*.example.com");
    });

    it("keeps a wildcard and the host it stands above apart", () => {
      hosts("*.example.com", "example.com");
      expect(table.size).to.equal(2);
      expect(answering("example.com")).to.equal("example.com");
      expect(answering("a.example.com")).to.equal("*.example.com");
      table.apply(delta(2, ...remove("example.com")), 0, 9);
      expect(answering("example.com")).to.equal(null);
      expect(answering("a.example.com")).to.equal("*.example.com");
    });

    it("matches no wildcard with a label that begins with _, wherever it stands", () => {
      hosts("*.example.com", "_acme-challenge.www.example.com");
      expect(answering("_acme-challenge.example.com")).to.equal(null);
      expect(answering("a._tcp.example.com")).to.equal(null);
      expect(answering("a.b_c.example.com")).to.equal("*.example.com");
      expect(answering("_acme-challenge.www.example.com")).to.equal("_acme-challenge.www.example.com");
    });

    it("does not take a dot within a label for one between two", () => {
      hosts("a.example.com", "*.b.example.com");
      expect(answering(makeRawQuery(["a.example", "com"]))).to.equal(null);
      expect(answering(makeRawQuery(["a.example.com"]))).to.equal(null);
      expect(answering(makeRawQuery(["x", "b.example", "com"]))).to.equal(null);
      expect(answering(makeRawQuery(["x.y", "b", "example", "com"]))).to.equal("*.b.example.com");
    });

    it("does not take octets within a label for the end of a name or of another label", () => {
      hosts("b.example.com", "*.example.com", "com");
      expect(answering(makeRawQuery(["b\x07example\x03com\x00"]))).to.equal(null);
      expect(answering(makeRawQuery(["x", "a\x03com"]))).to.equal(null);
      expect(answering(makeRawQuery(["x\x07example", "com"]))).to.equal(null);
      expect(answering(makeRawQuery(["\x00", "\xff\x00", "example", "com"]))).to.equal("*.example.com");
    });

    it("takes a * that was asked for as any other label", () => {
      hosts("*.example.com", "example.org");
      expect(answering("*.example.com")).to.equal("*.example.com");
      expect(answering("*.*.example.com")).to.equal("*.example.com");
      expect(answering("*.example.org")).to.equal(null);
      table.apply(delta(2, ...set(record("a.example.com")), ...remove("*.example.com")), 0, 9);
      expect(answering("*.example.com")).to.equal(null);
    });

    it("knows no special words", () => {
      const words = ["__proto__", "constructor", "hasownproperty", "tostring", "constructor.prototype"];
      expect(words.map(answering)).to.deep.equal(words.map(() => null));
      hosts(...words);
      expect(words.map(answering)).to.deep.equal(words);
    });

    it("has nothing for the root", () => {
      hosts("com", "*.com");
      expect(answering(".")).to.equal(null);
    });

    it("handles names of 127 labels", () => {
      const labels = Array.from({ length: 127 }, () => "a");
      const most = labels.join(".");
      hosts(most, "*.a.a", `*.${labels.slice(2).join(".")}`);
      expect(answering(most)).to.equal(most);
      expect(answering(`b.${labels.slice(1).join(".")}`)).to.equal(`*.${labels.slice(2).join(".")}`);
      expect(answering(`${labels.slice(1, -2).join(".")}.b.a.a`)).to.equal("*.a.a");
      expect(answering(`${labels.slice(1, -2).join(".")}.b.b.a`)).to.equal(null);
    });

    it("handles names of 255 octets", () => {
      const label = (letter: string, length = 63) => letter.repeat(length);
      const longest = [label("a"), label("b"), label("c"), label("d", 61)].join(".");
      hosts(longest, `*.${label("d", 61)}`);
      expect(answering(longest)).to.equal(longest);
      expect(answering([label("e"), label("b"), label("c"), label("d", 61)].join("."))).to.equal(
        `*.${label("d", 61)}`,
      );
    });
  });

  describe("findWildcard", () => {
    const from = (name: string, label: number): string | null => {
      const found = table.findWildcard(makeQuery(name), label);
      return found === NOT_FOUND ? null : unpackRecord(table.octets, found).host;
    };

    it("goes on from a label, past exact hosts", () => {
      hosts("*.example.com", "*.b.example.com", "a.b.example.com", "*.a.b.example.com", "example.com");
      expect([1, 2, 3, 4, 9].map((label) => from("a.b.example.com", label))).to.deep.equal([
        "*.b.example.com",
        "*.example.com",
        null,
        null,
        null,
      ]);
      expect([1, 2, 3, 4].map((label) => from("x.a.b.example.com", label))).to.deep.equal([
        "*.a.b.example.com",
        "*.b.example.com",
        "*.example.com",
        null,
      ]);
    });

    it("walks over every wildcard of a name, the most specific first", () => {
      const wildcards = ["*.e", "*.d.e", "*.b.c.d.e"];
      hosts(...wildcards, "a.b.c.d.e", "*.a.b.c.d.e", "*.x.e");
      const query = makeQuery("a.b.c.d.e");
      const seen: string[] = [];
      let found = table.findWildcard(query, 1);
      while (found !== NOT_FOUND) {
        seen.push(unpackRecord(table.octets, found).host);
        found = table.findWildcard(query, query.labelCount - nameLabelCount(table.octets, found) + 1);
      }
      expect(seen).to.deep.equal(wildcards.toReversed());
    });

    it("finds none for a name with a label that begins with _, nor for the root", () => {
      hosts("*.example.com");
      expect(from("_a.example.com", 1)).to.equal(null);
      expect(from(".", 1)).to.equal(null);
    });

    it("does not depend on what was looked up before", () => {
      hosts("*.example.com", "*.b.example.org");
      answering("a.b.c.example.com");
      expect(from("x.b.example.org", 1)).to.equal("*.b.example.org");
      expect(from("x.y.b.example.org", 2)).to.equal("*.b.example.org");
    });
  });

  describe("findHost", () => {
    it("finds the host of that name and no other", () => {
      hosts("*.example.com", "a.example.com");
      const found = (name: string) => table.findHost(hostName(name));
      expect(unpackRecord(table.octets, found("*.example.com")).host).to.equal("*.example.com");
      expect(unpackRecord(table.octets, found("a.example.com")).host).to.equal("a.example.com");
      for (const other of ["example.com", "b.example.com", "*.a.example.com"]) {
        expect(found(other), other).to.equal(NOT_FOUND);
      }
    });
  });

  describe("apply", () => {
    it("replaces a record, whether it grows or shrinks", () => {
      hosts("before.example.com", "host.example.com", "after.example.com");
      for (const count of [2, 200, 1, 7, 256, 40, 41, 0, 3]) {
        const texts = Array.from({ length: count }, (_, index) => `192.0.2.${index}`);
        const next = record("host.example.com", count === 0 ? { kind: "empty" } : addresses(...texts));
        table.apply(delta(table.version + 1, ...set(next)), 0, 1);
        expect(unpackRecord(table.octets, table.find(makeQuery("host.example.com")))).to.deep.equal(next);
        expect(answering("before.example.com")).to.equal("before.example.com");
        expect(answering("after.example.com")).to.equal("after.example.com");
      }
      expect(table.size).to.equal(3);
    });

    it("deletes a host and leaves every other", () => {
      hosts("a.example.com", "b.example.com", "*.example.com", "*.b.example.com");
      table.apply(delta(2, ...remove("a.example.com", "*.b.example.com", "never.example.com")), 0, 9);
      expect(table.size).to.equal(2);
      expect(answering("a.example.com")).to.equal("*.example.com");
      expect(answering("x.b.example.com")).to.equal("*.example.com");
      table.apply(delta(3, ...remove("*.example.com")), 0, 9);
      expect(answering("a.example.com")).to.equal(null);
      expect(answering("b.example.com")).to.equal("b.example.com");
    });

    it("moves the moment of expiry of one family, and nothing else", () => {
      const before = record(
        "host.example.com",
        resolved(5000, "192.0.2.1", "192.0.2.2"),
        resolved(6000, "2001:db8::1"),
      );
      table.apply(delta(1, ...set(before)), 0, 1);
      table.apply(delta(2, touch("host.example.com", "AAAA", 9000.25)), 0, 1);
      const after = record(
        "host.example.com",
        resolved(5000, "192.0.2.1", "192.0.2.2"),
        resolved(9000.25, "2001:db8::1"),
      );
      expect(unpackRecord(table.octets, table.find(makeQuery("host.example.com")))).to.deep.equal(after);
    });

    it("keeps views and variants, and touches every one of them", () => {
      const before = hostOf(
        "host.example.com",
        { ...viewOf(["team"], "192.0.2.9"), variants: [variant(), variant(resolved(1, "192.0.2.3"))] },
        { ...viewOf("all", "192.0.2.8"), variants: [variant(resolved(2, "192.0.2.4"))] },
      );
      table.apply(delta(1, ...set(before)), 0, 1);
      const stored = () => unpackRecord(table.octets, table.find(makeQuery("host.example.com")));
      expect(stored()).to.deep.equal(before);
      const told: string[] = [];
      table.apply(delta(2, touch("host.example.com", "A", 77)), 0, 1, (kind) => told.push(kind));
      expect(told).to.deep.equal(["touch"]);
      expect(stored().views.map(({ variants }) => variants.map(({ answers }) => answers.A))).to.deep.equal([
        [addresses("192.0.2.1"), resolved(77, "192.0.2.3")],
        [resolved(77, "192.0.2.4")],
      ]);
    });

    it("ignores a touch of a host that it does not have, or whose TTL is constant", () => {
      hosts("host.example.com");
      const octets = table.octets.slice();
      const touches = [
        touch("other.example.com", "A", 1),
        touch("host.example.com", "A", 1),
        touch("host.example.com", "AAAA", 1),
      ];
      expect(table.apply(delta(2, ...touches), 0, 9)).to.equal(-1);
      expect(table.octets).to.deep.equal(octets);
      expect([table.version, table.size]).to.deep.equal([2, 1]);
    });

    it("applies a delta in pieces and moves its version at the end", () => {
      const names = Array.from({ length: 10 }, (_, index) => `host-${index}.example.com`);
      const packed = delta(7, ...set(...names.map((name) => record(name))), ...remove("host-3.example.com"));
      const seen: number[] = [];
      let from = 0;
      while (from !== -1 && seen.length < 20) {
        expect(table.version).to.equal(0);
        from = table.apply(packed, from, 4);
        seen.push(table.size);
      }
      expect(seen).to.deep.equal([4, 8, 9]);
      expect(table.version).to.equal(7);
      expect(answering("host-3.example.com")).to.equal(null);
      expect(answering("host-9.example.com")).to.equal("host-9.example.com");
    });

    it("is done when the last piece ends with the delta", () => {
      const packed = delta(1, ...set(record("a.example.com"), record("b.example.com")));
      expect(table.apply(packed, table.apply(packed, 0, 1), 1)).to.equal(-1);
      expect(table.version).to.equal(1);
    });

    it("applies an empty delta, and versions beyond 2^32", () => {
      expect(table.apply(delta(2 ** 32 + 5), 0, 1)).to.equal(-1);
      expect(table.version).to.equal(2 ** 32 + 5);
    });

    it("keeps nothing of the delta's octets", () => {
      const packed = delta(1, ...set(record("a.example.com")));
      table.apply(packed, 0, 1);
      packed.fill(0xff);
      expect(unpackRecord(table.octets, table.find(makeQuery("a.example.com")))).to.deep.equal(
        record("a.example.com"),
      );
    });

    it("tells of each change that took effect, after it", () => {
      const told: unknown[] = [];
      const onChange: OnHostChange = (kind, name, isWildcard, isNew) => {
        told.push([kind, Buffer.from(name).toString("latin1"), isWildcard, isNew, table.size]);
      };
      const changes = [
        ...set(
          record("a.example", resolved(1, "192.0.2.1")),
          record("*.example"),
          record("a.example", resolved(2, "192.0.2.1")),
        ),
        touch("a.example", "A", 5),
        touch("*.example", "A", 5),
        touch("b.example", "A", 5),
        ...remove("example", "*.example"),
      ];
      table.apply(delta(1, ...changes), 0, 99, onChange);
      expect(told).to.deep.equal([
        ["set", "\x01a\x07example\x00", false, true, 1],
        ["set", "\x07example\x00", true, true, 2],
        ["set", "\x01a\x07example\x00", false, false, 2],
        ["touch", "\x01a\x07example\x00", false, false, 2],
        ["delete", "\x07example\x00", true, false, 1],
      ]);
    });

    it("holds thousands of hosts", () => {
      const names = Array.from({ length: 3000 }, (_, index) =>
        index % 10 === 0 ? `*.zone-${index}.example.com` : `host-${index}.zone-${index % 100}.example.com`,
      );
      hosts(...names);
      const asked = (name: string) => answering(name.replace("*", "any"));
      expect(table.size).to.equal(3000);
      for (let index = 0; index < 3000; index += 37) expect(asked(names[index]!)).to.equal(names[index]);
      table.apply(delta(2, ...remove(...names.filter((_, index) => index % 3 !== 0))), 0, 1e6);
      expect(table.size).to.equal(1000);
      for (let index = 0; index < 3000; index += 37) {
        // What was an exact host may now be answered by a wildcard of its zone.
        const found = table.findHost(hostName(names[index]!));
        expect(found !== NOT_FOUND).to.equal(index % 3 === 0);
        if (found !== NOT_FOUND) expect(unpackRecord(table.octets, found).host).to.equal(names[index]);
      }
    });
  });
}
