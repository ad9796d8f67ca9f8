/** Search suffixes in `decide`: which hosts answer with one, for whom, and never in the place of Kubernetes. */

import { expect } from "chai";
import fc from "fast-check";
import { Asker } from "../../src/server/asker.ts";
import { decide } from "../../src/server/decide.ts";
import { Action, type DecideSettingsAsText, Decision, decideSettings } from "../../src/server/decision.ts";
import type { ClientIndex } from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import type { HostRecord } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { RecordType } from "../../src/wire/constants.ts";
import { makeQuery, makeRawQuery, type QueryFields } from "../support/make-query.ts";
import { addresses, delta, hostName, hostOf, record, set, viewOf } from "../table/samples.ts";
import { clientIndexOf, ENGINE_SETTINGS, fixedRandom, namespaceFacts } from "./fixtures.ts";

const EMPTY = { kind: "empty" } as const;
const V4 = addresses("192.0.2.1");

function delegated(host: HostRecord): HostRecord {
  return { ...host, isDelegated: true };
}

const HOSTS = [
  delegated(record("shop.com")),
  delegated(record("*.shop.com")),
  record("a.db.internal"),
  record("db.internal"),
  record("*.wild.db.internal"),
  delegated(hostOf("private.com", viewOf(["team-a"], "192.0.2.1"))),
  delegated(record("pass.com", V4, EMPTY, { isPass: true })),
  delegated(record("signed.com", V4, EMPTY, { forwardsDnssec: true })),
  delegated(record("pending.com", { kind: "pending", untilMs: 2500 }, EMPTY)),
  delegated(record("web.dev")),
  delegated(record("app")),
  record("kubernetes"),
  record("*.kube-system.svc"),
  record("a.cluster.local"),
  delegated(record("_tls.shop.com")),
];

const table = new FlatTable(fixedRandom(0));
table.apply(delta(1, ...set(...HOSTS)), 0, 1000);
const clients = clientIndexOf(
  [],
  namespaceFacts("team-a"),
  namespaceFacts("team-b"),
  namespaceFacts("dev", { isDelegated: true }),
  namespaceFacts("cilium", { suffixAnswer: "nxdomain" }),
  namespaceFacts("old", { suffixAnswer: "forward" }),
);

interface Ask {
  readonly fields?: QueryFields;
  /** Of a known pod. */
  readonly namespace?: string;
  /** Of an unknown client; true where it is not said. */
  readonly mayTell?: boolean;
  readonly isDenied?: boolean;
  readonly settings?: Partial<DecideSettingsAsText>;
}

function askerOf({ namespace, mayTell = true }: Ask): Asker {
  const asker = new Asker();
  asker.isPod = namespace !== undefined;
  asker.mayTellNamespace = !asker.isPod && mayTell;
  if (namespace !== undefined) {
    const octets = Buffer.from(namespace);
    asker.namespace = octets;
    asker.namespaceId = clients.namespaceId(octets, 0, octets.length);
    asker.clientClass = 1;
  }
  return asker;
}

function decided(name: string, ask: Ask = {}) {
  const decision = new Decision();
  decide(
    {
      query: makeQuery(name, ask.fields),
      asker: askerOf(ask),
      knowledge: { table, clients },
      settings: decideSettings({ ...ENGINE_SETTINGS, ...ask.settings }, true, false),
      nowMs: 0,
      isDenied: ask.isDenied ?? false,
    },
    decision,
  );
  return decision;
}

/** The action, and with a suffix how many labels the bare host has. */
function said(name: string, ask: Ask = {}): string {
  const { action, bareLabels } = decided(name, ask);
  const text = nameOf(action);
  return bareLabels > 0 ? `${text} ${bareLabels}` : text;
}

function nameOf(action: Action): string {
  return Object.entries(Action).find(([, number]) => number === action)![0];
}

