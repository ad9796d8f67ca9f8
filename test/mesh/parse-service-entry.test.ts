import { expect } from "chai";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";

function parse(spec: unknown, metadata: object = {}, status?: unknown) {
  return parseServiceEntry({ metadata: { name: "se", namespace: "shop", ...metadata }, spec, status });
}

/** `code path` of each problem. */
function faults(parsed: ReturnType<typeof parse>): readonly string[] {
  return parsed.problems.map((each) => `${each.code} ${each.path}`);
}

describe("parseServiceEntry", () => {
  it("reads every field that it keeps", () => {
    const parsed = parse(
      {
        hosts: ["Shop.Example.COM.", "*.cdn.example.com"],
        addresses: ["10.1.0.0/16", "10.9.9.9", "2001:DB8::1/128"],
        ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }],
        resolution: "DNS",
        location: "MESH_INTERNAL",
        endpoints: [
          { address: "db.example.net", ports: { http: 81 }, labels: { v: "1" }, network: "n1", weight: 7 },
          { address: "::ffff:192.0.2.7", locality: "r/z" },
          {
            address: "unix:///run/db.sock",
            labels: { "istio-locality": "r1.z1", "topology.istio.io/network": "n2" },
          },
          { network: "n3" },
        ],
        exportTo: [".", "web"],
        workloadSelector: { labels: { app: "shop" } },
      },
      {
        uid: "u-1",
        resourceVersion: "42",
        creationTimestamp: "2024-05-06T07:08:09Z",
        labels: { team: "a" },
        annotations: {
          "serviceentry-dns.io/answer": "resolved",
          "serviceentry-dns.io/ttl": "120",
          "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
      },
      { addresses: [{ value: "240.240.0.1", host: "SHOP.example.com" }, { value: "2001:2::5" }] },
    );
    expect(parsed.problems).to.deep.equal([]);
    expect(parsed.value).to.deep.include({
      ref: { kind: "ServiceEntry", namespace: "shop", name: "se" },
      uid: "u-1",
      resourceVersion: "42",
      createdAtMs: Date.UTC(2024, 4, 6, 7, 8, 9),
      labels: { team: "a" },
      annotations: { "serviceentry-dns.io/answer": "resolved", "serviceentry-dns.io/ttl": "120" },
      hosts: ["shop.example.com", "*.cdn.example.com"],
      addresses: ["10.9.9.9", "2001:db8::1"],
      hasAddresses: true,
      ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }],
      resolution: "DNS",
      location: "MESH_INTERNAL",
      hasEndpoints: true,
      selector: { app: "shop" },
      exportTo: [".", "web"],
      allocated: [
        { host: "shop.example.com", address: "240.240.0.1" },
        { host: undefined, address: "2001:2::5" },
      ],
      answer: "resolved",
      ttlSeconds: 120,
    });
    const endpoint = { ports: {}, labels: {}, network: undefined, locality: "", weight: 0 };
    expect(parsed.value?.endpoints).to.deep.equal([
      {
        ...endpoint,
        path: "spec.endpoints[0]",
        address: { kind: "name", name: "db.example.net" },
        ports: { http: 81 },
        labels: { v: "1" },
        network: "n1",
        weight: 7,
      },
      { ...endpoint, path: "spec.endpoints[1]", address: { kind: "ip", ip: "192.0.2.7" }, locality: "r/z" },
      {
        ...endpoint,
        path: "spec.endpoints[2]",
        address: { kind: "unix", path: "///run/db.sock" },
        labels: { "istio-locality": "r1.z1", "topology.istio.io/network": "n2" },
        network: "n2",
        locality: "r1/z1",
      },
      { ...endpoint, path: "spec.endpoints[3]", address: { kind: "none" }, network: "n3" },
    ]);
  });

  it("takes defaults where nothing is said, and null for nothing", () => {
    const parsed = parseServiceEntry({
      metadata: { name: "se", namespace: null, labels: null },
      spec: {
        hosts: ["a.example"],
        addresses: null,
        endpoints: null,
        resolution: null,
        workloadSelector: null,
      },
    });
    expect(parsed.problems).to.deep.equal([]);
    expect(parsed.value).to.deep.include({
      ref: { kind: "ServiceEntry", namespace: "default", name: "se" },
      uid: "ServiceEntry/default/se",
      resourceVersion: "",
      createdAtMs: undefined,
      resolution: "NONE",
      location: "MESH_EXTERNAL",
      hasAddresses: false,
      hasEndpoints: false,
      selector: undefined,
      exportTo: [],
      answer: undefined,
      ttlSeconds: undefined,
    });
  });

  describe("skips and reports a bad element", () => {
    const cases: readonly (readonly [what: string, spec: object, fault: string])[] = [
      ["host that is an address", { hosts: ["a.example", "10.0.0.1"] }, "HostInvalid spec.hosts[1]"],
      ["host that is a number", { hosts: ["a.example", 7] }, "HostInvalid spec.hosts[1]"],
      ["bare wildcard", { hosts: ["*", "a.example"] }, "HostInvalid spec.hosts[0]"],
      ["address that is a name", { addresses: ["a.example"] }, "AddressInvalid spec.addresses[0]"],
      ["prefix that is too long", { addresses: ["10.0.0.0/33"] }, "AddressInvalid spec.addresses[0]"],
      ["port 0", { ports: [{ number: 0 }] }, "PortInvalid spec.ports[0].number"],
      ["port without number", { ports: [{ name: "x" }] }, "PortInvalid spec.ports[0].number"],
      ["endpoint that is a text", { endpoints: ["1.1.1.1"] }, "EndpointSkipped spec.endpoints[0]"],
      [
        "endpoint with a slip",
        { endpoints: [{ address: "10.0.0.256" }] },
        "EndpointSkipped spec.endpoints[0].address",
      ],
      [
        "endpoint with a prefix",
        { endpoints: [{ address: "10.0.0.0/8" }] },
        "EndpointSkipped spec.endpoints[0].address",
      ],
      [
        "wildcard endpoint",
        { endpoints: [{ address: "*.example" }] },
        "EndpointSkipped spec.endpoints[0].address",
      ],
      [
        "endpoint with a port as text",
        { endpoints: [{ address: "1.1.1.1", ports: { http: "80" } }] },
        'EndpointSkipped spec.endpoints[0].ports["http"]',
      ],
      [
        "negative weight",
        { endpoints: [{ address: "1.1.1.1", weight: -1 }] },
        "EndpointSkipped spec.endpoints[0].weight",
      ],
    ];
    for (const [what, spec, fault] of cases)
      it(what, () => {
        const parsed = parse({ hosts: ["a.example"], ...spec });
        expect(faults(parsed)).to.deep.equal([fault]);
        expect(parsed.value?.hosts).to.deep.equal(["a.example"]);
        expect(parsed.value?.endpoints).to.deep.equal([]);
        expect(parsed.value?.hasEndpoints).to.equal("endpoints" in spec);
      });
  });

  it("keeps the good neighbours of a bad endpoint, with their own paths", () => {
    const parsed = parse({ hosts: ["a.example"], endpoints: [{ address: "" }, 3, { address: "1.1.1.1" }] });
    expect(faults(parsed)).to.deep.equal(["EndpointSkipped spec.endpoints[1]"]);
    expect(parsed.value?.endpoints.map((each) => each.path)).to.deep.equal([
      "spec.endpoints[0]",
      "spec.endpoints[2]",
    ]);
  });

  describe("rejects an object whose shape cannot be read", () => {
    const good = { hosts: ["a.example"] };
    const cases: readonly (readonly [what: string, spec: unknown, metadata: object, fault: string])[] = [
      ["no spec", undefined, {}, "ShapeInvalid spec"],
      ["spec that is a list", [], {}, "ShapeInvalid spec"],
      ["no hosts", {}, {}, "ShapeInvalid spec.hosts"],
      ["hosts as text", { hosts: "a.example" }, {}, "ShapeInvalid spec.hosts"],
      ["no good host", { hosts: ["1.1.1.1"] }, {}, "HostInvalid spec.hosts[0]"],
      ["unknown resolution", { ...good, resolution: "dns" }, {}, "ShapeInvalid spec.resolution"],
      ["endpoints as an object", { ...good, endpoints: {} }, {}, "ShapeInvalid spec.endpoints"],
      ["selector as text", { ...good, workloadSelector: "app" }, {}, "ShapeInvalid spec.workloadSelector"],
      ["exportTo with a number", { ...good, exportTo: [".", 1] }, {}, "ShapeInvalid spec.exportTo[1]"],
      ["no name", good, { name: undefined }, "ShapeInvalid metadata.name"],
      ["name with a slash", good, { name: "a/b" }, "ShapeInvalid metadata.name"],
      ["namespace with a slash", good, { namespace: "a/b" }, "ShapeInvalid metadata.namespace"],
      ["label that is a number", good, { labels: { v: 1 } }, 'ShapeInvalid metadata.labels["v"]'],
    ];
    for (const [what, spec, metadata, fault] of cases)
      it(what, () => {
        const parsed = parse(spec, metadata);
        expect(parsed.value).to.equal(undefined);
        expect(faults(parsed)).to.deep.equal([fault]);
      });
  });

  describe("annotations", () => {
    for (const value of ["Auto", "", "vip"])
      it(`answer ${JSON.stringify(value)} is not understood`, () => {
        const parsed = parse(
          { hosts: ["a.example"] },
          { annotations: { "serviceentry-dns.io/answer": value } },
        );
        expect(parsed.problems.map((each) => each.code)).to.deep.equal(["AnnotationInvalid"]);
        expect(parsed.value?.answer).to.equal(undefined);
      });
    for (const value of ["0", "3601", "1.5", "-3", "30s", "", "00001"])
      it(`ttl ${JSON.stringify(value)} is out of bounds`, () => {
        const parsed = parse({ hosts: ["a.example"] }, { annotations: { "serviceentry-dns.io/ttl": value } });
        expect(parsed.problems.map((each) => each.code)).to.deep.equal(["AnnotationInvalid"]);
        expect(parsed.value?.ttlSeconds).to.equal(undefined);
      });
    it("ttl 1 and 3600 are the bounds", () => {
      for (const seconds of [1, 3600]) {
        const annotations = { "serviceentry-dns.io/ttl": String(seconds) };
        expect(parse({ hosts: ["a.example"] }, { annotations }).value?.ttlSeconds).to.equal(seconds);
      }
    });
    it("a number in the place of a text is reported, another's annotation is not our concern", () => {
      const annotations = { "serviceentry-dns.io/ttl": 60, "example.com/other": 5 };
      const parsed = parse({ hosts: ["a.example"] }, { annotations });
      expect(faults(parsed)).to.deep.equal([
        'AnnotationInvalid metadata.annotations["serviceentry-dns.io/ttl"]',
      ]);
    });
  });

  it("skips what is odd in the status and never rejects for it", () => {
    for (const status of ["x", [], { addresses: "y" }, { addresses: null }]) {
      expect(parse({ hosts: ["a.example"] }, {}, status).problems).to.deep.equal([]);
    }
    const parsed = parse(
      { hosts: ["a.example"] },
      {},
      { addresses: [null, { value: "x" }, { value: "::1" }] },
    );
    expect(faults(parsed)).to.deep.equal([
      "AddressInvalid status.addresses[0].value",
      "AddressInvalid status.addresses[1].value",
    ]);
    expect(parsed.value?.allocated.map((each) => each.address)).to.deep.equal(["::1"]);
  });
});
