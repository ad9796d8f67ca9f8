import { expect } from "chai";
import fc from "fast-check";
import {
  CLIENT_CLASSES,
  type FamilyAnswer,
  type HostPort,
  type HostRecord,
  type HostVariant,
  type HostView,
  type Locality,
  type TrafficDistribution,
} from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { localityMarks } from "../../src/table/locality-marks.ts";
import {
  ANSWER_OCTETS,
  ANSWER_SOURCES,
  addressAtShare,
  addressCount,
  answersAt,
  errorCode,
  errorTextAt,
  errorTextLength,
  expiresAtMs,
  FamilyIndex,
  FamilyKind,
  familyKind,
  familyTtlSeconds,
  firstVariant,
  forwardsDnssec,
  hasPointer,
  hasPorts,
  hasWhy,
  isAuthoritative,
  isDelegated,
  isFallback,
  isPass,
  isRecordOf,
  isStale,
  isWildcardRecord,
  nameAt,
  nameLabelCount,
  nameLength,
  nearness,
  negativeTtlSeconds,
  PortTransport,
  packRecord,
  placesAt,
  portAt,
  recordLength,
  shareCount,
  sourceIndex,
  touchRecord,
  ttlSeconds,
  unpackRecord,
  untilMs,
  variantFor,
  viewFor,
  whyAt,
  whyLength,
} from "../../src/table/packed-record.ts";
import {
  firstTarget,
  nextTarget,
  pointerAt,
  pointerLength,
  targetCount,
  targetNameAt,
  targetNameLength,
  targetPort,
  targetWeight,
} from "../../src/table/packed-view.ts";
import { hostNameOctets, isWildcard, wildcardRest } from "../../src/wire/host-name.ts";
import { FAMILIES, ipAddressOctets } from "../../src/wire/ip-address.ts";
import {
  addresses,
  fewHosts,
  hostName,
  hostOf,
  hostRecord,
  ip,
  NAMESPACES,
  NOWHERE,
  record,
  resolved,
  variantAt,
  viewOf,
} from "./samples.ts";

const { A, AAAA } = FamilyIndex;

/** Packed at an odd place among other octets, as in a table. */
function packedAt(value: HostRecord, at = 7): Uint8Array {
  const packed = packRecord(value);
  const octets = new Uint8Array(at + packed.length + 9).fill(0xee);
  octets.set(packed, at);
  return octets;
}

describe("packRecord and unpackRecord", () => {
  it("give back what was packed, wherever it lies and however many views it has", () => {
    fc.assert(
      fc.property(hostRecord(fewHosts), fc.nat(20), (value, at) => {
        const octets = packedAt(value, at);
        expect(unpackRecord(octets, at)).to.deep.equal(value);
        expect(recordLength(octets, at)).to.equal(octets.length - at - 9);
      }),
    );
  });

  it("hold 256 addresses of each family", () => {
    const each = Array.from({ length: 256 }, (_, index) => index);
    const value = record(
      "*.example.com",
      addresses(...each.map((index) => `10.0.0.${index}`)),
      addresses(...each.map((index) => `2001:db8::${(index + 1).toString(16)}`)),
    );
    expect(unpackRecord(packRecord(value), 0)).to.deep.equal(value);
  });

  it("refuse octets that are no record", () => {
    const octets = packRecord(record("a.example.com"));
    octets[nameAt(0) + 1] = 0x20;
    expect(() => unpackRecord(octets, 0)).to.throw(/label/);
    const failed = packRecord(record("a.example.com", { kind: "failed", error: 14, text: "" }));
    failed[failed.indexOf(14)] = 200;
    expect(() => unpackRecord(failed, 0)).to.throw(/200/);
  });
});

