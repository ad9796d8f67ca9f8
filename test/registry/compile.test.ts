import { expect } from "chai";
import fc from "fast-check";
import type { FamilyResolutions } from "../../src/mesh/resolution.ts";
import { compileReal, compileVirtual } from "../../src/registry/compile.ts";
import type { SelectorTarget } from "../../src/registry/host-plan.ts";
import { link } from "../../src/registry/link.ts";
import type { SelectedWorkload } from "../../src/registry/selection.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { entry, host, ip, NOWHERE, planOf, pod, type ResolutionWords, resolution } from "./support.ts";

const h = host("a.example");
const UNTIL = 777;

interface Given {
  /** Specs of merged entries, oldest first. */
  readonly specs: readonly Parameters<typeof entry>[0][];
  readonly names?: Readonly<Record<string, readonly [a: ResolutionWords, aaaa: ResolutionWords]>>;
  readonly expiries?: Readonly<Record<string, number>>;
  readonly pods?: readonly string[];
  readonly excluded?: readonly string[];
}

function compile({ specs, names = {}, expiries = {}, pods = [], excluded = [] }: Given) {
  const plans = specs.map((spec) => planOf(entry({ hosts: [h], ...spec })));
  const selected = pods.map((address): SelectedWorkload => {
    const workload = pod({ name: "p", ips: [address] });
    return { workload, ips: [ip(address)], name: undefined, weight: 0, locality: NOWHERE, problems: [] };
  });
  const known = new Map<string, FamilyResolutions>(
    Object.entries(names).map(([name, [a, aaaa]]) => [
      name,
      { A: resolution(a, expiries[name]), AAAA: resolution(aaaa, expiries[name]) },
    ]),
  );
  const { variant, problems, isPending } = compileReal(
    {
      host: h,
      parts: plans.map((plan) => link(plan, { realPlansOf: () => [], selectedNames: () => [] })),
      resolutions: (name: HostName) => known.get(name),
      workloadsOf: (_: SelectorTarget) => selected,
      isExcluded: (name) => excluded.includes(name),
      pendingUntilMs: UNTIL,
    },
    DEFAULT_SETTINGS,
  );
  return { ...variant, ...variant.answers, isPending, codes: problems.map((each) => each.code) };
}

const DNS = (...addresses: readonly string[]) => ({
  resolution: "DNS",
  endpoints: addresses.map((address) => ({ address })),
});
const ITSELF = { resolution: "DNS" };
const EMPTY = { kind: "empty" };
const PENDING = { kind: "pending", untilMs: UNTIL };
const fixedAnswer = (addresses: readonly string[], ttlSeconds = 30) => ({
  kind: "addresses",
  addresses,
  ttlSeconds,
  isStale: false,
});
const fresh = (addresses: readonly string[], ttlSeconds = 30, expiresAtMs = 1_020_000) => ({
  ...fixedAnswer(addresses, ttlSeconds),
  expiresAtMs,
});

