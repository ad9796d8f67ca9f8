import { expect } from "chai";
import type { ServiceEntry } from "../../src/mesh/objects.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import { type PlanContext, planEntry } from "../../src/registry/plan.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { entry, NOWHERE } from "./support.ts";

const h = "a.example";

function plan(
  object: ServiceEntry,
  settings: Partial<RegistrySettings> = {},
  namespaceOf: PlanContext["namespaceOf"] = () => undefined,
) {
  const context = { settings: { ...DEFAULT_SETTINGS, ...settings }, namespaceOf };
  const { hosts, problems, ...rest } = planEntry(object, context);
  return { ...rest, hosts, host: hosts[0], codes: problems.map((each) => each.code).sort() };
}

/** The real plan in words: fixed addresses, `name:x`, `itself:x`, `labels:{...}`; undefined: none. */
function real(of: HostPlan | undefined): readonly string[] | undefined {
  return (
    of?.real && [
      ...of.real.fixed.map(({ address, weight }) => (weight > 0 ? `${address}x${weight}` : address)),
      ...of.real.targets.map((target) =>
        target.kind === "selector"
          ? `labels:${JSON.stringify(target.labels)}${target.takesNames ? "+names" : ""}`
          : `${target.isItself ? "itself" : "name"}:${target.name}`,
      ),
    ]
  );
}

const IP = { address: "192.0.2.1" };
const IP6 = { address: "2001:db8::1" };
const NAME = { address: "b.example" };
const UNIX = { address: "unix:///x" };
const OTHER_NETWORK = { network: "n9" };
const SELECTOR = { labels: { app: "a" } };