describe("The readers of a packed record", () => {
  it("say what the record says", () => {
    fc.assert(
      fc.property(hostRecord(fewHosts), fc.nat(20), (value, at) => {
        const octets = packedAt(value, at);
        expect(isDelegated(octets, at)).to.equal(value.isDelegated);
        expect(isFallback(octets, at)).to.equal(value.isFallback);
        expect(isWildcardRecord(octets, at)).to.equal(isWildcard(value.host));
        const rest = wildcardRest(value.host);
        expect(octets.slice(nameAt(at), nameAt(at) + nameLength(octets, at))).to.deep.equal(
          hostNameOctets(rest),
        );
        expect(nameLabelCount(octets, at)).to.equal(rest.split(".").length);
      }),
    );
  });

  it("give each namespace its view, and the class of a client its variant", () => {
    fc.assert(
      fc.property(hostRecord(fewHosts), fc.nat(20), (value, at) => {
        const octets = packedAt(value, at);
        for (const namespace of [null, "never", ...NAMESPACES]) {
          const view = value.views.find(
            ({ visibleTo }) => visibleTo === "all" || (namespace !== null && visibleTo.has(namespace)),
          );
          const found = viewFor(octets, at, namespace === null ? null : Buffer.from(namespace));
          expect(found === NOT_FOUND, `${namespace}`).to.equal(view === undefined);
          if (view !== undefined) expectView(octets, found, view);
        }
      }),
    );
  });

  function expectView(octets: Uint8Array, at: number, view: HostView): void {
    for (const [index, clientClass] of CLIENT_CLASSES.entries()) {
      const choice = view.choices[clientClass];
      const found = variantFor(octets, at, index);
      expect(found === NOT_FOUND).to.equal(choice === null);
      if (choice !== null) expectVariant(octets, found, view.variants[choice]!);
    }
    expectVariant(octets, firstVariant(octets, at), view.variants[0]!);
    expect(hasPointer(octets, at)).to.equal(view.pointer !== undefined);
    if (view.pointer !== undefined) {
      const pointer = octets.slice(pointerAt(octets, at), pointerAt(octets, at) + pointerLength(octets, at));
      expect(pointer).to.deep.equal(hostNameOctets(view.pointer));
    }
    expect(hasWhy(octets, at)).to.equal(view.why !== undefined);
    expect(whyLength(octets, at)).to.equal(Buffer.byteLength(view.why ?? ""));
    if (view.why !== undefined) {
      const why = octets.slice(whyAt(octets, at), whyAt(octets, at) + whyLength(octets, at));
      expect(Buffer.from(why).toString()).to.equal(view.why);
    }
    expect(hasPorts(octets, at)).to.equal(view.ports.length > 0);
  }

  function expectVariant(octets: Uint8Array, at: number, variant: HostVariant): void {
    expect(isPass(octets, at)).to.equal(variant.isPass);
    expect(isAuthoritative(octets, at)).to.equal(variant.isAuthoritative);
    expect(forwardsDnssec(octets, at)).to.equal(variant.forwardsDnssec);
    expect(negativeTtlSeconds(octets, at)).to.equal(variant.negativeTtlSeconds);
    expect(ANSWER_SOURCES[sourceIndex(octets, at)]).to.equal(variant.source);
    for (const family of FAMILIES) expectFamily(octets, at, FamilyIndex[family], variant.answers[family]);
  }

  it("find the view among a thousand, whatever the order they were packed in", () => {
    const names = Array.from({ length: 1000 }, (_, index) => `team-${(index * 7919) % 1000}`);
    const views = names.map((name, index) => viewOf([name], `10.0.${index >> 8}.${index & 255}`));
    const value = hostOf("a.example.com", ...views, viewOf("all", "192.0.2.1"));
    const octets = packedAt(value);
    const addressFor = (namespace: string | null): unknown => {
      const view = viewFor(octets, 7, namespace === null ? null : Buffer.from(namespace));
      const answers = answersAt(octets, variantFor(octets, view, 0), A);
      return octets.slice(answers + 12, answers + 16).join(".");
    };
    for (const [index, name] of names.entries())
      expect(addressFor(name)).to.equal(`10.0.${index >> 8}.${index & 255}`);
    for (const other of [null, "team-1000", "team-", "team-99x", ""])
      expect(addressFor(other)).to.equal("192.0.2.1");
    expect(unpackRecord(octets, 7).views.length).to.equal(1001);
  });

  it("show nothing to a client whom no view is for", () => {
    const octets = packRecord(hostOf("a.example.com", viewOf(["team"], "192.0.2.1")));
    expect(viewFor(octets, 0, Buffer.from("team"))).to.be.above(0);
    for (const namespace of [null, Buffer.from("teams"), Buffer.from("tea"), new Uint8Array()])
      expect(viewFor(octets, 0, namespace)).to.equal(NOT_FOUND);
    for (const views of [[], [viewOf([], "192.0.2.1")]])
      expect(viewFor(packRecord(hostOf("a.example.com", ...views)), 0, null)).to.equal(NOT_FOUND);
  });

  it("know no namespace whose name cannot be one", () => {
    const value = hostOf("a.example.com", viewOf(["x".repeat(70_000), "team"], "192.0.2.1"));
    const octets = packRecord(value);
    expect(viewFor(octets, 0, Buffer.from("team"))).to.be.above(0);
    expect(unpackRecord(octets, 0).views[0]!.visibleTo).to.deep.equal(new Set(["team"]));
  });

  it("find a port by its name and transport, and say its targets", () => {
    const ports: readonly HostPort[] = [
      { name: "http", transport: "tcp", targets: [{ port: 80, target: null, weight: 0 }] },
      { name: "dns", transport: "tcp", targets: [{ port: 53, target: null, weight: 1 }] },
      {
        name: "dns",
        transport: "udp",
        targets: [
          { port: 5353, target: hostName("b.example.com"), weight: 65_535 },
          { port: 65_535, target: null, weight: 7 },
        ],
      },
    ];
    const fields = { ports, pointer: hostName("p.example.com"), why: "because" };
    const octets = packedAt(record("a.example.com", undefined, undefined, {}, fields));
    const view = viewFor(octets, 7, null);
    const targetsOf = (name: string, transport: "tcp" | "udp"): unknown => {
      const text = Buffer.from(`_${name}.`);
      const port = portAt(octets, view, text, 1, name.length, PortTransport[transport]);
      if (port === NOT_FOUND) return null;
      let target = firstTarget(octets, port);
      return Array.from({ length: targetCount(octets, port) }, () => {
        const length = targetNameLength(octets, target);
        const name = octets.slice(targetNameAt(target), targetNameAt(target) + length);
        const said = [targetPort(octets, target), Buffer.from(name).toString("latin1")];
        const weight = targetWeight(octets, target);
        target = nextTarget(octets, target);
        return [...said, weight];
      });
    };
    expect(targetsOf("http", "tcp")).to.deep.equal([[80, "", 0]]);
    expect(targetsOf("dns", "tcp")).to.deep.equal([[53, "", 1]]);
    expect(targetsOf("dns", "udp")).to.deep.equal([
      [5353, "\x01b\x07example\x03com\x00", 65_535],
      [65_535, "", 7],
    ]);
    for (const other of ["http2", "htt", "", "p", "because"]) expect(targetsOf(other, "tcp")).to.equal(null);
    expect(targetsOf("http", "udp")).to.equal(null);
    const without = packedAt(record("a.example.com"));
    expect(portAt(without, viewFor(without, 7, null), Buffer.from("http"), 0, 4, 0)).to.equal(NOT_FOUND);
  });

  function expectFamily(octets: Uint8Array, at: number, family: FamilyIndex, answer: FamilyAnswer): void {
    const kind = familyKind(octets, at, family);
    if (answer.kind !== "addresses") expect(addressCount(octets, at, family)).to.equal(0);
    switch (answer.kind) {
      case "addresses":
        expect(kind).to.equal(FamilyKind.ADDRESSES);
        expect(addressCount(octets, at, family)).to.equal(answer.addresses.length);
        expect(ttlSeconds(octets, at, family)).to.equal(answer.ttlSeconds);
        expect(expiresAtMs(octets, at, family)).to.equal(answer.expiresAtMs ?? 0);
        expect(isStale(octets, at, family)).to.equal(answer.isStale);
        return;
      case "empty":
        expect(kind).to.equal(FamilyKind.EMPTY);
        return;
      case "pending":
        expect(kind).to.equal(FamilyKind.PENDING);
        expect(untilMs(octets, at, family)).to.equal(answer.untilMs);
        return;
      case "failed": {
        expect(kind).to.equal(FamilyKind.FAILED);
        expect(errorCode(octets, at, family)).to.equal(answer.error);
        const textAt = errorTextAt(octets, at, family);
        const text = octets.slice(textAt, textAt + errorTextLength(octets, at, family));
        expect(Buffer.from(text).toString()).to.equal(answer.text);
        return;
      }
    }
  }

  it("tell a host from another and from the wildcard above it", () => {
    const octets = packedAt(record("b.example"));
    const asked = new Uint8Array([1, 97, ...hostNameOctets(hostName("b.example"))]);
    const isThis = (isWildcard: boolean, name: Uint8Array, from: number) =>
      isRecordOf(octets, 7, isWildcard, name, from, name.length - from);
    expect(isThis(false, asked, 2)).to.equal(true);
    expect(isThis(true, asked, 2)).to.equal(false);
    expect(isThis(false, asked, 0)).to.equal(false);
    expect(isThis(false, asked.with(3, 97), 2)).to.equal(false);
    expect(isRecordOf(packRecord(record("*.b.example")), 0, true, asked, 2, asked.length - 2)).to.equal(true);
  });

  it("give the resource records as they go on the wire", () => {
    const value = record(
      "a.example.com",
      {
        kind: "addresses",
        addresses: [ip("192.0.2.1"), ip("198.51.100.7")],
        ttlSeconds: 0x01020304,
        isStale: false,
      },
      { kind: "addresses", addresses: [ip("2001:db8::7")], weights: [9], ttlSeconds: 5, isStale: false },
    );
    const octets = packedAt(value);
    const variant = variantAt(octets, 7);
    const answers = (family: FamilyIndex) => {
      const start = answersAt(octets, variant, family);
      return Buffer.from(
        octets.slice(start, start + addressCount(octets, variant, family) * ANSWER_OCTETS[family]),
      ).toString("hex");
    };
    expect(answers(A)).to.equal(
      "c00c0001000101020304" + "0004c0000201" + "c00c0001000101020304" + "0004c6336407",
    );
    expect(answers(AAAA)).to.equal(
      `c00c001c0001000000050010${Buffer.from(ipAddressOctets(ip("2001:db8::7"))).toString("hex")}`,
    );
  });

  it("deal out the first place by weight", () => {
    const texts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    const weighted = { ...addresses(...texts), weights: [1, 0, 3] };
    const octets = packedAt(record("a.example.com", weighted, addresses("2001:db8::1", "2001:db8::2")));
    const variant = variantAt(octets, 7);
    const firsts = (family: FamilyIndex) =>
      Array.from({ length: shareCount(octets, variant, family) }, (_, share) =>
        addressAtShare(octets, variant, family, share),
      );
    expect(firsts(A)).to.deep.equal([0, 2, 2, 2]);
    expect(firsts(AAAA)).to.deep.equal([0, 1]);
  });

  it("deal out weights whose sum is beyond 2^32", () => {
    const most = 0xffffffff;
    const weighted = { ...addresses("192.0.2.1", "192.0.2.2"), weights: [most, most] };
    const octets = packRecord(record("a.example.com", weighted));
    const variant = variantAt(octets);
    expect(shareCount(octets, variant, A)).to.equal(2 * most);
    expect(addressAtShare(octets, variant, A, most - 1)).to.equal(0);
    expect(addressAtShare(octets, variant, A, most)).to.equal(1);
    expect(addressAtShare(octets, variant, A, 2 * most - 1)).to.equal(1);
  });
});

