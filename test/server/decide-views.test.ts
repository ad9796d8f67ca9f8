/** What `decide` says to different clients: views, classes, and the names beside a host that say more of it. */

import { expect } from "chai";
import { Asker } from "../../src/server/asker.ts";
import { decide } from "../../src/server/decide.ts";
import { Action, type DecideSettings, Decision, decideSettings } from "../../src/server/decision.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { CLIENT_CLASSES, type ClientClass, type HostView } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { nameAt, nameLength } from "../../src/table/packed-record.ts";
import { RecordType } from "../../src/wire/constants.ts";
import { nameToText } from "../../src/wire/name.ts";
import { makeQuery, type QueryFields } from "../support/make-query.ts";
import {
  addresses,
  delta,
  forEveryClass,
  hostName,
  hostOf,
  record,
  set,
  variant,
  viewOf,
} from "../table/samples.ts";
import { clientIndexOf, ENGINE_SETTINGS, fixedRandom, namespaceFacts } from "./fixtures.ts";

const PASS = { isPass: true };
const EMPTY = { kind: "empty" } as const;
const HTTP = {
  name: "http",
  transport: "tcp",
  targets: [{ port: 80, target: null, weight: 0 }],
} as const;

/** A view of one namespace in which only sidecars and pods with a data plane of both families get something. */
const BY_CLASS: HostView = {
  visibleTo: "all",
  variants: [
    variant(addresses("192.0.2.1")),
    variant(addresses("240.240.0.1"), EMPTY, { source: "virtual" }),
  ],
  choices: { ...forEveryClass(null), sidecar: 0, redirectedDual: 1 },
  ports: [HTTP],
};

const HOSTS = set(
  hostOf("public.example", viewOf("all", "192.0.2.1")),
  hostOf("private.example", viewOf(["team-a"], "192.0.2.2")),
  hostOf("both.example", viewOf(["team-a", "team-b"], "192.0.2.3"), viewOf("all", "192.0.2.4")),
  hostOf("a.wild.example", viewOf(["team-a"], "192.0.2.5")),
  hostOf("*.wild.example", viewOf(["team-b"], "192.0.2.6")),
  hostOf("*.example", viewOf("all", "192.0.2.7")),
  hostOf("*.deep.wild.example", viewOf(["team-c"], "192.0.2.8")),
  hostOf("by-class.test", BY_CLASS),
  record("ports.test", addresses("192.0.2.1"), EMPTY, {}, { ports: [HTTP] }),
  record("*.ports.test", addresses("192.0.2.1"), EMPTY, {}, { ports: [HTTP] }),
  record("denied.test", addresses("192.0.2.1"), EMPTY, PASS, { ports: [HTTP] }),
  record("signed.test", addresses("192.0.2.1"), EMPTY, { forwardsDnssec: true }, { ports: [HTTP] }),
  hostOf("hidden-ports.test", { ...viewOf(["team-a"], "192.0.2.1"), ports: [HTTP], why: "because" }),
  record("why.test", addresses("192.0.2.1"), EMPTY, {}, { why: "because" }),
  record("*.why.test", addresses("192.0.2.1"), EMPTY, {}, { why: "because" }),
  hostOf("why-class.test", { ...BY_CLASS, why: "not for you" }),
  record("1.0.240.240.in-addr.arpa", EMPTY, EMPTY, {}, { pointer: hostName("own.test") }),
  hostOf("2.0.240.240.in-addr.arpa", { ...viewOf(["team-a"], "192.0.2.1"), pointer: hostName("own.test") }),
  {
    ...record("db.vms.svc.cluster.local", addresses("192.0.2.9"), EMPTY, {}, { ports: [HTTP] }),
    isFallback: true,
  },
  {
    ...hostOf("own.vms.svc.cluster.local", viewOf(["team-a"], "192.0.2.9")),
    isFallback: true,
  },
  { ...record("denied.vms.svc.cluster.local", EMPTY, EMPTY, PASS), isFallback: true },
  { ...record("*.vms.svc.cluster.local"), isFallback: true },
  record("taken.vms.svc.cluster.local"),
);

const table = new FlatTable(fixedRandom(0));
table.apply(delta(1, ...HOSTS), 0, 1000);
const knowledge = { table, clients: clientIndexOf([], namespaceFacts("team-a"), namespaceFacts("vms")) };
const SETTINGS = decideSettings({ ...ENGINE_SETTINGS, explainTxt: true }, true, false);
const SILENT = decideSettings(ENGINE_SETTINGS, true, false);
const UNSYNCED = decideSettings({ ...ENGINE_SETTINGS, explainTxt: true }, false, false);

interface Ask {
  readonly fields?: QueryFields;
  readonly namespace?: string;
  readonly clientClass?: ClientClass;
  readonly settings?: DecideSettings;
  readonly isDenied?: boolean;
}

