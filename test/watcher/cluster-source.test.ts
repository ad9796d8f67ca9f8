import { expect } from "chai";
import { type MeshChange, MeshStore } from "../../src/mesh/mesh-store.ts";
import type { Kind } from "../../src/mesh/objects.ts";
import { parseEndpointSlice } from "../../src/mesh/parse-endpoint-slice.ts";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseService } from "../../src/mesh/parse-service.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { LogFields, Logger } from "../../src/runtime.ts";
import { ClusterSource } from "../../src/watcher/cluster-source.ts";
import { FixedRandom, isWatch, plainClient, serviceEntry } from "../cluster/fixture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";

describe("ClusterSource", () => {
  let server: ScriptedApiServer;
  let clock: FakeClock;
  let store: MeshStore;
  let book: ProblemBook;
  let batches: (readonly MeshChange[])[];
  let synced: number;
  let client: ReturnType<typeof plainClient>;
  let source: ClusterSource;
  let lines: { readonly level: string; readonly fields: LogFields; readonly message: string }[];
  const at = (level: string) => (fields: LogFields, message: string) =>
    lines.push({ level, fields, message });
  const logger: Logger = { debug() {}, info: at("info"), warn: at("warn"), error: at("error") };

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new FakeClock();
    store = new MeshStore();
    book = new ProblemBook(() => clock.wallMs());
    batches = [];
    lines = [];
    synced = 0;
    store.onChange((changes) => batches.push(changes));
    client = plainClient(server);
    source = new ClusterSource({
      client,
      store,
      settings: NEED_SETTINGS,
      problems: book,
      clock,
      random: new FixedRandom(),
      logger,
      onSynced: () => {
        synced += 1;
      },
    });
  });

  afterEach(async () => {
    await source.close();
    await client.close();
    await server.close();
    expect(clock.timers).to.equal(0);
  });

  function names(kind: Kind): string {
    return Array.from(store.all(kind).values(), ({ ref }) => ref.name)
      .sort()
      .join(" ");
  }

  function problems(): string[] {
    return Array.from(book.all(), ({ problem: { code, object } }) => `${code} ${object.kind} ${object.name}`);
  }

  function requested(plural: string): number {
    return server.requests.filter(({ path }) => path.endsWith(`/${plural}`)).length;
  }

  async function comes(kind: Kind, expected: string): Promise<void> {
    await until(() => names(kind) === expected, `${kind} ${expected} (there is: ${names(kind)})`);
  }

  const selecting = (name: string, fields = {}) =>
    serviceEntry(name, {
      spec: {
        hosts: [`${name}.example.com`],
        resolution: "STATIC",
        workloadSelector: { labels: { app: name } },
        ...fields,
      },
    });

  const pod = (name: string): ApiObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: "a" }, managedFields: [{ manager: "kubelet" }] },
    status: { podIPs: [{ ip: "10.0.0.1" }], conditions: [{ type: "Ready", status: "True" }] },
  });

  it("has every kind in the store when it has started, one flush per kind", async () => {
    server.apply(serviceEntry("a"));
    server.apply(serviceEntry("b"));
    server.apply({
      apiVersion: "networking.istio.io/v1",
      kind: "WorkloadEntry",
      metadata: { name: "machine", namespace: "default" },
      spec: { address: "1.1.1.1" },
    });
    server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    await source.start();
    expect(synced).to.equal(1);
    expect([names("ServiceEntry"), names("WorkloadEntry"), names("Namespace")]).to.deep.equal([
      "a b",
      "machine",
      "default",
    ]);
    expect(batches.map((changes) => changes.map(({ key }) => key)).sort()).to.deep.equal([
      ["Namespace//default"],
      ["ServiceEntry/default/a", "ServiceEntry/default/b"],
      ["WorkloadEntry/default/machine"],
    ]);
    expect([requested("pods"), requested("nodes")]).to.deep.equal([0, 0]);
    expect(problems()).to.deep.equal([]);
  });

  describe("a first list of many pages", () => {
    const page = (version: string, token: string, ...items: readonly string[]) => ({
      kind: "ServiceEntryList",
      metadata: { resourceVersion: version, continue: token },
      items: items.map((name) => serviceEntry(name)),
    });
    const lists = ({ path }: { readonly path: string }) => path.endsWith("/serviceentries");

    it("puts each page in force when it has come, and says so long that there is more", async () => {
      const third = Promise.withResolvers<void>();
      server.script(
        lists,
        (exchange) => exchange.respond(200, page("7", "b", "a", "b")),
        (exchange) => exchange.respond(200, page("7", "c", "c")),
        async (exchange) => {
          await third.promise;
          exchange.respond(200, page("7", "", "d"));
        },
      );
      const started = source.start();
      await comes("ServiceEntry", "a b c");
      expect([store.isPartial("ServiceEntry"), store.isPartial("Pod"), synced]).to.deep.equal([
        true,
        false,
        0,
      ]);
      third.resolve();
      await started;
      expect(names("ServiceEntry")).to.equal("a b c d");
      expect(store.isPartial("ServiceEntry")).to.equal(false);
      const keys = batches.map((changes) => changes.map(({ key }) => key.slice(-1)).join(""));
      expect(keys.filter((each) => /[a-d]/.test(each))).to.deep.equal(["ab", "c", "d"]);
    });

    it("takes back what is no more when the list broke off and began anew", async () => {
      server.apply(serviceEntry("c"));
      server.script(
        lists,
        (exchange) => exchange.respond(200, page("7", "b", "a", "c")),
        (exchange) => exchange.refuse(503, "overloaded"),
      );
      const started = source.start();
      await comes("ServiceEntry", "a c");
      expect(store.isPartial("ServiceEntry")).to.equal(true);
      await until(() => source.missing().some((each) => each.includes("overloaded")), "the fault");
      clock.advance(3000);
      await started;
      expect(names("ServiceEntry")).to.equal("c");
      expect(store.isPartial("ServiceEntry")).to.equal(false);
    });

    it("is whole when the kind turned out to be missing", async () => {
      server.script(
        lists,
        (exchange) => exchange.respond(200, page("7", "b", "a")),
        (exchange) => exchange.refuse(404, "no such resource"),
      );
      server.missing.add("serviceentries");
      await source.start();
      expect([names("ServiceEntry"), store.isPartial("ServiceEntry")]).to.deep.equal(["", false]);
    });
  });

  it("keeps only what is read of an object", async () => {
    server.apply(
      serviceEntry("a", {
        metadata: {
          managedFields: [{ manager: "kubectl", fieldsV1: { "f:spec": {} } }],
          annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        },
      }),
    );
    await source.start();
    const [entry] = store.all("ServiceEntry").values();
    expect(JSON.stringify(entry)).not.to.contain("kubectl");
  });

  it("tells when an object was written, without keeping it, and of a pod when it became ready or not", async () => {
    const written = (time: string) => ({ metadata: { managedFields: [{ manager: "kubectl", time }] } });
    server.apply(serviceEntry("a", { ...selecting("a"), ...written("2026-01-01T00:00:05Z") }));
    await source.start();
    await until(() => server.openWatches === 4, "four watches");
    const becomes = (status: string, lastTransitionTime: string, labels = { app: "a" }) =>
      server.apply({
        ...pod("p"),
        metadata: { ...pod("p").metadata, labels },
        status: { podIPs: [{ ip: "10.0.0.1" }], conditions: [{ type: "Ready", status, lastTransitionTime }] },
      });
    const steps = [
      () => becomes("True", "2026-01-01T00:00:07Z"),
      () => becomes("True", "2026-01-01T00:00:07Z", { app: "b" }),
      () => becomes("False", "2026-01-01T00:00:09Z"),
      () => server.apply(serviceEntry("a", written("2026-01-01T00:00:10Z"))),
      () => server.remove("ServiceEntry", "default", "a"),
    ];
    for (const step of steps) {
      const count = batches.length;
      step();
      await until(() => batches.length > count, "a change");
    }
    const moments = batches.flat().map(({ kind, writtenAtMs }) => {
      return `${kind} ${writtenAtMs === undefined ? "?" : new Date(writtenAtMs).toISOString().slice(17, 19)}`;
    });
    expect(moments).to.deep.equal([
      "ServiceEntry 05",
      "Pod 07",
      "Pod ?",
      "Pod 09",
      "ServiceEntry 10",
      "ServiceEntry ?",
    ]);
  });

  it("follows what is added, changed and deleted", async () => {
    await source.start();
    await until(() => server.openWatches === 3, "three watches");
    server.apply(serviceEntry("a"));
    await comes("ServiceEntry", "a");
    server.apply(serviceEntry("a", { spec: { hosts: ["new.example.com"] } }));
    await until(() => [...store.all("ServiceEntry").values()][0]?.hosts[0] === "new.example.com", "a change");
    server.remove("ServiceEntry", "default", "a");
    await comes("ServiceEntry", "");
  });

  it("replaces the kind with what a new list has, and tells of the difference alone", async () => {
    for (const name of ["a", "b", "c"]) server.apply(serviceEntry(name));
    await source.start();
    await until(() => server.openWatches === 3, "three watches");
    server.lose(() => {
      server.remove("ServiceEntry", "default", "a");
      server.apply(serviceEntry("b", { spec: { hosts: ["other.example.com"] } }));
      server.apply(serviceEntry("d"));
    });
    batches.length = 0;
    server.compact();
    clock.advance(25_000);
    server.endWatches();
    await comes("ServiceEntry", "b c d");
    expect(batches.map((changes) => changes.map(({ key }) => key.split("/")[2]).sort())).to.deep.equal([
      ["a", "b", "d"],
    ]);
  });

  it("takes over a store that holds objects already, and drops what is not there any more", async () => {
    const old = { uid: "1", resourceVersion: "1", createdAtMs: undefined, labels: {}, annotations: {} };
    const ref = { kind: "Namespace", namespace: "", name: "gone" } as const;
    const said = { answer: undefined, suffixAnswer: undefined, trafficDistribution: undefined };
    store.put("Namespace", { ...old, ...said, ref }, 0);
    store.flush();
    server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "there" } });
    await source.start();
    expect(names("Namespace")).to.equal("there");
  });

  it("drops what was there before of kinds that nobody needs, once that is known", async () => {
    const metadata = { name: "old", namespace: "default" };
    for (const { kind, value } of [
      parsePod(pod("old")),
      parseNode({ metadata: { name: "old" } }),
      parseService({ metadata }),
      parseEndpointSlice({ metadata, addressType: "IPv4" }),
    ])
      store.put(kind, value!, 0);
    store.flush();
    const present = () => (["Pod", "Node", "Service", "EndpointSlice"] as const).map(names).join();
    server.script("/serviceentries", (exchange) => exchange.refuse(500, "etcd is away"));
    const started = source.start();
    await until(() => source.missing().length === 1 && clock.timers > 0, "the others are listed");
    // What is not listed yet may need them.
    expect(present()).to.equal("old,old,old,old");
    clock.advance(30_000);
    await started;
    expect(present()).to.equal(",,,");
    expect(["pods", "nodes", "services", "endpointslices"].map(requested)).to.deep.equal([0, 0, 0, 0]);
  });

  it("reports an object that is not in order, and forgets that with the object", async () => {
    const bad = serviceEntry("bad", { spec: { hosts: "none" } });
    server.apply(bad);
    server.apply(serviceEntry("good"));
    await source.start();
    expect(names("ServiceEntry")).to.equal("good");
    expect(problems()).to.deep.equal(["ShapeInvalid ServiceEntry bad"]);
    await until(() => server.openWatches === 3, "three watches");
    server.apply(serviceEntry("bad"));
    await comes("ServiceEntry", "bad good");
    expect(problems()).to.deep.equal([]);
    server.apply(bad);
    await comes("ServiceEntry", "good");
    expect(problems()).to.deep.equal(["ShapeInvalid ServiceEntry bad"]);
    server.lose(() => server.remove("ServiceEntry", "default", "bad"));
    server.compact();
    clock.advance(25_000);
    server.endWatches();
    await until(() => problems().length === 0, "no problem");
  });

  it("reports objects that are too large to be taken", async () => {
    server.apply(serviceEntry("huge", { spec: { hosts: ["a.example.com"], note: "x".repeat(3_000_000) } }));
    server.apply(serviceEntry("good"));
    await source.start();
    expect(names("ServiceEntry")).to.equal("good");
    expect(problems()).to.deep.equal(["ObjectUnreadable ServiceEntry "]);
  });

  it("starts without Istio's kinds and without rights, and says what is missing", async () => {
    server.istioVersions = [];
    server.denied.add("namespaces");
    await source.start();
    expect(synced).to.equal(1);
    expect(problems().sort()).to.deep.equal([
      "AccessDenied Namespace ",
      "ResourceMissing ServiceEntry ",
      "ResourceMissing WorkloadEntry ",
    ]);
    expect(source.watches().map(({ kind, isConnected }) => [kind, isConnected])).to.deep.equal([
      ["ServiceEntry", false],
      ["WorkloadEntry", false],
      ["Namespace", false],
      ["Pod", undefined],
      ["Node", undefined],
      ["Service", undefined],
      ["EndpointSlice", undefined],
    ]);
    await until(() => clock.timers === 3, "three waits");
    server.apply(serviceEntry("a"));
    server.istioVersions = ["v1"];
    server.denied.clear();
    clock.advance(30_000);
    await comes("ServiceEntry", "a");
    await until(() => problems().length === 0, "no problem");
    expect(synced).to.equal(1);
  });

  it("is not synced while a kind fails, and says which", async () => {
    server.script("/namespaces", (exchange) => exchange.refuse(500, "etcd is away"));
    const started = source.start();
    await until(() => names("ServiceEntry") === "" && source.missing().length === 1, "one kind");
    await until(() => source.missing()[0]?.includes("etcd") === true, "the reason");
    expect(source.missing()).to.deep.equal(["namespaces were not listed yet: 500 etcd is away"]);
    await new Promise(setImmediate);
    expect(synced).to.equal(0);
    clock.advance(800);
    await started;
    expect(source.missing()).to.deep.equal([]);
  });

  it("ends its start when it is closed before it is synced", async () => {
    await server.goAway();
    const started = source.start();
    await until(() => source.missing().every((text) => text.includes("ECONNREFUSED")), "no server");
    await source.close();
    await started;
    expect(synced).to.equal(0);
  });

  describe("pods", () => {
    it("are in the store when it has started, if an entry selects workloads", async () => {
      server.apply(selecting("a"));
      server.apply(pod("one"));
      server.script("/pods", async (exchange) => {
        expect(synced).to.equal(0);
        exchange.refuse(503, "not yet");
      });
      const started = source.start();
      await server.nextRequest("/pods");
      await until(() => source.missing()[0]?.includes("503") === true, "the refusal");
      clock.advance(800);
      await started;
      expect(names("Pod")).to.equal("one");
      expect(source.watches().find(({ kind }) => kind === "Pod")).to.include({
        kind: "Pod",
        isConnected: false,
      });
    });

    it("are not watched for entries whose endpoints are inline, or that take no workloads", async () => {
      server.apply(selecting("a", { endpoints: [{ address: "1.1.1.1" }] }));
      server.apply(selecting("b", { resolution: "DYNAMIC_DNS", hosts: ["*.b.example.com"] }));
      await source.start();
      expect(requested("pods")).to.equal(0);
    });

    for (const resolution of ["STATIC", "DNS", "DNS_ROUND_ROBIN", "NONE"]) {
      it(`are watched for a selector with ${resolution}`, async () => {
        server.apply(selecting("a", { resolution }));
        await source.start();
        expect(requested("pods")).to.be.above(0);
      });
    }

    it("come with the first entry that selects and go some time after the last", async () => {
      server.apply(pod("one"));
      await source.start();
      await until(() => server.openWatches === 3, "three watches");
      server.apply(selecting("a"));
      await comes("Pod", "one");
      await until(() => server.openWatches === 4, "four watches");
      server.apply(selecting("b"));
      server.remove("ServiceEntry", "default", "a");
      await comes("ServiceEntry", "b");
      clock.advance(20_000);
      server.bookmark();
      server.apply(selecting("b", { endpoints: [{ address: "1.1.1.1" }] }));
      await until(() => [...store.all("ServiceEntry").values()][0]!.hasEndpoints, "endpoints");
      await until(() => clock.timers === 5, "the wait");
      clock.advance(14_000);
      server.bookmark();
      await quiet(20);
      clock.advance(15_999);
      expect(names("Pod")).to.equal("one");
      batches.length = 0;
      clock.advance(1);
      expect(names("Pod")).to.equal("");
      expect(batches.flat().map(({ key }) => key)).to.deep.equal(["Pod/default/one"]);
      await until(() => server.openWatches === 3, "three watches");
      expect(source.watches().find(({ kind }) => kind === "Pod")).to.include({
        kind: "Pod",
        isConnected: undefined,
      });
      server.apply(selecting("c"));
      await comes("Pod", "one");
    });

    it("stay when the entry is only replaced", async () => {
      server.apply(pod("one"));
      server.apply(selecting("a"));
      await source.start();
      await until(() => server.openWatches === 4, "four watches");
      const before = requested("pods");
      server.remove("ServiceEntry", "default", "a");
      await comes("ServiceEntry", "");
      clock.advance(10_000);
      server.bookmark();
      server.apply(selecting("a"));
      await comes("ServiceEntry", "a");
      clock.advance(24_000);
      server.bookmark();
      await quiet(20);
      expect(names("Pod")).to.equal("one");
      expect(requested("pods")).to.equal(before);
    });

    const exported = (name: string, exportTo: readonly string[]) =>
      serviceEntry(name, {
        spec: { hosts: [`${name}.example.com`], resolution: "STATIC", endpoints: [], exportTo },
      });
    const node: ApiObject = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "z" } },
      status: { addresses: [{ type: "InternalIP", address: "192.168.0.1" }] },
    };
    it("keep the names of their ports for a selector", async () => {
      const spec = { containers: [{ name: "main", ports: [{ name: "http", containerPort: 8080 }] }] };
      server.apply(selecting("a"));
      server.apply({ ...pod("one"), spec });
      await source.start();
      expect([...store.all("Pod").values()].map(({ portNames }) => portNames)).to.deep.equal([
        { http: 8080 },
      ]);
    });

    const labelsOfPods = () => [...store.all("Pod").values()].map(({ labels }) => labels);

    it("come with nodes, and without their labels, where only the clients matter", async () => {
      server.apply(pod("one"));
      server.apply(node);
      server.apply(exported("a", ["."]));
      await source.start();
      expect([names("Pod"), names("Node")]).to.deep.equal(["one", "n1"]);
      expect([...store.all("Node").values()][0]).to.deep.include({ zone: "z", ips: ["192.168.0.1"] });
      expect(labelsOfPods()).to.deep.equal([{}]);
    });

    it("are listed anew with their labels for the first selector, and stay known until then", async () => {
      server.apply(pod("one"));
      server.apply(exported("a", ["."]));
      await source.start();
      await until(() => server.openWatches === 5, "five watches");
      batches.length = 0;
      server.apply(selecting("b"));
      await until(() => JSON.stringify(labelsOfPods()) === '[{"app":"a"}]', "labels");
      const ofPods = batches.flat().filter(({ kind }) => kind === "Pod");
      expect(
        ofPods.map(({ before }) => before?.ref.name),
        "changed, never gone",
      ).to.deep.equal(["one"]);
      await until(() => server.openWatches === 5, "five watches again");
      // Labels go again with the list after the last selector's time.
      server.remove("ServiceEntry", "default", "b");
      await comes("ServiceEntry", "a");
      await until(() => clock.timers === 6, "the wait");
      clock.advance(30_000);
      server.compact();
      server.endWatches();
      await until(() => JSON.stringify(labelsOfPods()) === "[{}]", "no labels");
      expect(names("Pod")).to.equal("one");
    });

    it("forget a rejected one that is gone by the time of the new list", async () => {
      const bad = { ...pod("bad"), status: { podIPs: "none" } };
      server.apply(bad);
      server.apply(exported("a", ["."]));
      await source.start();
      expect(problems()).to.deep.equal(["ShapeInvalid Pod bad"]);
      server.lose(() => server.remove("Pod", "default", "bad"));
      server.apply(selecting("b"));
      await until(() => problems().length === 0, "no problem");
    });

    it("come and go with the settings, and nodes with them", async () => {
      server.apply(pod("one"));
      server.apply(node);
      server.apply(serviceEntry("a"));
      await source.start();
      expect(requested("pods") + requested("nodes")).to.equal(0);
      source.updateSettings({ ...NEED_SETTINGS, defaultVisibility: "namespace" });
      await comes("Pod", "one");
      await comes("Node", "n1");
      source.updateSettings(NEED_SETTINGS);
      clock.advance(29_999);
      expect(names("Node")).to.equal("n1");
      clock.advance(1);
      expect([names("Pod"), names("Node")]).to.deep.equal(["", ""]);
    });

    it("that are denied are said to be, and leave the rest alone", async () => {
      server.apply(selecting("a"));
      server.denied.add("pods");
      await source.start();
      expect(problems()).to.deep.equal(["AccessDenied Pod "]);
      expect(names("ServiceEntry")).to.equal("a");
    });
  });

  describe("says in the log", () => {
    const of = (kind: Kind) =>
      lines
        .filter(({ fields }) => fields["kind"] === kind)
        .map(({ level, message }) => `${level} ${message}`);

    it("that a watch broke, what that means and what to do, and after how long it is back", async () => {
      await source.start();
      await until(() => of("Namespace").length === 1, "a first line");
      await server.goAway();
      await until(() => of("Namespace").length === 2, "a warning");
      clock.advance(61_000);
      await server.comeBack();
      await until(() => {
        clock.advance(3000);
        return of("Namespace").length === 3;
      }, "an end");
      expect(of("Namespace")).to.deep.equal([
        "info namespaces are watched",
        "warn no changes of namespaces come from the API server; answers go on from memory",
        "info namespaces are watched again",
      ]);
      const [, broken, back] = lines.filter(({ fields }) => fields["kind"] === "Namespace");
      expect(broken?.fields["reason"]).to.be.a("string");
      expect(broken?.fields["remedy"]).to.match(/tried again .* by itself/);
      expect(back?.fields["afterSeconds"]).to.be.at.least(61);
    });
  });

  it("is silent once it is closed", async () => {
    await source.start();
    await until(() => server.openWatches === 3, "three watches");
    await source.close();
    server.apply(serviceEntry("a"));
    await until(() => server.openWatches === 0, "no watch");
    expect(batches).to.deep.equal([]);
    expect(server.requests.filter(isWatch)).to.have.length(3);
  });
});