describe("nearness", () => {
  const here = { network: "n", region: "r", zone: "z", subzone: "s", node: "h" };
  const places: readonly Locality[] = [
    here,
    { ...here, node: "h2" },
    { ...here, subzone: "s2" },
    { ...here, zone: "z2" },
    { ...here, region: "r2" },
    { ...here, network: "n2" },
    { ...here, network: "" },
    { ...here, subzone: "" },
    NOWHERE,
  ];
  const toEach = (distribution: TrafficDistribution, client: Locality, weights?: readonly number[]) => {
    const texts = places.map((_, index) => `192.0.2.${index}`);
    const each = { ...addresses(...texts), localities: places, ...(weights && { weights }) } as FamilyAnswer;
    const octets = packedAt(record("a.example.com", each, undefined, { distribution }));
    const variant = variantAt(octets, 7);
    const at = placesAt(octets, variant, A);
    return places.map((_, index) => nearness(octets, variant, A, at, index, localityMarks(client)));
  };

  it("is the narrowest scope of the distribution that both share", () => {
    expect(toEach("PreferSameNode", here)).to.deep.equal([5, 4, 3, 2, 1, 0, 0, 3, 0]);
    expect(toEach("PreferClose", here)).to.deep.equal([4, 4, 3, 2, 1, 0, 0, 3, 0]);
    expect(toEach("PreferSameZone", here)).to.deep.equal([3, 3, 3, 2, 1, 0, 0, 3, 0]);
    expect(toEach("PreferNetwork", here)).to.deep.equal([1, 1, 1, 1, 1, 0, 0, 1, 0]);
  });

  it("is the same beside weights", () => {
    const weights = places.map((_, index) => index * 1000);
    expect(toEach("PreferSameNode", here, weights)).to.deep.equal([5, 4, 3, 2, 1, 0, 0, 3, 0]);
  });

  it("goes past a scope of which neither says anything, but such a scope is nothing in common", () => {
    expect(toEach("PreferSameNode", { ...here, network: "" })).to.deep.equal([0, 0, 0, 0, 0, 0, 5, 0, 0]);
    expect(toEach("PreferSameNode", { ...here, subzone: "" })).to.deep.equal([3, 3, 3, 2, 1, 0, 0, 5, 0]);
    expect(toEach("PreferSameNode", NOWHERE)).to.deep.equal(places.map(() => 0));
  });

  it("does not take texts that join alike for the same", () => {
    const joined = { ...NOWHERE, network: "nr", region: "z" };
    const split = { ...NOWHERE, network: "n", region: "rz" };
    expect(localityMarks(joined)[1]).not.to.equal(localityMarks(split)[1]);
    expect(localityMarks({ ...NOWHERE, region: "x" })[1]).not.to.equal(
      localityMarks({ ...NOWHERE, network: "x" })[0],
    );
  });

  it("asks for places where the variant has a distribution and the family localities, and only there", () => {
    const near = { ...addresses("192.0.2.1"), localities: [here] } as FamilyAnswer;
    const placesOf = (value: HostRecord, family: FamilyIndex) => {
      const octets = packRecord(value);
      return placesAt(octets, variantAt(octets), family);
    };
    const distribution = "PreferClose" as const;
    expect(placesOf(record("a.example", near, undefined, { distribution }), A)).to.be.above(0);
    expect(placesOf(record("a.example", near, undefined, { distribution }), AAAA)).to.equal(NOT_FOUND);
    expect(placesOf(record("a.example", near), A)).to.equal(NOT_FOUND);
    expect(placesOf(record("a.example", undefined, undefined, { distribution }), A)).to.equal(NOT_FOUND);
  });
});

