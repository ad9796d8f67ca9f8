/** Who asks: from objects, in whatever order they come, to what the workers are told of each address. */

import { expect } from "chai";
import fc from "fast-check";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { parseNamespace } from "../../src/mesh/parse-namespace.ts";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { type ClientSettings, Clients } from "../../src/registry/clients.ts";
import type { ClientDelta, KnownClient } from "../../src/table/client-record.ts";
import type { IpAddress } from "../../src/wire/ip-address.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface PodFields {
  readonly name: string;
  readonly namespace?: string;
  readonly ips?: readonly string[];
  readonly node?: string;
  readonly mesh?: "sidecar" | "ambient" | "kmesh";
  readonly labels?: object;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  /** Seconds of the day on which it was started; undefined: nobody knows. */
  readonly started?: number;
  readonly isDeleting?: boolean;
}

const MESH_ANNOTATIONS = {
  sidecar: { "sidecar.istio.io/status": "{}" },
  ambient: { "ambient.istio.io/redirection": "enabled" },
  kmesh: { "kmesh.net/redirection": "enabled" },
};
const dayAt = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
const NOWHERE = { network: "", region: "", zone: "", subzone: "", node: "" };
const BATCH_WINDOW_MS = 50;

describe("Clients", () => {
  let store: MeshStore;
  let clock: FakeClock;
  let deltas: ClientDelta[];
  let clients: Clients;
  let version = 0;

  const settings = (forwarders?: readonly string[], network?: string): ClientSettings => ({
    trustedForwarders: forwarders?.map((text) => parseIpPrefix(text)!),
    network,
  });

  beforeEach(() => {
    store = new MeshStore();
    clock = new FakeClock();
    deltas = [];
    clients = new Clients({ store, settings: settings(), clock, emit: (delta) => deltas.push(delta) });
  });
  afterEach(() => clients.close());

  function putPod(fields: PodFields): void {
    const { name, namespace = "default", ips = ["10.0.0.1"], node, mesh, labels, phase = "Running" } = fields;
    const startTime = fields.started === undefined ? undefined : dayAt(fields.started);
    version += 1;
    const { value } = parsePod({
      metadata: {
        name,
        namespace,
        resourceVersion: String(version),
        labels,
        annotations: mesh && MESH_ANNOTATIONS[mesh],
        ...(fields.isDeleting ? { deletionTimestamp: dayAt(0) } : {}),
      },
      spec: { nodeName: node, hostNetwork: fields.hostNetwork },
      status: { phase, podIPs: ips.map((ip) => ({ ip })), startTime },
    });
    store.put("Pod", value!, 0);
    store.flush();
  }

  function removePod(name: string, namespace = "default"): void {
    store.remove("Pod", `Pod/${namespace}/${name}`, 0);
    store.flush();
  }

  function putNode(name: string, ips: readonly string[], zone = ""): void {
    version += 1;
    const { value } = parseNode({
      metadata: { name, resourceVersion: String(version), labels: { "topology.kubernetes.io/zone": zone } },
      status: { addresses: ips.map((address) => ({ type: "InternalIP", address })) },
    });
    store.put("Node", value!, 0);
    store.flush();
  }

  function putNamespace(name: string, suffixAnswer?: string): void {
    version += 1;
    const annotations =
      suffixAnswer === undefined ? {} : { "serviceentry-dns.io/suffix-answer": suffixAnswer };
    const { value } = parseNamespace({ metadata: { name, resourceVersion: String(version), annotations } });
    store.put("Namespace", value!, 0);
    store.flush();
  }

  /** What a worker knows that has heard everything so far. */
  function known(): Record<string, KnownClient> {
    clock.advance(BATCH_WINDOW_MS);
    const all = new Map<string, KnownClient>();
    for (const delta of deltas)
      for (const { address, client } of delta.clients) {
        if (client === null) all.delete(address);
        else all.set(address, client);
      }
    return Object.fromEntries([...all].sort());
  }

  const whoIs = (address = "10.0.0.1") => known()[address];
  const nameOf = (client: KnownClient | undefined) =>
    typeof client === "object" ? `${client.namespace} ${client.clientClass}` : client;

  it("tells a pod by its addresses, with namespace, mesh and place", () => {
    putNode("n1", ["192.168.0.1"], "zone-a");
    putPod({ name: "a", namespace: "shop", ips: ["10.0.0.1", "fd00::1"], node: "n1", mesh: "kmesh" });
    const client = {
      namespace: "shop",
      clientClass: "redirectedDual",
      locality: { ...NOWHERE, zone: "zone-a", node: "n1" },
    };
    expect(known()).to.deep.equal({ "10.0.0.1": client, "192.168.0.1": "forwarder", "fd00::1": client });
    expect(clients.size).to.equal(3);
  });

  const classes: readonly (readonly [
    mesh: PodFields["mesh"],
    ips: readonly string[],
    clientClass: string,
  ])[] = [
    [undefined, ["10.0.0.1"], "outside"],
    ["sidecar", ["10.0.0.1"], "sidecar"],
    ["sidecar", ["fd00::1"], "sidecar"],
    ["ambient", ["10.0.0.1"], "redirectedIpv4"],
    ["ambient", ["fd00::1"], "redirectedIpv6"],
    ["kmesh", ["fd00::1", "10.0.0.1"], "redirectedDual"],
  ];
  for (const [mesh, ips, clientClass] of classes)
    it(`has a pod ${mesh ?? "without a mesh"} with ${ips} for ${clientClass}`, () => {
      putPod({ name: "a", ips, ...(mesh === undefined ? {} : { mesh }) });
      for (const ip of ips) expect(nameOf(whoIs(ip))).to.equal(`default ${clientClass}`);
    });

  it("follows a pod that joins a mesh, moves, ends or goes", () => {
    putPod({ name: "a" });
    expect(nameOf(whoIs())).to.equal("default outside");
    putPod({ name: "a", mesh: "ambient" });
    expect(nameOf(whoIs())).to.equal("default redirectedIpv4");
    putPod({ name: "a", ips: ["10.0.0.2"] });
    expect(Object.keys(known())).to.deep.equal(["10.0.0.2"]);
    putPod({ name: "a", ips: ["10.0.0.2"], phase: "Succeeded" });
    expect(known()).to.deep.equal({});
    putPod({ name: "a", ips: ["10.0.0.2"], phase: "Running" });
    removePod("a");
    expect(known()).to.deep.equal({});
    expect(clients.size).to.equal(0);
  });

  describe("one address of several pods", () => {
    it("is the pod's that has not ended", () => {
      putPod({ name: "old", namespace: "a", started: 9, phase: "Failed" });
      putPod({ name: "new", namespace: "b", started: 1 });
      expect(nameOf(whoIs())).to.equal("b outside");
    });

    it("passes on to the one started last, within a second of the event", () => {
      putPod({ name: "old", namespace: "a", started: 1 });
      expect(nameOf(whoIs())).to.equal("a outside");
      putPod({ name: "new", namespace: "b", started: 2 });
      clock.advance(BATCH_WINDOW_MS);
      expect(nameOf(deltas.at(-1)!.clients[0]!.client!)).to.equal("b outside");
      removePod("old", "a");
      expect(nameOf(whoIs())).to.equal("b outside");
    });

    it("is not that of one that is being deleted, even if it was started last", () => {
      putPod({ name: "waited", namespace: "a", started: 1 });
      putPod({ name: "going", namespace: "b", started: 2, isDeleting: true });
      expect(nameOf(whoIs())).to.equal("a outside");
      removePod("waited", "a");
      expect(nameOf(whoIs()), "until it is gone").to.equal("b outside");
    });

    it("is nobody's while it is not clear", () => {
      putPod({ name: "one", namespace: "a", started: 5 });
      putPod({ name: "other", namespace: "b", started: 5 });
      expect(whoIs()).to.equal("ambiguous");
      putPod({ name: "third", namespace: "c" });
      expect(whoIs(), "nobody knows when").to.equal("ambiguous");
      removePod("third", "c");
      removePod("other", "b");
      expect(nameOf(whoIs())).to.equal("a outside");
    });
  });

  it("has a pod in its node's network for nobody in particular", () => {
    putPod({ name: "agent", ips: ["192.168.0.1"], hostNetwork: true });
    expect(whoIs("192.168.0.1"), "also before the node is known").to.equal("ambiguous");
    putNode("n1", ["192.168.0.1"]);
    expect(whoIs("192.168.0.1")).to.equal("forwarder");
    store.remove("Node", "Node//n1", 0);
    store.flush();
    expect(whoIs("192.168.0.1")).to.equal("ambiguous");
  });

  it("has the cluster's own DNS servers for forwarders, and nobody that only calls itself so", () => {
    const labels = { "k8s-app": "kube-dns" };
    putPod({ name: "coredns", namespace: "kube-system", ips: ["10.0.0.1"], labels });
    putPod({ name: "sly", namespace: "team", ips: ["10.0.0.2"], labels });
    putPod({
      name: "cache",
      namespace: "kube-system",
      ips: ["192.168.0.1"],
      labels: { "k8s-app": "node-local-dns" },
      hostNetwork: true,
    });
    putPod({ name: "agent", namespace: "kube-system", ips: ["192.168.0.1"], hostNetwork: true });
    expect([whoIs("10.0.0.1"), nameOf(whoIs("10.0.0.2")), whoIs("192.168.0.1")]).to.deep.equal([
      "forwarder",
      "team outside",
      "forwarder",
    ]);
  });

  it("has those alone for forwarders that the setting names", () => {
    putNode("n1", ["192.168.0.1"]);
    putPod({ name: "coredns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } });
    putPod({ name: "cache", namespace: "edge", ips: ["10.1.0.7"] });
    known();
    clients.updateSettings(settings(["10.1.0.0/16"]));
    const told = known();
    expect([told["192.168.0.1"], nameOf(told["10.0.0.1"]), told["10.1.0.7"]]).to.deep.equal([
      "ambiguous",
      "kube-system outside",
      "forwarder",
    ]);
  });

  it("knows a pod's place by its node, whichever comes first, and by its own labels before that", () => {
    putPod({ name: "a", node: "n1" });
    putPod({ name: "b", ips: ["10.0.0.2"], node: "n1", labels: { "istio-locality": "r.z" } });
    known();
    putNode("n1", ["192.168.0.1"], "zone-a");
    const zoneOf = (address: string) => {
      const client = whoIs(address);
      return typeof client === "object" ? client.locality.zone : client;
    };
    expect([zoneOf("10.0.0.1"), zoneOf("10.0.0.2")]).to.deep.equal(["zone-a", "z"]);
    putNode("n1", ["192.168.0.1"], "zone-b");
    expect(zoneOf("10.0.0.1")).to.equal("zone-b");
    clients.updateSettings(settings(undefined, "net-1"));
    expect(whoIs("10.0.0.1")).to.deep.include({
      locality: { ...NOWHERE, network: "net-1", zone: "zone-b", node: "n1" },
    });
  });

  it("tells of namespaces what they say of suffixes, and whether the Internet knows their name", () => {
    putNamespace("payments");
    putNamespace("dev", "nxdomain");
    clock.advance(BATCH_WINDOW_MS);
    expect(deltas.flatMap(({ namespaces }) => namespaces)).to.deep.equal([
      { name: "payments", facts: { name: "payments", suffixAnswer: undefined, isDelegated: false } },
      { name: "dev", facts: { name: "dev", suffixAnswer: "nxdomain", isDelegated: true } },
    ]);
    deltas.length = 0;
    putNamespace("dev", "nxdomain");
    clock.advance(BATCH_WINDOW_MS);
    expect(deltas, "nothing new").to.deep.equal([]);
    store.remove("Namespace", "Namespace//payments", 0);
    store.flush();
    clock.advance(BATCH_WINDOW_MS);
    expect(deltas.flatMap(({ namespaces }) => namespaces)).to.deep.equal([{ name: "payments", facts: null }]);
  });

  it("says nothing where only the readiness of a pod or the status of a node is new", () => {
    putNode("n1", ["192.168.0.1"], "z");
    putPod({ name: "a", node: "n1" });
    known();
    deltas.length = 0;
    putNode("n1", ["192.168.0.1"], "z");
    putPod({ name: "a", node: "n1" });
    clock.advance(BATCH_WINDOW_MS);
    expect(deltas).to.deep.equal([]);
  });

  it("tells the first change at once and those that follow it together", () => {
    for (let each = 0; each < 50; each += 1) putPod({ name: `p${each}`, ips: [`10.0.1.${each}`] });
    expect(deltas.map((delta) => delta.clients.length)).to.deep.equal([1]);
    clock.advance(BATCH_WINDOW_MS);
    expect(deltas.map((delta) => delta.clients.length)).to.deep.equal([1, 49]);
    putPod({ name: "p0", ips: ["10.0.2.1"] });
    clients.settle();
    clients.settle();
    expect(
      deltas.map((delta) => delta.clients.length),
      "at once, and only once",
    ).to.deep.equal([1, 49, 2]);
  });

  it("takes what the store holds already", () => {
    clients.close();
    putPod({ name: "a" });
    putNamespace("shop");
    deltas.length = 0;
    clients = new Clients({ store, settings: settings(), clock, emit: (delta) => deltas.push(delta) });
    expect(nameOf(whoIs())).to.equal("default outside");
    expect(deltas[0]?.namespaces.map(({ name }) => name)).to.deep.equal(["shop"]);
    expect(clients.snapshot().clients).to.deep.equal(deltas[0]?.clients);
  });

  it("has told, after any events in any order, what a worker is told that starts now", () => {
    const address = fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1", "192.168.0.1");
    const pods = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      namespace: fc.constantFrom("kube-system", "team"),
      ips: fc.uniqueArray(address, { maxLength: 2 }),
      node: fc.constantFrom("n1", "n2"),
      mesh: fc.constantFrom("sidecar", "ambient", undefined),
      labels: fc.constantFrom({}, { "k8s-app": "kube-dns" }),
      phase: fc.constantFrom("Running", "Running", "Failed"),
      hostNetwork: fc.constantFrom(false, false, true),
      started: fc.constantFrom(undefined, 1, 2),
      isDeleting: fc.boolean(),
    });
    const steps = fc.oneof(
      pods.map((fields) => () => putPod(fields as PodFields)),
      fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("kube-system", "team")).map(
        ([name, namespace]) =>
          () =>
            removePod(name, namespace),
      ),
      fc
        .tuple(
          fc.constantFrom("n1", "n2"),
          fc.uniqueArray(address, { maxLength: 1 }),
          fc.constantFrom("x", "y"),
        )
        .map(
          ([name, ips, zone]) =>
            () =>
              putNode(name, ips, zone),
        ),
      fc.constantFrom("n1", "n2").map((name) => () => {
        store.remove("Node", `Node//${name}`, 0);
        store.flush();
      }),
      fc.nat(80).map((ms) => () => clock.advance(ms)),
      fc.constantFrom(undefined, ["10.0.0.2"]).map((each) => () => clients.updateSettings(settings(each))),
    );
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 30 }), (each) => {
        store = new MeshStore();
        deltas = [];
        clients.close();
        clients = new Clients({ store, settings: settings(), clock, emit: (delta) => deltas.push(delta) });
        for (const step of each) step();
        const told = known();
        const whole = clients
          .snapshot()
          .clients.map(({ address: at, client }): [IpAddress, unknown] => [at, client]);
        expect(told).to.deep.equal(Object.fromEntries(whole.sort()));
        expect(clients.size).to.equal(whole.length);
        const fresh = new Clients({ store, settings: settings(), clock, emit: () => {} });
        expect(fresh.size).to.equal(clients.size);
        fresh.close();
      }),
      { numRuns: 300 },
    );
  });
});
