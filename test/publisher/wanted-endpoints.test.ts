import { expect } from "chai";
import fc from "fast-check";
import type { EndpointSlice, Service, SliceEndpoint } from "../../src/mesh/objects.ts";
import type { Publication, PublishedSource } from "../../src/mesh/publication.ts";
import type { FamilyResolutions } from "../../src/mesh/resolution.ts";
import { createAddressFilter } from "../../src/publisher/address-filter.ts";
import { PLAIN_ENDPOINT } from "../../src/publisher/desired-endpoint.ts";
import { Lingering } from "../../src/publisher/lingering.ts";
import { serviceEndpoints } from "../../src/publisher/service-endpoints.ts";
import { type EndpointContext, wantedEndpoints } from "../../src/publisher/wanted-endpoints.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { endpoint, host, ip, port, sliceOf } from "./fixture.ts";

const FILTER = createAddressFilter({
  virtualRanges: [parseIpPrefix("10.99.0.0/16")!],
  serviceRanges: [parseIpPrefix("10.96.0.0/16")!, parseIpPrefix("fd00:96::/112")!],
  isClusterIp: (address) => address === "10.200.0.1",
});
const CONTEXT: EndpointContext = {
  filter: FILTER,
  serviceOf: () => undefined,
  slicesOf: () => [],
  nowMs: 1000,
};

function publication(...sources: readonly PublishedSource[]): Publication {
  return {
    key: "default/e/a.example.com",
    host: host("a.example.com"),
    entry: { kind: "ServiceEntry", namespace: "default", name: "e" },
    entryUid: "u",
    ports: [port(80), port(53, "dns", "UDP")],
    prefersZone: false,
    sources,
  };
}

function address(text: string, reached: readonly number[] = [8000, 53]): PublishedSource {
  return { kind: "address", address: ip(text), reached, zone: "", node: "", pod: undefined };
}

function name(
  text: string,
  resolutions: FamilyResolutions | undefined,
  service?: { namespace: string; name: string },
): PublishedSource {
  return { kind: "name", name: host(text), service, reached: [8000, 53], zone: "z", resolutions };
}

function fresh(expiresAtMs: number, ...addresses: readonly string[]): FamilyResolutions {
  return {
    A: { state: "fresh", addresses: addresses.map(ip), expiresAtMs },
    AAAA: { state: "denied", by: "nodata" },
  };
}

const told = (endpoints: readonly { address: string; reached: readonly number[] }[]) =>
  endpoints.map(({ address: to, reached }) => `${to} ${reached}`);

