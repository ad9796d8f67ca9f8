import { expect } from "chai";
import type { LabelSelector } from "../../src/mesh/label-selector.ts";
import { parseWorkloadEntry } from "../../src/mesh/parse-workload-entry.ts";
import { isExcluded } from "../../src/registry/exclude.ts";
import { entry, workloadEntry } from "./support.ts";

describe("isExcluded", () => {
  const off: LabelSelector = { matchLabels: { dns: "off" } };
  const remote: LabelSelector = { matchExpressions: [{ key: "cluster", operator: "Exists", values: [] }] };

  it("leaves everything in without selectors", () => {
    expect(isExcluded(entry({ labels: { dns: "off" }, hosts: ["a.example"] }), [])).to.equal(false);
  });

  it("takes a ServiceEntry out by one of several selectors", () => {
    const labelled = (labels: Record<string, string>) => entry({ labels, hosts: ["a.example"] });
    expect(isExcluded(labelled({ dns: "off" }), [remote, off])).to.equal(true);
    expect(isExcluded(labelled({ cluster: "b" }), [remote, off])).to.equal(true);
    expect(isExcluded(labelled({ dns: "on" }), [remote, off])).to.equal(false);
    expect(isExcluded(labelled({}), [remote, off])).to.equal(false);
  });

  it("takes a WorkloadEntry out by its own labels and by those of its spec", () => {
    const address = "10.0.0.1";
    expect(isExcluded(workloadEntry({ labels: { dns: "off" }, address }), [off])).to.equal(true);
    expect(isExcluded(workloadEntry({ address }), [off])).to.equal(false);
    const raw = { metadata: { name: "w" }, spec: { address, labels: { dns: "off" } } };
    expect(isExcluded(parseWorkloadEntry(raw).value!, [off])).to.equal(true);
  });
});
