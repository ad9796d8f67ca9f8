import { expect } from "chai";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import {
  distributionOf,
  endpointLocality,
  podLocality,
  workloadLocality,
} from "../../src/registry/locality.ts";
import { entry, workloadEntry } from "./support.ts";

const NODE = parseNode({
  metadata: {
    name: "n1",
    labels: {
      "topology.kubernetes.io/region": "eu",
      "topology.kubernetes.io/zone": "eu-1",
      "topology.istio.io/subzone": "rack-7",
    },
  },
}).value!;

function podOn(nodeName: string, labels: Record<string, string> = {}) {
  return parsePod({ metadata: { name: "p", namespace: "a", labels }, spec: { nodeName }, status: {} }).value!;
}

describe("endpointLocality", () => {
  const cases: readonly (readonly [endpoint: Record<string, unknown>, expected: readonly string[]])[] = [
    [{ locality: "eu/eu-1/rack-7" }, ["eu", "eu-1", "rack-7"]],
    [{ locality: "eu/eu-1" }, ["eu", "eu-1", ""]],
    [{ locality: "eu" }, ["eu", "", ""]],
    [{}, ["", "", ""]],
    [{ labels: { "istio-locality": "eu.eu-1.rack-7" } }, ["eu", "eu-1", "rack-7"]],
    [{ locality: "us/us-1", labels: { "istio-locality": "eu.eu-1" } }, ["us", "us-1", ""]],
  ];
  for (const [given, [region, zone, subzone]] of cases)
    it(JSON.stringify(given), () => {
      const spec = {
        hosts: ["a.example"],
        resolution: "STATIC",
        endpoints: [{ address: "10.0.0.1", ...given }],
      };
      expect(endpointLocality(entry(spec).endpoints[0]!, undefined)).to.deep.equal({
        network: "",
        region,
        zone,
        subzone,
        node: "",
      });
    });

  it("is in our own network unless it says another", () => {
    const endpoint = { locality: "", network: undefined };
    expect(endpointLocality(endpoint, "n1").network).to.equal("n1");
    expect(endpointLocality({ ...endpoint, network: "n2" }, "n1").network).to.equal("n2");
    expect(endpointLocality(endpoint, undefined).network).to.equal("");
  });
});

describe("podLocality", () => {
  it("is where its node stands", () => {
    expect(podLocality(podOn("n1"), NODE, "net")).to.deep.equal({
      network: "net",
      region: "eu",
      zone: "eu-1",
      subzone: "rack-7",
      node: "n1",
    });
  });

  it("is the node's name alone while the node is not known", () => {
    expect(podLocality(podOn("n9"), undefined, undefined)).to.deep.equal({
      network: "",
      region: "",
      zone: "",
      subzone: "",
      node: "n9",
    });
  });

  it("is what the pod's own labels say in the first place", () => {
    const labels = { "istio-locality": "us.us-2", "topology.istio.io/network": "far" };
    expect(podLocality(podOn("n1", labels), NODE, "net")).to.deep.equal({
      network: "far",
      region: "us",
      zone: "us-2",
      subzone: "",
      node: "n1",
    });
  });
});

describe("workloadLocality", () => {
  const nodeOf = (name: string) => (name === "n1" ? NODE : undefined);

  it("asks for a pod's node and reads a WorkloadEntry's own field", () => {
    expect(workloadLocality(podOn("n1"), nodeOf, undefined).zone).to.equal("eu-1");
    expect(workloadLocality(podOn("n2"), nodeOf, undefined).zone).to.equal("");
    const workload = workloadEntry({ address: "10.0.0.1", locality: "us/us-1", network: "n2" });
    expect(workloadLocality(workload, nodeOf, "n1")).to.deep.include({
      network: "n2",
      zone: "us-1",
      node: "",
    });
  });
});

describe("distributionOf", () => {
  const said = (word?: string) =>
    entry({
      hosts: ["a.example"],
      annotations: word === undefined ? {} : { "networking.istio.io/traffic-distribution": word },
    });
  const namespaceSays = (trafficDistribution: ReturnType<typeof said>["trafficDistribution"]) => ({
    trafficDistribution,
  });

  it("is the entry's, else its Namespace's", () => {
    expect(distributionOf(said("PreferSameNode"), namespaceSays("PreferClose"))).to.equal("PreferSameNode");
    expect(distributionOf(said(), namespaceSays("PreferClose"))).to.equal("PreferClose");
    expect(distributionOf(said(), namespaceSays(undefined))).to.equal(undefined);
    expect(distributionOf(said(), undefined)).to.equal(undefined);
  });

  it("is none where the entry says Any or what nobody understands, whatever its Namespace says", () => {
    expect(distributionOf(said("Any"), namespaceSays("PreferClose"))).to.equal(undefined);
    expect(distributionOf(said("Nearest"), namespaceSays("PreferClose"))).to.equal(undefined);
    expect(distributionOf(said(""), namespaceSays("PreferClose"))).to.equal(undefined);
    expect(distributionOf(said(), namespaceSays("Any"))).to.equal(undefined);
  });

  for (const word of ["PreferClose", "PreferSameZone", "PreferSameNode", "PreferNetwork"] as const)
    it(`takes ${word}`, () => {
      expect(distributionOf(said(word), undefined)).to.equal(word);
    });
});
