/** When pods and nodes are watched, and why. */

import { expect } from "chai";
import fc from "fast-check";
import { type MeshChange, MeshStore } from "../../src/mesh/mesh-store.ts";
import { parseNamespace } from "../../src/mesh/parse-namespace.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { type NeedSettings, needsNodes, podDetail, WatchNeed } from "../../src/watcher/watch-need.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";

const STATIC = { hosts: ["a.example.com"], resolution: "STATIC", endpoints: [{ address: "192.0.2.1" }] };

describe("WatchNeed", () => {
  let store: MeshStore;
  let need: WatchNeed;
  let version = 0;

  function start(settings: Partial<NeedSettings> = {}): void {
    store = new MeshStore();
    const started = new WatchNeed(store, { ...NEED_SETTINGS, ...settings });
    need = started;
    store.onChange((changes: readonly MeshChange[]) => started.note(changes));
  }
  beforeEach(() => start());

  function put(name: string, spec: object, rest: object = {}, namespace = "default"): void {
    version += 1;
    const { metadata = {}, ...other } = rest as { metadata?: object };
    const raw = {
      metadata: { name, namespace, resourceVersion: String(version), ...metadata },
      spec,
      ...other,
    };
    store.put("ServiceEntry", parseServiceEntry(raw).value!, 0);
    store.flush();
  }

  function remove(name: string, namespace = "default"): void {
    store.remove("ServiceEntry", `ServiceEntry/${namespace}/${name}`, 0);
    store.flush();
  }

  function putNamespace(name: string, annotations: object, labels: object = {}): void {
    version += 1;
    const raw = { metadata: { name, resourceVersion: String(version), annotations, labels } };
    store.put("Namespace", parseNamespace(raw).value!, 0);
    store.flush();
  }

  const annotated = (name: string, value: string) => ({ metadata: { annotations: { [name]: value } } });
  const allocated = { status: { addresses: [{ value: "240.240.0.1", host: "a.example.com" }] } };

  it("has no reason for public entries with real addresses only", () => {
    put("static", STATIC);
    put("dns", { hosts: ["b.example.com"], resolution: "DNS", endpoints: [{ address: "up.example.net" }] });
    put("none", { hosts: ["c.example.com"], addresses: ["192.0.2.0/24"] });
    put("private", { ...STATIC, hosts: ["d.example.com"], exportTo: ["~"] });
    expect(need.reasons).to.deep.equal([]);
    expect([podDetail(need.reasons), needsNodes(need.reasons)]).to.deep.equal(["none", false]);
  });

  it("asks for whole pods for a selector, and for no nodes", () => {
    put("a", { hosts: ["a.example.com"], resolution: "STATIC", workloadSelector: { labels: { app: "a" } } });
    expect(need.reasons).to.deep.equal(["selector"]);
    expect([podDetail(need.reasons), needsNodes(need.reasons)]).to.deep.equal(["workloads", false]);
    put("b", { ...STATIC, hosts: ["b.example.com"], exportTo: ["."] });
    expect(podDetail(need.reasons)).to.equal("workloads");
    expect(needsNodes(need.reasons)).to.equal(true);
    remove("a");
    expect(podDetail(need.reasons)).to.equal("clients");
  });

  const forReason: readonly (readonly [
    what: string,
    reasons: readonly string[],
    spec: object,
    rest?: object,
  ])[] = [
    ["its own namespace alone", ["visibility"], { ...STATIC, exportTo: ["."] }],
    ["namespaces by name", ["visibility"], { ...STATIC, exportTo: ["team", "other"] }],
    ["everybody besides names", [], { ...STATIC, exportTo: ["team", "*"] }],
    ["a written virtual address", ["answer"], { ...STATIC, addresses: ["10.1.1.1"] }],
    ["an allocated one", ["answer"], { ...STATIC }, allocated],
    [
      "an allocated one that is forced",
      ["answer"],
      { ...STATIC },
      { ...allocated, ...annotated("serviceentry-dns.io/answer", "virtual") },
    ],
    [
      "a written one that is forced",
      [],
      { ...STATIC, addresses: ["10.1.1.1"] },
      annotated("serviceentry-dns.io/answer", "virtual"),
    ],
    [
      "one that is forced and written where meshes allocate",
      ["answer"],
      { ...STATIC, addresses: ["240.240.7.7"] },
      annotated("serviceentry-dns.io/answer", "virtual"),
    ],
    [
      "one that was allocated and is in force no more",
      [],
      { ...STATIC },
      { ...allocated, metadata: { labels: { "networking.istio.io/enable-autoallocate-ip": "False" } } },
    ],
    ["one that resolution NONE leaves unused", [], { hosts: ["a.example.com"] }, allocated],
    [
      "an allocated one that nobody gets",
      [],
      { ...STATIC },
      { ...allocated, ...annotated("serviceentry-dns.io/answer", "resolved") },
    ],
    [
      "near addresses first",
      ["distribution"],
      { ...STATIC },
      annotated("networking.istio.io/traffic-distribution", "PreferClose"),
    ],
    ["any addresses", [], { ...STATIC }, annotated("networking.istio.io/traffic-distribution", "Any")],
  ];
  for (const [what, reasons, spec, rest] of forReason)
    it(`for an entry with ${what}: ${reasons.join() || "none"}`, () => {
      put("a", spec, rest);
      expect(need.reasons).to.deep.equal(reasons);
      remove("a");
      expect(need.reasons).to.deep.equal([]);
    });

  it("follows what a Namespace says for its entries", () => {
    put("a", { ...STATIC, addresses: ["10.1.1.1"] }, {}, "team");
    expect(need.reasons).to.deep.equal(["answer"]);
    putNamespace("other", { "serviceentry-dns.io/answer": "resolved" });
    expect(need.reasons).to.deep.equal(["answer"]);
    putNamespace("team", {
      "serviceentry-dns.io/answer": "resolved",
      "networking.istio.io/traffic-distribution": "PreferSameNode",
    });
    expect(need.reasons).to.deep.equal(["distribution"]);
    put("a", STATIC, annotated("networking.istio.io/traffic-distribution", "Any"), "team");
    expect(need.reasons).to.deep.equal([]);
  });

  it("counts a host that several namespaces claim, and not one that one namespace claims twice", () => {
    put("a", STATIC, {}, "one");
    put("b", STATIC, {}, "one");
    expect(need.reasons).to.deep.equal([]);
    put("c", STATIC, {}, "two");
    expect(need.reasons).to.deep.equal(["contest"]);
    put("c", { ...STATIC, hosts: ["other.example.com"] }, {}, "two");
    expect(need.reasons).to.deep.equal([]);
  });

  it("counts a suffix answer of a Namespace that is not the usual one, where there is anything to answer", () => {
    putNamespace("team", { "serviceentry-dns.io/suffix-answer": "nxdomain" });
    expect(need.reasons).to.deep.equal([]);
    put("a", STATIC);
    expect(need.reasons).to.deep.equal(["suffix"]);
    need.updateSettings({ ...NEED_SETTINGS, suffixAnswer: "nxdomain" });
    expect(need.reasons).to.deep.equal([]);
  });

  it("follows the settings", () => {
    put("a", { ...STATIC, addresses: ["10.1.1.1"] });
    const reasonsWith = (changed: Partial<NeedSettings>) => {
      need.updateSettings({ ...NEED_SETTINGS, answer: "resolved", ...changed });
      return need.reasons;
    };
    expect(reasonsWith({})).to.deep.equal([]);
    expect(reasonsWith({ answer: "auto" })).to.deep.equal(["answer"]);
    expect(reasonsWith({ answer: "virtual" })).to.deep.equal([]);
    const virtualRanges = [parseIpPrefix("10.1.0.0/16")!];
    expect(reasonsWith({ answer: "virtual", virtualRanges })).to.deep.equal(["answer"]);
    expect(reasonsWith({ defaultExportTo: ["."] })).to.deep.equal(["visibility"]);
    expect(reasonsWith({ defaultVisibility: "namespace" })).to.deep.equal(["visibility"]);
    expect(reasonsWith({ explainTxt: true })).to.deep.equal(["explain"]);
    expect(reasonsWith({})).to.deep.equal([]);
  });

  it("asks the first rule of the policy that selects the entry's Namespace", () => {
    const team = { matchLabels: { team: "a" } };
    const hostPolicy = [
      { namespaceSelector: team, maxVisibility: "public" },
      { namespaceSelector: {}, maxVisibility: "namespace" },
    ] as const;
    start({ hostPolicy });
    put("a", STATIC, {}, "team");
    expect(need.reasons).to.deep.equal(["visibility"]);
    putNamespace("team", {}, { team: "a" });
    expect(need.reasons).to.deep.equal([]);
  });

  it("passes over what the operator took out", () => {
    start({ excludeSelectors: [{ matchLabels: { dns: "off" } }] });
    put("a", { ...STATIC, exportTo: ["."] }, { metadata: { labels: { dns: "off" } } });
    put("b", STATIC, { metadata: { labels: { dns: "off" } } }, "two");
    put("c", STATIC, {}, "three");
    expect(need.reasons).to.deep.equal([]);
  });

  it("says after any changes what one says that looks only now", () => {
    const spec = fc.record({
      hosts: fc.uniqueArray(fc.constantFrom("a.example.com", "b.example.com"), { minLength: 1 }),
      resolution: fc.constant("STATIC"),
      exportTo: fc.constantFrom([], ["."], ["*"], ["~"]),
      addresses: fc.constantFrom([], ["10.1.1.1"]),
      workloadSelector: fc.constantFrom(undefined, { labels: { app: "a" } }),
    });
    const name = fc.constantFrom("x", "y");
    const namespace = fc.constantFrom("one", "two");
    const steps = fc.oneof(
      fc.tuple(name, spec, namespace).map(
        ([each, fields, home]) =>
          () =>
            put(each, fields, {}, home),
      ),
      fc.tuple(name, namespace).map(
        ([each, home]) =>
          () =>
            remove(each, home),
      ),
      fc.tuple(namespace, fc.constantFrom("auto", "resolved")).map(
        ([each, answer]) =>
          () =>
            putNamespace(each, { "serviceentry-dns.io/answer": answer }),
      ),
    );
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 15 }), (each) => {
        start();
        for (const step of each) step();
        expect(need.reasons).to.deep.equal(new WatchNeed(store, NEED_SETTINGS).reasons);
      }),
      { numRuns: 300 },
    );
  });
});
