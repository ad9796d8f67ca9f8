import { expect } from "chai";
import fc from "fast-check";
import type { Namespace } from "../../src/mesh/objects.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import {
  type Precedence,
  ReverseIndex,
  type ReverseSettings,
  reverseName,
} from "../../src/registry/reverse.ts";
import type { HostRecord, HostVariant, HostView } from "../../src/table/host-record.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { familyOf, type IpAddress, parseIpPrefix } from "../../src/wire/ip-address.ts";
import { hostPlanOf } from "./host-plan-of.ts";
import { entry, host, ip } from "./support.ts";

const SETTINGS: ReverseSettings = {
  clusterDomain: host("cluster.local"),
  virtualRanges: [],
  serviceAddresses: [],
  ttlSeconds: 30,
};

/** The client's own namespace first, then the older entry. */
const precedence: Precedence = (a, b, viewer) =>
  Number(a.entry.ref.namespace !== viewer) - Number(b.entry.ref.namespace !== viewer) ||
  (a.entry.createdAtMs ?? 0) - (b.entry.createdAtMs ?? 0) ||
  (a.entry.ref.name < b.entry.ref.name ? -1 : a.entry.ref.name > b.entry.ref.name ? 1 : 0);

function variant(source: HostVariant["source"], addresses: readonly IpAddress[]): HostVariant {
  const answer = (family: "A" | "AAAA"): HostVariant["answers"]["A"] => {
    const own = addresses.filter((each) => familyOf(each) === family);
    return own.length === 0
      ? { kind: "empty" }
      : { kind: "addresses", addresses: own, ttlSeconds: 30, isStale: false };
  };
  return {
    isPass: false,
    isAuthoritative: true,
    source,
    forwardsDnssec: false,
    negativeTtlSeconds: 5,
    answers: { A: answer("A"), AAAA: answer("AAAA") },
  };
}

const CHOICES: HostView["choices"] = {
  unknown: null,
  outside: null,
  sidecar: null,
  redirectedIpv4: 0,
  redirectedIpv6: 0,
  redirectedDual: 0,
};

function viewOf(visibleTo: "all" | readonly Namespace[], ...variants: readonly HostVariant[]): HostView {
  return {
    visibleTo: visibleTo === "all" ? "all" : new Set(visibleTo),
    variants,
    choices: CHOICES,
    ports: [],
  };
}

function recordOf(name: HostName, ...views: readonly HostView[]): HostRecord {
  return { host: name, isDelegated: false, isFallback: false, views };
}

/** A public host with these virtual addresses. */
function publicRecord(name: HostName, ...addresses: readonly string[]): HostRecord {
  return recordOf(name, viewOf("all", variant("virtual", addresses.map(ip))));
}

function planIn(namespace: Namespace, created: string, ...hosts: readonly string[]): HostPlan {
  return hostPlanOf(entry({ name: hosts[0]!.replaceAll("*", "x"), namespace, created, hosts }));
}

/** `namespaces: pointer`; "-": forwarded. */
function told(index: ReverseIndex, address: string): readonly string[] {
  const views = index.recordOf(reverseName(ip(address)))?.views ?? [];
  return views.map(({ visibleTo, pointer, choices }) => {
    expect(new Set(Object.values(choices))).to.deep.equal(new Set([pointer === undefined ? null : 0]));
    return `${visibleTo === "all" ? "all" : [...visibleTo].sort().join(",")}: ${pointer ?? "-"}`;
  });
}

describe("reverseName", () => {
  const cases = {
    "240.240.0.17": "17.0.240.240.in-addr.arpa",
    "1.2.3.4": "4.3.2.1.in-addr.arpa",
    "2001:2::f0f0:1": "1.0.0.0.0.f.0.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa",
  };
  for (const [address, name] of Object.entries(cases))
    it(address, () => {
      expect(reverseName(ip(address))).to.equal(name);
    });
});

