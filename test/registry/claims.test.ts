import { expect } from "chai";
import fc from "fast-check";
import type { AnswerMode, ServiceEntry } from "../../src/mesh/objects.ts";
import { chooseAnswer } from "../../src/registry/choice.ts";
import { Claims } from "../../src/registry/claims.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import { reasonOf } from "../../src/registry/host-problems.ts";
import { type Standing, standingOf } from "../../src/registry/views.ts";
import { CLIENT_CLASSES, type ClientClass } from "../../src/table/host-record.ts";
import { processorMs } from "../support/waiting.ts";
import { entry, planOf } from "./support.ts";

const hosts = ["a.example"];
const STATIC = { hosts, resolution: "STATIC", endpoints: [{ address: "192.0.2.1" }] };

const id = (plan: HostPlan) => `${plan.entry.ref.namespace}/${plan.entry.ref.name}`;

interface Circumstances {
  readonly trusted?: readonly string[];
  readonly mode?: AnswerMode;
}

function claimsOf(
  objects: readonly ServiceEntry[],
  { trusted = [], mode = "auto" }: Circumstances = {},
): Claims {
  return new Claims(
    objects.map((object) => planOf(object)),
    { modeOf: () => mode, isTrusted: (namespace) => trusted.includes(namespace), isEndpoint: false },
  );
}

/** For clients of one namespace, unknown otherwise. */
function standing(objects: readonly ServiceEntry[], viewer?: string, circumstances?: Circumstances) {
  const claims = claimsOf(objects, circumstances);
  return {
    winners: claims.winners(viewer, "unknown").map(id),
    losers: standingOf(claims).losers.map((loser) => `${id(loser.plan)}: ${reasonOf(loser)}`),
  };
}

/** `who: winners` of each view, `|` between classes that differ. */
function shownViews({ views }: Standing): readonly string[] {
  return views.map(({ visibleTo, winners }) => {
    const who = visibleTo === "all" ? "all" : [...visibleTo].join();
    const byClass = new Set(Object.values(winners).map((plans) => plans.map(id).join("+")));
    return `${who}: ${[...byClass].join(" | ")}`;
  });
}

