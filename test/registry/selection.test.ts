import { expect } from "chai";
import type { SelectorTarget } from "../../src/registry/host-plan.ts";
import { Selection } from "../../src/registry/selection.ts";
import { entry, host, planOf, pod, workloadEntry } from "./support.ts";

function selector(
  labels: Readonly<Record<string, string>>,
  namespace = "default",
  resolution = "STATIC",
): SelectorTarget {
  const object = entry({ namespace, hosts: ["a.example"], resolution, workloadSelector: { labels } });
  const target = planOf(object).real?.targets[0];
  if (target?.kind !== "selector") throw new Error("no selector");
  return target;
}

const APP = { app: "x" };
const a = host("a.example");
const b = host("b.example");

describe("Selection", () => {
  let network: string | undefined;
  const newSelection = () =>
    new Selection({ network: () => network, nodeOf: () => undefined, allowedAddressesOf: () => [] });
  let selection = newSelection();
  const ips = (target: SelectorTarget) => selection.workloadsOf(target).flatMap((each) => each.ips);
  const codes = (target: SelectorTarget) =>
    selection
      .workloadsOf(target)
      .flatMap((each) => each.problems.map(({ code, object }) => `${code} ${object.name}`));
  beforeEach(() => {
    network = undefined;
    selection = newSelection();
  });

  it("selects ready pods and healthy workload entries of its namespace by all its labels", () => {
    const target = selector({ app: "x", tier: "db" });
    const labels = { app: "x", tier: "db", more: "y" };
    const members = [
      pod({ name: "p2", labels, ips: ["10.0.0.2", "fd00::2"] }),
      pod({ name: "p1", labels, ips: ["10.0.0.1"], hostNetwork: true }),
      workloadEntry({ name: "w", labels, address: "192.0.2.1" }),
      workloadEntry({ name: "w2", address: "192.0.2.2", ...{ labels: { app: "x" } } }),
      pod({ name: "p3", labels, ips: ["10.0.0.3"], isReady: false }),
      pod({ name: "p4", labels, ips: [] }),
      pod({ name: "p5", labels: { app: "x" }, ips: ["10.0.0.5"] }),
      pod({ name: "p6", labels: { ...labels, tier: "web" }, ips: ["10.0.0.6"] }),
      pod({ name: "p7", namespace: "other", labels, ips: ["10.0.0.7"] }),
      workloadEntry({
        name: "sick",
        labels,
        address: "192.0.2.3",
        annotations: { "proxy.istio.io/health-checks-enabled": "true" },
      }),
    ];
    for (const each of members) selection.change(undefined, each);
    expect(ips(target)).to.deep.equal(["10.0.0.1", "10.0.0.2", "fd00::2", "192.0.2.1"]);
  });

  it("a selector without labels selects the whole namespace", () => {
    selection.change(undefined, pod({ name: "p", ips: ["10.0.0.1"] }));
    selection.change(undefined, pod({ name: "p", namespace: "other", labels: APP, ips: ["10.0.0.2"] }));
    expect(ips(selector({}))).to.deep.equal(["10.0.0.1"]);
  });

  it("hostile labels match themselves only", () => {
    const hostile = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    selection.change(undefined, pod({ name: "p", labels: APP, ips: ["10.0.0.1"] }));
    selection.change(undefined, pod({ name: "q", labels: hostile, ips: ["10.0.0.2"] }));
    expect(ips(selector(hostile))).to.deep.equal(["10.0.0.2"]);
    expect(ips(selector({ constructor: "x" }))).to.deep.equal([]);
  });

  it("tells exactly the hosts whose selection a change touches", () => {
    const one = selector(APP);
    const two = selector({ app: "y" });
    selection.use(one, a);
    selection.use(two, b);
    const first = pod({ name: "p", labels: APP, ips: ["10.0.0.1"] });
    expect([...selection.change(undefined, first)]).to.deep.equal([a]);
    const relabelled = pod({ name: "p", labels: { app: "y" }, ips: ["10.0.0.1"] });
    expect([...selection.change(first, relabelled)]).to.deep.equal([a, b]);
    expect([ips(one), ips(two)]).to.deep.equal([[], ["10.0.0.1"]]);
    const same = pod({ name: "p", labels: { app: "y", note: "z" }, ips: ["10.0.0.1"] });
    expect([...selection.change(relabelled, same)]).to.deep.equal([]);
    const moved = pod({ name: "p", labels: { app: "y" }, ips: ["10.0.0.9"] });
    expect([...selection.change(same, moved)]).to.deep.equal([b]);
    const unready = pod({ name: "p", labels: { app: "y" }, ips: ["10.0.0.9"], isReady: false });
    expect([...selection.change(moved, unready)]).to.deep.equal([b]);
    expect([...selection.change(unready, undefined)]).to.deep.equal([]);
    expect([ips(one), ips(two)]).to.deep.equal([[], []]);
  });

  it("finds what is already there, and forgets a selector that nobody uses", () => {
    selection.change(undefined, pod({ name: "p", labels: APP, ips: ["10.0.0.1"] }));
    const target = selector(APP);
    selection.use(target, a);
    selection.use(target, b);
    expect(ips(target)).to.deep.equal(["10.0.0.1"]);
    selection.release(target, a);
    expect(selection.size).to.equal(1);
    selection.release(target, b);
    expect(selection.size).to.equal(0);
    const next = pod({ name: "q", labels: APP, ips: ["10.0.0.2"] });
    expect([...selection.change(undefined, next)]).to.deep.equal([]);
    expect(ips(target)).to.deep.equal(["10.0.0.1", "10.0.0.2"]);
  });

  it("workload entries without an address, with a name, a socket, a forbidden address", () => {
    for (const [name, address] of [
      ["name", "vm.example"],
      ["socket", "unix:/x"],
      ["loop", "127.0.0.1"],
      ["fine", "192.0.2.1"],
    ] as const)
      selection.change(undefined, workloadEntry({ name, labels: APP, address }));
    selection.change(undefined, workloadEntry({ name: "nowhere", labels: APP, network: "n2" }));
    const common = ["AddressForbidden loop", "EndpointWithoutAddress nowhere", "EndpointUnixSocket socket"];
    const target = selector(APP);
    expect(codes(target)).to.have.members([...common, "EndpointNameInStatic name"]);
    expect(ips(target)).to.deep.equal(["192.0.2.1"]);
    const byDns = selector(APP, "default", "DNS");
    expect(codes(byDns)).to.have.members(common);
    expect(selection.workloadsOf(byDns).flatMap((each) => each.name ?? [])).to.deep.equal(["vm.example"]);
  });

  it("workload entries of another network are skipped once ours is known", () => {
    selection.change(
      undefined,
      workloadEntry({ name: "w", labels: APP, address: "192.0.2.1", network: "west", weight: 4 }),
    );
    const target = selector(APP);
    selection.use(target, a);
    expect(selection.workloadsOf(target)[0]).to.deep.include({ ips: ["192.0.2.1"], weight: 4 });
    network = "east";
    expect([...selection.invalidate(() => false)]).to.deep.equal([]);
    expect([...selection.invalidate(() => true)]).to.deep.equal([a]);
    expect(ips(target)).to.deep.equal([]);
    expect(codes(target)).to.deep.equal(["EndpointOtherNetwork w"]);
  });
});