describe("familyTtlSeconds", () => {
  const ttlAt = (answer: FamilyAnswer, nowMs: number) => {
    const octets = packRecord(record("a.example.com", { kind: "empty" }, answer));
    return familyTtlSeconds(octets, variantAt(octets), AAAA, nowMs);
  };

  it("is constant without a moment of expiry", () => {
    expect(ttlAt(addresses("2001:db8::1"), 1e9)).to.equal(30);
    expect(ttlAt({ ...addresses("2001:db8::1"), ttlSeconds: 2 } as FamilyAnswer, 0)).to.equal(2);
  });

  it("counts down in whole seconds from the cap to five", () => {
    const answer = resolved(100_000, "2001:db8::1");
    const expected = [
      [0, 30],
      [70_000, 30],
      [70_001, 30],
      [71_000, 29],
      [71_500, 29],
      [94_999, 6],
      [95_000, 5],
      [99_999, 5],
      [100_000, 5],
      [1e9, 5],
    ] as const;
    for (const [nowMs, seconds] of expected) expect(ttlAt(answer, nowMs), `at ${nowMs}`).to.equal(seconds);
  });

  it("never says more than a cap below five", () => {
    const answer: FamilyAnswer = {
      kind: "addresses",
      addresses: [ip("2001:db8::1")],
      ttlSeconds: 3,
      expiresAtMs: 10_000,
      isStale: false,
    };
    expect([0, 8500, 20_000].map((nowMs) => ttlAt(answer, nowMs))).to.deep.equal([3, 3, 3]);
  });

  it("counts down to the zero of the clock too", () => {
    expect(ttlAt(resolved(0, "2001:db8::1"), -12_000)).to.equal(12);
  });
});