describe("Claims", () => {
  const old = { created: "2020-01-01T00:00:00Z" };
  const young = { created: "2024-01-01T00:00:00Z" };

  it("the oldest public entry answers, others of another namespace lose", () => {
    const objects = [
      entry({ ...STATIC, ...young, namespace: "n1", name: "x" }),
      entry({ ...STATIC, ...old, namespace: "n2", name: "y" }),
    ];
    expect(standing(objects)).to.deep.equal({
      winners: ["n2/y"],
      losers: ["n1/x: for other namespaces ServiceEntry n2/y is older"],
    });
  });

  it("ties by name, then namespace; without a time last", () => {
    const of = (namespace: string, name: string, created?: string) =>
      entry({ ...STATIC, namespace, name, ...(created === undefined ? {} : { created }) });
    expect(standing([of("n1", "b"), of("n2", "a")]).winners).to.deep.equal(["n2/a"]);
    expect(standing([of("n2", "a"), of("n1", "a")]).winners).to.deep.equal(["n1/a"]);
    expect(standing([of("n1", "a"), of("n2", "z", "2030-01-01T00:00:00Z")]).winners).to.deep.equal(["n2/z"]);
  });

  it("one namespace merges equal sets of ports, the oldest first", () => {
    const ports = [{ number: 80 }, { number: 443 }];
    const objects = [
      entry({ ...STATIC, ...young, name: "b", ports: [...ports].reverse() }),
      entry({ ...STATIC, ...old, name: "c", ports }),
      entry({ ...STATIC, name: "d", ports: [{ number: 80 }] }),
    ];
    expect(standing(objects)).to.deep.equal({
      winners: ["default/c", "default/b"],
      losers: ["default/d: ServiceEntry default/c of the same namespace comes first and has other ports"],
    });
  });

  it("an entry that would be forwarded claims nothing", () => {
    const objects = [
      entry({ hosts, ...old, namespace: "n1", name: "none" }),
      entry({ hosts, ...old, resolution: "STATIC", namespace: "n2", name: "empty" }),
      entry({ ...STATIC, ...young, namespace: "n3", name: "full" }),
    ];
    expect(standing(objects)).to.deep.equal({ winners: ["n3/full"], losers: [] });
    expect(standing(objects.slice(0, 2)).winners).to.deep.equal([]);
  });

  it("for an unknown client what is not public is not there", () => {
    const objects = [
      entry({ ...STATIC, ...old, namespace: "n1", exportTo: ["."] }),
      entry({ ...STATIC, ...young, namespace: "n2" }),
    ];
    expect(standing(objects)).to.deep.equal({ winners: ["n2/e"], losers: [] });
  });

  it("for a known namespace: its own, then by name, then public", () => {
    const own = entry({ ...STATIC, ...young, namespace: "me", name: "own", exportTo: ["."] });
    const named = entry({ ...STATIC, ...young, namespace: "n1", name: "named", exportTo: ["me"] });
    const open = entry({ ...STATIC, ...old, namespace: "n2", name: "open" });
    const foreign = entry({ ...STATIC, ...old, namespace: "n3", name: "foreign", exportTo: ["you"] });
    const notOwn = entry({ ...STATIC, ...old, namespace: "me", name: "away", exportTo: ["you"] });
    const objects = [open, foreign, named, own, notOwn];
    expect(standing(objects, "me").winners).to.deep.equal(["me/own"]);
    expect(standing(objects.slice(0, 3), "me").winners).to.deep.equal(["n1/named"]);
    expect(standing([open, foreign], "me").winners).to.deep.equal(["n2/open"]);
    expect(standing([foreign, notOwn], "me").winners).to.deep.equal([]);
  });

  it("an entry in a trusted namespace comes after the client's own, before all others", () => {
    const trusted = { trusted: ["system"] };
    const system = entry({ ...STATIC, ...young, namespace: "system" });
    const open = entry({ ...STATIC, ...old, namespace: "n2" });
    const named = entry({ ...STATIC, ...old, namespace: "n1", exportTo: ["me"] });
    const own = entry({ ...STATIC, ...young, namespace: "me" });
    expect(standing([open, named, system], "me", trusted).winners).to.deep.equal(["system/e"]);
    expect(standing([open, named, system], undefined, trusted)).to.deep.equal({
      winners: ["system/e"],
      losers: [
        "n1/e: ServiceEntry system/e is of a trusted namespace",
        "n2/e: for other namespaces ServiceEntry system/e is of a trusted namespace",
      ],
    });
    expect(standing([open, named, system, own], "me", trusted).winners).to.deep.equal(["me/e"]);
    const hidden = entry({ ...STATIC, ...old, namespace: "system", exportTo: ["you"] });
    expect(standing([open, named, hidden], "me", trusted).winners).to.deep.equal(["n1/e"]);
    expect(standing([open, named, hidden], "you", trusted).winners).to.deep.equal(["system/e"]);
  });

  it("does not depend on the order of the claims", () => {
    const objects = [old, young, {}].flatMap((time, index) =>
      ["n1", "n2"].flatMap((namespace) =>
        [80, 443].map((number) =>
          entry({ ...STATIC, ...time, namespace, name: `e${index}${number}`, ports: [{ number }] }),
        ),
      ),
    );
    const expected = standing(objects, "n2");
    fc.assert(
      fc.property(fc.shuffledSubarray(objects, { minLength: objects.length }), (shuffled) => {
        expect(standing(shuffled, "n2")).to.deep.equal(expected);
      }),
      { numRuns: 50 },
    );
  });
});