describe("ReverseIndex", () => {
  let index: ReverseIndex;
  beforeEach(() => {
    index = new ReverseIndex(SETTINGS, precedence);
  });
  const a = host("a.example");
  const b = host("b.example");
  const VIP = "240.240.0.1";

  it("names the host of a virtual address of either family, and tells which names changed", () => {
    const touched = index.change(a, publicRecord(a, VIP, "2001:2::1"), [planIn("x", "2020", a)]);
    expect([...touched].sort()).to.deep.equal([reverseName(ip(VIP)), reverseName(ip("2001:2::1"))].sort());
    expect(told(index, VIP)).to.deep.equal(["all: a.example"]);
    expect(told(index, "2001:2::1")).to.deep.equal(["all: a.example"]);
    expect(told(index, "240.240.0.2")).to.deep.equal([]);
    expect([...index.names()].sort()).to.deep.equal([...touched].sort());
  });

  it("answers with authority and without addresses", () => {
    index.change(a, publicRecord(a, VIP), [planIn("x", "2020", a)]);
    const record = index.recordOf(reverseName(ip(VIP)));
    expect(record?.host).to.equal("1.0.240.240.in-addr.arpa");
    expect(record?.views[0]?.variants).to.deep.equal([{ ...variant("virtual", []), negativeTtlSeconds: 30 }]);
  });

  it("forwards addresses outside of the ranges, and real ones", () => {
    const record = recordOf(
      a,
      viewOf("all", variant("virtual", [ip("10.0.0.1")]), variant("static", [ip(VIP)])),
    );
    expect([...index.change(a, record, [planIn("x", "2020", a)])]).to.deep.equal([]);
    expect(told(index, "10.0.0.1")).to.deep.equal([]);
    expect(told(index, VIP)).to.deep.equal([]);
  });

  it("knows the operator's ranges, also when they change", () => {
    index.change(a, publicRecord(a, "10.96.0.9", VIP), [planIn("x", "2020", a)]);
    const virtualRanges = [parseIpPrefix("10.96.0.0/16")!];
    expect([...index.updateSettings({ ...SETTINGS, virtualRanges })]).to.include(
      reverseName(ip("10.96.0.9")),
    );
    expect(told(index, "10.96.0.9")).to.deep.equal(["all: a.example"]);
    expect([...index.updateSettings(SETTINGS)]).to.include(reverseName(ip("10.96.0.9")));
    expect(told(index, "10.96.0.9")).to.deep.equal([]);
    expect(told(index, VIP)).to.deep.equal(["all: a.example"]);
  });

  it("names the server at its own addresses, whoever claims them", () => {
    const own = new ReverseIndex({ ...SETTINGS, serviceAddresses: [ip(VIP), ip("10.96.0.53")] }, precedence);
    own.change(a, publicRecord(a, VIP), [planIn("x", "2020", a)]);
    for (const address of [VIP, "10.96.0.53"])
      expect(told(own, address)).to.deep.equal(["all: serviceentry-dns.cluster.local"]);
    const touched = own.updateSettings(SETTINGS);
    expect([...touched]).to.include(reverseName(ip("10.96.0.53")));
    expect(told(own, "10.96.0.53")).to.deep.equal([]);
    expect(told(own, VIP)).to.deep.equal(["all: a.example"]);
  });

  it("names the first host of an entry that is no wildcard", () => {
    const plan = planIn("x", "2020", "*.a.example", "b.example", "a.example");
    const wildcard = host("*.a.example");
    expect([...index.change(wildcard, publicRecord(wildcard, VIP), [plan])]).to.deep.equal([]);
    expect(told(index, VIP)).to.deep.equal([]);
    index.change(a, publicRecord(a, VIP), [plan]);
    expect(told(index, VIP)).to.deep.equal(["all: a.example"]);
    index.change(b, publicRecord(b, VIP), [plan]);
    expect(told(index, VIP)).to.deep.equal(["all: b.example"]);
  });

  it("names the host of the entry that comes first for each client", () => {
    index.change(a, publicRecord(a, VIP), [planIn("x", "2019", a)]);
    index.change(b, publicRecord(b, VIP), [planIn("y", "2020", b)]);
    expect(told(index, VIP)).to.deep.equal(["y: b.example", "all: a.example"]);
  });

  it("tells a namespace nothing that only others see", () => {
    const record = recordOf(a, viewOf(["x", "z"], variant("virtual", [ip(VIP)])));
    index.change(a, record, [planIn("x", "2020", a)]);
    expect(told(index, VIP)).to.deep.equal(["x,z: a.example"]);
  });

  it("forwards for a namespace that has another owner of the host", () => {
    const record = recordOf(
      a,
      viewOf(["z"], variant("virtual", [ip("240.240.0.9")])),
      viewOf("all", variant("virtual", [ip(VIP)])),
    );
    index.change(a, record, [planIn("z", "2021", a), planIn("x", "2020", a)]);
    expect(told(index, VIP)).to.deep.equal(["z: -", "all: a.example"]);
    expect(told(index, "240.240.0.9")).to.deep.equal(["z: a.example"]);
  });

  it("forgets", () => {
    index.change(a, publicRecord(a, VIP), [planIn("x", "2019", a)]);
    index.change(b, publicRecord(b, VIP), [planIn("y", "2020", b)]);
    expect([...index.change(a, undefined, [])]).to.deep.equal([reverseName(ip(VIP))]);
    expect(told(index, VIP)).to.deep.equal(["all: b.example"]);
    const moved = index.change(b, publicRecord(b, "240.240.0.2"), [planIn("y", "2020", b)]);
    expect([...moved].sort()).to.deep.equal([reverseName(ip(VIP)), reverseName(ip("240.240.0.2"))].sort());
    expect(told(index, VIP)).to.deep.equal([]);
    expect([...index.change(b, undefined, [])]).to.deep.equal([reverseName(ip("240.240.0.2"))]);
    expect([...index.names()]).to.deep.equal([]);
    expect([...index.change(b, undefined, [])]).to.deep.equal([]);
  });

  it("bears thousands of hosts at one address", () => {
    for (let at = 0; at < 3000; at += 1) {
      const name = host(`h${at}.example`);
      index.change(name, publicRecord(name, VIP), [planIn(`n${at % 300}`, String(2000 + (at % 17)), name)]);
    }
    const views = told(index, VIP);
    expect(views).to.have.length.within(2, 258);
    expect(views.at(-1)).to.equal("all: h0.example");
  });

  it("tells each of many namespaces its own host", () => {
    for (let at = 0; at < 256; at += 1) {
      const name = host(`h${at}.example`);
      index.change(name, publicRecord(name, VIP), [planIn(`n${at}`, at === 0 ? "2000" : "2001", name)]);
    }
    const views = told(index, VIP);
    expect(views).to.have.length(256);
    for (let at = 1; at < 256; at += 1) expect(views).to.include(`n${at}: h${at}.example`);
  });

  describe("follows any changes", () => {
    const NAMES = ["a.example", "b.example", "c.example"].map(host);
    const NAMESPACES = ["x", "y", "z"];
    const ADDRESSES = ["240.240.0.1", "240.240.0.2", "10.0.0.1"].map(ip);
    const plans = fc
      .record({
        namespace: fc.constantFrom(...NAMESPACES),
        created: fc.constantFrom("2019", "2020"),
        name: fc.constantFrom("one", "two"),
        order: fc.shuffledSubarray(NAMES, { minLength: NAMES.length }),
      })
      .map(({ order, ...rest }) => hostPlanOf(entry({ ...rest, hosts: order })));
    const part = fc.record({
      visibleTo: fc.subarray(NAMESPACES, { minLength: 1 }),
      addresses: fc.subarray(ADDRESSES),
      plan: plans,
    });
    const state = fc.record({ own: fc.option(part), all: fc.option(part) });
    const changes = fc.array(fc.tuple(fc.constantFrom(...NAMES), state), { maxLength: 12 });
    type State = typeof state extends fc.Arbitrary<infer T> ? T : never;

    const apply = (to: ReverseIndex, name: HostName, { own, all }: State) => {
      const given = [own && { ...own }, all && { ...all, visibleTo: "all" as const }].filter(
        (each) => each !== null,
      );
      const views = given.map(({ visibleTo, addresses }) => viewOf(visibleTo, variant("virtual", addresses)));
      const record = views.length === 0 ? undefined : recordOf(name, ...views);
      return to.change(
        name,
        record,
        given.map(({ plan }) => plan),
      );
    };

    /** By the slowest way: who, of all hosts, comes first for the client among those whose view has the address. */
    const expected = (states: ReadonlyMap<HostName, State>, address: IpAddress, viewer?: Namespace) => {
      const sharers = [...states].flatMap(([name, { own, all }]) => {
        const seen = viewer !== undefined && own?.visibleTo.includes(viewer) ? own : all;
        return seen?.addresses.includes(address) ? [{ name, plan: seen.plan }] : [];
      });
      sharers.sort((one, other) =>
        one.plan.entry === other.plan.entry
          ? one.plan.entry.hosts.indexOf(one.name) - other.plan.entry.hosts.indexOf(other.name)
          : precedence(one.plan, other.plan, viewer) || (one.name < other.name ? -1 : 1),
      );
      return sharers[0]?.name;
    };

    it("to what the present records say, and tells of every name that differs", () => {
      fc.assert(
        fc.property(changes, (sequence) => {
          const followed = new ReverseIndex(SETTINGS, precedence);
          const states = new Map<HostName, State>();
          for (const [name, next] of sequence) {
            const before = new Map([...followed.names()].map((each) => [each, followed.recordOf(each)]));
            const touched = apply(followed, name, next);
            states.set(name, next);
            for (const each of new Set([...before.keys(), ...followed.names()]))
              if (!touched.has(each)) expect(followed.recordOf(each)).to.deep.equal(before.get(each));
          }
          for (const address of ADDRESSES.slice(0, 2)) {
            const views = followed.recordOf(reverseName(address))?.views ?? [];
            for (const viewer of [...NAMESPACES, "w", undefined]) {
              const view = views.find(
                ({ visibleTo }) => visibleTo === "all" || (viewer !== undefined && visibleTo.has(viewer)),
              );
              expect(view?.pointer, `${address} for ${viewer}`).to.equal(expected(states, address, viewer));
            }
            const named = views.flatMap(({ visibleTo }) => (visibleTo === "all" ? [] : [...visibleTo]));
            expect(new Set(named).size, "disjoint").to.equal(named.length);
            expect(views.findIndex(({ visibleTo }) => visibleTo === "all")).to.be.oneOf([
              -1,
              views.length - 1,
            ]);
          }
          expect(followed.recordOf(reverseName(ip("10.0.0.1")))).to.equal(undefined);
        }),
      );
    });

    it("without a trace of their order", () => {
      fc.assert(
        fc.property(changes, fc.infiniteStream(fc.nat(5)), (sequence, seeds) => {
          const last = [...new Map(sequence)];
          const one = new ReverseIndex(SETTINGS, precedence);
          for (const [name, next] of sequence) apply(one, name, next);
          const other = new ReverseIndex(SETTINGS, precedence);
          const shuffled = last
            .map((each) => ({ each, key: seeds.next().value as number }))
            .sort((x, y) => x.key - y.key);
          for (const { each } of shuffled) apply(other, ...each);
          for (const address of ADDRESSES)
            expect(one.recordOf(reverseName(address))).to.deep.equal(other.recordOf(reverseName(address)));
        }),
      );
    });
  });
});
