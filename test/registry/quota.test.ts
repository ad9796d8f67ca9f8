import { expect } from "chai";
import fc from "fast-check";
import { NamespaceQuota } from "../../src/registry/quota.ts";
import { processorMs } from "../support/waiting.ts";

const words = (quota: NamespaceQuota<string>) =>
  quota
    .settle()
    .map(({ namespace, item, isInForce }) => `${isInForce ? "+" : "-"}${namespace}/${item}`)
    .sort();

describe("NamespaceQuota", () => {
  it("lets the first in alphabetical order in, per namespace", () => {
    const quota = new NamespaceQuota<string>(2);
    for (const item of ["c", "b", "d"]) quota.add("n1", item);
    quota.add("n2", "z");
    expect(words(quota)).to.deep.equal(["+n1/b", "+n1/c", "+n2/z"]);
    expect(quota.isExcluded("n1", "d")).to.equal(true);
    quota.add("n1", "a");
    expect(words(quota)).to.deep.equal(["+n1/a", "-n1/c"]);
    quota.remove("n1", "b");
    expect(words(quota)).to.deep.equal(["+n1/c", "-n1/b"]);
    quota.setLimit(3);
    expect(words(quota)).to.deep.equal(["+n1/d"]);
  });

  it("counts an item that is held twice once", () => {
    const quota = new NamespaceQuota<string>(1);
    quota.add("n", "a");
    quota.add("n", "a");
    expect(words(quota)).to.deep.equal(["+n/a"]);
    quota.remove("n", "a");
    expect(words(quota)).to.deep.equal([]);
    quota.remove("n", "a");
    expect(words(quota)).to.deep.equal(["-n/a"]);
  });

  it("says nothing of what came and went between two settlings", () => {
    const quota = new NamespaceQuota<string>(1);
    quota.add("n", "a");
    quota.remove("n", "a");
    expect(words(quota)).to.deep.equal([]);
  });

  it("exempt items are in force whatever their number, and count for nobody", () => {
    const quota = new NamespaceQuota<string>(1);
    quota.add("n", "x", true);
    quota.add("n", "y", true);
    quota.add("n", "b");
    quota.add("n", "z");
    expect(words(quota)).to.deep.equal(["+n/b", "+n/x", "+n/y"]);
    quota.add("n", "z", true);
    expect(words(quota)).to.deep.equal(["+n/z"]);
    quota.remove("n", "z", true);
    expect(words(quota)).to.deep.equal(["-n/z"]);
  });

  it("does not sort all that a namespace has for each item that comes", () => {
    const held = 40_000;
    const quota = new NamespaceQuota<string>(held / 2);
    for (let at = 0; at < held; at += 1) quota.add("n", `host-${(at * 7919) % held}.example.com`);
    quota.settle();
    const startMs = processorMs();
    for (let at = 0; at < 100; at += 1) {
      quota.add("n", `host-${at}.example.org`);
      expect(quota.settle().length).to.be.at.most(2);
    }
    // Sorting takes some 20 ms each time.
    expect(processorMs() - startMs).to.be.below(1000);
  });

  it("takes very many that come and go at once for what they are", () => {
    const quota = new NamespaceQuota<string>(50);
    const item = (at: number) => `host-${String(at).padStart(3, "0")}`;
    const add = (from: number, to: number) => {
      for (let at = from; at < to; at += 1) quota.add("n", item(at));
    };
    const isIn = (at: number) => !quota.isExcluded("n", item(at));
    add(100, 200);
    quota.settle();
    expect([isIn(149), isIn(150)]).to.deep.equal([true, false]);
    add(0, 40);
    for (let at = 100; at < 140; at += 1) quota.remove("n", item(at));
    expect(quota.settle().length).to.equal(80);
    expect([isIn(0), isIn(39), isIn(140), isIn(149), isIn(150)]).to.deep.equal([
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it("what it has told adds up to the rule, after any history", () => {
    const step = fc.tuple(
      fc.constantFrom("add", "add", "remove", "settle", "setLimit"),
      fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.integer({ min: 1, max: 4 }),
        (steps, firstLimit) => {
          let limit = firstLimit;
          const quota = new NamespaceQuota<string>(limit);
          const held: string[] = [];
          const told = new Set<string>();
          const settle = () => {
            for (const { item, isInForce } of quota.settle()) {
              expect(told.has(item)).to.equal(!isInForce);
              if (isInForce) told.add(item);
              else told.delete(item);
            }
            const exempt = held.filter((id) => id.endsWith("!")).map((id) => id[0]!);
            const limited = [...new Set(held.filter((id) => !id.endsWith("!")))].sort();
            expect([...told].sort()).to.deep.equal(
              [...new Set([...exempt, ...limited.slice(0, limit)])].sort(),
            );
            for (const item of limited) expect(quota.isExcluded("n", item)).to.equal(!told.has(item));
          };
          for (const [what, item, isExempt] of steps) {
            const id = `${item}${isExempt ? "!" : ""}`;
            if (what === "settle") settle();
            else if (what === "setLimit") {
              limit = (item.charCodeAt(0) % 4) + 1;
              quota.setLimit(limit);
            } else if (what === "add") {
              quota.add("n", item, isExempt);
              held.push(id);
            } else if (held.includes(id)) {
              quota.remove("n", item, isExempt);
              held.splice(held.indexOf(id), 1);
            }
          }
          settle();
        },
      ),
    );
  });
});