function decided(name: string, ask: Ask = {}) {
  const asker = new Asker();
  if (ask.namespace !== undefined) {
    asker.isPod = true;
    asker.namespace = Buffer.from(ask.namespace);
    asker.clientClass = CLIENT_CLASSES.indexOf(ask.clientClass ?? "outside");
  }
  const decision = new Decision();
  const query = makeQuery(name, { type: RecordType.A, ...ask.fields });
  const settings = ask.settings ?? SETTINGS;
  const isDenied = ask.isDenied ?? false;
  decide({ query, asker, knowledge, settings, nowMs: 0, isDenied }, decision);
  return decision;
}

function said(name: string, ask: Ask = {}): string {
  const decision = decided(name, ask);
  const action = Object.entries(Action).find(([, number]) => number === decision.action)![0];
  if (decision.record === NOT_FOUND) return action;
  const at = nameAt(decision.record);
  return `${action} ${nameToText(table.octets.slice(at, at + nameLength(table.octets, decision.record)))}`;
}

const SRV = { fields: { type: RecordType.SRV, hasUnderscoreLabel: true } };
const TXT = { fields: { type: RecordType.TXT, hasUnderscoreLabel: true } };
const PTR = { fields: { type: RecordType.PTR } };

describe("decide: views", () => {
  it("answers each client from the view that it sees", () => {
    expect(said("public.example")).to.equal("ANSWER public.example");
    expect(said("public.example", { namespace: "team-z" })).to.equal("ANSWER public.example");
    const own = decided("both.example", { namespace: "team-b" });
    const all = decided("both.example", { namespace: "team-z" });
    const unknown = decided("both.example");
    expect(own.record).to.equal(all.record);
    expect(own.view).not.to.equal(all.view);
    expect(unknown.view).to.equal(all.view);
  });

  it("does not see what is not for it: the wildcard above answers, or nobody", () => {
    expect(said("private.example", { namespace: "team-a" })).to.equal("ANSWER private.example");
    expect(said("private.example", { namespace: "team-b" })).to.equal("ANSWER example");
    expect(said("private.example")).to.equal("ANSWER example");
    expect(said("hidden-ports.test")).to.equal("FORWARD");
    expect(said("a.wild.example", { namespace: "team-a" })).to.equal("ANSWER a.wild.example");
    expect(said("a.wild.example", { namespace: "team-b" })).to.equal("ANSWER wild.example");
    expect(said("a.wild.example", { namespace: "team-c" })).to.equal("ANSWER example");
    expect(said("x.y.deep.wild.example", { namespace: "team-c" })).to.equal("ANSWER deep.wild.example");
    expect(said("x.y.deep.wild.example", { namespace: "team-b" })).to.equal("ANSWER wild.example");
    expect(said("x.y.deep.wild.example")).to.equal("ANSWER example");
    expect(said("deep.wild.example", { namespace: "team-c" })).to.equal("ANSWER example");
  });

  it("lets no wildcard match a name with an underscore, hidden host or not", () => {
    const fields = { hasUnderscoreLabel: true };
    expect(said("_x.private.example", { fields, namespace: "team-b" })).to.equal("FORWARD");
  });

  it("treats what a client does not see as a name that is not there, before the first sync too", () => {
    const ask = { settings: UNSYNCED, namespace: "team-z" };
    expect(said("hidden-ports.test", ask)).to.equal(said("elsewhere.test", ask));
    expect(said("hidden-ports.test", ask)).to.equal("HOLD");
    expect(said("hidden-ports.test", { ...ask, namespace: "team-a" })).to.equal("ANSWER hidden-ports.test");
  });

  it("gives each class its variant, and forwards for a class without one", () => {
    const of = (clientClass: ClientClass) => decided("by-class.test", { namespace: "team-a", clientClass });
    expect(of("sidecar").action).to.equal(Action.ANSWER);
    expect(of("redirectedDual").action).to.equal(Action.ANSWER);
    expect(of("sidecar").variant).not.to.equal(of("redirectedDual").variant);
    for (const clientClass of ["outside", "redirectedIpv4", "redirectedIpv6"] as const) {
      expect(of(clientClass).action, clientClass).to.equal(Action.FORWARD);
    }
    expect(said("by-class.test", { settings: UNSYNCED })).to.equal("FORWARD by-class.test");
  });
});

