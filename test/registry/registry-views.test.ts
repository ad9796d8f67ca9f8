/** The registry with clients of several kinds: views, what decides them, and that no more is said than has changed. */

import { expect } from "chai";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { entry, host, ip, namespaceObject, pod, World, workloadEntry } from "./support.ts";

const at = (namespace: string, address: string, given: object = {}) =>
  entry({
    name: "e",
    namespace,
    hosts: ["a.example"],
    resolution: "STATIC",
    endpoints: [{ address }],
    ...given,
  });
const named = (namespace: string, name: string, given: object = {}) =>
  entry({
    name: "e",
    namespace,
    hosts: ["a.example"],
    resolution: "DNS",
    endpoints: [{ address: name }],
    exportTo: ["."],
    ...given,
  });
const labelled = (name: string, labels: Readonly<Record<string, string>>) => ({
  ...namespaceObject(name),
  labels,
});

describe("Registry, by client", () => {
  let world = new World();
  const start = (settings: Partial<RegistrySettings> = {}) => {
    world = new World(settings);
  };
  const update = (settings: Partial<RegistrySettings>) => {
    world.registry.updateSettings({ ...DEFAULT_SETTINGS, ...settings });
    world.settle();
  };
  /** For the outside pods of a namespace. */
  const answer = (namespace?: string, name = "a.example") =>
    world.answer(name, "A", namespace === undefined ? "unknown" : "outside", namespace);
  beforeEach(() => start());

  describe("exportTo", () => {
    it("a change of who sees an entry touches its host alone, and takes effect without an edit of others", () => {
      world.put(at("n1", "192.0.2.1"), at("n2", "192.0.2.2", { exportTo: ["."] }));
      world.put(at("n3", "192.0.2.3", { name: "b", hosts: ["b.example"] }));
      world.settle();
      world.emitted();
      expect([answer("n1"), answer("n2"), answer("n3")]).to.deep.equal([
        ["192.0.2.1"],
        ["192.0.2.2"],
        ["192.0.2.1"],
      ]);
      world.put(at("n2", "192.0.2.2", { exportTo: ["n3"] }));
      world.settle();
      expect(world.emitted()).to.deep.equal(["set a.example"]);
      expect([answer("n1"), answer("n2"), answer("n3")]).to.deep.equal([
        ["192.0.2.1"],
        ["192.0.2.1"],
        ["192.0.2.2"],
      ]);
    });

    it("an entry that is taken back from everybody leaves no record", () => {
      world.put(at("n1", "192.0.2.1", { exportTo: ["n2", "n3"] }));
      expect(world.viewFor("a.example", "n2")?.visibleTo).to.deep.equal(new Set(["n2", "n3"]));
      world.put(at("n1", "192.0.2.1", { exportTo: ["~"] }));
      world.settle();
      expect(world.emitted()).to.deep.equal(["delete a.example", "set a.example"]);
      expect(world.table.size).to.equal(0);
    });

    it("an entry that nobody else sees says its host's names for itself alone", () => {
      world.put(named("n1", "up1.example"), named("n2", "up2.example"));
      world.settle();
      expect([...world.wanted].sort()).to.deep.equal(["up1.example n1", "up2.example n2"]);
      world.resolve("up1.example", ["192.0.2.1"]);
      expect([answer("n1"), answer("n2"), answer()]).to.deep.equal([["192.0.2.1"], "pending", "forward"]);
    });

    it("rows and problems say who loses to whom, once", () => {
      world.put(at("n1", "192.0.2.1"), at("n2", "192.0.2.2", { exportTo: ["n3", "n4"] }));
      world.put(at("n4", "192.0.2.4", { exportTo: ["."] }));
      world.settle();
      const rows = world.registry.hosts().map(({ namespace, state, visibleTo, shadowedBy }) => ({
        namespace,
        state,
        visibleTo,
        shadowedBy,
      }));
      const reason = "for n3 ServiceEntry n2/e is exported to the client's namespace by name";
      expect(rows).to.deep.equal([
        {
          namespace: "n1",
          state: "ok",
          visibleTo: "all",
          shadowedBy: { namespace: "n2", name: "e", reason },
        },
        { namespace: "n2", state: "ok", visibleTo: ["n3", "n4"], shadowedBy: null },
        { namespace: "n4", state: "ok", visibleTo: ["n4"], shadowedBy: null },
      ]);
      expect(world.codes()).to.deep.equal(["HostConflict ServiceEntry/n1/e"]);
    });

    it("the time of holding is each namespace's own", () => {
      world.put(named("n1", "up1.example"));
      const first = world.clock.nowMs() + 2500;
      world.clock.advance(1000);
      world.put(named("n2", "up2.example"));
      const untilMs = (namespace: string) => {
        const answerA = world.view("a.example", "outside", namespace)?.answers.A;
        return answerA?.kind === "pending" ? answerA.untilMs : undefined;
      };
      expect([untilMs("n1"), untilMs("n2")]).to.deep.equal([first, first + 1000]);
    });
  });

  describe("moments of expiry", () => {
    const later = 1_040_000;
    it("of one name are touched in all views and variants", () => {
      const status = { addresses: [{ value: "240.240.0.1", host: "a.example" }] };
      world.put(named("n1", "up.example", { status }), named("n2", "up.example", { status }));
      world.resolve("up.example", ["192.0.2.1"]);
      world.emitted();
      world.resolve("up.example", ["192.0.2.1"], "denied", later);
      expect(world.emitted()).to.deep.equal(["touch a.example"]);
      for (const namespace of ["n1", "n2"])
        expect(world.view("a.example", "outside", namespace)?.answers.A).to.include({ expiresAtMs: later });
      expect(world.answer("a.example", "A", "redirectedIpv4", "n1")).to.deep.equal(["240.240.0.1"]);
    });

    it("of several names that part are set", () => {
      world.put(named("n1", "up1.example"), named("n2", "up2.example"));
      world.resolve("up1.example", ["192.0.2.1"]);
      world.resolve("up2.example", ["192.0.2.2"]);
      world.emitted();
      world.resolve("up1.example", ["192.0.2.1"], "denied", later);
      expect(world.emitted()).to.deep.equal(["set a.example"]);
      world.resolve("up2.example", ["192.0.2.2"], "denied", later);
      expect(world.emitted()).to.deep.equal(["touch a.example"]);
      const { registry } = world;
      registry.resolutionTouched(host("up2.example"), "A", later);
      world.settle();
      expect(world.emitted()).to.deep.equal([]);
    });
  });

  describe("Namespaces", () => {
    it("one that comes takes the names of its Services from others, and gives them back when it goes", () => {
      world.put(at("n1", "192.0.2.1", { hosts: ["web.n9", "a.example"] }));
      world.put(at("n9", "192.0.2.2", { hosts: ["web.n9"], created: "2020-01-01T00:00:00Z" }));
      world.settle();
      expect(answer("n1", "web.n9")).to.deep.equal(["192.0.2.1"]);
      world.emitted();
      world.put(namespaceObject("n9"));
      expect(world.emitted(), "in the same tick").to.deep.equal(["set web.n9"]);
      expect(answer("n1", "web.n9")).to.deep.equal(["192.0.2.2"]);
      expect(world.codes()).to.deep.equal(["HostReserved ServiceEntry/n1/e"]);
      world.settle();
      world.remove("Namespace", "", "n9");
      world.settle();
      expect(answer("n1", "web.n9")).to.deep.equal(["192.0.2.1"]);
    });

    it("labels decide by hostPolicy which hosts may be claimed, who sees them, and what may be answered", () => {
      const rule = {
        namespaceSelector: { matchLabels: { tier: "tenant" } },
        allow: ["*.example"],
        deny: ["b.example"],
        maxVisibility: "namespace",
        allowAddresses: [parseIpPrefix("127.0.0.0/8")!],
      } as const;
      start({ hostPolicy: [rule] });
      world.put(
        at("n1", "192.0.2.1", { hosts: ["a.example", "b.example", "c.test"] }),
        at("n1", "127.0.0.1", { name: "local", hosts: ["local.example"] }),
        entry({
          name: "pods",
          namespace: "n1",
          hosts: ["pods.example"],
          resolution: "STATIC",
          workloadSelector: { labels: {} },
        }),
        pod({ name: "p", namespace: "n1", ips: ["127.0.0.2"] }),
        named("n2", "local.example", { exportTo: [] }),
      );
      world.settle();
      const shown = () =>
        ["a", "b", "local", "pods"].map((name) => [
          answer(undefined, `${name}.example`),
          answer("n1", `${name}.example`),
        ]);
      // The entry of n2 is as old, and sorts behind that of n1.
      const open = [
        [["192.0.2.1"], ["192.0.2.1"]],
        [["192.0.2.1"], ["192.0.2.1"]],
        ["empty", "empty"],
        ["empty", "empty"],
      ];
      expect(shown()).to.deep.equal(open);
      world.put(labelled("n1", { tier: "tenant" }));
      world.settle();
      expect(shown()).to.deep.equal([
        ["pending", ["192.0.2.1"]],
        ["forward", "forward"],
        ["forward", ["127.0.0.1"]],
        ["forward", ["127.0.0.2"]],
      ]);
      expect(world.problemCodes()).to.deep.equal(["HostRejected", "HostRejected"]);
      world.put(namespaceObject("n1"));
      world.settle();
      expect(shown()).to.deep.equal(open);
    });

    it("what one namespace may answer another does not get by naming its host", () => {
      const rule = {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "n1" } },
        allow: [],
        deny: [],
        maxVisibility: "public",
        allowAddresses: [parseIpPrefix("127.0.0.0/8")!],
      } as const;
      start({ hostPolicy: [rule] });
      world.put(at("n1", "127.0.0.1", { hosts: ["local.example"] }));
      world.put(named("n2", "local.example", { exportTo: [] }));
      world.settle();
      expect(answer(undefined, "local.example")).to.deep.equal(["127.0.0.1"]);
      expect(answer()).to.equal("empty");
      expect(world.codes()).to.deep.equal(["AddressForbidden ServiceEntry/n2/e"]);
    });

    it("say for their entries that the nearest addresses count; Nodes say where pods are", () => {
      const node = (name: string, zone: string) =>
        parseNode({
          metadata: {
            name,
            resourceVersion: `${name} ${zone}`,
            labels: { "topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": zone },
          },
        }).value!;
      const somewhere = { ...pod({ name: "p", namespace: "n1", ips: ["10.0.0.1"] }), nodeName: "one" };
      world.put(
        entry({
          namespace: "n1",
          hosts: ["a.example"],
          resolution: "STATIC",
          workloadSelector: { labels: {} },
        }),
      );
      world.put(somewhere, node("one", "z1"), node("two", "z1"));
      world.settle();
      expect(world.view("a.example")).to.not.have.property("distribution");
      world.emitted();
      world.put(node("one", "z2"));
      world.settle();
      expect(world.emitted(), "nobody asks where it is").to.deep.equal([]);

      world.put({ ...namespaceObject("n1"), trafficDistribution: "PreferClose" });
      world.settle();
      const places = () => {
        const { answers } = world.view("a.example")!;
        return (
          answers.A.kind === "addresses" && answers.A.localities?.map(({ zone, node: on }) => `${on} ${zone}`)
        );
      };
      expect(world.view("a.example")?.distribution).to.equal("PreferClose");
      expect(places()).to.deep.equal(["one z2"]);
      world.emitted();
      world.put(node("two", "z9"));
      world.settle();
      expect(world.emitted(), "none of its pods runs there").to.deep.equal([]);
      world.put(node("one", "z3"));
      world.settle();
      expect(world.emitted()).to.deep.equal(["set a.example"]);
      expect(places()).to.deep.equal(["one z3"]);
    });
  });

  it("objects that are excluded by their labels are not there, until they are excluded no more", () => {
    world.put(
      at("n1", "192.0.2.1", { labels: { env: "test" } }),
      entry({
        name: "s",
        namespace: "n1",
        hosts: ["s.example"],
        resolution: "STATIC",
        workloadSelector: { labels: {} },
      }),
      workloadEntry({ name: "w", namespace: "n1", labels: { env: "test" }, address: "192.0.2.7" }),
    );
    world.settle();
    const shown = () => [answer(), answer(undefined, "s.example"), world.registry.hosts().length];
    const all = [["192.0.2.1"], ["192.0.2.7"], 2];
    expect(shown()).to.deep.equal(all);
    update({ excludeSelectors: [{ matchLabels: { env: "test" } }] });
    expect(shown()).to.deep.equal(["forward", "empty", 1]);
    world.put(workloadEntry({ name: "w2", namespace: "n1", labels: { env: "test" }, address: "192.0.2.8" }));
    world.settle();
    expect(shown()).to.deep.equal(["forward", "empty", 1]);
    world.remove("WorkloadEntry", "n1", "w2");
    update({});
    expect(shown()).to.deep.equal(all);
  });

  it("a workload that is named by a host name takes a sidecar's virtual address away", () => {
    world.put(at("n1", "192.0.2.1", { addresses: ["10.9.9.9"] }));
    const sidecar = () => world.answer("a.example", "A", "sidecar");
    expect(sidecar()).to.deep.equal(["10.9.9.9"]);
    world.put(workloadEntry({ name: "w", namespace: "n2", address: "a.example" }));
    world.settle();
    expect(sidecar()).to.deep.equal(["192.0.2.1"]);
    world.put(workloadEntry({ name: "w", namespace: "n2", address: "b.example" }));
    world.settle();
    expect(sidecar()).to.deep.equal(["10.9.9.9"]);
    world.put(at("n1", "192.0.2.1", { addresses: ["10.9.9.9"], hosts: ["*.b.example.com"] }));
    world.put(named("n3", "x.y.b.example.com"));
    world.settle();
    expect(world.answer("*.b.example.com", "A", "sidecar")).to.deep.equal(["192.0.2.1"]);
  });

  describe("PTR", () => {
    const pointer = (name: string, namespace?: string) => world.viewFor(name, namespace)?.pointer;
    const VIRTUAL = "1.0.240.240.in-addr.arpa";
    const status = { addresses: [{ value: "240.240.0.1", host: "a.example" }] };

    it("of a virtual address goes out with its host, and goes with it", () => {
      world.put(at("n1", "192.0.2.1", { status }));
      expect(world.deltas).to.have.length(1);
      expect(world.emitted()).to.deep.equal([`set ${VIRTUAL}`, "set a.example"]);
      expect(pointer(VIRTUAL)).to.equal("a.example");
      world.remove("ServiceEntry", "n1", "e");
      expect(world.emitted()).to.deep.equal([`delete ${VIRTUAL}`, "delete a.example"]);
      expect(world.table.size).to.equal(0);
    });

    it("is said to those who see the host, stands in the snapshot and in no list of hosts", () => {
      world.put(at("n1", "192.0.2.1", { status, exportTo: ["n2"] }));
      expect([pointer(VIRTUAL), pointer(VIRTUAL, "n2")]).to.deep.equal([undefined, "a.example"]);
      expect(world.registry.snapshot().changes).to.have.length(2);
      expect(world.registry.hosts()).to.have.length(1);
      expect(world.registry.hostCounts().ok).to.equal(1);
    });

    it("of the server's own address is there without any entry, and follows the settings", () => {
      start({ serviceAddresses: [ip("10.96.0.10")] });
      expect(world.emitted()).to.deep.equal(["set 10.0.96.10.in-addr.arpa"]);
      expect(pointer("10.0.96.10.in-addr.arpa")).to.equal("serviceentry-dns.cluster.local");
      update({ serviceAddresses: [ip("10.96.0.11")] });
      expect(world.emitted()).to.deep.equal([
        "delete 10.0.96.10.in-addr.arpa",
        "set 11.0.96.10.in-addr.arpa",
      ]);
    });
  });

  it("ports are said per view; a virtual address has the entry's", () => {
    const ports = [{ number: 80, name: "http", targetPort: 8080 }];
    world.put(at("n1", "192.0.2.1", { ports }));
    const numbers = () =>
      world.viewFor("a.example")?.ports.flatMap(({ targets }) => targets.map(({ port }) => port));
    expect(numbers()).to.deep.equal([8080]);
    world.put(entry({ name: "e", namespace: "n1", hosts: ["a.example"], addresses: ["10.0.0.1"], ports }));
    world.settle();
    expect(numbers()).to.deep.equal([80]);
  });

  it("says why where it is asked to, and to each view no more than it sees", () => {
    const secret = at("n2", "192.0.2.2", { name: "secret", exportTo: ["."] });
    const ports = [{ number: 80, name: "http", targetPort: 8000 }];
    world.put(at("n1", "192.0.2.1", { ports }), secret);
    world.settle();
    expect(world.viewFor("a.example")).to.not.have.property("why");
    update({ explainTxt: true });
    const why = (namespace?: string) => world.viewFor("a.example", namespace)?.why ?? "";
    expect(why()).to.include("n1/e").and.include("8000").and.include("mode auto by setting");
    expect(why()).to.not.include("secret").and.not.include("lost");
    expect(why("n2")).to.include("n2/secret").and.include("1 other entry lost");
    expect(why("n2")).to.not.include("8000");
    world.put(namespaceObject("n1", "resolved"));
    world.settle();
    expect(why()).to.include("mode resolved by its Namespace's annotation");
  });

  it("marks names that Kubernetes cannot mean, and those that are ours only where upstream knows none", () => {
    const flags = (name: string) => {
      const { isDelegated, isFallback } = world.table.get(host(name))!;
      return { isDelegated, isFallback };
    };
    world.put(at("n1", "192.0.2.1", { hosts: ["a.com", "a.corp", "vm.n1.svc.cluster.local"] }));
    world.settle();
    expect(flags("a.com")).to.deep.equal({ isDelegated: true, isFallback: false });
    expect(flags("a.corp")).to.deep.equal({ isDelegated: false, isFallback: false });
    expect(flags("vm.n1.svc.cluster.local")).to.deep.equal({ isDelegated: false, isFallback: true });
    update({ expandSuffixes: ["corp"] });
    expect(flags("a.corp")).to.deep.equal({ isDelegated: true, isFallback: false });
  });

  /** What a registry of the world's objects tells of conditions. */
  function conditionsTold() {
    const told: string[] = [];
    const registry = new Registry({
      store: world.store,
      settings: DEFAULT_SETTINGS,
      problems: world.problems,
      clock: world.clock,
      emit: () => {},
      resolutions: (name) => world.resolutions.get(name),
      wanted: { want() {}, unwant() {} },
      onConditionChanged: ({ object: { namespace, name }, before, after, isAnswered }) =>
        told.push(`${namespace}/${name} ${before} -> ${after}${isAnswered ? "" : ", forwarded"}`),
    });
    return { registry, told };
  }

  it("tells the condition of each entry that answers, and of one that answers no more", () => {
    const { registry, told } = conditionsTold();
    world.put(named("n1", "up.example"), at("n2", "192.0.2.2"));
    world.settle();
    world.resolve("up.example", { failed: "timeout" }, { failed: "timeout" });
    registry.resolutionChanged(host("up.example"), "A");
    world.settle();
    world.remove("ServiceEntry", "n1", "e");
    world.settle();
    world.remove("ServiceEntry", "n2", "e");
    world.settle();
    expect(told).to.deep.equal([
      "n1/e undefined -> pending",
      "n2/e undefined -> ok",
      "n1/e pending -> unresolved",
      "n1/e unresolved -> undefined",
      "n2/e ok -> undefined, forwarded",
    ]);
  });

  it("tells when another entry takes over, though the host is doing as before", () => {
    const { told } = conditionsTold();
    const steps = (...changes: (() => void)[]) =>
      changes.map((change) => {
        told.length = 0;
        change();
        world.settle();
        return [...told];
      });
    const put = (name: string, created: string, number: number, namespace = "n1") =>
      world.put(
        at(namespace, "192.0.2.1", {
          name,
          created: `2026-01-0${created}T00:00:00Z`,
          ports: [{ number, name: "p", protocol: "TCP" }],
        }),
      );
    const [first, older, merged, back, elsewhere, last] = steps(
      () => put("young", "5", 80),
      // Its other port keeps it apart.
      () => put("old", "4", 443),
      () => put("old", "4", 80),
      () => world.remove("ServiceEntry", "n1", "old"),
      () => put("oldest", "3", 80, "n0"),
      () => world.remove("ServiceEntry", "n1", "young"),
    );
    expect(first).to.deep.equal(["n1/young undefined -> ok"]);
    expect(older).to.deep.equal(["n1/young ok -> undefined", "n1/old undefined -> ok"]);
    expect(merged).to.deep.equal(["n1/young undefined -> ok"]);
    expect(back).to.deep.equal(["n1/old ok -> undefined"]);
    expect(elsewhere).to.deep.equal(["n0/oldest undefined -> ok"]);
    expect(last).to.deep.equal(["n1/young ok -> undefined"]);
  });

  it("says that everybody may claim everything, until somebody rules", () => {
    const isSaid = () =>
      [...world.problems.all()].some(({ problem }) => problem.code === "PublicHostsUnrestricted");
    expect(isSaid()).to.equal(true);
    update({ defaultVisibility: "namespace" });
    expect(isSaid()).to.equal(false);
    update({});
    expect(isSaid()).to.equal(true);
  });
});