describe("decide: search suffixes", () => {
  it("lead to the bare host, one family or none, pending or not", () => {
    expect(said("shop.com.team-a.svc.cluster.local")).to.equal("ANSWER 2");
    expect(said("Shop.COM.team-a.SVC.cluster.local")).to.equal("ANSWER 2");
    expect(said("shop.com.svc.cluster.local")).to.equal("ANSWER 2");
    expect(said("shop.com.cluster.local")).to.equal("ANSWER 2");
    const aaaa = { fields: { type: RecordType.AAAA } };
    expect(said("shop.com.team-a.svc.cluster.local", aaaa)).to.equal("EMPTY 2");
    expect(said("pending.com.team-a.svc.cluster.local")).to.equal("HOLD 2");
    expect(decided("pending.com.team-a.svc.cluster.local").untilMs).to.equal(2500);
  });

  it("lead to the concrete name under a wildcard", () => {
    expect(said("a.b.shop.com.team-a.svc.cluster.local")).to.equal("ANSWER 4");
    expect(said("x.wild.db.internal.svc.cluster.local")).to.equal("ANSWER 4");
  });

  it("of other types: the CNAME is the answer, services and mail are asked upstream", () => {
    const type = (number: number) => ({ fields: { type: number } });
    expect(said("shop.com.team-a.svc.cluster.local", type(RecordType.HTTPS))).to.equal("EMPTY 2");
    expect(said("shop.com.team-a.svc.cluster.local", type(RecordType.CNAME))).to.equal("EMPTY 2");
    expect(said("shop.com.team-a.svc.cluster.local", type(RecordType.MX))).to.equal("RESCUE 2");
    expect(said("shop.com.team-a.svc.cluster.local", type(RecordType.ANY))).to.equal("ANSWER 2");
    expect(said("pending.com.team-a.svc.cluster.local", type(RecordType.ANY))).to.equal("EMPTY 2");
    const version = { fields: { hasEdns: true, ednsVersion: 1 } };
    expect(said("shop.com.team-a.svc.cluster.local", version)).to.equal("BADVERS 2");
  });

  it("count for a known pod only with its own namespace", () => {
    const known = { namespace: "team-a" };
    expect(said("shop.com.team-a.svc.cluster.local", known)).to.equal("ANSWER 2");
    expect(said("shop.com.team-b.svc.cluster.local", known)).to.equal("FORWARD");
    expect(said("shop.com.team.svc.cluster.local", known)).to.equal("FORWARD");
    expect(said("shop.com.svc.cluster.local", known)).to.equal("ANSWER 2");
    expect(said("shop.com.cluster.local", known)).to.equal("ANSWER 2");
    expect(said("shop.com.nowhere.svc.cluster.local")).to.equal("ANSWER 2");
  });

  it("are never put behind what would be forwarded", () => {
    expect(said("pass.com.team-a.svc.cluster.local")).to.equal("FORWARD");
    expect(said("elsewhere.com.team-a.svc.cluster.local")).to.equal("FORWARD");
    expect(said("signed.com.team-a.svc.cluster.local")).to.equal("ANSWER 2");
    const dnssec = { fields: { dnssecOk: true, hasEdns: true } };
    expect(said("signed.com.team-a.svc.cluster.local", dnssec)).to.equal("FORWARD");
    expect(said("a.cluster.local.team-a.svc.cluster.local")).to.equal("FORWARD");
    expect(said("shop.com.team-a.svc.cluster.local.")).to.equal("ANSWER 2");
  });

  it("say in which namespace an unknown client is, so that it sees what is for that", () => {
    expect(said("private.com.team-a.svc.cluster.local")).to.equal("ANSWER 2");
    expect(said("private.com.team-b.svc.cluster.local")).to.equal("FORWARD");
    expect(said("private.com.svc.cluster.local")).to.equal("FORWARD");
    expect(said("private.com.team-a.svc.cluster.local", { mayTell: false })).to.equal("FORWARD");
    expect(said("shop.com.team-a.svc.cluster.local", { mayTell: false })).to.equal("ANSWER 2");
  });

  it("tell the namespace only where the name is surely a host and a suffix", () => {
    const told = (name: string, ask: Ask = {}) => decided(name, ask).namespaceLabel;
    expect(told("shop.com.team-a.svc.cluster.local")).to.equal(2);
    expect(told("a.b.elsewhere.team-a.svc.cluster.local")).to.equal(3);
    expect(told("redis.team-b.svc.cluster.local")).to.equal(NOT_FOUND);
    expect(told("pod.redis.team-b.svc.cluster.local")).to.equal(NOT_FOUND);
    expect(told("_a._tcp.redis.team-b.svc.cluster.local", { fields: { type: RecordType.SRV } })).to.equal(
      NOT_FOUND,
    );
    expect(told("db.internal.team-a.svc.cluster.local")).to.equal(NOT_FOUND);
    expect(told("db.internal.team-a.svc.cluster.local", { isDenied: true })).to.equal(2);
    expect(told("redis.team-b.svc.cluster.local.team-a.svc.cluster.local")).to.equal(5);
    expect(told("shop.com.old.svc.cluster.local")).to.equal(2);
    expect(told("shop.com.team-a.svc.cluster.local", { namespace: "team-a" })).to.equal(NOT_FOUND);
    expect(told("shop.com.team-a.svc.cluster.local", { mayTell: false })).to.equal(NOT_FOUND);
  });

  it("wait for upstream's NXDOMAIN where Kubernetes can mean the name", () => {
    for (const [name, answer] of [
      ["kubernetes.default.svc.cluster.local", "ANSWER 1"],
      ["db.internal.team-a.svc.cluster.local", "ANSWER 2"],
      ["db.internal.svc.cluster.local", "ANSWER 2"],
      ["a.db.internal.svc.cluster.local", "ANSWER 3"],
      ["web.dev.svc.cluster.local", "ANSWER 2"],
      ["app.default.svc.cluster.local", "ANSWER 1"],
      ["app.svc.cluster.local", "ANSWER 1"],
      ["coredns.kube-system.svc.cluster.local", "ANSWER 3"],
      ["_tls.shop.com.team-a.svc.cluster.local", "ANSWER 3"],
    ] as const) {
      expect(said(name), name).to.equal("UPSTREAM_FIRST");
      expect(said(name, { isDenied: true }), name).to.equal(answer);
    }
    expect(said("a.db.internal.team-a.svc.cluster.local")).to.equal("ANSWER 3");
    expect(said("db.internal.cluster.local")).to.equal("ANSWER 2");
    expect(said("web.dev.team-a.svc.cluster.local")).to.equal("ANSWER 2");
  });

  it("may be those of the settings, wherever they lie", () => {
    const settings = { searchSuffixes: [hostName("corp.example"), hostName("local")] };
    expect(said("shop.com.corp.example", { settings })).to.equal("ANSWER 2");
    expect(said("db.internal.corp.example", { settings })).to.equal("ANSWER 2");
    expect(said("db.internal.corp.example")).to.equal("FORWARD");
    expect(said("shop.com.local", { settings })).to.equal("ANSWER 2");
    expect(said("shop.com.corp.example", { settings, namespace: "team-b" })).to.equal("ANSWER 2");
    expect(said("private.com.corp.example", { settings })).to.equal("FORWARD");
    expect(said("private.com.corp.example", { settings, namespace: "team-a" })).to.equal("ANSWER 2");
  });

  it("are answered as the setting or the namespace says", () => {
    const nxdomain = { settings: { suffixAnswer: "nxdomain" } } as const;
    const forward = { settings: { suffixAnswer: "forward" } } as const;
    expect(said("shop.com.team-a.svc.cluster.local", nxdomain)).to.equal("NXDOMAIN 2");
    expect(said("pending.com.team-a.svc.cluster.local", nxdomain)).to.equal("NXDOMAIN 2");
    expect(said("shop.com.team-a.svc.cluster.local", forward)).to.equal("FORWARD");
    expect(said("shop.com.cilium.svc.cluster.local")).to.equal("NXDOMAIN 2");
    expect(said("shop.com.cilium.svc.cluster.local", forward)).to.equal("NXDOMAIN 2");
    expect(said("shop.com.old.svc.cluster.local", nxdomain)).to.equal("FORWARD");
    expect(said("shop.com.svc.cluster.local", { namespace: "cilium" })).to.equal("NXDOMAIN 2");
    expect(said("shop.com.cluster.local", { namespace: "team-a" })).to.equal("ANSWER 2");
    // What Kubernetes can mean is upstream's to deny.
    for (const isDenied of [false, true]) {
      expect(said("db.internal.cilium.svc.cluster.local", { isDenied })).to.equal("FORWARD");
      expect(said("db.internal.old.svc.cluster.local", { isDenied })).to.equal("FORWARD");
    }
    // The namespace that a client says is believed only from those of whom nothing is known.
    expect(said("shop.com.cilium.svc.cluster.local", { mayTell: false })).to.equal("ANSWER 2");
  });
});

