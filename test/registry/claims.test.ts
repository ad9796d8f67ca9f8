import { expect } from "chai";
import fc from "fast-check";
import type { AnswerMode, ServiceEntry } from "../../src/mesh/objects.ts";
import { chooseAnswer, standingOf } from "../../src/registry/claims.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import { planEntry } from "../../src/registry/plan.ts";
import { entry, SETTINGS } from "./support.ts";

const hosts = ["a.example"];
const STATIC = { hosts, resolution: "STATIC", endpoints: [{ address: "192.0.2.1" }] };

function planOf(object: ServiceEntry): HostPlan {
  const plan = planEntry(object, SETTINGS).hosts[0];
  if (plan === undefined) throw new Error("no host");
  return plan;
}

const auto = () => "auto" as const;
const id = (plan: HostPlan) => `${plan.entry.ref.namespace}/${plan.entry.ref.name}`;

function standing(objects: readonly ServiceEntry[], viewer?: string, mode: () => AnswerMode = auto) {
  const { winners, losers } = standingOf(objects.map(planOf), viewer, mode);
  return { winners: winners.map(id), losers: losers.map(({ plan, reason }) => `${id(plan)}: ${reason}`) };
}

describe("standingOf", () => {
  const old = { created: "2020-01-01T00:00:00Z" };
  const young = { created: "2024-01-01T00:00:00Z" };

  it("the oldest public entry answers, others of another namespace lose", () => {
    const objects = [
      entry({ ...STATIC, ...young, namespace: "n1", name: "x" }),
      entry({ ...STATIC, ...old, namespace: "n2", name: "y" }),
    ];
    expect(standing(objects)).to.deep.equal({
      winners: ["n2/y"],
      losers: ["n1/x: ServiceEntry n2/y is older"],
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
        const { winners, losers } = standing(shuffled, "n2");
        expect(winners).to.deep.equal(expected.winners);
        expect([...losers].sort()).to.deep.equal([...expected.losers].sort());
      }),
      { numRuns: 50 },
    );
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

  /** What is answered for modes auto, virtual, resolved. */
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
        const choice = chooseAnswer([plan], mode);
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
    expect(chooseAnswer(plans, "auto")).to.deep.equal(virtual);
    const dnsFirst = [planOf(entry(NAMES)), ...plans];
    expect(chooseAnswer(dnsFirst, "auto")).to.deep.equal({ kind: "real" });
  });
});