describe("planEntry", () => {
  const cases: readonly (readonly [
    what: string,
    spec: Readonly<Record<string, unknown>>,
    real: readonly string[] | undefined,
    codes?: readonly string[],
  ])[] = [
    [
      "STATIC, endpoint IPs of both families",
      { resolution: "STATIC", endpoints: [IP, IP6] },
      ["192.0.2.1", "2001:db8::1"],
    ],
    [
      "STATIC, names, sockets and nothing are skipped",
      { resolution: "STATIC", endpoints: [NAME, IP, UNIX, OTHER_NETWORK] },
      ["192.0.2.1"],
      ["EndpointNameInStatic", "EndpointUnixSocket", "EndpointWithoutAddress"],
    ],
    [
      "STATIC, only a name: own and empty",
      { resolution: "STATIC", endpoints: [NAME] },
      [],
      ["EndpointNameInStatic"],
    ],
    ["STATIC, only an unreadable endpoint: own and empty", { resolution: "STATIC", endpoints: [7] }, []],
    [
      "STATIC, endpoints win over the selector",
      { resolution: "STATIC", endpoints: [IP], workloadSelector: SELECTOR },
      ["192.0.2.1"],
      ["SelectorIgnored"],
    ],
    ["STATIC, selector", { resolution: "STATIC", workloadSelector: SELECTOR }, ['labels:{"app":"a"}']],
    ["STATIC, neither", { resolution: "STATIC" }, undefined, ["NoEndpoints"]],
    [
      "STATIC, a forbidden endpoint",
      { resolution: "STATIC", endpoints: [{ address: "127.0.0.1" }] },
      [],
      ["AddressForbidden"],
    ],
    [
      "STATIC, the same IP twice",
      { resolution: "STATIC", endpoints: [IP, { ...IP, weight: 5 }] },
      ["192.0.2.1x5"],
    ],
    [
      "DNS, IPs and names",
      { resolution: "DNS", endpoints: [NAME, IP, NAME] },
      ["192.0.2.1", "name:b.example"],
    ],
    [
      "DNS, sockets are skipped",
      { resolution: "DNS", endpoints: [UNIX, NAME] },
      ["name:b.example"],
      ["EndpointUnixSocket"],
    ],
    [
      "DNS, only an unreadable endpoint: own and empty, not itself",
      { resolution: "DNS", endpoints: [{ address: "x y" }] },
      [],
    ],
    ["DNS_ROUND_ROBIN, a name", { resolution: "DNS_ROUND_ROBIN", endpoints: [NAME] }, ["name:b.example"]],
    ["DNS, selector", { resolution: "DNS", workloadSelector: SELECTOR }, ['labels:{"app":"a"}+names']],
    ["DNS, neither: the host itself", { resolution: "DNS" }, ["itself:a.example"]],
    ["DNS_ROUND_ROBIN, neither", { resolution: "DNS_ROUND_ROBIN" }, ["itself:a.example"]],
    [
      "DNS, a wildcard with endpoints",
      { hosts: ["*.a.example"], resolution: "DNS", endpoints: [NAME] },
      ["name:b.example"],
    ],
    [
      "DNS, a wildcard without",
      { hosts: ["*.a.example"], resolution: "DNS" },
      undefined,
      ["WildcardWithDns"],
    ],
    ["DYNAMIC_DNS", { hosts: ["*.a.example"], resolution: "DYNAMIC_DNS" }, undefined],
    [
      "DYNAMIC_DNS, endpoints",
      { resolution: "DYNAMIC_DNS", endpoints: [IP] },
      undefined,
      ["EndpointsIgnored"],
    ],
    ["NONE (unset)", {}, undefined],
    ["NONE, endpoints", { resolution: "NONE", endpoints: [IP] }, undefined, ["EndpointsIgnored"]],
    ["NONE, selector", { workloadSelector: SELECTOR }, ['labels:{"app":"a"}'], ["SelectorWithNone"]],
  ];
  for (const [what, spec, expected, codes] of cases)
    it(what, () => {
      const planned = plan(entry({ hosts: [h], ...spec }));
      expect(real(planned.host)).to.deep.equal(expected);
      expect(planned.codes).to.deep.equal(codes ?? []);
    });

  it("each host of a DNS entry without endpoints is resolved for itself", () => {
    const planned = plan(entry({ hosts: ["a.example", "b.example", "*.c.example"], resolution: "DNS" }));
    expect(planned.hosts.map(real)).to.deep.equal([["itself:a.example"], ["itself:b.example"], undefined]);
  });

  it("keeps weights, and paths of names", () => {
    const endpoints = [{ ...IP, weight: 3 }, IP6, { ...NAME, weight: 9 }];
    const planned = plan(entry({ hosts: [h], resolution: "DNS", endpoints }));
    expect(planned.host?.real).to.deep.equal({
      fixed: [
        { address: "192.0.2.1", weight: 3, locality: NOWHERE },
        { address: "2001:db8::1", weight: 0, locality: NOWHERE },
      ],
      targets: [{ kind: "name", name: "b.example", weight: 9, locality: NOWHERE, isItself: false }],
    });
  });

  describe("network", () => {
    const endpoints = [
      { address: "192.0.2.1", network: "east" },
      { address: "192.0.2.2", network: "west" },
      { address: "192.0.2.3" },
      { address: "192.0.2.4", labels: { "topology.istio.io/network": "west" } },
      { address: "192.0.2.5", network: "east", labels: { "topology.istio.io/network": "west" } },
    ];
    const object = () => entry({ hosts: [h], resolution: "STATIC", endpoints });
    it("own network unknown: all endpoints", () => {
      expect(real(plan(object()).host)).to.have.length(5);
    });
    it("own network known: others are skipped", () => {
      const planned = plan(object(), { network: "east" });
      expect(real(planned.host)).to.deep.equal(["192.0.2.1", "192.0.2.3", "192.0.2.5"]);
      expect(planned.codes).to.deep.equal(["EndpointOtherNetwork", "EndpointOtherNetwork"]);
    });
  });

  describe("virtual addresses", () => {
    const status = {
      addresses: [
        { value: "240.240.0.1", host: h },
        { value: "240.240.0.2", host: h },
        { value: "2001:2::1", host: h },
        { value: "240.240.0.9", host: "other.example" },
        { value: "240.240.0.8" },
      ],
    };
    const virtual = (given: Parameters<typeof entry>[0]) =>
      plan(entry({ hosts: [h], ...given })).host?.virtual;

    it("single IPs of spec.addresses, wider prefixes do not count", () => {
      const addresses = ["10.1.0.0/16", "10.0.0.1", "10.0.0.2/32", "fd00::1/128"];
      const expected = ["10.0.0.1", "10.0.0.2", "fd00::1"];
      expect(virtual({ addresses, status })).to.deep.equal({
        addresses: expected,
        isWritten: true,
        allocated: new Set(),
      });
    });
    it("those in a range that a mesh allocates from are known as such", () => {
      const addresses = ["10.0.0.1", "240.1.0.1", "198.18.5.5", "2001:2:0:1::1", "2001:2:1::1", "172.31.0.9"];
      const ranged = (virtualRanges: RegistrySettings["virtualRanges"]) => [
        ...plan(entry({ hosts: [h], addresses }), { virtualRanges }).host!.virtual!.allocated,
      ];
      expect(ranged([])).to.deep.equal(["240.1.0.1", "198.18.5.5", "2001:2:0:1::1"]);
      const own = parseIpPrefix("172.31.0.0/16")!;
      expect(ranged([own])).to.deep.equal(["240.1.0.1", "198.18.5.5", "2001:2:0:1::1", "172.31.0.9"]);
    });
    it("the last allocated one of each family, of this host", () => {
      const addresses = ["240.240.0.2", "2001:2::1"];
      const expected = { addresses, isWritten: false, allocated: new Set(addresses) };
      expect(virtual({ resolution: "STATIC", status })).to.deep.equal(expected);
    });
    it("none allocated with resolution NONE", () => {
      expect(virtual({ status })).to.equal(undefined);
    });
    it("none allocated where spec.addresses has but a prefix", () => {
      expect(virtual({ resolution: "DNS", addresses: ["10.0.0.0/8"], status })).to.equal(undefined);
    });
    for (const value of ["false", "False", "FALSE"])
      it(`none allocated with the label ${value}`, () => {
        const labels = { "networking.istio.io/enable-autoallocate-ip": value };
        expect(virtual({ resolution: "DNS", labels, status })).to.equal(undefined);
      });
    it("allocated with the label true", () => {
      const labels = { "networking.istio.io/enable-autoallocate-ip": "true" };
      expect(virtual({ resolution: "DNS", labels, status })?.addresses).to.have.length(2);
    });
    it("forbidden ones are dropped and reported; with none left the host still has virtual addresses", () => {
      const planned = plan(entry({ hosts: [h], addresses: ["169.254.169.254"] }));
      expect(planned.host?.virtual).to.deep.equal({
        addresses: [],
        isWritten: true,
        allocated: new Set(),
      });
      expect(planned.codes).to.deep.equal(["AddressForbidden"]);
    });
  });

  it("leaves reserved hosts out and keeps the others", () => {
    const planned = plan(entry({ hosts: ["x.default.svc", h, "*.com"], resolution: "DNS" }));
    expect(planned.hosts.map((each) => each.host)).to.deep.equal([h]);
    expect(planned.rejectedHosts).to.deep.equal(["x.default.svc", "*.com"]);
    expect(planned.codes).to.deep.equal(["HostReserved", "WildcardTooWide"]);
  });

  describe("limits", () => {
    const endpoints = (count: number, address: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => ({ address: address(index) }));
    it("256 addresses of a family", () => {
      const many = endpoints(300, (index) => `10.0.${index >> 8}.${index & 255}`);
      const planned = plan(entry({ hosts: [h], resolution: "STATIC", endpoints: [...many, IP6] }));
      expect(real(planned.host)).to.have.length(257);
      expect(real(planned.host)).to.include("10.0.0.255").and.not.include("10.0.1.0");
      expect(planned.codes).to.deep.equal(["LimitExceeded"]);
    });
    it("256 names", () => {
      const planned = plan(
        entry({ hosts: [h], resolution: "DNS", endpoints: endpoints(257, (index) => `n${index}.example`) }),
      );
      expect(real(planned.host)).to.have.length(256);
      expect(planned.codes).to.deep.equal(["LimitExceeded"]);
    });
    it("256 virtual addresses", () => {
      const addresses = Array.from({ length: 260 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
      const planned = plan(entry({ hosts: [h], addresses }));
      expect(planned.host?.virtual?.addresses).to.have.length(256);
      expect(planned.codes).to.deep.equal(["LimitExceeded"]);
    });
  });

  describe("ports", () => {
    const ports = [
      { number: 80, name: "http" },
      { number: 443, name: "https" },
    ];
    it("an endpoint on another port is reported", () => {
      const endpoints = [
        { ...NAME, ports: { http: 8000 } },
        { ...IP, ports: { http: 80, https: 443 } },
      ];
      const planned = plan(entry({ hosts: [h], resolution: "DNS", ports, endpoints }));
      expect(planned.codes).to.deep.equal(["PortMismatch"]);
    });
    it("a target port that an endpoint does not override is reported, without real addresses not", () => {
      const withTarget = [{ number: 80, name: "http", targetPort: 8080 }];
      const codes = (spec: object) => plan(entry({ hosts: [h], ports: withTarget, ...spec })).codes;
      expect(codes({ resolution: "STATIC", endpoints: [IP] })).to.deep.equal(["PortMismatch"]);
      expect(codes({ resolution: "STATIC", endpoints: [{ ...IP, ports: { http: 80 } }] })).to.deep.equal([]);
      expect(codes({ resolution: "STATIC", workloadSelector: SELECTOR })).to.deep.equal(["PortMismatch"]);
      expect(codes({ addresses: ["10.0.0.1"] })).to.deep.equal([]);
    });
    it("equal sets of port numbers have equal keys", () => {
      const key = (numbers: readonly number[]) =>
        plan(entry({ hosts: [h], ports: numbers.map((number) => ({ number, name: `p${number}` })) })).host
          ?.portsKey;
      expect(key([443, 80])).to.equal(key([80, 443, 80]));
      expect(key([80])).to.not.equal(key([8, 0]));
      expect(key([80])).to.not.equal(key([443]));
    });
  });

  describe("exportTo", () => {
    const cases: readonly (readonly [string[], string[], boolean, string[]])[] = [
      [[], ["*"], true, []],
      [[], [], true, []],
      [[], ["."], false, ["shop"]],
      [["*"], ["."], true, []],
      [["."], ["*"], false, ["shop"]],
      [["web", "api"], ["*"], false, ["api", "web"]],
      [["~"], ["*"], false, []],
      [[".", "*"], ["*"], true, []],
    ];
    for (const [exportTo, defaultExportTo, isPublic, namespaces] of cases)
      it(`${JSON.stringify(exportTo)} with default ${JSON.stringify(defaultExportTo)}`, () => {
        const planned = plan(entry({ namespace: "shop", hosts: [h], exportTo }), { defaultExportTo });
        expect(planned.visibility.isPublic).to.equal(isPublic);
        expect([...planned.visibility.namespaces].sort()).to.deep.equal(namespaces);
        expect(planned.codes).to.deep.equal([]);
      });
  });
});
