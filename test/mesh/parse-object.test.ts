import { expect } from "chai";
import fc from "fast-check";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { kindOf, parseObject } from "../../src/mesh/parse-object.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseWorkloadEntry } from "../../src/mesh/parse-workload-entry.ts";
import { PROBLEMS } from "../../src/mesh/problem.ts";

describe("parseObject", () => {
  const known = [
    ["networking.istio.io/v1", "ServiceEntry"],
    ["networking.istio.io/v1beta1", "ServiceEntry"],
    ["networking.istio.io/v1alpha3", "WorkloadEntry"],
    ["v1", "Pod"],
    ["v1", "Namespace"],
    ["v1", "Node"],
  ] as const;
  for (const [apiVersion, kind] of known)
    it(`reads ${apiVersion} ${kind}`, () => {
      const raw = { apiVersion, kind, metadata: { name: "x" }, spec: { hosts: ["a.example"] } };
      const parsed = parseObject(raw);
      expect(parsed?.kind).to.equal(kind);
      expect(parsed?.value?.ref.name).to.equal("x");
      const namespace = kind === "Namespace" || kind === "Node" ? "" : "default";
      expect(parsed?.value?.ref.namespace).to.equal(namespace);
    });

  const unknown: readonly unknown[] = [
    undefined,
    null,
    [],
    "ServiceEntry",
    { kind: "ServiceEntry" },
    { apiVersion: "v1", kind: "ServiceEntry" },
    { apiVersion: "networking.istio.io/v2", kind: "ServiceEntry" },
    { apiVersion: "networking.istio.io/v1", kind: "Pod" },
    { apiVersion: "v1", kind: "Service" },
    { apiVersion: "v1", kind: "constructor" },
    { apiVersion: "v1", kind: "__proto__" },
  ];
  for (const raw of unknown)
    it(`knows nothing of ${JSON.stringify(raw)}`, () => {
      expect(kindOf(raw)).to.equal(undefined);
      expect(parseObject(raw)).to.equal(undefined);
    });

  const words = fc.constantFrom(
    ...["metadata", "spec", "status", "name", "namespace", "labels", "annotations", "hosts", "addresses"],
    ...["endpoints", "address", "ports", "number", "targetPort", "network", "locality", "weight", "exportTo"],
    ...["workloadSelector", "resolution", "location", "conditions", "type", "podIPs", "podIP", "ip", "value"],
    ...["host", "hostNetwork", "nodeName", "phase", "__proto__", "constructor", "toString", "length"],
    ...["serviceentry-dns.io/ttl", "serviceentry-dns.io/answer", "creationTimestamp", "deletionTimestamp"],
  );
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0,
      80,
      1e308,
      "",
      "*",
      "*.x",
      "a.example",
      "1.1.1.1",
      "::1",
      "DNS",
    ),
    fc.constantFrom<unknown>(
      "STATIC",
      "True",
      "Ready",
      "unix:",
      "10.0.0.0/8",
      "a/b",
      "2024-01-01T00:00:00Z",
      "~",
    ),
    fc.string({ unit: "binary" }),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "medium", withCrossShrink: true },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      fc
        .array(fc.tuple(words, tie("value")), { maxLength: 8 })
        // As JSON.parse does it: an own property whatever the key.
        .map((pairs) => Object.fromEntries(pairs) as unknown),
    ),
  }));

  it("is total: any value gives an object or says why not, and never throws", () => {
    const head = fc.constantFrom(...known);
    const named = fc.constantFrom<unknown>({ name: "x" }, { name: "x", namespace: "y" });
    const body = fc.record(
      { metadata: fc.oneof(named, value), spec: value, status: value },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(head, body, ([apiVersion, kind], rest) => {
        const parsed = parseObject({ apiVersion, kind, ...rest });
        expect(parsed?.kind).to.equal(kind);
        if (parsed?.value === undefined) expect(parsed?.problems).to.not.have.length(0);
        for (const each of parsed?.problems ?? []) {
          expect(PROBLEMS).to.have.property(each.code);
          expect(each.object).to.equal(parsed?.ref);
          expect(each.message).to.be.a("string").with.length.lessThan(1000);
        }
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.jsonValue(), (raw) => void parseObject(raw)));
  });

  it("takes hostile keys for keys", () => {
    const raw: unknown = JSON.parse(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"__proto__":"x","constructor":"y"}},' +
        '"__proto__":{"status":{"podIP":"1.1.1.1"}}}',
    );
    const parsed = parseObject(raw);
    expect(parsed?.problems).to.deep.equal([]);
    expect(Object.keys(parsed?.value?.labels ?? {})).to.deep.equal(["__proto__", "constructor"]);
    expect(parsed?.kind === "Pod" && parsed.value?.ips).to.deep.equal([]);
    expect(({} as Record<string, unknown>)["status"]).to.equal(undefined);
  });
});