describe("decide: the cluster's own names", () => {
  const DOMAIN = ["cluster", "local"];
  const DELEGATED = ["com", "dev", "app"];
  const NAMESPACES = ["default", "team-a", "dev"];
  const LABELS = ["a", "web", "kubernetes", "default", "team-a", "svc", "pod", "com", "dev", "app", "_tcp"];

  const label = fc.constantFrom(...LABELS);
  const host = fc
    .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([isWildcard, labels, isInside]) => {
      const all = [...(isWildcard ? ["*"] : []), ...labels, ...(isInside ? DOMAIN : [])];
      return { ...record(all.join("."), V4, EMPTY), isDelegated: DELEGATED.includes(all.at(-1)!) };
    });
  /** Half of them a host with labels before it and a suffix behind it, half of them anything. */
  const question = fc
    .tuple(
      fc.nat(15),
      fc.array(label, { maxLength: 6 }),
      fc.constantFrom(["default", "svc"], ["team-a", "svc"], ["svc"], ["pod"], []),
    )
    .map(([pick, labels, zone]) => ({ pick, labels, end: [...zone, ...DOMAIN] }));
  const type = fc.constantFrom(...(["A", "AAAA", "HTTPS", "ANY", "MX", "SRV", "CNAME"] as const));
  const extras = fc.subarray(["local", "svc.cluster.local", "default.svc.cluster.local", "a.example"]);
  const asker = fc.constantFrom<Ask>({}, { mayTell: false }, { namespace: "team-a" }, { namespace: "dev" });
  const suffixAnswer = fc.constantFrom(...(["cname", "cname", "nxdomain", "forward"] as const));

  /** Written from the names that Kubernetes gives, not from how we read ours. */
  function canKubernetesMean(labels: readonly string[]): boolean {
    const rest = labels.slice(0, -DOMAIN.length);
    const zone = rest.pop();
    if (zone === undefined || labels.some((each) => each.startsWith("_"))) return true;
    if (zone !== "svc") return zone === "pod";
    const [namespace, service] = rest.toReversed();
    if (rest.length < 2) return true;
    // No Namespace has the name of a top-level domain, unless there it is.
    if (DELEGATED.includes(namespace!) && !NAMESPACES.includes(namespace!)) return false;
    if (rest.length === 2) return true;
    // A named pod behind a headless service, which is not expected to have the name of a top-level domain.
    return rest.length === 3 && !DELEGATED.includes(service!);
  }

  it("are never answered before upstream has said NXDOMAIN (property)", () => {
    const known: ClientIndex = clientIndexOf(
      [],
      ...NAMESPACES.map((name) => namespaceFacts(name, { isDelegated: DELEGATED.includes(name) })),
    );
    const upstreams = [Action.FORWARD, Action.UPSTREAM_FIRST] as readonly Action[];
    let answered = 0;
    let denied = 0;
    fc.assert(
      fc.property(
        fc.uniqueArray(host, { minLength: 1, maxLength: 8, selector: (each) => each.host }),
        fc.array(question, { minLength: 1, maxLength: 20 }),
        type,
        extras,
        asker,
        suffixAnswer,
        (hosts, questions, asked, searchSuffixes, ask, answer) => {
          const hostTable = new FlatTable(fixedRandom(0));
          hostTable.apply(delta(1, ...set(...hosts)), 0, 1000);
          const settings = decideSettings(
            { ...ENGINE_SETTINGS, suffixAnswer: answer, searchSuffixes: searchSuffixes.map(hostName) },
            true,
            false,
          );
          const decision = new Decision();
          for (const { pick, labels: first, end } of questions) {
            const bare = hosts[pick]?.host.split(".").filter((each) => each !== "*") ?? [];
            const labels = [...first.slice(0, bare.length === 0 ? 6 : pick % 3), ...bare, ...end];
            const query = makeRawQuery(labels, { type: RecordType[asked] });
            const situation = {
              query,
              asker: askerOf(ask),
              knowledge: { table: hostTable, clients: known },
              settings,
              nowMs: 0,
            };
            decide({ ...situation, isDenied: false }, decision);
            const isUpstreams = upstreams.includes(decision.action);
            if (!isUpstreams) answered += 1;
            const text = `${labels.join(".")}: ${nameOf(decision.action)}`;
            if (canKubernetesMean(labels)) expect(isUpstreams, text).to.equal(true);
            decide({ ...situation, isDenied: true }, decision);
            expect(decision.action, text).not.to.equal(Action.UPSTREAM_FIRST);
            if (!upstreams.includes(decision.action)) denied += 1;
          }
        },
      ),
      { numRuns: 1500 },
    );
    // Else the property would hold of a server that answers nothing.
    expect(answered).to.be.above(100);
    expect(denied).to.be.above(answered);
  });
});