describe("addresses in slices", () => {
  it("are none that the API server refuses or that leads nowhere, whatever spelling it has", () => {
    const refused = [
      ...[
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
      ],
      ...["::", "::1", "fe80::1", "febf::9", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"],
      ...[
        "240.240.0.1",
        "198.18.0.7",
        "2001:2::9",
        "10.99.3.4",
        "10.96.0.1",
        "10.96.255.9",
        "fd00:96::12",
        "10.200.0.1",
        "::ffff:10.96.0.1",
      ],
    ];
    for (const each of refused) expect(FILTER(ip(each)), each).to.be.a("string");
    for (const each of [
      "10.1.0.1",
      "10.97.0.1",
      "192.168.1.100",
      "2001:db8::1",
      "fd00:97::1",
      "10.200.0.2",
      "1.1.1.1",
    ])
      expect(FILTER(ip(each)), each).to.equal(undefined);
  });

  it("are canonical: no mapped ones, no leading zeros", () => {
    expect(ip("::ffff:10.1.0.1")).to.equal("10.1.0.1");
    expect(() => ip("010.1.0.1")).to.throw();
    const { endpoints } = wantedEndpoints(publication(address("::ffff:10.1.0.1")), CONTEXT);
    expect(told(endpoints)).to.deep.equal(["10.1.0.1 8000,53"]);
  });
});

describe("wanted endpoints", () => {
  it("are those of all sources, each once for each mapping, and say what is left out", () => {
    const { endpoints, skipped } = wantedEndpoints(
      publication(
        address("10.1.0.1"),
        address("10.1.0.1"),
        address("10.1.0.1", [9000, 53]),
        address("127.0.0.1"),
        name("b.example", fresh(9000, "10.1.0.2", "10.96.0.7")),
      ),
      CONTEXT,
    );
    expect(told(endpoints)).to.deep.equal(["10.1.0.1 8000,53", "10.1.0.1 9000,53", "10.1.0.2 8000,53"]);
    expect(skipped).to.have.length(2);
    expect(skipped.join())
      .to.include("127.0.0.1 is a loopback address")
      .and.include("b.example (10.96.0.7) lies in the range");
  });

  it("are pending while a first lookup is, unless the name is a Service that is followed", () => {
    const pending: FamilyResolutions = {
      A: { state: "pending", sinceMs: 0 },
      AAAA: { state: "pending", sinceMs: 0 },
    };
    expect(wantedEndpoints(publication(name("b.example", pending)), CONTEXT).isPending).to.equal(true);
    const followed = {
      ...CONTEXT,
      serviceOf: () => service([{ number: 8000 }]),
      slicesOf: () => [slice([{ number: 80 }], ["10.1.0.5"])],
    };
    const wanted = wantedEndpoints(
      publication(name("s.d.svc.cluster.local", pending, { namespace: "d", name: "s" })),
      followed,
    );
    expect(wanted.isPending).to.equal(false);
    expect(told(wanted.endpoints)).to.deep.equal(["10.1.0.5 80,0"]);
  });
});

describe("a Service as an endpoint", () => {
  const follow = (of: Service, slices: readonly EndpointSlice[], reached = [8000, 53]) =>
    serviceEndpoints(of, slices, [{ protocol: "HTTP" }, { protocol: "UDP" }], reached);

  it("leads by its own port's name to the pods' ports, TCP and UDP apart", () => {
    const found = follow(
      service([
        { number: 8000, name: "web" },
        { number: 53, name: "dns", protocol: "UDP" },
        { number: 53, name: "dns-tcp" },
      ]),
      [
        slice(
          [
            { number: 8080, name: "web" },
            { number: 5353, name: "dns", protocol: "UDP" },
            { number: 5354, name: "dns-tcp" },
          ],
          ["10.1.0.1"],
        ),
        slice([{ number: 9090, name: "web" }], ["10.1.0.2"]),
      ],
    )!;
    expect(told(found)).to.deep.equal(["10.1.0.1 8080,5353", "10.1.0.2 9090,0"]);
  });

  it("has nothing behind a port that it does not have, but a headless one has", () => {
    expect(told(follow(service([{ number: 80 }]), [slice([{ number: 8080 }], ["10.1.0.1"])])!)).to.deep.equal(
      ["10.1.0.1 0,0"],
    );
    expect(told(follow({ ...service([]), isHeadless: true }, [slice([], ["10.1.0.1"])])!)).to.deep.equal([
      "10.1.0.1 8000,53",
    ]);
  });

  it("keeps readiness, termination, zone, node and pod; is resolved where it is an ExternalName", () => {
    const state: Partial<SliceEndpoint> = {
      isReady: false,
      isServing: true,
      isTerminating: true,
      zone: "z1",
      nodeName: "n1",
      pod: { namespace: "d", name: "p", uid: "u" },
    };
    const [found] = follow(service([{ number: 8000 }]), [slice([{ number: 80 }], ["10.1.0.1"], state)])!;
    expect(found).to.deep.include(state);
    expect(follow({ ...service([]), isExternalName: true }, [])).to.equal(undefined);
  });
});

describe("endpoints that linger", () => {
  const NAMES = new Set([host("b.example")]);
  const at = (lingering: Lingering, nowMs: number, resolutions: FamilyResolutions, names = NAMES) =>
    told(
      lingering.update(
        wantedEndpoints(publication(name("b.example", resolutions)), { ...CONTEXT, nowMs }),
        names,
        nowMs,
        FILTER,
      ).endpoints,
    ).sort();

  it("stay for 60 s, or twice their TTL, after the last answer that had them", () => {
    const lingering = new Lingering();
    at(lingering, 0, fresh(30_000, "10.1.0.1"));
    expect(at(lingering, 5000, fresh(35_000, "10.1.0.2"))).to.deep.equal([
      "10.1.0.1 8000,53",
      "10.1.0.2 8000,53",
    ]);
    expect(at(lingering, 64_999, fresh(90_000, "10.1.0.2"))).to.have.length(2);
    expect(at(lingering, 65_000, fresh(90_000, "10.1.0.2"))).to.deep.equal(["10.1.0.2 8000,53"]);
    at(lingering, 100_000, fresh(100_000 + 200_000, "10.1.0.3"));
    at(lingering, 110_000, fresh(150_000, "10.1.0.4"));
    expect(at(lingering, 110_000 + 399_999, fresh(600_000, "10.1.0.4"))).to.include("10.1.0.3 8000,53");
    expect(at(lingering, 110_000 + 400_000, fresh(600_000, "10.1.0.4"))).not.to.include("10.1.0.3 8000,53");
  });

  it("go at once with the name, and not while nobody knows the name's addresses", () => {
    const lingering = new Lingering();
    at(lingering, 0, fresh(30_000, "10.1.0.1"));
    const failed: FamilyResolutions = {
      A: { state: "failed", failure: "timeout" },
      AAAA: { state: "failed", failure: "timeout" },
    };
    expect(at(lingering, 10_000, failed)).to.deep.equal(["10.1.0.1 8000,53"]);
    expect(at(lingering, 900_000, failed)).to.deep.equal(["10.1.0.1 8000,53"]);
    expect(at(lingering, 900_001, failed, new Set())).to.deep.equal([]);
  });

  it("of one that wrote before us count as seen when we begin", () => {
    const lingering = new Lingering();
    lingering.adopt([endpoint("10.1.0.1", [8000, 53]), endpoint("10.96.0.1", [8000, 53])], 1000);
    expect(at(lingering, 1000, fresh(30_000, "10.1.0.2"))).to.deep.equal([
      "10.1.0.1 8000,53",
      "10.1.0.2 8000,53",
    ]);
    expect(at(lingering, 61_000, fresh(90_000, "10.1.0.2"))).to.deep.equal(["10.1.0.2 8000,53"]);
  });

  it("never leave out what is wanted now, nor keep what left longer ago than it lingers", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 0, max: 50_000 }),
            fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
          ),
          { maxLength: 30 },
        ),
        (steps) => {
          const lingering = new Lingering();
          const leftAtMs = new Map<number, number>();
          let [nowMs, before] = [0, [] as readonly number[]];
          for (const [restMs, seen] of steps) {
            nowMs += restMs;
            for (const each of before) if (!seen.includes(each)) leftAtMs.set(each, nowMs);
            for (const each of seen) leftAtMs.delete(each);
            for (const [each, atMs] of leftAtMs) if (nowMs - atMs >= 60_000) leftAtMs.delete(each);
            const meant = [...seen, ...leftAtMs.keys()].map((each) => `10.1.0.${each} 8000,53`).sort();
            expect(
              at(lingering, nowMs, fresh(nowMs + 5000, ...seen.map((each) => `10.1.0.${each}`))),
            ).to.deep.equal(meant);
            before = seen;
          }
        },
      ),
    );
  });
});

interface GivenPort {
  readonly number: number;
  readonly name?: string;
  readonly protocol?: string;
}

function kubernetesPorts(ports: readonly GivenPort[]) {
  return ports.map((each) => ({ name: "", protocol: "TCP", appProtocol: "", ...each }));
}

function service(ports: readonly GivenPort[]): Service {
  return {
    ref: { kind: "Service", namespace: "d", name: "s" },
    uid: "u",
    resourceVersion: "1",
    createdAtMs: 0,
    labels: {},
    annotations: {},
    clusterIps: [ip("10.96.0.9")],
    isHeadless: false,
    isExternalName: false,
    ports: kubernetesPorts(ports),
    isDeleting: false,
  };
}

function slice(
  ports: readonly GivenPort[],
  addresses: readonly string[],
  state: Partial<SliceEndpoint> = {},
): EndpointSlice {
  return sliceOf("s", {
    name: "s-1",
    addressType: "IPv4",
    ports: kubernetesPorts(ports),
    endpoints: addresses.map((each) => ({ ...PLAIN_ENDPOINT, address: each, ...state })),
  });
}