describe("decide: services", () => {
  it("answers a port of a host, under a wildcard's concrete names too", () => {
    const decision = decided("_http._tcp.ports.test", SRV);
    expect(decision.action).to.equal(Action.SERVICE);
    expect(decision.hostLabels).to.equal(2);
    expect(decision.port).to.be.above(decision.view);
    expect(said("_HTTP._TCP.a.b.ports.test", SRV)).to.equal("SERVICE ports.test");
    expect(decided("_http._tcp.a.b.ports.test", SRV).hostLabels).to.equal(4);
  });

  it("forwards a port that the host has not, and what is not of the form", () => {
    for (const name of [
      "_https._tcp.ports.test",
      "_http._udp.ports.test",
      "_http._sctp.ports.test",
      "_htt._tcp.ports.test",
      "http._tcp.ports.test",
      "_http.tcp.ports.test",
      "_._tcp.ports.test",
      "_http._tcp",
      "_x._http._tcp.ports.test",
    ]) {
      expect(said(name, SRV), name).to.equal("FORWARD");
    }
    expect(said("_http._tcp.ports.test", { fields: { hasUnderscoreLabel: true } })).to.equal("FORWARD");
  });

  it("forwards the ports of hosts that are forwarded or hidden", () => {
    expect(said("_http._tcp.denied.test", SRV)).to.equal("FORWARD");
    expect(said("_http._tcp.hidden-ports.test", SRV)).to.equal("FORWARD");
    expect(said("_http._tcp.hidden-ports.test", { ...SRV, namespace: "team-a" })).to.equal(
      "SERVICE hidden-ports.test",
    );
    expect(said("_http._tcp.by-class.test", SRV)).to.equal("FORWARD");
    const signed = { fields: { ...SRV.fields, dnssecOk: true, hasEdns: true } };
    expect(said("_http._tcp.signed.test", signed)).to.equal("FORWARD");
    expect(said("_http._tcp.signed.test", SRV)).to.equal("SERVICE signed.test");
  });

  it("refuses what it does not speak", () => {
    const fields = { ...SRV.fields, hasEdns: true, ednsVersion: 1 };
    expect(said("_http._tcp.ports.test", { fields })).to.equal("BADVERS ports.test");
  });
});

describe("decide: explanations", () => {
  it("go to known pods that see the host, where the setting is on", () => {
    const known = { ...TXT, namespace: "team-a" };
    expect(said("_why.why.test", known)).to.equal("WHY why.test");
    expect(said("_why.a.b.why.test", known)).to.equal("WHY why.test");
    expect(said("_why.hidden-ports.test", known)).to.equal("WHY hidden-ports.test");
    expect(said("_why.hidden-ports.test", { ...TXT, namespace: "team-b" })).to.equal("FORWARD");
    expect(said("_why.why-class.test", known)).to.equal("WHY why-class.test");
    expect(said("_why.why.test", TXT)).to.equal("FORWARD");
    expect(said("_why.why.test", { ...known, settings: SILENT })).to.equal("FORWARD");
    expect(said("_why.ports.test", known)).to.equal("FORWARD");
    expect(said("_why", known)).to.equal("FORWARD");
    expect(said("_why.why.test", { namespace: "team-a", fields: { hasUnderscoreLabel: true } })).to.equal(
      "FORWARD",
    );
  });
});

describe("decide: reverse names", () => {
  it("answers those that point to a host, forwards the others", () => {
    expect(said("1.0.240.240.in-addr.arpa", PTR)).to.equal("POINTER 1.0.240.240.in-addr.arpa");
    expect(said("1.0.240.240.in-addr.arpa", { fields: { type: RecordType.ANY } })).to.match(/^POINTER/);
    expect(said("1.0.240.240.in-addr.arpa", { fields: { type: RecordType.TXT } })).to.match(/^RESCUE/);
    expect(said("2.0.240.240.in-addr.arpa", PTR)).to.equal("FORWARD");
    expect(said("2.0.240.240.in-addr.arpa", { ...PTR, namespace: "team-a" })).to.match(/^POINTER/);
    expect(said("3.0.240.240.in-addr.arpa", PTR)).to.equal("FORWARD");
    expect(said("public.example", PTR)).to.equal("RESCUE public.example");
  });
});