describe("standingOf", () => {
  const old = { created: "2020-01-01T00:00:00Z" };
  const young = { created: "2024-01-01T00:00:00Z" };
  const of = (namespace: string, exportTo: readonly string[], given: object = old) =>
    entry({ ...STATIC, namespace, exportTo, ...given });
  const shown = (...objects: readonly ServiceEntry[]) => shownViews(standingOf(claimsOf(objects)));

  it("one entry makes one view", () => {
    expect(shown(of("n1", []))).to.deep.equal(["all: n1/e"]);
    expect(shown(of("n1", ["."]))).to.deep.equal(["n1: n1/e"]);
    expect(shown(of("n1", ["b", "a"]))).to.deep.equal(["a,b: n1/e"]);
    expect(shown(of("n1", ["~"]))).to.deep.equal([]);
  });

  it("namespaces that get the same stand together, all that get what everybody gets in the last view", () => {
    const objects = [of("n1", ["a", "b", "c"]), of("n2", ["c", "n1"], young), of("n3", []), of("d", ["."])];
    expect(shown(...objects)).to.deep.equal(["a,b,c: n1/e", "d: d/e", "n1: n2/e", "all: n3/e"]);
    expect(shown(of("n1", ["a"]), of("n2", ["b"]))).to.deep.equal(["a: n1/e", "b: n2/e"]);
  });

  it("the claimant of a public entry gets its own", () => {
    expect(shown(of("n1", []), of("n2", [], young))).to.deep.equal(["n2: n2/e", "all: n1/e"]);
  });

  it("a claim that answers only some clients leaves the others to the next one", () => {
    const status = { addresses: [{ value: "240.240.0.1", host: "a.example" }] };
    const virtual = entry({ hosts, ...old, namespace: "n1", resolution: "DYNAMIC_DNS", status });
    expect(shown(virtual, of("n2", [], young))).to.deep.equal(["n2: n2/e", "all: n2/e | n1/e"]);
  });

  it("each loser once, with everybody to whom another one is answered", () => {
    const losers = (...objects: readonly ServiceEntry[]) =>
      standingOf(claimsOf(objects)).losers.map((loser) => `${id(loser.plan)}: ${reasonOf(loser)}`);
    expect(losers(of("n1", []), of("n2", ["."]), of("n3", ["x"]))).to.deep.equal([
      "n1/e: for x ServiceEntry n3/e is exported to the client's namespace by name",
    ]);
    expect(losers(of("n1", ["x", "y"]), of("n2", ["y"], young))).to.deep.equal([
      "n2/e: ServiceEntry n1/e is older",
    ]);
    expect(losers(of("n1", ["x", "y"]), of("y", ["."]), of("z", []))).to.deep.equal([
      "z/e: for x ServiceEntry n1/e is exported to the client's namespace by name",
    ]);
    expect(losers(of("n1", ["y"]), of("y", ["."]))).to.deep.equal([
      "n1/e: ServiceEntry y/e is of the client's own namespace",
    ]);
    expect(losers(of("n1", ["x", "y"]), of("y", ["."]))).to.deep.equal([]);
    const many = Array.from({ length: 8 }, (_, at) => `t${at}`);
    expect(losers(of("n1", []), of("n2", many))).to.deep.equal([
      "n1/e: for t0, t1, t2, t3, t4 and 3 more ServiceEntry n2/e is exported to the client's namespace by name",
    ]);
  });

  it("a host that each of 3,000 namespaces claims for itself costs no more than their number", () => {
    const objects = Array.from({ length: 3000 }, (_, at) => of(`t${at}`, at % 2 === 0 ? ["."] : []));
    const claims = claimsOf(objects);
    const started = processorMs();
    const { views, losers } = standingOf(claims);
    expect(processorMs() - started).to.be.lessThan(2000);
    expect(views).to.have.length(3000);
    expect(losers).to.have.length(1499);
  });
});