describe("touchRecord", () => {
  it("moves the moment of that family alone", () => {
    const octets = packRecord(record("a.example.com", resolved(1, "192.0.2.1"), resolved(2, "2001:db8::1")));
    expect(touchRecord(octets, 0, A, 12_345.678)).to.equal(true);
    const variant = variantAt(octets);
    expect([expiresAtMs(octets, variant, A), expiresAtMs(octets, variant, AAAA)]).to.deep.equal([
      12_345.678, 2,
    ]);
  });

  it("moves it in every variant of every view whose TTL counts down, and changes nothing else (property)", () => {
    const momentMs = 424_242.5;
    const moved = (answer: FamilyAnswer): FamilyAnswer =>
      answer.kind === "addresses" && answer.expiresAtMs !== undefined
        ? { ...answer, expiresAtMs: momentMs }
        : answer;
    fc.assert(
      fc.property(hostRecord(fewHosts), fc.constantFrom(...FAMILIES), fc.nat(20), (value, family, at) => {
        const octets = packedAt(value, at);
        const before = octets.slice();
        const expected = {
          ...value,
          views: value.views.map((view) => ({
            ...view,
            variants: view.variants.map((each) => ({
              ...each,
              answers: { ...each.answers, [family]: moved(each.answers[family]) },
            })),
          })),
        };
        const counting = value.views
          .flatMap(({ variants }) => variants.map(({ answers }) => answers[family]))
          .some((answer) => answer.kind === "addresses" && answer.expiresAtMs !== undefined);
        expect(touchRecord(octets, at, FamilyIndex[family], momentMs)).to.equal(counting);
        expect(unpackRecord(octets, at)).to.deep.equal(expected);
        if (!counting) expect(octets).to.deep.equal(before);
      }),
    );
  });

  it("does nothing where no TTL counts down", () => {
    for (const answer of [
      addresses("192.0.2.1"),
      { kind: "empty" },
      { kind: "pending", untilMs: 5 },
    ] as const) {
      const octets = packRecord(record("a.example.com", answer));
      const before = octets.slice();
      expect(touchRecord(octets, 0, A, 99)).to.equal(false);
      expect(octets).to.deep.equal(before);
    }
  });
});