describe("parsePod", () => {
  const ready = [{ type: "Ready", status: "True" }];
  const cases: readonly (readonly [
    what: string,
    metadata: object,
    status: object,
    isReady: boolean,
    isTerminal: boolean,
  ])[] = [
    ["a running and ready pod", {}, { phase: "Running", conditions: ready }, true, false],
    ["a pod without status", {}, {}, false, false],
    ["a pod that is not ready", {}, { conditions: [{ type: "Ready", status: "False" }] }, false, false],
    [
      "a pod that is merely initialised",
      {},
      { conditions: [{ type: "Initialized", status: "True" }] },
      false,
      false,
    ],
    [
      "a pod on its way out",
      { deletionTimestamp: "2024-01-01T00:00:00Z" },
      { conditions: ready },
      false,
      false,
    ],
    ["a pod that is done", {}, { phase: "Succeeded", conditions: ready }, false, true],
    ["a pod that failed", {}, { phase: "Failed", conditions: ready }, false, true],
  ];
  for (const [what, metadata, status, isReady, isTerminal] of cases)
    it(what, () => {
      const { value } = parsePod({ metadata: { name: "p", ...metadata }, status });
      expect(value).to.include({ isReady, isTerminal });
    });

  it("prefers podIPs to podIP, drops bad and double ones", () => {
    const status = {
      podIP: "10.0.0.9",
      podIPs: [{ ip: "10.0.0.1" }, { ip: "nope" }, {}, { ip: "10.0.0.1" }, { ip: "FD00::1" }],
    };
    const { value, problems } = parsePod({ metadata: { name: "p" }, status });
    expect(value?.ips).to.deep.equal(["10.0.0.1", "fd00::1"]);
    expect(problems.map((each) => each.code)).to.deep.equal(["AddressInvalid", "AddressInvalid"]);
    expect(parsePod({ metadata: { name: "p" }, status: { podIP: "10.0.0.9" } }).value?.ips).to.deep.equal([
      "10.0.0.9",
    ]);
  });

  it("keeps where it runs", () => {
    const { value } = parsePod({ metadata: { name: "p" }, spec: { nodeName: "n1", hostNetwork: true } });
    expect(value).to.include({ nodeName: "n1", usesHostNetwork: true });
  });
});

describe("parseWorkloadEntry", () => {
  it("lets the metadata's labels win over the spec's", () => {
    const { value } = parseWorkloadEntry({
      metadata: { name: "w", labels: { app: "a", "topology.istio.io/network": "n1" } },
      spec: { address: "1.1.1.1", labels: { app: "b", tier: "db", "istio-locality": "r.z.s" } },
    });
    expect(value?.workloadLabels).to.include({ app: "a", tier: "db" });
    expect(value?.endpoint).to.deep.include({ network: "n1", locality: "r/z/s", path: "spec" });
  });

  it("is healthy unless health checks are asked for and not passed", () => {
    const healthy = (annotations: object, conditions?: unknown) =>
      parseWorkloadEntry({
        metadata: { name: "w", annotations },
        spec: { address: "1.1.1.1" },
        status: { conditions },
      }).value?.isHealthy;
    const asks = { "proxy.istio.io/health-checks-enabled": "true" };
    expect(healthy({})).to.equal(true);
    expect(healthy(asks)).to.equal(false);
    expect(healthy(asks, [{ type: "Healthy", status: "False" }])).to.equal(false);
    expect(healthy(asks, [{ type: "Healthy", status: "True" }])).to.equal(true);
    expect(healthy({ "proxy.istio.io/health-checks-enabled": "false" })).to.equal(true);
  });

  it("rejects an address that is none", () => {
    const { value, problems } = parseWorkloadEntry({ metadata: { name: "w" }, spec: { address: "a_b!" } });
    expect(value).to.equal(undefined);
    expect(problems.map((each) => `${each.code} ${each.path}`)).to.deep.equal(["ShapeInvalid spec.address"]);
  });
});

describe("parseNode", () => {
  it("keeps addresses and topology", () => {
    const { value, problems } = parseNode({
      metadata: {
        name: "n1",
        labels: { "topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z" },
      },
      status: {
        addresses: [
          { type: "InternalIP", address: "10.0.0.1" },
          { type: "Hostname", address: "n1" },
        ],
      },
    });
    expect(problems).to.deep.equal([]);
    expect(value).to.deep.include({ ips: ["10.0.0.1"], region: "r", zone: "z" });
  });
});
