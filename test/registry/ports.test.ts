import { expect } from "chai";
import fc from "fast-check";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { hostPorts, type PortSource, workloadPorts } from "../../src/registry/ports.ts";
import type { SelectedWorkload, Workload } from "../../src/registry/selection.ts";
import { UNKNOWN_LOCALITY } from "../../src/registry/weighted.ts";
import type { HostPort } from "../../src/table/host-record.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { hostPlanOf } from "./host-plan-of.ts";
import { entry, host, ip, workloadEntry } from "./support.ts";

function real(network?: string, ...workloads: readonly SelectedWorkload[]): PortSource {
  return { kind: "real", network, workloadsOf: () => workloads };
}

function selected(workload: Workload, given: Partial<SelectedWorkload> = {}): SelectedWorkload {
  const locality = UNKNOWN_LOCALITY;
  return { workload, ips: [ip("10.0.0.1")], name: undefined, weight: 0, locality, problems: [], ...given };
}

/** `name/transport port target weight`; "-": the host itself. */
function lines(ports: readonly HostPort[]): readonly string[] {
  return ports.flatMap(({ name, transport, targets }) =>
    targets.map(({ port, target, weight }) => `${name}/${transport} ${port} ${target ?? "-"} ${weight}`),
  );
}

const HTTP = { number: 80, name: "http", protocol: "HTTP" };

function portsOf(spec: Record<string, unknown>, source = real()): readonly string[] {
  return lines(hostPorts([hostPlanOf(entry({ hosts: ["a.example"], ...spec }))], source));
}

function staticPorts(...endpoints: readonly Record<string, unknown>[]): readonly string[] {
  return portsOf({ resolution: "STATIC", ports: [HTTP], endpoints });
}

function dnsPorts(...endpoints: readonly Record<string, unknown>[]): readonly string[] {
  return portsOf({ resolution: "DNS", ports: [HTTP], endpoints });
}

