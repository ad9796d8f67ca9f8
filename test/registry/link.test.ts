import { expect } from "chai";
import type { ServiceEntry } from "../../src/mesh/objects.ts";
import { Claims } from "../../src/registry/claims.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import { type LinkContext, link } from "../../src/registry/link.ts";
import { planEntry } from "../../src/registry/plan.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { processorMs } from "../support/waiting.ts";
import { entry, host, NOWHERE, PLAN_CONTEXT } from "./support.ts";

/** Links a host as the registry would, among these entries. */
function linked(objects: readonly ServiceEntry[], name: string) {
  const plans = objects.flatMap((object) => planEntry(object, PLAN_CONTEXT).hosts);
  const of = (each: HostName, viewer?: string): readonly HostPlan[] =>
    new Claims(
      plans.filter((plan) => plan.host === each),
      { modeOf: () => "auto", isTrusted: () => false, isEndpoint: false },
    )
      .winners(viewer, "unknown")
      .filter((plan) => plan.real !== undefined);
  const context: LinkContext = {
    realPlansOf: of,
    selectedNames: (target) =>
      target.takesNames ? [{ name: host("vm.example"), weight: 0, locality: NOWHERE }] : [],
  };
  const plan = of(host(name))[0];
  if (plan === undefined) throw new Error(`no plan for ${name}`);
  const { fixed, names, selectors, reads, problems } = link(plan, context);
  return {
    fixed: fixed.map((each) => (each.weight > 0 ? `${each.address}x${each.weight}` : each.address)),
    names: names.map((each) => `${each.isItself ? "itself:" : ""}${each.name}`),
    selectors: selectors.map((each) => `${each.namespace}:${JSON.stringify(each.labels)}`),
    reads: [...reads].sort(),
    codes: problems.map((each) => each.code),
  };
}

const dns = (name: string, ...addresses: readonly string[]) =>
  entry({
    name: name.replaceAll(".", "-"),
    hosts: [name],
    resolution: "DNS",
    endpoints: addresses.map((address) => ({ address })),
  });
const fixedAt = (name: string, ...addresses: readonly string[]) =>
  entry({
    name: name.replaceAll(".", "-"),
    hosts: [name],
    resolution: "STATIC",
    endpoints: addresses.map((address) => ({ address })),
  });