describe("decide: hosts that stand in for services of the cluster", () => {
  it("come only after upstream's NXDOMAIN", () => {
    expect(said("db.vms.svc.cluster.local")).to.equal("UPSTREAM_FIRST db.vms.svc.cluster.local");
    const denied = { isDenied: true };
    expect(said("db.vms.svc.cluster.local", denied)).to.equal("ANSWER db.vms.svc.cluster.local");
    const aaaa = { fields: { type: RecordType.AAAA } };
    expect(said("db.vms.svc.cluster.local", { ...denied, ...aaaa })).to.match(/^EMPTY/);
    expect(said("db.vms.svc.cluster.local", { ...denied, fields: { type: RecordType.MX } })).to.match(
      /^RESCUE/,
    );
    expect(said("_http._tcp.db.vms.svc.cluster.local", SRV)).to.match(/^UPSTREAM_FIRST/);
    expect(said("_http._tcp.db.vms.svc.cluster.local", { ...SRV, ...denied })).to.match(/^SERVICE/);
    expect(said("_grpc._tcp.db.vms.svc.cluster.local", SRV)).to.equal("FORWARD");
  });

  it("are forwarded where the client does not see them or upstream denied them", () => {
    expect(said("own.vms.svc.cluster.local")).to.equal("FORWARD");
    expect(said("own.vms.svc.cluster.local", { isDenied: true })).to.equal("FORWARD");
    expect(said("own.vms.svc.cluster.local", { namespace: "team-a" })).to.match(/^UPSTREAM_FIRST/);
    expect(said("denied.vms.svc.cluster.local", { isDenied: true })).to.equal("FORWARD");
  });

  it("are exact and marked as such: nothing else below the cluster domain is ever ours", () => {
    for (const isDenied of [false, true]) {
      expect(said("x.vms.svc.cluster.local", { isDenied })).to.equal("FORWARD");
      expect(said("taken.vms.svc.cluster.local", { isDenied })).to.equal("FORWARD");
      expect(said("svc.cluster.local", { isDenied })).to.equal("FORWARD");
    }
  });

  it("get no search suffix: their own name is asked upstream first", () => {
    expect(said("db.vms.svc.cluster.local.team-a.svc.cluster.local")).to.equal("FORWARD");
  });
});

describe("decide: short forms of services", () => {
  const clients = clientIndexOf([], namespaceFacts("default"), namespaceFacts("dev", { isDelegated: true }));
  const short = (
    name: string,
    fields: QueryFields = {},
    settings = SETTINGS,
    knowledge = { table, clients },
  ) => {
    const decision = new Decision();
    const query = makeQuery(name, fields);
    const situation = { query, asker: new Asker(), knowledge, settings };
    decide({ ...situation, nowMs: 0, isDenied: false }, decision);
    return decision.action === Action.SHORT_FORM;
  };

  it("are names of two labels, or three with svc, whose second is a Namespace", () => {
    expect(short("kubernetes.default")).to.equal(true);
    expect(short("kubernetes.default", { type: RecordType.AAAA })).to.equal(true);
    expect(short("kubernetes.default.svc")).to.equal(true);
    expect(short("Kubernetes.Default.SVC")).to.equal(true);
    for (const name of [
      "kubernetes",
      "default",
      "kubernetes.other",
      "kubernetes.defaults",
      "kubernetes.dev",
      "kubernetes.dev.svc",
      "kubernetes.default.pod",
      "a.kubernetes.default",
      "a.kubernetes.default.svc",
      "kubernetes.default.svc.cluster.local",
    ]) {
      expect(short(name), name).to.equal(false);
    }
  });

  it("need no Namespace for those that every cluster has", () => {
    const none = { table, clients: clientIndexOf([]) };
    expect(short("kubernetes.default", {}, SETTINGS, none)).to.equal(true);
    expect(short("Kube-DNS.Kube-System.svc", {}, SETTINGS, none)).to.equal(true);
    expect(short("kubernetes.other", {}, SETTINGS, none)).to.equal(false);
    expect(short("kubernetes.dev", {}, SETTINGS, none)).to.equal(false);
  });

  it("are asked for addresses, without DNSSEC, and not where the setting is off", () => {
    expect(short("kubernetes.default", { type: RecordType.MX })).to.equal(false);
    expect(short("kubernetes.default", { dnssecOk: true, hasEdns: true })).to.equal(false);
    expect(short("kubernetes.default", { hasSignature: true })).to.equal(false);
    expect(short("kubernetes.default", { ednsVersion: 1, hasEdns: true })).to.equal(false);
    expect(short("_a.default", { hasUnderscoreLabel: true })).to.equal(false);
    const off = decideSettings({ ...ENGINE_SETTINGS, shortServiceNames: false }, true, false);
    expect(short("kubernetes.default", {}, off)).to.equal(false);
    expect(short("kubernetes.default", {}, UNSYNCED)).to.equal(false);
  });

  it("are names that exist in full", () => {
    const domain = hostName(Array.from({ length: 3 }, () => "d".repeat(50)).join("."));
    const settings = decideSettings({ ...ENGINE_SETTINGS, clusterDomain: domain }, true, false);
    // 64 + 8 octets before, 4 of `svc`, 154 of the domain.
    expect(short(`${"a".repeat(63)}.default`, {}, settings)).to.equal(true);
    const long = hostName(Array.from({ length: 4 }, () => "d".repeat(50)).join("."));
    const tooLong = decideSettings({ ...ENGINE_SETTINGS, clusterDomain: long }, true, false);
    expect(short(`${"a".repeat(63)}.default`, {}, tooLong)).to.equal(false);
    expect(short("a.default", {}, tooLong)).to.equal(true);
  });
});
