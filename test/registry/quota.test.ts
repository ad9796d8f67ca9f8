import { expect } from "chai";
import fc from "fast-check";
import { NamespaceQuota } from "../../src/registry/quota.ts";

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

  it("what it has told adds up to the rule, after any history", () => {
    const step = fc.tuple(
      fc.constantFrom("add", "remove", "settle"),
      fc.constantFrom("a", "b", "c", "d", "e"),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.integer({ min: 1, max: 4 }),
        (steps, limit) => {
          const quota = new NamespaceQuota<string>(limit);
          const held: string[] = [];
          const told = new Set<string>();
          const settle = () => {
            for (const { item, isInForce } of quota.settle()) {
              expect(told.has(item)).to.equal(!isInForce);
              if (isInForce) told.add(item);
              else told.delete(item);
            }
          };
          for (const [what, item, isExempt] of steps) {
            const id = `${item}${isExempt ? "!" : ""}`;
            if (what === "settle") settle();
            else if (what === "add") {
              quota.add("n", item, isExempt);
              held.push(id);
            } else if (held.includes(id)) {
              quota.remove("n", item, isExempt);
              held.splice(held.indexOf(id), 1);
            }
          }
          settle();
          const exempt = held.filter((id) => id.endsWith("!")).map((id) => id[0]!);
          const limited = [...new Set(held.filter((id) => !id.endsWith("!")))].sort().slice(0, limit);
          expect([...told].sort()).to.deep.equal([...new Set([...exempt, ...limited])].sort());
        },
      ),
    );
  });
});
