import { expect } from "chai";
import fc from "fast-check";
import {
  LABEL_OPERATORS,
  type LabelOperator,
  type LabelSelector,
  matches,
  namespaceLabels,
} from "../../src/mesh/label-selector.ts";
import type { Labels } from "../../src/mesh/objects.ts";

describe("matches", () => {
  const labels: Labels = { app: "shop", tier: "web", empty: "" };
  const one = (key: string, operator: LabelOperator, ...values: string[]): LabelSelector => ({
    matchExpressions: [{ key, operator, values }],
  });
  const cases: readonly (readonly [what: string, selector: LabelSelector, matching: boolean])[] = [
    ["no requirement", {}, true],
    ["empty requirements", { matchLabels: {}, matchExpressions: [] }, true],
    ["an equal label", { matchLabels: { app: "shop" } }, true],
    ["all labels", { matchLabels: { app: "shop", tier: "web" } }, true],
    ["one label of two", { matchLabels: { app: "shop", tier: "db" } }, false],
    ["an absent label", { matchLabels: { team: "" } }, false],
    ["an empty value", { matchLabels: { empty: "" } }, true],
    ["a name that every object inherits", one("toString", "Exists"), false],
    ["In", one("app", "In", "bank", "shop"), true],
    ["In others", one("app", "In", "bank"), false],
    ["In, absent", one("team", "In", "a"), false],
    ["NotIn", one("app", "NotIn", "bank"), true],
    ["NotIn, equal", one("app", "NotIn", "bank", "shop"), false],
    ["NotIn, absent", one("team", "NotIn", "a"), true],
    ["Exists", one("empty", "Exists"), true],
    ["Exists, absent", one("team", "Exists"), false],
    ["DoesNotExist", one("app", "DoesNotExist"), false],
    ["DoesNotExist, absent", one("team", "DoesNotExist"), true],
    ["labels and expressions", { matchLabels: { app: "shop" }, ...one("tier", "In", "db") }, false],
  ];
  for (const [what, selector, matching] of cases)
    it(`${what}: ${matching}`, () => {
      expect(matches(selector, labels)).to.equal(matching);
    });

  it("needs every requirement", () => {
    const key = fc.constantFrom("a", "b", "c");
    const value = fc.constantFrom("1", "2");
    const requirement = fc.record({
      key,
      operator: fc.constantFrom(...LABEL_OPERATORS),
      values: fc.array(value, { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.dictionary(key, value), fc.array(requirement, { maxLength: 4 }), (given, all) => {
        const each = all.map((one) => matches({ matchExpressions: [one] }, given));
        expect(matches({ matchExpressions: all }, given)).to.equal(each.every(Boolean));
      }),
    );
  });

  it("has opposite operators", () => {
    const value = fc.constantFrom("1", "2", "3");
    fc.assert(
      fc.property(fc.option(value), fc.array(value), (own, values) => {
        const given: Labels = own === null ? {} : { key: own };
        expect(matches(one("key", "In", ...values), given)).to.equal(
          !matches(one("key", "NotIn", ...values), given),
        );
        expect(matches(one("key", "Exists"), given)).to.equal(!matches(one("key", "DoesNotExist"), given));
      }),
    );
  });
});

describe("namespaceLabels", () => {
  it("has the name that Kubernetes gives to every Namespace, with or without an object", () => {
    expect(namespaceLabels("shop", undefined)).to.deep.equal({ "kubernetes.io/metadata.name": "shop" });
    expect(namespaceLabels("shop", { team: "a" })).to.deep.equal({
      "kubernetes.io/metadata.name": "shop",
      team: "a",
    });
  });

  it("lets nobody pass for another namespace", () => {
    expect(namespaceLabels("shop", { "kubernetes.io/metadata.name": "bank" })).to.deep.equal({
      "kubernetes.io/metadata.name": "shop",
    });
  });
});