describe("chooseAnswer", () => {
  const status = { addresses: [{ value: "240.240.0.1", host: "a.example" }] };
  const own = { addresses: ["10.0.0.1"] };
  const NAMES = { hosts, resolution: "DNS", endpoints: [{ address: "b.example" }] };
  const SELECTED = { hosts, workloadSelector: { labels: { app: "x" } } };
  const REAL = "real";
  const FORWARD = "forward";
  const OWN = "10.0.0.1";
  const ALLOCATED = "240.240.0.1";

  /** What an unknown client gets in modes auto, virtual, resolved. */
  const cases: readonly (readonly [
    string,
    Parameters<typeof entry>[0],
    auto: string,
    virtual: string,
    resolved: string,
  ])[] = [
    ["STATIC", STATIC, REAL, REAL, REAL],
    ["STATIC with an address", { ...STATIC, ...own }, OWN, OWN, REAL],
    ["STATIC with an allocated one", { ...STATIC, status }, REAL, ALLOCATED, REAL],
    ["STATIC without endpoints", { hosts, resolution: "STATIC" }, FORWARD, FORWARD, FORWARD],
    ["STATIC with but an address", { hosts, resolution: "STATIC", ...own }, OWN, OWN, FORWARD],
    [
      "STATIC with but an allocated one",
      { hosts, resolution: "STATIC", status },
      FORWARD,
      ALLOCATED,
      FORWARD,
    ],
    ["selected", { ...SELECTED, resolution: "STATIC" }, REAL, REAL, REAL],
    ["selected with an address", { ...SELECTED, resolution: "STATIC", ...own }, OWN, OWN, REAL],
    ["selected by DNS with an address", { ...SELECTED, resolution: "DNS", ...own }, OWN, OWN, REAL],
    ["selected by NONE with an address", { ...SELECTED, ...own }, OWN, OWN, REAL],
    ["DNS with endpoints", NAMES, REAL, REAL, REAL],
    ["DNS with endpoints and an address", { ...NAMES, ...own }, REAL, OWN, REAL],
    ["DNS with endpoints and an allocated one", { ...NAMES, status }, REAL, ALLOCATED, REAL],
    ["DNS for itself with an address", { hosts, resolution: "DNS", ...own }, REAL, OWN, REAL],
    ["DNS for itself with an allocated one", { hosts, resolution: "DNS", status }, REAL, ALLOCATED, REAL],
    ["DNS wildcard", { hosts: ["*.a.example"], resolution: "DNS" }, FORWARD, FORWARD, FORWARD],
    [
      "DNS wildcard with an address",
      { hosts: ["*.a.example"], resolution: "DNS", ...own },
      FORWARD,
      OWN,
      FORWARD,
    ],
    ["DYNAMIC_DNS", { hosts, resolution: "DYNAMIC_DNS" }, FORWARD, FORWARD, FORWARD],
    ["DYNAMIC_DNS with an address", { hosts, resolution: "DYNAMIC_DNS", ...own }, OWN, OWN, FORWARD],
    [
      "DYNAMIC_DNS with an allocated one",
      { hosts, resolution: "DYNAMIC_DNS", status },
      FORWARD,
      ALLOCATED,
      FORWARD,
    ],
    ["NONE", { hosts }, FORWARD, FORWARD, FORWARD],
    ["NONE with an address", { hosts, ...own }, OWN, OWN, FORWARD],
    ["NONE with an allocated one", { hosts, status }, FORWARD, FORWARD, FORWARD],
    ["NONE with but a prefix", { hosts, addresses: ["10.0.0.0/8"] }, FORWARD, FORWARD, FORWARD],
  ];
  for (const [what, given, ...expected] of cases)
    it(what, () => {
      const plan = planOf(entry(given));
      const chosen = (["auto", "virtual", "resolved"] as const).map((mode) => {
        const choice = chooseAnswer([plan], mode, "unknown", false);
        return choice.kind === "virtual" ? choice.addresses.join() : choice.kind;
      });
      expect(chosen).to.deep.equal(expected);
    });

  it("merged: the oldest one's class decides, lists are joined without doubles", () => {
    const plans = [
      planOf(entry({ ...STATIC, addresses: ["10.0.0.1", "10.0.0.2"] })),
      planOf(entry({ hosts, addresses: ["10.0.0.2", "10.0.0.3"] })),
    ];
    const virtual = { kind: "virtual", addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3"] };
    expect(chooseAnswer(plans, "auto", "unknown", false)).to.deep.equal(virtual);
    const dnsFirst = [planOf(entry(NAMES)), ...plans];
    expect(chooseAnswer(dnsFirst, "auto", "unknown", false)).to.deep.equal({ kind: "real" });
  });

  describe("by the client's class, mode auto", () => {
    const V4 = "240.240.0.1";
    const V6 = "2001:2::1";
    const BOTH = { addresses: [V4, V6].map((value) => ({ value, host: "a.example" })) };
    const IN_RANGE = { addresses: [V4] };
    /** unknown, outside, sidecar, redirectedIpv4, redirectedIpv6, redirectedDual. */
    const byClass: readonly (readonly [
      string,
      Parameters<typeof entry>[0],
      ...expected: readonly string[],
    ])[] = [
      ["STATIC", STATIC, REAL, REAL, REAL, REAL, REAL, REAL],
      ["STATIC, allocated", { ...STATIC, status: BOTH }, REAL, REAL, REAL, V4, V6, `${V4},${V6}`],
      ["STATIC, allocated IPv4 alone", { ...STATIC, status }, REAL, REAL, REAL, V4, REAL, V4],
      ["STATIC, written", { ...STATIC, ...own }, OWN, REAL, OWN, OWN, REAL, OWN],
      ["STATIC, written in a range", { ...STATIC, ...IN_RANGE }, V4, REAL, V4, V4, REAL, V4],
      [
        "STATIC without endpoints, written",
        { hosts, resolution: "STATIC", ...own },
        OWN,
        OWN,
        OWN,
        OWN,
        FORWARD,
        OWN,
      ],
      [
        "STATIC without endpoints, written in a range",
        { hosts, resolution: "STATIC", ...IN_RANGE },
        V4,
        FORWARD,
        V4,
        V4,
        FORWARD,
        V4,
      ],
      [
        "STATIC selected, written",
        { ...SELECTED, resolution: "STATIC", ...own },
        OWN,
        REAL,
        OWN,
        OWN,
        REAL,
        OWN,
      ],
      ["DNS selected, written", { ...SELECTED, resolution: "DNS", ...own }, OWN, REAL, REAL, OWN, REAL, OWN],
      ["NONE, written", { hosts, ...own }, OWN, OWN, OWN, OWN, FORWARD, OWN],
      ["DNS with endpoints, written", { ...NAMES, ...own }, REAL, REAL, REAL, OWN, REAL, OWN],
      ["DNS with endpoints, allocated", { ...NAMES, status }, REAL, REAL, REAL, V4, REAL, V4],
      [
        "DNS for itself, allocated",
        { hosts, resolution: "DNS", status: BOTH },
        REAL,
        REAL,
        REAL,
        V4,
        V6,
        `${V4},${V6}`,
      ],
      [
        "DNS wildcard, written",
        { hosts: ["*.a.example"], resolution: "DNS", ...own },
        FORWARD,
        OWN,
        FORWARD,
        OWN,
        FORWARD,
        OWN,
      ],
      [
        "DYNAMIC_DNS, allocated",
        { hosts, resolution: "DYNAMIC_DNS", status: BOTH },
        FORWARD,
        FORWARD,
        FORWARD,
        V4,
        V6,
        `${V4},${V6}`,
      ],
      [
        "DYNAMIC_DNS, written",
        { hosts, resolution: "DYNAMIC_DNS", ...own },
        OWN,
        OWN,
        FORWARD,
        OWN,
        FORWARD,
        OWN,
      ],
      ["written, but forbidden", { ...STATIC, addresses: ["127.0.0.1"] }, "", REAL, "", "", "", ""],
    ];
    for (const [what, given, ...expected] of byClass)
      it(what, () => {
        const plan = planOf(entry(given));
        const chosen = CLIENT_CLASSES.map((client) => shown([plan], "auto", client));
        expect(chosen).to.deep.equal(expected);
      });

    it("a sidecar gets no virtual address of a host that an entry names as an endpoint", () => {
      const plan = planOf(entry({ ...STATIC, ...own }));
      expect(chooseAnswer([plan], "auto", "sidecar", true).kind).to.equal("real");
      expect(chooseAnswer([plan], "auto", "unknown", true).kind).to.equal("virtual");
      expect(chooseAnswer([plan], "auto", "redirectedIpv4", true).kind).to.equal("virtual");
      const none = planOf(entry({ hosts, ...own }));
      expect(chooseAnswer([none], "auto", "sidecar", true).kind).to.equal("forward");
    });

    it("an allocated address never goes to a pod outside a mesh, whatever the mode", () => {
      const mode = "virtual";
      expect(shown([planOf(entry({ ...STATIC, status }))], mode, "outside")).to.equal(REAL);
      expect(shown([planOf(entry({ ...STATIC, ...IN_RANGE }))], mode, "outside")).to.equal(REAL);
      expect(shown([planOf(entry({ ...STATIC, ...own }))], mode, "outside")).to.equal(OWN);
      const mixed = { ...STATIC, addresses: [V4, "10.0.0.1"] };
      expect(shown([planOf(entry(mixed))], mode, "outside")).to.equal(OWN);
      expect(shown([planOf(entry(mixed))], mode, "unknown")).to.equal(`${V4},10.0.0.1`);
      const onlyVirtual = entry({ hosts, resolution: "DYNAMIC_DNS", status });
      expect(shown([planOf(onlyVirtual)], mode, "outside")).to.equal(FORWARD);
      expect(shown([planOf(onlyVirtual)], mode, "sidecar")).to.equal(V4);
    });
  });

  function shown(plans: readonly HostPlan[], mode: AnswerMode, client: ClientClass): string {
    const choice = chooseAnswer(plans, mode, client, false);
    return choice.kind === "virtual" ? choice.addresses.join() : choice.kind;
  }
});