describe("hostPorts", () => {
  it("has every named port, in lower case, UDP only for the protocol UDP", () => {
    const ports = [
      HTTP,
      { number: 443, name: "HTTPS-Web", protocol: "TLS" },
      { number: 53, name: "dns", protocol: "udp" },
      { number: 54, name: "dns", protocol: "TCP" },
      { number: 9000, name: "", protocol: "TCP" },
      { number: 9001, name: "has.dot", protocol: "TCP" },
      { number: 9002, name: "a".repeat(62), protocol: "TCP" },
      { number: 9003, name: "a".repeat(63), protocol: "TCP" },
    ];
    expect(portsOf({ resolution: "DNS", ports })).to.deep.equal([
      "http/tcp 80 - 0",
      "https-web/tcp 443 - 0",
      "dns/udp 53 - 0",
      "dns/tcp 54 - 0",
      `${"a".repeat(62)}/tcp 9002 - 0`,
    ]);
  });

  it("is the target port for real addresses and the service port for virtual ones", () => {
    const spec = { resolution: "DNS", ports: [{ ...HTTP, targetPort: 8000 }] };
    expect(portsOf(spec)).to.deep.equal(["http/tcp 8000 - 0"]);
    expect(portsOf(spec, { kind: "virtual" })).to.deep.equal(["http/tcp 80 - 0"]);
  });

  it("is the endpoints' own port of that name, before the target port", () => {
    const endpoint = { address: "10.0.0.1", ports: { http: 8080 } };
    const spec = {
      resolution: "STATIC",
      ports: [{ ...HTTP, targetPort: 8000 }],
      endpoints: [endpoint, { ...endpoint, address: "10.0.0.2" }],
    };
    expect(portsOf(spec)).to.deep.equal(["http/tcp 8080 - 0"]);
    expect(portsOf(spec, { kind: "virtual" })).to.deep.equal(["http/tcp 80 - 0"]);
  });

  it("names the endpoints where their ports differ", () => {
    const a = { address: "a.example.net", ports: { http: 8001 } };
    const b = { address: "b.example.net", ports: { http: 8002 } };
    expect(dnsPorts(a, b)).to.deep.equal(["http/tcp 8001 a.example.net 1", "http/tcp 8002 b.example.net 1"]);
    expect(dnsPorts(b, { ...a, weight: 30 })).to.deep.equal([
      "http/tcp 8001 a.example.net 30",
      "http/tcp 8002 b.example.net 1",
    ]);
    expect(dnsPorts(a, { ...b, ports: { http: 8001 } })).to.deep.equal(["http/tcp 8001 - 0"]);
    expect(dnsPorts(a, { address: "10.0.0.1" })).to.deep.equal([
      "http/tcp 80 - 1",
      "http/tcp 8001 a.example.net 1",
    ]);
  });

  it("names the host once per port where endpoints without a name differ", () => {
    const at = (last: number, port: number, weight = 0) => ({
      address: `10.0.0.${last}`,
      ports: { http: port },
      weight,
    });
    expect(staticPorts(at(1, 8001), at(2, 8002), at(3, 8001, 4))).to.deep.equal([
      "http/tcp 8001 - 5",
      "http/tcp 8002 - 1",
    ]);
  });

  it("tells entries apart that have the same ports and other endpoints", () => {
    const plain = { resolution: "STATIC", ports: [HTTP], endpoints: [{ address: "10.0.0.1" }] };
    const own = { ...plain, endpoints: [{ address: "10.0.0.1", ports: { http: 8080 } }] };
    const resolved = {
      ...plain,
      resolution: "DNS",
      endpoints: [{ address: "a.example.net", ports: { http: 1 } }],
    };
    const mapped = { ...plain, ports: [{ ...HTTP, targetPort: 9000 }] };
    for (let turn = 0; turn < 2; turn += 1) {
      expect(portsOf(plain, real())).to.deep.equal(["http/tcp 80 - 0"]);
      expect(portsOf(own, real())).to.deep.equal(["http/tcp 8080 - 0"]);
      expect(portsOf(resolved, real())).to.deep.equal(["http/tcp 1 - 0"]);
      expect(portsOf(mapped, real())).to.deep.equal(["http/tcp 9000 - 0"]);
      expect(portsOf(mapped, { kind: "virtual" })).to.deep.equal(["http/tcp 80 - 0"]);
      expect(portsOf(plain, { kind: "virtual" })).to.deep.equal(["http/tcp 80 - 0"]);
    }
  });

  it("keeps weights within 16 bits and above 0", () => {
    const a = { address: "a.example.net", ports: { http: 1 }, weight: 4_000_000_000 };
    const b = { address: "b.example.net", ports: { http: 2 }, weight: 2_000_000_000 };
    const c = { address: "c.example.net", ports: { http: 3 }, weight: 1 };
    expect(dnsPorts(a, b, c)).to.deep.equal([
      "http/tcp 1 a.example.net 65535",
      "http/tcp 2 b.example.net 32767",
      "http/tcp 3 c.example.net 1",
    ]);
  });

  describe("leaves out endpoints that are not answered", () => {
    const good = { address: "10.0.0.1" };
    const other = { ports: { http: 8080 } };
    const cases: Readonly<Record<string, Record<string, unknown>>> = {
      "a forbidden address": { address: "127.0.0.1" },
      "a name in STATIC": { address: "a.example.net" },
      "a Unix socket": { address: "unix:/run/x" },
      "no address": { network: "n1" },
      "another network": { address: "10.0.0.9", network: "far" },
    };
    for (const [what, endpoint] of Object.entries(cases))
      it(what, () => {
        const spec = { resolution: "STATIC", ports: [HTTP], endpoints: [good, { ...other, ...endpoint }] };
        expect(portsOf(spec, real("n1"))).to.deep.equal(["http/tcp 80 - 0"]);
      });

    it("but not what the operator allows", () => {
      const spec = {
        hosts: ["a.example"],
        resolution: "STATIC",
        ports: [HTTP],
        endpoints: [{ address: "169.254.169.254", ports: { http: 8080 } }],
      };
      const allowedAddresses = [parseIpPrefix("169.254.169.254/32")!];
      const plan = hostPlanOf(entry(spec), host("a.example"), { allowedAddresses });
      expect(lines(hostPorts([plan], real()))).to.deep.equal(["http/tcp 8080 - 0"]);
    });
  });

  describe("of selected workloads", () => {
    const spec = {
      resolution: "STATIC",
      ports: [{ ...HTTP, targetPort: 8000 }],
      workloadSelector: { labels: { app: "a" } },
    };
    const pod = (containerPort: number) =>
      parsePod({
        metadata: { name: `p${containerPort}` },
        spec: { containers: [{ ports: [{ name: "http", containerPort }] }] },
        status: {},
      }).value!;

    it("is the target port while there is none", () => {
      expect(portsOf(spec)).to.deep.equal(["http/tcp 8000 - 0"]);
    });

    it("is the pods' container port of that name", () => {
      expect(portsOf(spec, real(undefined, selected(pod(8080))))).to.deep.equal(["http/tcp 8080 - 0"]);
      const two = real(undefined, selected(pod(8080)), selected(pod(8081)), selected(pod(8081)));
      expect(portsOf(spec, two)).to.deep.equal(["http/tcp 8080 - 1", "http/tcp 8081 - 2"]);
    });

    it("is the WorkloadEntry's port of that name, at its host name if it has one", () => {
      const workload = workloadEntry({ address: "vm.example.net", ports: { http: 9000 } });
      const named = selected(workload, { ips: [], name: host("vm.example.net"), weight: 7 });
      expect(portsOf(spec, real(undefined, named, selected(pod(8080))))).to.deep.equal([
        "http/tcp 8080 - 1",
        "http/tcp 9000 vm.example.net 7",
      ]);
    });

    it("takes no notice of workloads that add nothing", () => {
      const workload = workloadEntry({ address: "10.0.0.2", ports: { http: 9000 } });
      const nothing = selected(workload, { ips: [] });
      expect(portsOf(spec, real(undefined, nothing, selected(pod(8080))))).to.deep.equal([
        "http/tcp 8080 - 0",
      ]);
    });
  });

  it("adds the ports of merged entries", () => {
    const plan = (name: string, port: number, portName: string) =>
      hostPlanOf(
        entry({
          name,
          hosts: ["a.example"],
          resolution: "DNS",
          ports: [{ number: 80, name: portName, protocol: "TCP" }],
          endpoints: [{ address: `${name}.example.net`, ports: { [portName]: port } }],
        }),
      );
    expect(lines(hostPorts([plan("x", 8001, "web"), plan("y", 8002, "web")], real()))).to.deep.equal([
      "web/tcp 8001 x.example.net 1",
      "web/tcp 8002 y.example.net 1",
    ]);
    expect(lines(hostPorts([plan("x", 8001, "web"), plan("y", 8002, "http")], real()))).to.deep.equal([
      "web/tcp 8001 - 0",
      "http/tcp 8002 - 0",
    ]);
  });

  it("is bounded, whatever an entry has", () => {
    const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
    const manyPorts = numbers(300).map((number) => ({ number, name: `p${number}`, protocol: "TCP" }));
    expect(portsOf({ resolution: "DNS", ports: manyPorts })).to.have.length(64);
    const endpoints = numbers(200).map((at) => ({
      address: `e${at}.example.net`,
      ports: Object.fromEntries(manyPorts.map(({ name }) => [name, at])),
    }));
    expect(portsOf({ resolution: "DNS", ports: manyPorts, endpoints })).to.have.length(256);
  });

  it("does not depend on the order of the endpoints", () => {
    const endpoint = fc.record({
      address: fc.constantFrom("a.example.net", "b.example.net", "10.0.0.1", "10.0.0.2"),
      ports: fc.record({ http: fc.integer({ min: 1, max: 3 }) }, { requiredKeys: [] }),
      weight: fc.integer({ min: 0, max: 9 }),
    });
    const orders = fc
      .array(endpoint, { maxLength: 6 })
      .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));
    fc.assert(
      fc.property(orders, ([one, other]) => {
        expect(dnsPorts(...one)).to.deep.equal(dnsPorts(...other));
      }),
    );
  });
});

describe("workloadPorts", () => {
  it("are a WorkloadEntry's ports or a pod's container ports by name", () => {
    expect(workloadPorts(workloadEntry({ address: "10.0.0.1", ports: { a: 1 } }))).to.deep.equal({ a: 1 });
    const raw = {
      metadata: { name: "p" },
      spec: { containers: [{ ports: [{ name: "b", containerPort: 2 }] }] },
    };
    expect(workloadPorts(parsePod(raw).value!)).to.deep.equal({ b: 2 });
  });
});
