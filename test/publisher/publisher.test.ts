import { expect } from "chai";
import { PUBLISHED_NAMESPACE } from "../../src/mesh/publication.ts";
import { serviceName } from "../../src/publisher/names.ts";
import { objectLine } from "../../src/watcher/snapshot-objects.ts";

import type { ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";
import { host } from "./fixture.ts";
import {
  comes,
  kmeshEntry,
  namespace,
  published,
  publishingCluster,
  Replica,
  slices,
  writes,
} from "./replica.ts";

const NAME = serviceName("default", "kmesh-fake", host("kmesh-fake.com"));

describe("Publisher", () => {
  let server: ScriptedApiServer;
  const replicas: Replica[] = [];

  const started = async (options: Parameters<typeof Replica.start>[1] = {}): Promise<Replica> => {
    const replica = await Replica.start(server, options);
    replicas.push(replica);
    return replica;
  };
  const leading = async (options: Parameters<typeof Replica.start>[1] = {}): Promise<Replica> => {
    const replica = await started(options);
    replica.lease.give();
    return replica;
  };
  const havingPublished = async (options: Parameters<typeof Replica.start>[1] = {}): Promise<Replica> => {
    const replica = await leading(options);
    await comes(() => replica.store.all("EndpointSlice").size === 1, "a slice", replica);
    replica.clock.advance(2000);
    await comes(() => replica.answer("kmesh-fake.com").startsWith("published 10."), "the answer", replica);
    return replica;
  };

  beforeEach(async () => {
    server = await publishingCluster();
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.close();
    await server.close();
  });

  it("makes a Service and a slice of the document's object, whose port 80 leads to port 8000", async () => {
    server.apply(kmeshEntry());
    const replica = await leading();
    await comes(() => slices(server).length === 1, "a slice", replica);
    const [service] = published(server, "Service");
    const uid = server.get("ServiceEntry", "default", "kmesh-fake")!.metadata["uid"];
    expect(service!.metadata).to.deep.include({
      name: NAME,
      labels: { "app.kubernetes.io/managed-by": "serviceentry-dns", "serviceentry-dns.io/entry-uid": uid },
      annotations: {
        "serviceentry-dns.io/entry": "default/kmesh-fake",
        "serviceentry-dns.io/host": "kmesh-fake.com",
        "networking.istio.io/exportTo": "~",
      },
    });
    expect(service!.metadata).not.to.have.property("ownerReferences");
    expect((service as { spec?: unknown }).spec).to.deep.include({
      type: "ClusterIP",
      ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    });
    expect(slices(server)).to.deep.equal(["IPv4 http=8000 10.1.0.1"]);
    const [slice] = published(server, "EndpointSlice");
    expect(slice!.metadata["labels"]).to.deep.equal({
      "kubernetes.io/service-name": NAME,
      "endpointslice.kubernetes.io/managed-by": "serviceentry-dns.io",
      "app.kubernetes.io/managed-by": "serviceentry-dns",
      "serviceentry-dns.io/entry-uid": uid,
    });
    expect(server.requests.filter(({ method }) => method === "POST")).to.have.length(2);
  });

  it("has the host pending until the slice was there for 2 s, then gives the ClusterIP to clients outside the mesh", async () => {
    server.apply(kmeshEntry());
    const replica = await leading();
    await comes(() => replica.answer("kmesh-fake.com") === "published pending", "pending", replica);
    expect(replica.answer("kmesh-fake.com", "sidecar")).to.equal("static 10.1.0.1");
    expect(replica.problem("PortMismatch")).not.to.equal(undefined);
    await comes(
      () => slices(server).length === 1 && replica.store.all("EndpointSlice").size === 1,
      "a slice",
      replica,
    );
    replica.clock.advance(1990);
    expect(replica.answer("kmesh-fake.com")).to.equal("published pending");
    replica.clock.advance(10);
    for (const client of ["outside", "unknown"] as const)
      expect(replica.answer("kmesh-fake.com", client)).to.equal("published 10.96.0.1");
    for (const client of ["sidecar", "redirectedIpv4", "redirectedDual"] as const)
      expect(replica.answer("kmesh-fake.com", client)).to.equal("static 10.1.0.1");
    expect(replica.problem("PortMismatch")).to.equal(undefined);
    const [row] = replica.registry.hosts();
    expect(row).to.deep.include({ publishing: { state: "published", reason: null }, state: "ok" });
    expect(row!.addresses.map(({ address, source }) => `${source} ${address}`)).to.include(
      "published 10.96.0.1",
    );
    const view = replica.record("kmesh-fake.com")!.views[0]!;
    expect(view.variants.find(({ source }) => source === "published")).to.include({ isAuthoritative: true });
    expect(view.ports).to.deep.equal([
      { name: "http", transport: "tcp", targets: [{ port: 80, target: null, weight: 0 }] },
    ]);
    expect(replica.record("1.0.96.10.in-addr.arpa")!.views[0]!.pointer).to.equal("kmesh-fake.com");
  });

  it("gives each family once its slice has had an endpoint, and keeps it when it has none any more", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.apply(kmeshEntry({ endpoints: [{ address: "10.1.0.1" }, { address: "2001:db8::1" }] }));
    await comes(() => replica.store.all("EndpointSlice").size === 2, "a slice of the other family", replica);
    replica.clock.advance(2000);
    await comes(() => replica.answer("kmesh-fake.com") === "published 10.96.0.1 fd00:96::1", "both", replica);
    server.apply(kmeshEntry({ endpoints: [{ address: "2001:db8::1" }] }));
    await comes(() => slices(server)[0] === "IPv4 http=8000", "an empty slice", replica);
    await comes(
      () =>
        replica.store.all("EndpointSlice").get(`EndpointSlice/${PUBLISHED_NAMESPACE}/${NAME}-v4-0`)?.endpoints
          .length === 0,
      "it is seen",
      replica,
    );
    expect(replica.answer("kmesh-fake.com")).to.equal("published 10.96.0.1 fd00:96::1");
  });

  it("is the one that writes: another replica looks on, and answers the same", async () => {
    server.apply(kmeshEntry());
    const other = await started();
    const replica = await havingPublished();
    other.clock.advance(2000);
    await comes(
      () => other.answer("kmesh-fake.com") === replica.answer("kmesh-fake.com"),
      "the same answer",
      other,
    );
    const before = writes(server);
    replica.lease.take();
    server.apply(kmeshEntry({ endpoints: [{ address: "10.1.0.2" }] }));
    await comes(() => other.answer("kmesh-fake.com", "sidecar") === "static 10.1.0.2", "the change", other);
    await comes(
      () => replica.answer("kmesh-fake.com", "sidecar") === "static 10.1.0.2",
      "the change",
      replica,
    );
    expect(writes(server)).to.equal(before);
    other.lease.give();
    await comes(() => slices(server)[0] === "IPv4 http=8000 10.1.0.2", "the slice", other);
    expect(writes(server)).to.equal(before + 1);
  });

  it("writes nothing after a restart, and answers at once", async () => {
    server.apply(
      kmeshEntry({ resolution: "DNS", endpoints: [{ address: "a.example.com" }, { address: "10.1.0.9" }] }),
    );
    const before = await leading();
    before.resolve("a.example.com", { A: ["10.1.0.1", "10.1.0.2"] });
    await comes(() => slices(server).length === 1, "a slice", before);
    await before.close();
    replicas.splice(0);
    const count = writes(server);
    for (const object of published(server, "EndpointSlice"))
      server.apply({
        ...object,
        metadata: { ...object.metadata, creationTimestamp: "2020-01-01T00:00:00Z" },
      });
    const after = await leading();
    await comes(() => after.answer("kmesh-fake.com") === "published 10.96.0.1", "the answer", after);
    after.resolve("a.example.com", "pending");
    after.clock.advance(1000);
    after.resolve("a.example.com", { A: ["10.1.0.2"] });
    await settled(after);
    after.clock.advance(50_000);
    await settled(after);
    expect(writes(server)).to.equal(count);
    after.clock.advance(11_000);
    await comes(
      () => slices(server)[0] === "IPv4 http=8000 10.1.0.2 10.1.0.9",
      "what has not been seen again is gone",
      after,
    );
  });

  it("leaves a Service of somebody else alone, says so, and gives the real addresses", async () => {
    const foreign: ApiObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: NAME,
        namespace: PUBLISHED_NAMESPACE,
        labels: { "app.kubernetes.io/managed-by": "helm" },
      },
      spec: { ports: [{ port: 80 }], clusterIP: "10.96.9.9" },
    };
    server.apply(foreign);
    server.apply(kmeshEntry());
    const replica = await leading();
    await comes(() => replica.problem("PublishRefused") !== undefined, "the refusal", replica);
    expect(replica.problem("PublishRefused")).to.equal(
      `Host kmesh-fake.com is not published: Service ${NAME} is there and was not written by us.`,
    );
    expect(replica.answer("kmesh-fake.com")).to.equal("static 10.1.0.1");
    expect(replica.registry.hosts()[0]!.publishing!.state).to.equal("refused");
    expect(writes(server)).to.equal(0);
    server.remove("Service", PUBLISHED_NAMESPACE, NAME);
    replica.clock.advance(1000);
    await comes(() => slices(server).length === 1, "a slice", replica);
  });

  it("adopts none that came between the look and the write, either", async () => {
    server.apply(kmeshEntry());
    const replica = await started();
    server.script(
      ({ method, path }) => method === "POST" && path.endsWith("/services"),
      async (exchange) => {
        server.lose(() =>
          server.apply({
            apiVersion: "v1",
            kind: "Service",
            metadata: { name: NAME, namespace: PUBLISHED_NAMESPACE },
            spec: { ports: [{ port: 80 }], clusterIP: "10.96.9.9" },
          }),
        );
        await server.answer(exchange);
      },
    );
    replica.lease.give();
    await comes(() => replica.problem("PublishRefused") !== undefined, "the refusal", replica);
    expect(server.get("Service", PUBLISHED_NAMESPACE, NAME)!.metadata).not.to.have.property("labels");
    expect(slices(server)).to.deep.equal([]);
  });

  it("takes the slices away when the entry is gone, and the Service 60 s later", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.remove("ServiceEntry", "default", "kmesh-fake");
    await comes(() => slices(server).length === 0, "no slice", replica);
    expect(replica.answer("kmesh-fake.com")).to.equal("forwarded");
    replica.clock.advance(59_000);
    await settled(replica);
    expect(published(server, "Service")).to.have.length(1);
    replica.clock.advance(1100);
    await comes(() => published(server, "Service").length === 0, "no Service", replica);
  });

  it("keeps the Service for an entry that is made anew meanwhile", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.remove("ServiceEntry", "default", "kmesh-fake");
    await comes(() => slices(server).length === 0, "no slice", replica);
    const recreated = server.apply(kmeshEntry());
    await comes(() => slices(server).length === 1, "a slice", replica);
    const [service] = published(server, "Service");
    expect(service!.metadata["labels"]).to.deep.include({
      "serviceentry-dns.io/entry-uid": recreated.metadata["uid"],
    });
    replica.clock.advance(61_000);
    await settled(replica);
    expect(published(server, "Service")).to.have.length(1);
  });

  it("keeps slices for a minute where an entry is merely published no more", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.apply(kmeshEntry({}, { annotations: { "serviceentry-dns.io/publish": "false" } }));
    await comes(() => replica.answer("kmesh-fake.com") === "static 10.1.0.1", "the real address", replica);
    replica.clock.advance(59_000);
    await settled(replica);
    expect(slices(server)).to.have.length(1);
    replica.clock.advance(2000);
    await comes(() => published(server, "Service").length === 0, "no Service", replica);
    expect(slices(server)).to.deep.equal([]);
  });

  it("sweeps what another replica left when it takes over", async () => {
    server.apply(kmeshEntry());
    const first = await havingPublished();
    first.lease.take();
    server.remove("ServiceEntry", "default", "kmesh-fake");
    await comes(() => first.answer("kmesh-fake.com") === "forwarded", "it is gone", first);
    const second = await leading();
    await comes(() => slices(server).length === 0, "no slice", second);
    second.clock.advance(61_000);
    await comes(() => published(server, "Service").length === 0, "no Service", second);
  });

  it("sweeps nothing while it cannot read the entries", async () => {
    server.apply(kmeshEntry());
    const first = await havingPublished();
    await first.close();
    replicas.splice(0);
    server.denied.add("serviceentries");
    const before = writes(server);
    const replica = await leading();
    for (let round = 0; round < 4; round++) {
      replica.clock.advance(31_000);
      await settled(replica);
    }
    expect(writes(server)).to.equal(before);
  });

  it("writes nothing for answers that rotate, and drops what was not seen for a minute", async () => {
    server.apply(kmeshEntry({ resolution: "DNS", endpoints: [{ address: "big.example.com" }] }));
    const replica = await leading();
    replica.resolve("big.example.com", { A: ["10.1.0.1", "10.1.0.2"] });
    await comes(() => slices(server).length === 1, "a slice", replica);
    replica.resolve("big.example.com", { A: ["10.1.0.3"] });
    await comes(
      () => slices(server)[0] === "IPv4 http=8000 10.1.0.1 10.1.0.2 10.1.0.3",
      "all three",
      replica,
    );
    const before = writes(server);
    for (let round = 0; round < 12; round++) {
      replica.clock.advance(15_000);
      replica.resolve("big.example.com", { A: [`10.1.0.${1 + (round % 3)}`] });
      await settled(replica);
    }
    expect(writes(server)).to.equal(before);
    replica.clock.advance(60_100);
    await comes(() => slices(server)[0] === "IPv4 http=8000 10.1.0.3", "the last one alone", replica);
  });

  it("keeps what it has while a name does not resolve any more", async () => {
    server.apply(kmeshEntry({ resolution: "DNS", endpoints: [{ address: "a.example.com" }] }));
    const replica = await leading();
    replica.resolve("a.example.com", { A: ["10.1.0.1"] });
    await comes(() => slices(server).length === 1, "a slice", replica);
    const before = writes(server);
    replica.resolve("a.example.com", "failed");
    await settled(replica);
    replica.clock.advance(120_000);
    await settled(replica);
    expect(writes(server)).to.equal(before);
    replica.resolve("a.example.com", { A: ["10.1.0.2"] });
    await comes(() => slices(server)[0] === "IPv4 http=8000 10.1.0.2", "the new one", replica);
  });

  it("leaves out addresses that nothing behind a Service reaches, and says which", async () => {
    server.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", namespace: "default" },
      spec: { clusterIP: "10.200.0.7", clusterIPs: ["10.200.0.7"] },
    });
    server.apply(
      kmeshEntry({ endpoints: ["10.1.0.1", "10.200.0.7", "240.240.0.3"].map((address) => ({ address })) }),
    );
    const replica = await leading();
    await comes(() => replica.problem("PublishSkipped") !== undefined, "the problem", replica);
    expect(slices(server)).to.deep.equal(["IPv4 http=8000 10.1.0.1"]);
    const told = [...replica.problems.all()]
      .filter(({ problem }) => problem.code === "PublishSkipped")
      .map(({ problem }) => problem.message);
    expect(told.join("\n"))
      .to.include("10.200.0.7 is the ClusterIP of a Service")
      .and.include("240.240.0.3 is a virtual address");
  });

  it("takes an endpoint away whose address becomes a Service's", async () => {
    server.apply(kmeshEntry({ endpoints: ["10.1.0.1", "10.200.0.7"].map((address) => ({ address })) }));
    const replica = await havingPublished();
    expect(slices(server)).to.deep.equal(["IPv4 http=8000 10.1.0.1 10.200.0.7"]);
    server.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", namespace: "default" },
      spec: { clusterIP: "10.200.0.7", clusterIPs: ["10.200.0.7"] },
    });
    await comes(() => replica.store.all("Service").size === 2, "the Service", replica);
    replica.clock.advance(1000);
    await comes(() => slices(server)[0] === "IPv4 http=8000 10.1.0.1", "the slice", replica);
  });

  it("follows an endpoint that is a Service to what is behind it", async () => {
    const inFoo = { namespace: "foo" };
    server.apply(namespace("foo"));
    server.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "httpbin", ...inFoo },
      spec: { clusterIP: "10.96.5.5", ports: [{ name: "web", port: 8000, targetPort: "http" }] },
    });
    const backends = (...endpoints: unknown[]): ApiObject => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "httpbin-1", ...inFoo, labels: { "kubernetes.io/service-name": "httpbin" } },
      addressType: "IPv4",
      ports: [{ name: "web", port: 8080, protocol: "TCP" }],
      endpoints,
    });
    server.apply(
      backends({
        addresses: ["10.1.7.1"],
        zone: "z1",
        nodeName: "n1",
        targetRef: { kind: "Pod", namespace: "foo", name: "p", uid: "u" },
      }),
    );
    server.apply({
      ...backends({ addresses: ["10.1.7.9"] }),
      metadata: { name: "other-1", ...inFoo, labels: { "kubernetes.io/service-name": "other" } },
    });
    server.apply(
      kmeshEntry({ resolution: "DNS", endpoints: [{ address: "httpbin.foo.svc.cluster.local" }] }),
    );
    const replica = await leading();
    replica.resolve("httpbin.foo.svc.cluster.local", { A: ["10.96.5.5"] });
    await comes(() => slices(server).includes("IPv4 http=8080 10.1.7.1"), "the pod and its port", replica);
    const slice = published(server, "EndpointSlice")[0]!;
    expect(slice["endpoints"]).to.deep.equal([
      {
        addresses: ["10.1.7.1"],
        conditions: { ready: true, serving: true, terminating: false },
        zone: "z1",
        nodeName: "n1",
        targetRef: { kind: "Pod", namespace: "foo", name: "p", uid: "u" },
      },
    ]);
    expect([...replica.store.all("EndpointSlice").keys()]).not.to.include("EndpointSlice/foo/other-1");
    server.apply(
      backends(
        { addresses: ["10.1.7.1"], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ["10.1.7.2"] },
      ),
    );
    await comes(
      () => slices(server).includes("IPv4 http=8080 10.1.7.1 (unready) 10.1.7.2"),
      "the change",
      replica,
    );
  });

  it("leads clients to their own zone first where the entry wants that, in as many zones as the API server takes", async () => {
    const annotations = (word: string) => ({
      "serviceentry-dns.io/publish": "true",
      "networking.istio.io/traffic-distribution": word,
    });
    const endpoints = [
      { address: "10.1.0.1", locality: "r1/z1/rack" },
      { address: "10.1.0.2", locality: "r1/z2" },
      { address: "10.1.0.3", locality: "r1/no zone at all" },
      { address: "10.1.0.4" },
    ];
    const hints = () => {
      const all = published(server, "EndpointSlice").flatMap(
        (slice) => slice["endpoints"] as { addresses: string[]; zone?: string; hints?: unknown }[],
      );
      return all.map(({ addresses, zone, hints }) => [...addresses, zone, hints]);
    };
    const forZone = (name: string) => ({ forZones: [{ name }] });
    const hinted = [
      ["10.1.0.1", "z1", forZone("z1")],
      ["10.1.0.2", "z2", forZone("z2")],
      ["10.1.0.3", "no zone at all", undefined],
      ["10.1.0.4", undefined, undefined],
    ];
    const plain = hinted.map(([address, zone]) => [address, zone, undefined]);
    server.apply(kmeshEntry({ endpoints }, { annotations: annotations("PreferClose") }));
    const replica = await leading();
    await comes(() => hints().length === 4, "the slice", replica);
    expect(hints()).to.deep.equal(hinted);
    server.apply(kmeshEntry({ endpoints }, { annotations: annotations("PreferNetwork") }));
    await comes(() => hints()[0]![2] === undefined, "no hints", replica);
    expect(hints()).to.deep.equal(plain);
    server.apply(kmeshEntry({ endpoints }, { annotations: annotations("PreferSameNode") }));
    await comes(() => hints()[0]![2] !== undefined, "hints again", replica);
    expect(hints()).to.deep.equal(hinted);
    await comes(() => replica.store.all("EndpointSlice").size === 1, "it is seen", replica);
    const count = writes(server);
    await replica.close();
    replicas.splice(0);
    const after = await leading();
    await settled(after);
    expect(writes(server)).to.equal(count);
  });

  it("publishes nothing that is not chosen, and says why where it was asked for", async () => {
    server.apply(namespace("tenant"));
    const of = (name: string, spec: object, metadata: object = {}) =>
      server.apply(kmeshEntry({ hosts: [`${name}.example.com`], ...spec }, { name, ...metadata }));
    of("silent", {}, { annotations: {} });
    of("elsewhere", {}, { namespace: "tenant" });
    of("wild", { hosts: ["*.example.com"] });
    of("none", { resolution: "NONE", endpoints: undefined, addresses: ["10.7.7.7"] });
    of("own", { addresses: ["10.7.7.8"] });
    of("portless", { ports: [] });
    const replica = await leading();
    await settled(replica);
    expect(writes(server)).to.equal(0);
    const rows = Object.fromEntries(
      replica.registry.hosts().map((row) => [row.name, row.publishing?.reason ?? row.publishing]),
    );
    expect(rows["silent"]).to.equal(undefined);
    expect(rows["elsewhere"]).to.include(
      "Namespace tenant lacks the label serviceentry-dns.io/publish: allowed",
    );
    expect(replica.problem("PublishNotAllowed")).to.include("Host elsewhere.example.com is not published");
    expect(replica.answer("elsewhere.example.com")).to.equal("static 10.1.0.1");
    expect(rows["wild"]).to.include("wildcard");
    expect(rows["own"]).to.include("virtual address of its own");
    expect(rows["portless"]).to.include("no ports");
  });

  it("with `mapped` publishes what DNS alone would lead to the wrong port, unless it says no", async () => {
    const of = (name: string, spec: object, annotations: object = {}) =>
      server.apply(kmeshEntry({ hosts: [`${name}.example.com`], ...spec }, { name, annotations }));
    of("mapped", {});
    of("named", {
      ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      endpoints: [{ address: "10.1.0.1", ports: { http: 8080 } }],
    });
    of("same", { ports: [{ number: 80, name: "http", protocol: "HTTP" }] });
    of("no", {}, { "serviceentry-dns.io/publish": "false" });
    const replica = await leading({ mode: "mapped" });
    await comes(() => slices(server).length === 2, "two slices", replica);
    await settled(replica);
    const hosts = published(server, "Service").map(
      ({ metadata }) => (metadata["annotations"] as Record<string, string>)["serviceentry-dns.io/host"],
    );
    expect(hosts).to.have.members(["mapped.example.com", "named.example.com"]);
  });

  it("follows the setting while it runs, in both directions", async () => {
    server.apply(kmeshEntry());
    const replica = await leading({ mode: "off" });
    await settled(replica);
    expect(slices(server)).to.deep.equal([]);
    replica.setMode("mapped");
    await until(() => replica.source.missing().length === 0, "Services and slices that are watched");
    replica.clock.advance(1000);
    await comes(() => slices(server).length === 1, "a slice", replica);
    replica.setMode("off");
    await comes(() => replica.answer("kmesh-fake.com") === "static 10.1.0.1", "the real address", replica);
  });

  it("begins with the Namespace's label, and ends with it", async () => {
    server.apply(namespace("default"));
    server.apply(kmeshEntry());
    const replica = await leading();
    expect(replica.answer("kmesh-fake.com")).to.equal("static 10.1.0.1");
    await comes(() => replica.problem("PublishNotAllowed") !== undefined, "the refusal", replica);
    expect(replica.problem("PublishNotAllowed")).to.include("Namespace default lacks the label");
    server.apply(namespace("default", { "serviceentry-dns.io/publish": "allowed" }));
    await comes(() => slices(server).length === 1, "a slice", replica);
    expect(replica.problem("PublishNotAllowed")).to.equal(undefined);
    server.apply(namespace("default", { "serviceentry-dns.io/publish": "Allowed" }));
    await comes(() => replica.problem("PublishLabelInvalid") !== undefined, "the label's problem", replica);
    await comes(() => replica.answer("kmesh-fake.com") === "static 10.1.0.1", "the real address", replica);
  });

  it("is off, and says so, while there is no namespace for it", async () => {
    server.remove("Namespace", undefined, PUBLISHED_NAMESPACE);
    server.apply(kmeshEntry());
    const replica = await leading();
    await comes(() => replica.problem("PublishRefused") !== undefined, "the refusal", replica);
    expect(replica.answer("kmesh-fake.com")).to.equal("static 10.1.0.1");
    expect(replica.problem("PublishRefused")).to.include(`there is no Namespace ${PUBLISHED_NAMESPACE}`);
    expect(server.requests.some(({ path }) => /services|endpointslices/.test(path))).to.equal(false);
    server.apply(namespace(PUBLISHED_NAMESPACE));
    await comes(
      () => replica.source.isConnected("Service") && replica.source.isConnected("EndpointSlice"),
      "the watches",
      replica,
    );
    replica.clock.advance(1000);
    await comes(() => slices(server).length === 1, "a slice", replica);
  });

  for (const [what, prepare, mend] of [
    ["no right to write", () => server.deniedVerbs.add("create services"), () => server.deniedVerbs.clear()],
    ["a quota that is used up", () => server.quotas.set("services", 0), () => server.quotas.clear()],
  ] as const)
    it(`reports ${what}, gives the real addresses, and tries again`, async () => {
      prepare();
      server.apply(kmeshEntry());
      const replica = await leading();
      await comes(() => replica.problem("PublishRefused") !== undefined, "the refusal", replica);
      expect(replica.answer("kmesh-fake.com")).to.equal("static 10.1.0.1");
      const before = writes(server);
      replica.clock.advance(30_000);
      await settled(replica);
      expect(writes(server)).to.equal(before);
      mend();
      replica.clock.advance(60_000);
      await comes(() => replica.store.all("EndpointSlice").size === 1, "a slice", replica);
      replica.clock.advance(2000);
      await comes(() => replica.answer("kmesh-fake.com") === "published 10.96.0.1", "the answer", replica);
      expect(replica.problem("PublishRefused")).to.equal(undefined);
    });

  it("reads again after a conflict, and writes what is wanted then", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.holdWatches();
    const [slice] = published(server, "EndpointSlice");
    // Somebody else writes, and our watch does not tell yet.
    server.apply({ ...slice!, endpoints: [] });
    const [known] = replica.store.all("ServiceEntry").values();
    const [, fields] = JSON.parse(objectLine(["ServiceEntry", known!]));
    replica.store.put("ServiceEntry", { ...fields, resourceVersion: "x", endpoints: [] }, 0);
    replica.store.flush();
    replica.clock.advance(10_000);
    await comes(() => slices(server)[0] === "IPv4 http=8000", "the empty slice", replica);
  });

  it("follows a change of ports without a port too many", async () => {
    server.apply(kmeshEntry());
    const replica = await havingPublished();
    server.apply(
      kmeshEntry({
        ports: [
          { number: 81, name: "web", protocol: "HTTP2", targetPort: 8001 },
          { number: 443, name: "web", protocol: "TLS" },
        ],
      }),
    );
    await comes(() => slices(server)[0]?.includes("p443=443") === true, "the slice", replica);
    const { spec } = published(server, "Service")[0] as unknown as {
      spec: { ports: unknown; clusterIP: string };
    };
    expect(spec.ports).to.deep.equal([
      { name: "web", port: 81, protocol: "TCP", appProtocol: "kubernetes.io/h2c" },
      { name: "p443", port: 443, protocol: "TCP" },
    ]);
    expect(spec.clusterIP).to.equal("10.96.0.1");
    expect(slices(server)).to.deep.equal(["IPv4 web=8001,p443=443 10.1.0.1"]);
  });

  it("answers real addresses where nobody publishes for 30 s", async () => {
    server.apply(kmeshEntry());
    const replica = await started();
    await comes(() => replica.answer("kmesh-fake.com") === "published pending", "pending", replica);
    replica.clock.advance(30_000);
    expect(replica.answer("kmesh-fake.com")).to.equal("static 10.1.0.1");
    replica.lease.give();
    await comes(() => replica.store.all("EndpointSlice").size === 1, "a slice", replica);
    replica.clock.advance(2000);
    expect(replica.answer("kmesh-fake.com")).to.equal("published 10.96.0.1");
  });
});

/** Nothing is to come: long enough for what would come all the same. */
async function settled(replica: Replica): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    replica.clock.advance(0);
    await quiet(1);
  }
}