describe("compileReal", () => {
  it("STATIC: TTL 30, AA, both families", () => {
    const view = compile({
      specs: [
        {
          resolution: "STATIC",
          endpoints: [{ address: "2001:db8::1" }, { address: "192.0.2.9" }, { address: "192.0.2.1" }],
        },
      ],
    });
    expect(view).to.deep.include({
      A: fixedAnswer(["192.0.2.1", "192.0.2.9"]),
      AAAA: fixedAnswer(["2001:db8::1"]),
      isAuthoritative: true,
      source: "static",
      isPass: false,
      forwardsDnssec: false,
      negativeTtlSeconds: 5,
    });
  });

  it("a family that is missing is NODATA", () => {
    const view = compile({ specs: [{ resolution: "STATIC", endpoints: [{ address: "192.0.2.1" }] }] });
    expect(view.AAAA).to.deep.equal(EMPTY);
  });

  it("selected workloads: TTL 5, AA; none ready: NODATA", () => {
    const specs = [{ resolution: "STATIC", workloadSelector: { labels: { app: "x" } } }];
    const view = compile({ specs, pods: ["10.0.0.2", "10.0.0.1"] });
    expect(view).to.deep.include({
      A: fixedAnswer(["10.0.0.1", "10.0.0.2"], 5),
      isAuthoritative: true,
      source: "workload",
    });
    expect(compile({ specs })).to.deep.include({ A: EMPTY, AAAA: EMPTY, isPending: false });
  });

  it("resolved: cap 30, the earliest expiry of the family, not AA", () => {
    const view = compile({
      specs: [DNS("b.example", "c.example", "192.0.2.5")],
      names: {
        "b.example": [["192.0.2.1"], ["2001:db8::1"]],
        "c.example": [["192.0.2.2", "192.0.2.1"], "denied"],
      },
      expiries: { "b.example": 5000, "c.example": 4000 },
    });
    expect(view).to.deep.include({
      A: fresh(["192.0.2.1", "192.0.2.2", "192.0.2.5"], 30, 4000),
      AAAA: fresh(["2001:db8::1"], 30, 5000),
      isAuthoritative: false,
      source: "resolved",
      forwardsDnssec: false,
      isPending: false,
    });
  });

  it("only IP endpoints in a DNS entry are as constant as in a STATIC one", () => {
    const view = compile({ specs: [DNS("192.0.2.5")] });
    expect(view).to.deep.include({ A: fixedAnswer(["192.0.2.5"]), isAuthoritative: true, source: "static" });
  });

  it("the annotation rules every column", () => {
    const annotations = { "serviceentry-dns.io/ttl": "2" };
    const ttl = (spec: object, given: Partial<Given> = {}) => {
      const { A } = compile({ specs: [{ annotations, ...spec }], ...given });
      return A.kind === "addresses" ? A.ttlSeconds : A.kind;
    };
    expect(ttl({ resolution: "STATIC", endpoints: [{ address: "192.0.2.1" }] })).to.equal(2);
    expect(ttl({ workloadSelector: { labels: {} } }, { pods: ["10.0.0.1"] })).to.equal(2);
    expect(ttl(ITSELF, { names: { "a.example": [["192.0.2.1"], "denied"] } })).to.equal(2);
  });

  describe("the states of one name, A and AAAA", () => {
    const stale = (addresses: readonly string[]) => ({ ...fixedAnswer(addresses), isStale: true });
    const A1 = ["192.0.2.1"];
    const V6 = ["2001:db8::1"];
    const servfail = { kind: "failed", error: 23, text: "b.example: SERVFAIL from upstream" };
    const timeout = { kind: "failed", error: 22, text: "b.example: no reply from upstream" };
    const cases: readonly (readonly [
      what: string,
      a: ResolutionWords,
      aaaa: ResolutionWords,
      answerA: object,
      answerAaaa: object,
    ])[] = [
      ["both fresh", A1, V6, fresh(A1), fresh(V6)],
      ["one denied", A1, "denied", fresh(A1), EMPTY],
      ["both denied", "denied", "denied", EMPTY, EMPTY],
      ["both pending", "pending", "pending", PENDING, PENDING],
      ["one fresh, the other pending", A1, "pending", fresh(A1), PENDING],
      ["one denied, the other pending: nothing is known of the host", "denied", "pending", PENDING, PENDING],
      ["one failed, the other pending", { failed: "refused" }, "pending", PENDING, PENDING],
      [
        "one fresh, the other failed: never SERVFAIL beside addresses",
        A1,
        { failed: "servfail" },
        fresh(A1),
        EMPTY,
      ],
      ["one denied, the other failed", "denied", { failed: "servfail" }, servfail, servfail],
      ["one denied, the other stale", "denied", { stale: V6 }, EMPTY, stale(V6)],
      [
        "both failed, each with its own failure",
        { failed: "timeout" },
        { failed: "servfail" },
        timeout,
        servfail,
      ],
      ["stale", { stale: A1 }, "denied", stale(A1), EMPTY],
    ];
    for (const [what, a, aaaa, answerA, answerAaaa] of cases)
      it(what, () => {
        const view = compile({ specs: [DNS("b.example")], names: { "b.example": [a, aaaa] } });
        expect(view.A).to.deep.equal(answerA);
        expect(view.AAAA).to.deep.equal(answerAaaa);
        expect(view.isPass).to.equal(false);
        expect(view.isPending).to.equal(answerA === PENDING || answerAaaa === PENDING);
      });

    for (const [failure, error] of [
      ["timeout", 22],
      ["network", 23],
      ["refused", 23],
      ["servfail", 23],
      ["badresp", 23],
    ] as const)
      it(`${failure} is EDE ${error}`, () => {
        const view = compile({
          specs: [DNS("b.example")],
          names: { "b.example": [{ failed: failure }, { failed: failure }] },
        });
        expect(view.A).to.include({ kind: "failed", error });
      });
  });

  it("a name of which the refresher has not heard is pending", () => {
    expect(compile({ specs: [DNS("b.example")] }).A).to.deep.equal(PENDING);
  });

  describe("several names", () => {
    const specs = [DNS("b.example", "c.example", "d.example")];
    it("the union of what is there; TTL at most 5 while one is pending", () => {
      const view = compile({
        specs,
        names: {
          "b.example": [["192.0.2.1"], "denied"],
          "c.example": ["pending", "pending"],
          "d.example": [{ failed: "timeout" }, "denied"],
        },
      });
      expect(view.A).to.deep.equal(fresh(["192.0.2.1"], 5));
      expect(view.AAAA).to.deep.equal(PENDING);
    });
    it("a part that failed costs the others nothing", () => {
      const view = compile({
        specs,
        names: {
          "b.example": [["192.0.2.1"], "denied"],
          "c.example": [{ failed: "timeout" }, "denied"],
          "d.example": ["denied", "denied"],
        },
      });
      expect(view.A).to.deep.equal(fresh(["192.0.2.1"]));
    });
    it("stale beside fresh is stale", () => {
      const view = compile({
        specs: [{ ...DNS("b.example", "c.example"), annotations: { "serviceentry-dns.io/ttl": "600" } }],
        names: { "b.example": [["192.0.2.1"], "denied"], "c.example": [{ stale: ["192.0.2.2"] }, "denied"] },
      });
      expect(view.A).to.deep.equal({ ...fresh(["192.0.2.1", "192.0.2.2"]), isStale: true });
    });
    it("all gone: NODATA, no pass", () => {
      const denied = ["denied", "denied"] as const;
      const view = compile({
        specs,
        names: { "b.example": denied, "c.example": denied, "d.example": denied },
      });
      expect(view).to.deep.include({ A: EMPTY, AAAA: EMPTY, isPass: false });
    });
    it("one denied, one failed: SERVFAIL that names the failed one", () => {
      const view = compile({
        specs: [DNS("b.example", "c.example")],
        names: {
          "b.example": ["denied", "denied"],
          "c.example": [{ failed: "network" }, { failed: "network" }],
        },
      });
      expect(view.A).to.deep.equal({
        kind: "failed",
        error: 23,
        text: "c.example: upstream cannot be reached",
      });
    });
    it("constant addresses are there while names fail or wait", () => {
      const view = compile({
        specs: [DNS("b.example", "192.0.2.1")],
        names: { "b.example": [{ failed: "timeout" }, "pending"] },
      });
      expect(view.A).to.deep.equal(fixedAnswer(["192.0.2.1"]));
      expect(view.AAAA).to.deep.equal(PENDING);
    });
  });

  describe("a host resolved for itself", () => {
    const itself = (a: ResolutionWords, aaaa: ResolutionWords) =>
      compile({ specs: [ITSELF], names: { "a.example": [a, aaaa] } });
    it("denied in both families: pass", () => {
      expect(itself("denied", "denied")).to.include({ isPass: true, forwardsDnssec: true });
    });
    for (const other of [["192.0.2.1"], "pending", { failed: "timeout" }, { stale: ["192.0.2.1"] }] as const)
      it(`denied in one family, ${JSON.stringify(other)} in the other: no pass`, () => {
        expect(itself(other, "denied").isPass).to.equal(false);
      });
  });

  describe("forbidden addresses from upstream", () => {
    it("are left out and reported", () => {
      const view = compile({
        specs: [DNS("b.example")],
        names: { "b.example": [["127.0.0.1", "192.0.2.1"], "denied"] },
      });
      expect(view.A).to.deep.equal(fresh(["192.0.2.1"]));
      expect(view.codes).to.deep.equal(["AddressForbidden"]);
    });
    it("with nothing left: NODATA, neither pass nor failure", () => {
      const view = compile({ specs: [ITSELF], names: { "a.example": [["169.254.169.254"], "denied"] } });
      expect(view).to.deep.include({ A: EMPTY, AAAA: EMPTY, isPass: false, codes: ["AddressForbidden"] });
    });
  });

  it("forbidden addresses are a definite nothing, whatever the other family does", () => {
    for (const other of ["pending", { failed: "timeout" }] as const) {
      const names = { "b.example": [["127.0.0.1"], other] } as const;
      expect(compile({ specs: [DNS("b.example")], names }).A).to.deep.equal(EMPTY);
    }
  });

  it("weights are kept where they differ, 1 where not said", () => {
    const endpoints = [
      { address: "192.0.2.2", weight: 5 },
      { address: "192.0.2.1" },
      { address: "b.example", weight: 3 },
    ];
    const view = compile({
      specs: [{ resolution: "DNS", endpoints }],
      names: { "b.example": [["192.0.2.0"], ["2001:db8::1"]] },
    });
    expect(view.A).to.deep.include({
      addresses: ["192.0.2.0", "192.0.2.1", "192.0.2.2"],
      weights: [3, 1, 5],
    });
    expect(view.AAAA).to.not.have.property("weights");
  });

  it("at most 256 addresses of a family, reported", () => {
    const many = Array.from({ length: 200 }, (_, index) => `10.0.0.${index}`);
    const more = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`);
    const view = compile({
      specs: [DNS("b.example", "c.example")],
      names: { "b.example": [many, "denied"], "c.example": [more, "denied"] },
    });
    expect(view.A.kind === "addresses" && view.A.addresses).to.have.length(256);
    expect(view.codes).to.deep.equal(["LimitExceeded"]);
  });

  it("a name beyond the namespace's limit is not resolved: SERVFAIL where nothing else is there", () => {
    const view = compile({ specs: [DNS("b.example")], excluded: ["b.example"] });
    expect(view.A).to.deep.equal({
      kind: "failed",
      error: 14,
      text: "b.example: too many names in its namespace",
    });
    expect(view.codes).to.deep.equal(["LimitExceeded"]);
  });

  describe("merged entries", () => {
    const one = { resolution: "STATIC", endpoints: [{ address: "192.0.2.2" }, { address: "192.0.2.1" }] };
    it("union without doubles, the smallest TTL", () => {
      const two = {
        ...one,
        endpoints: [{ address: "192.0.2.1" }, { address: "192.0.2.3" }],
        annotations: { "serviceentry-dns.io/ttl": "7" },
      };
      expect(compile({ specs: [one, two] }).A).to.deep.equal(
        fixedAnswer(["192.0.2.1", "192.0.2.2", "192.0.2.3"], 7),
      );
    });
    it("not AA as soon as one is from upstream", () => {
      const view = compile({
        specs: [one, DNS("b.example")],
        names: { "b.example": [["192.0.2.9"], "denied"] },
      });
      expect(view).to.include({ isAuthoritative: false, source: "resolved" });
    });
  });

  it("the text of a failure never exceeds 100 octets and ends with what failed", () => {
    const label = fc.stringMatching(/^[a-z]{1,60}$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 2, maxLength: 4 }), (labels) => {
        const name = labels.join(".");
        const view = compile({
          specs: [DNS(name)],
          names: { [name]: [{ failed: "badresp" }, { failed: "badresp" }] },
        });
        const { A } = view;
        if (A.kind !== "failed") throw new Error(A.kind);
        expect(A.text.length).to.be.at.most(100);
        expect(A.text).to.match(/: unusable reply from upstream$/);
        expect(name.endsWith(A.text.replace(/^\.\.\./, "").split(":")[0]!)).to.equal(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe("compileVirtual", () => {
  const plan = (given: object) => planOf(entry({ hosts: [h], ...given }));
  it("answers the addresses by family, TTL 30, AA", () => {
    const { variant, isPending } = compileVirtual(
      [plan({})],
      [ip("10.0.0.2"), ip("fd00::1"), ip("10.0.0.1")],
      DEFAULT_SETTINGS,
    );
    expect(isPending).to.equal(false);
    expect(variant).to.deep.include({ isAuthoritative: true, source: "virtual", isPass: false });
    expect(variant.answers).to.deep.equal({
      A: fixedAnswer(["10.0.0.1", "10.0.0.2"]),
      AAAA: fixedAnswer(["fd00::1"]),
    });
  });
  it("takes the smallest TTL of the merged entries; without addresses NODATA", () => {
    const winners = [plan({ annotations: { "serviceentry-dns.io/ttl": "90" } }), plan({})];
    const { variant } = compileVirtual(winners, [ip("10.0.0.1")], DEFAULT_SETTINGS);
    expect(variant.answers).to.deep.equal({ A: fixedAnswer(["10.0.0.1"]), AAAA: EMPTY });
    expect(compileVirtual(winners, [], DEFAULT_SETTINGS).variant.answers.A).to.deep.equal(EMPTY);
  });
});