describe("link", () => {
  it("a name that is no own host goes upstream, and is remembered as looked up", () => {
    expect(linked([dns("a.example", "up.example", "192.0.2.1")], "a.example")).to.deep.equal({
      fixed: ["192.0.2.1"],
      names: ["up.example"],
      selectors: [],
      reads: ["up.example"],
      codes: [],
    });
  });

  it("a name that is an own host becomes its addresses, selectors and names", () => {
    const selecting = entry({
      hosts: ["s.example"],
      resolution: "STATIC",
      workloadSelector: { labels: { app: "x" } },
    });
    const objects = [
      dns("a.example", "b.example", "s.example", "c.example"),
      fixedAt("b.example", "192.0.2.1", "192.0.2.2"),
      selecting,
      dns("c.example", "192.0.2.2", "up.example"),
    ];
    expect(linked(objects, "a.example")).to.deep.equal({
      fixed: ["192.0.2.1", "192.0.2.2"],
      names: ["up.example"],
      selectors: ['default:{"app":"x"}'],
      reads: ["b.example", "c.example", "s.example", "up.example"],
      codes: [],
    });
  });

  it("a host that is resolved for itself is for another one an endpoint's name", () => {
    const objects = [dns("a.example", "b.example"), entry({ hosts: ["b.example"], resolution: "DNS" })];
    expect(linked(objects, "a.example").names).to.deep.equal(["b.example"]);
    expect(linked(objects, "b.example").names).to.deep.equal(["itself:b.example"]);
    expect(linked(objects, "b.example").codes).to.deep.equal([]);
  });

  it("an own host without real addresses goes upstream", () => {
    const objects = [dns("a.example", "b.example"), entry({ hosts: ["b.example"], addresses: ["10.0.0.1"] })];
    expect(linked(objects, "a.example")).to.deep.include({ fixed: [], names: ["b.example"] });
  });

  it("an endpoint equal to its own host goes upstream", () => {
    const objects = [dns("a.example", "A.example.", "192.0.2.1")];
    expect(linked(objects, "a.example")).to.deep.include({
      fixed: ["192.0.2.1"],
      names: ["a.example"],
      codes: ["EndpointSelf"],
    });
  });

  it("a cycle goes upstream where it closes", () => {
    const objects = [
      dns("a.example", "b.example"),
      dns("b.example", "c.example", "192.0.2.7"),
      dns("c.example", "a.example"),
    ];
    expect(linked(objects, "a.example")).to.deep.include({
      fixed: ["192.0.2.7"],
      names: ["a.example"],
      codes: ["EndpointSelf"],
    });
    expect(linked(objects, "b.example")).to.deep.include({
      names: ["b.example"],
      reads: ["a.example", "b.example", "c.example"],
    });
  });

  it("eight hosts one behind the other, not nine", () => {
    const chain = (last: number) => [
      ...Array.from({ length: last }, (_, index) => dns(`h${index}.example`, `h${index + 1}.example`)),
      fixedAt(`h${last}.example`, "192.0.2.1"),
    ];
    expect(linked(chain(8), "h0.example")).to.deep.include({ fixed: ["192.0.2.1"], names: [], codes: [] });
    expect(linked(chain(9), "h0.example")).to.deep.include({
      fixed: [],
      names: ["h9.example"],
      codes: ["LimitExceeded"],
    });
  });

  it("the same host by two ways counts once", () => {
    const objects = [
      dns("a.example", "b.example", "c.example"),
      dns("b.example", "d.example"),
      dns("c.example", "d.example"),
      fixedAt("d.example", "192.0.2.1"),
    ];
    expect(linked(objects, "a.example")).to.deep.include({ fixed: ["192.0.2.1"], codes: [] });
  });

  it("hosts that all name each other end in bounded time", () => {
    const all = Array.from({ length: 30 }, (_, index) => `h${index}.example`);
    const objects = all.map((name) => dns(name, ...all));
    const started = processorMs();
    const result = linked(objects, "h0.example");
    expect(processorMs() - started).to.be.lessThan(2000);
    expect(result.codes).to.include("LimitExceeded").and.include("EndpointSelf");
  });

  it("names of selected WorkloadEntries are followed", () => {
    const selecting = entry({
      hosts: ["a.example"],
      resolution: "DNS",
      workloadSelector: { labels: { app: "x" } },
    });
    expect(linked([selecting], "a.example").names).to.deep.equal(["vm.example"]);
    const own = fixedAt("vm.example", "192.0.2.9");
    expect(linked([selecting, own], "a.example")).to.deep.include({ fixed: ["192.0.2.9"], names: [] });
  });

  it("an endpoint's weight stands for the linked host's own weights", () => {
    const heavy = entry({
      hosts: ["a.example"],
      resolution: "DNS",
      endpoints: [
        { address: "b.example", weight: 9 },
        { address: "192.0.2.1", weight: 1 },
      ],
    });
    const light = entry({
      name: "b",
      hosts: ["b.example"],
      resolution: "STATIC",
      endpoints: [{ address: "192.0.2.2", weight: 2 }],
    });
    expect(linked([heavy, light], "a.example").fixed).to.deep.equal(["192.0.2.1x1", "192.0.2.2x9"]);
    expect(linked([dns("c.example", "b.example"), light], "c.example").fixed).to.deep.equal(["192.0.2.2x2"]);
  });

  it("what is visible from the entry's namespace counts, hop by hop", () => {
    const inNamespace = (
      namespace: string,
      exportTo: readonly string[],
      given: ServiceEntry,
    ): ServiceEntry => ({
      ...given,
      ref: { ...given.ref, namespace },
      exportTo,
    });
    const a = inNamespace("n1", [], dns("a.example", "b.example"));
    const privateB = inNamespace("n1", ["."], fixedAt("b.example", "192.0.2.1"));
    const foreignB = inNamespace("n2", ["."], fixedAt("b.example", "192.0.2.2"));
    const givenB = inNamespace("n3", ["n1"], fixedAt("b.example", "192.0.2.3"));
    expect(linked([a, privateB, foreignB, givenB], "a.example").fixed).to.deep.equal(["192.0.2.1"]);
    expect(linked([a, foreignB, givenB], "a.example").fixed).to.deep.equal(["192.0.2.3"]);
    expect(linked([a, foreignB], "a.example").names).to.deep.equal(["b.example"]);
    const publicB = inNamespace("n2", [], dns("b.example", "c.example"));
    const hiddenC = inNamespace("n2", ["."], fixedAt("c.example", "192.0.2.4"));
    expect(linked([a, publicB, hiddenC], "a.example").fixed).to.deep.equal(["192.0.2.4"]);
  });
});
