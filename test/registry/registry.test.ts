import { expect } from "chai";
import { Registry } from "../../src/registry/registry.ts";
import type { TableDelta } from "../../src/table/host-record.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { entry, host, namespaceObject, pod, resolution, World, workloadEntry } from "./support.ts";

const fixedAt = (name: string, address: string, given: object = {}) =>
  entry({
    name: name.replaceAll(".", "-"),
    hosts: [name],
    resolution: "STATIC",
    endpoints: [{ address }],
    ...given,
  });
const dns = (name: string, ...addresses: readonly string[]) =>
  entry({
    name: name.replaceAll(".", "-"),
    hosts: [name],
    resolution: "DNS",
    ...(addresses.length === 0 ? {} : { endpoints: addresses.map((address) => ({ address })) }),
  });

describe("Registry", () => {
  let world = new World();
  beforeEach(() => {
    world = new World();
  });

  describe("emits what an event touches and nothing else", () => {
    beforeEach(() => {
      world.put(
        fixedAt("a.example", "192.0.2.1"),
        fixedAt("b.example", "192.0.2.2"),
        dns("c.example", "b.example"),
      );
      world.settle();
      world.emitted();
    });

    it("a new entry", () => {
      world.put(fixedAt("d.example", "192.0.2.4"));
      expect(world.emitted()).to.deep.equal(["set d.example"]);
      expect(world.answer("d.example")).to.deep.equal(["192.0.2.4"]);
    });

    it("a changed entry, and who is linked to it", () => {
      world.put(fixedAt("b.example", "192.0.2.9"));
      expect(world.emitted()).to.deep.equal(["set b.example", "set c.example"]);
      expect(world.answer("c.example")).to.deep.equal(["192.0.2.9"]);
    });

    it("a deleted entry, and who was linked to it, in the same tick", () => {
      world.put(fixedAt("d.example", "192.0.2.4"));
      world.remove("ServiceEntry", "default", "b-example");
      expect(world.emitted()).to.deep.equal(["delete b.example", "set c.example", "set d.example"]);
      expect(world.answer("b.example")).to.equal("forward");
      expect(world.answer("c.example")).to.equal("pending");
      expect([...world.wanted]).to.deep.equal(["b.example default"]);
    });

    it("a host that its entry names no more", () => {
      world.put(
        entry({
          name: "a-example",
          hosts: ["z.example"],
          resolution: "STATIC",
          endpoints: [{ address: "192.0.2.1" }],
        }),
      );
      expect(world.emitted()).to.deep.equal(["delete a.example", "set z.example"]);
    });

    it("a write that changes nothing", () => {
      world.put(fixedAt("a.example", "192.0.2.1", { labels: { new: "label" } }));
      world.settle();
      expect(world.emitted()).to.deep.equal([]);
    });

    it("an entry that comes and goes within one batch", () => {
      world.store.put("ServiceEntry", fixedAt("d.example", "192.0.2.4"), 0);
      world.store.remove("ServiceEntry", "ServiceEntry/default/d-example", 0);
      world.store.flush();
      expect(world.emitted()).to.deep.equal([]);
      expect(world.codes()).to.deep.equal([]);
    });

    it("versions grow by one, the snapshot is of the last one", () => {
      const before = world.registry.version;
      world.put(fixedAt("d.example", "192.0.2.4"));
      expect(world.deltas.map((delta) => delta.version)).to.deep.equal([before + 1]);
      const snapshot = world.registry.snapshot();
      expect(snapshot.version).to.equal(before + 1);
      expect(
        new Map(
          snapshot.changes.map((each) =>
            each.kind === "set" ? [each.record.host, each.record] : [],
          ) as never,
        ),
      ).to.deep.equal(world.table);
    });
  });

  describe("batches", () => {
    it("the first change goes out at once, the next ones together when the window ends", () => {
      world.put(fixedAt("a.example", "192.0.2.1"));
      expect(world.deltas).to.have.length(1);
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.clock.advance(10);
      world.put(fixedAt("c.example", "192.0.2.3"));
      world.put(fixedAt("b.example", "192.0.2.9"));
      expect(world.deltas).to.have.length(1);
      world.clock.advance(10);
      expect(world.deltas).to.have.length(2);
      expect(world.emitted()).to.deep.equal(["set a.example", "set b.example", "set c.example"]);
      expect(world.answer("b.example")).to.deep.equal(["192.0.2.9"]);
    });

    it("an entry is what its Namespace makes of it when both change in one batch", () => {
      const closed = {
        namespaceSelector: { matchLabels: { tier: "closed" } },
        allow: [],
        deny: [],
        maxVisibility: "namespace",
        allowAddresses: [],
      } as const;
      world = new World({ hostPolicy: [closed] });
      world.put(fixedAt("first.example", "192.0.2.9"));
      world.put(fixedAt("a.example.com", "192.0.2.1", { namespace: "team" }));
      world.put({ ...namespaceObject("team"), labels: { tier: "closed" } });
      world.settle();
      expect(world.viewFor("a.example.com")).to.equal(undefined);
      expect(world.answer("a.example.com", "A", "unknown", "team")).to.deep.equal(["192.0.2.1"]);
    });

    it("a change after the trailing edge waits for its window too, one after silence does not", () => {
      world.put(fixedAt("a.example", "192.0.2.1"));
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.clock.advance(20);
      world.put(fixedAt("c.example", "192.0.2.3"));
      expect(world.deltas).to.have.length(2);
      world.clock.advance(40);
      expect(world.deltas).to.have.length(3);
      world.put(fixedAt("d.example", "192.0.2.4"));
      expect(world.deltas).to.have.length(4);
    });

    it("times from the event to the emission are told", () => {
      world.put(fixedAt("a.example", "192.0.2.1"));
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.settle();
      expect(world.propagatedMs).to.deep.equal([0, 20]);
    });

    it("times from the writing to the emission are told, once per host that became another", () => {
      const write = (name: string, address: string, secondsAgo: number) => {
        const { wallMs, nowMs } = { wallMs: world.clock.wallMs(), nowMs: world.clock.nowMs() };
        world.store.put("ServiceEntry", fixedAt(name, address), nowMs, wallMs - secondsAgo * 1000);
        world.store.flush();
      };
      write("a.example", "192.0.2.1", 1);
      // Two writes within the window: the earlier one was the first that nobody was answered with.
      write("b.example", "192.0.2.2", 3);
      world.clock.advance(5);
      write("b.example", "192.0.2.3", 0);
      world.settle();
      world.put(fixedAt("c.example", "192.0.2.4"));
      world.settle();
      expect(world.programmed).to.deep.equal(["ServiceEntry 1000", "ServiceEntry 3020"]);
    });

    it("nothing is emitted after close", () => {
      world.put(fixedAt("a.example", "192.0.2.1"));
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.registry.close();
      world.settle();
      world.remove("ServiceEntry", "default", "a-example");
      expect(world.deltas).to.have.length(1);
      expect(world.clock.timers).to.equal(0);
    });
  });

  describe("while the entries are being listed for the first time", () => {
    const complete = () => {
      world.store.notePartial("ServiceEntry", false);
      world.registry.settle();
    };
    beforeEach(() => {
      world.store.notePartial("ServiceEntry", true);
    });

    it("answers what one entry alone says, at once", () => {
      world.put(fixedAt("a.example", "192.0.2.1"));
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1"]);
      complete();
      expect(world.emitted()).to.deep.equal(["set a.example"]);
    });

    it("asks upstream for no name that may turn out to be its own", () => {
      world.put(dns("c.example", "b.example"), dns("d.example", "up.example"));
      world.settle();
      expect([world.answer("c.example"), [...world.wanted]]).to.deep.equal(["forward", []]);
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.settle();
      expect([world.answer("c.example"), [...world.wanted]]).to.deep.equal(["forward", []]);
      complete();
      expect(world.answer("c.example")).to.deep.equal(["192.0.2.2"]);
      expect([...world.wanted]).to.deep.equal(["up.example default"]);
    });

    it("selects workloads and joins entries when all are there", () => {
      world.put(
        pod({ name: "p", labels: { app: "x" }, ips: ["10.1.0.1"] }),
        entry({
          name: "s",
          hosts: ["s.example"],
          resolution: "STATIC",
          workloadSelector: { labels: { app: "x" } },
        }),
        fixedAt("a.example", "192.0.2.1"),
        fixedAt("a.example", "192.0.2.2", { name: "other" }),
      );
      world.settle();
      expect([world.answer("s.example"), world.answer("a.example")]).to.deep.equal(["forward", "forward"]);
      complete();
      expect(world.answer("s.example")).to.deep.equal(["10.1.0.1"]);
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1", "192.0.2.2"]);
    });

    it("takes up what was put off when the last page has nothing new", () => {
      world.put(dns("d.example", "up.example"));
      world.settle();
      world.store.notePartial("ServiceEntry", false);
      world.store.flush();
      expect(world.answer("d.example")).to.equal("pending");
      world.emitted();
      world.store.flush();
      world.settle();
      expect(world.emitted()).to.deep.equal([]);
    });

    it("forgets what was put off when it has gone again", () => {
      world.put(dns("c.example", "b.example"));
      world.remove("ServiceEntry", "default", "c-example");
      complete();
      expect([world.emitted(), [...world.wanted]]).to.deep.equal([[], []]);
    });
  });

  it("what waits for the window goes out when it is settled", () => {
    world.put(fixedAt("a.example", "192.0.2.1"));
    world.put(fixedAt("b.example", "192.0.2.2"));
    expect(world.answer("b.example")).to.equal("forward");
    world.registry.settle();
    expect(world.answer("b.example")).to.deep.equal(["192.0.2.2"]);
  });

  it("compiles what the store holds when it is built", () => {
    world.put(fixedAt("a.example", "192.0.2.1"), pod({ name: "p", labels: { app: "x" }, ips: ["10.0.0.1"] }));
    world.put(
      entry({
        name: "s",
        hosts: ["s.example"],
        resolution: "STATIC",
        workloadSelector: { labels: { app: "x" } },
      }),
    );
    world.settle();
    const deltas: TableDelta[] = [];
    new Registry({
      store: world.store,
      settings: DEFAULT_SETTINGS,
      problems: world.problems,
      clock: world.clock,
      emit: (delta) => deltas.push(delta),
      resolutions: () => undefined,
      wanted: { want() {}, unwant() {} },
    });
    expect(deltas).to.have.length(1);
    expect(deltas[0]?.changes.map((each) => each.kind === "set" && each.record)).to.deep.equal([
      ...world.table.values(),
    ]);
  });

  describe("resolution", () => {
    it("pending, then answered; the name is wanted for the namespace until the entry goes", () => {
      world.put(dns("a.example", "up.example"));
      expect(world.view("a.example")?.answers.A).to.deep.equal({
        kind: "pending",
        untilMs: world.clock.nowMs() + 2500,
      });
      expect([...world.wanted]).to.deep.equal(["up.example default"]);
      world.resolve("up.example", ["192.0.2.1"]);
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1"]);
      expect(world.answer("a.example", "AAAA")).to.equal("empty");
      world.remove("ServiceEntry", "default", "a-example");
      expect([...world.wanted]).to.deep.equal([]);
    });

    it("the time of holding counts from the moment when the host became pending", () => {
      world.put(dns("a.example", "b.example"));
      const untilMs = world.clock.nowMs() + 2500;
      world.clock.advance(1000);
      world.put(dns("a.example", "c.example"));
      expect(world.view("a.example")?.answers.A).to.deep.equal({ kind: "pending", untilMs });
      world.resolve("c.example", { failed: "timeout" }, { failed: "timeout" });
      expect(world.answer("a.example")).to.equal("failed");
      world.clock.advance(100);
      world.put(dns("a.example", "d.example"));
      const laterUntilMs = world.clock.nowMs() + 2500;
      expect(world.view("a.example")?.answers.A).to.deep.equal({ kind: "pending", untilMs: laterUntilMs });
    });

    it("one name is wanted once, however many hosts of the namespace use it", () => {
      world.put(dns("a.example", "up.example"), dns("b.example", "up.example"));
      world.put({
        ...dns("c.example", "up.example"),
        ref: { kind: "ServiceEntry", namespace: "n2", name: "c" },
      });
      world.settle();
      expect([...world.wanted].sort()).to.deep.equal(["up.example default", "up.example n2"]);
      world.remove("ServiceEntry", "default", "a-example");
      expect(world.wanted.size).to.equal(2);
      world.remove("ServiceEntry", "default", "b-example");
      expect([...world.wanted]).to.deep.equal(["up.example n2"]);
    });

    it("a change of one name touches its hosts only", () => {
      world.put(
        dns("a.example", "up.example"),
        dns("b.example", "up.example"),
        dns("c.example", "other.example"),
      );
      world.settle();
      world.emitted();
      world.resolve("up.example", ["192.0.2.1"]);
      expect(world.emitted()).to.deep.equal(["set a.example", "set b.example"]);
      world.resolve("up.example", ["192.0.2.1"]);
      expect(world.emitted()).to.deep.equal([]);
    });

    it("a moved expiry is a touch, and none where another name expires earlier", () => {
      world.put(dns("a.example", "one.example", "two.example"));
      world.resolve("one.example", ["192.0.2.1"], "denied", 5000);
      world.resolve("two.example", ["192.0.2.2"], "denied", 6000);
      world.emitted();
      const touch = (name: string, expiresAtMs: number) => {
        const before = world.resolutions.get(host(name))!;
        const A = { ...before.A, expiresAtMs } as typeof before.A;
        world.resolutions.set(host(name), { ...before, A });
        world.registry.resolutionTouched(host(name), "A", expiresAtMs);
        world.settle();
      };
      touch("two.example", 9000);
      expect(world.emitted()).to.deep.equal([]);
      touch("one.example", 8000);
      expect(world.deltas.flatMap((delta) => delta.changes)).to.deep.equal([
        { kind: "touch", host: "a.example", family: "A", expiresAtMs: 8000 },
      ]);
      expect(world.registry.snapshot().changes).to.deep.equal([
        { kind: "set", record: world.table.get(host("a.example")) },
      ]);
    });

    it("a host that upstream denies passes, and is ours again when upstream has it", () => {
      world.put(dns("a.example"));
      world.resolve("a.example", "denied", "denied");
      expect(world.answer("a.example")).to.equal("pass");
      world.resolve("a.example", "denied", ["2001:db8::1"]);
      expect(world.answer("a.example")).to.equal("empty");
      expect(world.answer("a.example", "AAAA")).to.deep.equal(["2001:db8::1"]);
    });

    it("a refresher that answers while it is told is heard", () => {
      const deltas: TableDelta[] = [];
      const known = new Map([
        [host("up.example"), { A: resolution(["192.0.2.1"]), AAAA: resolution("denied") }],
      ]);
      const registry: Registry = new Registry({
        store: world.store,
        settings: DEFAULT_SETTINGS,
        problems: world.problems,
        clock: world.clock,
        emit: (delta) => deltas.push(delta),
        resolutions: (name) => known.get(name),
        wanted: { want: (name) => registry.resolutionChanged(name, "A"), unwant() {} },
      });
      world.put(dns("a.example", "up.example"));
      world.settle();
      const record = deltas[0]?.changes[0];
      expect(record?.kind === "set" && record.record.views[0]?.variants[0]?.answers.A.kind).to.equal(
        "addresses",
      );
      expect(deltas).to.have.length(1);
    });
  });

  describe("links", () => {
    it("a host whose endpoint becomes an own host asks upstream for it no more, and again when it goes", () => {
      world.put(dns("a.example", "b.example"));
      expect([...world.wanted]).to.deep.equal(["b.example default"]);
      world.put(fixedAt("b.example", "192.0.2.7"));
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.7"]);
      expect(world.wanted.size).to.equal(0);
      expect(world.view("a.example")).to.include({ isAuthoritative: true, source: "static" });
      world.remove("ServiceEntry", "default", "b-example");
      expect([...world.wanted]).to.deep.equal(["b.example default"]);
      expect(world.answer("a.example")).to.equal("pending");
    });

    it("a change far down a chain reaches its head", () => {
      world.put(
        dns("a.example", "b.example"),
        dns("b.example", "c.example"),
        fixedAt("c.example", "192.0.2.1"),
      );
      world.settle();
      world.put(fixedAt("c.example", "192.0.2.2"));
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.2"]);
      world.put(
        entry({
          name: "c-example",
          hosts: ["c.example"],
          resolution: "STATIC",
          workloadSelector: { labels: { app: "x" } },
        }),
      );
      world.put(pod({ name: "p", labels: { app: "x" }, ips: ["10.0.0.1"] }));
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["10.0.0.1"]);
      expect(world.view("a.example")?.source).to.equal("workload");
    });

    it("a cycle asks upstream and says so", () => {
      world.put(dns("a.example", "b.example"), dns("b.example", "a.example"));
      world.settle();
      expect([...world.wanted].sort()).to.deep.equal(["a.example default", "b.example default"]);
      expect(world.problemCodes()).to.deep.equal(["EndpointSelf", "EndpointSelf"]);
      world.remove("ServiceEntry", "default", "b-example");
      expect([...world.wanted]).to.deep.equal(["b.example default"]);
      expect(world.problemCodes()).to.deep.equal([]);
    });
  });

  describe("workloads", () => {
    const selecting = (resolutionWord: string) =>
      entry({
        name: "s",
        hosts: ["s.example"],
        resolution: resolutionWord,
        workloadSelector: { labels: { app: "x" } },
      });

    it("follow readiness, labels and deletion", () => {
      world.put(selecting("STATIC"));
      expect(world.answer("s.example")).to.equal("empty");
      const steps: readonly (readonly [() => void, unknown])[] = [
        [
          () => world.put(pod({ name: "p", labels: { app: "x" }, ips: ["10.0.0.1"], isReady: false })),
          "empty",
        ],
        [() => world.put(pod({ name: "p", labels: { app: "x" }, ips: ["10.0.0.1"] })), ["10.0.0.1"]],
        [
          () => world.put(workloadEntry({ name: "w", labels: { app: "x" }, address: "192.0.2.1" })),
          ["10.0.0.1", "192.0.2.1"],
        ],
        [() => world.put(pod({ name: "p", labels: { app: "y" }, ips: ["10.0.0.1"] })), ["192.0.2.1"]],
        [() => world.remove("WorkloadEntry", "default", "w"), "empty"],
      ];
      for (const [step, expected] of steps) {
        step();
        world.settle();
        expect(world.answer("s.example")).to.deep.equal(expected);
      }
    });

    it("a workload entry with a name is resolved under DNS", () => {
      world.put(selecting("DNS"));
      world.put(workloadEntry({ name: "w", labels: { app: "x" }, address: "vm.example" }));
      world.settle();
      expect([...world.wanted]).to.deep.equal(["vm.example default"]);
      world.resolve("vm.example", ["192.0.2.1"]);
      expect(world.answer("s.example")).to.deep.equal(["192.0.2.1"]);
      world.put(workloadEntry({ name: "w", labels: { app: "x" }, address: "192.0.2.2" }));
      world.settle();
      expect(world.wanted.size).to.equal(0);
      expect(world.answer("s.example")).to.deep.equal(["192.0.2.2"]);
    });

    it("a workload entry without address is reported while it is selected", () => {
      world.put(selecting("STATIC"), workloadEntry({ name: "w", labels: { app: "x" }, network: "n" }));
      world.settle();
      expect(world.codes()).to.deep.equal(["EndpointWithoutAddress WorkloadEntry/default/w"]);
      world.remove("ServiceEntry", "default", "s");
      expect(world.codes()).to.deep.equal([]);
    });

    it("a workload entry on another port is reported", () => {
      const ports = [{ number: 80, name: "http" }];
      world.put(
        entry({
          name: "s",
          hosts: ["s.example"],
          ports,
          resolution: "STATIC",
          workloadSelector: { labels: { app: "x" } },
        }),
        workloadEntry({
          name: "same",
          labels: { app: "x" },
          address: "192.0.2.1",
          ports: { http: 80, other: 9 },
        }),
        workloadEntry({ name: "other", labels: { app: "x" }, address: "192.0.2.2", ports: { http: 8080 } }),
      );
      world.settle();
      expect(world.codes()).to.deep.equal(["PortMismatch WorkloadEntry/default/other"]);
      expect(world.answer("s.example")).to.deep.equal(["192.0.2.1", "192.0.2.2"]);
    });

    it("a pod that nobody selects touches nothing", () => {
      world.put(selecting("STATIC"));
      world.emitted();
      world.settle();
      world.put(pod({ name: "q", labels: { app: "z" }, ips: ["10.0.0.9"] }));
      world.put(pod({ name: "q", namespace: "other", labels: { app: "x" }, ips: ["10.0.0.9"] }));
      world.settle();
      expect(world.emitted()).to.deep.equal([]);
    });
  });

  describe("modes", () => {
    const given = { addresses: ["10.9.9.9"], namespace: "shop" };
    it("setting, then namespace, then entry", () => {
      world.put(fixedAt("a.example", "192.0.2.1", given));
      expect(world.answer("a.example")).to.deep.equal(["10.9.9.9"]);
      world.registry.updateSettings({ ...DEFAULT_SETTINGS, answer: "resolved" });
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1"]);
      world.put(namespaceObject("shop", "virtual"));
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["10.9.9.9"]);
      expect(world.view("a.example")?.source).to.equal("virtual");
      world.put(
        fixedAt("a.example", "192.0.2.1", {
          ...given,
          annotations: { "serviceentry-dns.io/answer": "resolved" },
        }),
      );
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1"]);
    });

    it("a namespace's annotation makes a host ours, its going gives it up", () => {
      const status = { addresses: [{ value: "240.240.0.1", host: "*.a.example" }] };
      world.put(entry({ namespace: "shop", hosts: ["*.a.example"], resolution: "DYNAMIC_DNS", status }));
      expect(world.answer("*.a.example")).to.equal("forward");
      world.put(namespaceObject("shop", "virtual"));
      world.settle();
      expect(world.answer("*.a.example")).to.deep.equal(["240.240.0.1"]);
      world.remove("Namespace", "", "shop");
      world.settle();
      expect(world.answer("*.a.example")).to.equal("forward");
    });

    it("a namespace write that changes no mode compiles nothing", () => {
      world.put(fixedAt("a.example", "192.0.2.1", given), namespaceObject("shop"));
      world.emitted();
      world.settle();
      world.put(namespaceObject("shop"));
      world.settle();
      expect(world.emitted()).to.deep.equal([]);
    });
  });

  describe("several entries for one host", () => {
    const at = (namespace: string, address: string, given: object) =>
      fixedAt("a.example", address, { namespace, ...given });

    it("the next one takes over when the winner goes", () => {
      world.put(
        at("n1", "192.0.2.1", { created: "2020-01-01T00:00:00Z" }),
        at("n2", "192.0.2.2", { created: "2021-01-01T00:00:00Z" }),
      );
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.1"]);
      expect(world.codes()).to.deep.equal(["HostConflict ServiceEntry/n2/a-example"]);
      world.remove("ServiceEntry", "n1", "a-example");
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.2"]);
      expect(world.codes()).to.deep.equal([]);
    });

    it("an entry that is not public is answered to those who see it alone", () => {
      world.put(at("n1", "192.0.2.1", { exportTo: ["."] }));
      expect(world.answer("a.example")).to.equal("forward");
      expect(world.answer("a.example", "A", "outside", "n1")).to.deep.equal(["192.0.2.1"]);
      expect(world.codes()).to.deep.equal([]);
      world.registry.updateSettings({ ...DEFAULT_SETTINGS, defaultExportTo: ["."] });
      world.put(at("n2", "192.0.2.2", {}));
      world.settle();
      expect(world.answer("a.example")).to.equal("forward");
      world.registry.updateSettings(DEFAULT_SETTINGS);
      world.settle();
      expect(world.answer("a.example")).to.deep.equal(["192.0.2.2"]);
    });
  });

  describe("limits", () => {
    it("hosts of a namespace: the first in alphabetical order, whatever came first", () => {
      world = new World({ hostsPerNamespace: 2 });
      world.put(fixedAt("c.example", "192.0.2.3"));
      world.put(fixedAt("b.example", "192.0.2.2"));
      world.put(fixedAt("a.example", "192.0.2.1"));
      world.settle();
      expect([...world.table.keys()].sort()).to.deep.equal(["a.example", "b.example"]);
      expect(world.codes()).to.deep.equal(["LimitExceeded ServiceEntry/default/c-example"]);
      world.remove("ServiceEntry", "default", "a-example");
      expect([...world.table.keys()].sort()).to.deep.equal(["b.example", "c.example"]);
      expect(world.codes()).to.deep.equal([]);
    });

    it("names of a namespace; hosts resolved for themselves do not count", () => {
      world = new World({ namesPerNamespace: 1 });
      world.put(
        dns("z.example"),
        dns("a.example", "n2.example"),
        dns("b.example", "n3.example", "192.0.2.3"),
      );
      world.settle();
      expect([...world.wanted].sort()).to.deep.equal(["n2.example default", "z.example default"]);
      expect(world.answer("b.example")).to.deep.equal(["192.0.2.3"]);
      world.put(dns("c.example", "n1.example"));
      world.settle();
      expect([...world.wanted].sort()).to.deep.equal(["n1.example default", "z.example default"]);
      expect(world.answer("a.example")).to.equal("failed");
      expect(world.codes()).to.deep.equal([
        "LimitExceeded ServiceEntry/default/a-example",
        "LimitExceeded ServiceEntry/default/b-example",
      ]);
      world.registry.updateSettings({ ...DEFAULT_SETTINGS, namesPerNamespace: 10 });
      world.settle();
      expect(world.answer("a.example")).to.equal("pending");
      expect(world.codes()).to.deep.equal([]);
    });
  });

  describe("hosts()", () => {
    const row = (name: string, namespace = "default") =>
      world.registry.hosts().find((each) => each.host === name && each.namespace === namespace);

    it("says of every claim how it is doing and where its addresses are from", () => {
      world.put(
        fixedAt("ok.example", "192.0.2.1"),
        dns("wait.example", "up.example"),
        dns("mixed.example", "up2.example", "192.0.2.9"),
        dns("gone.example"),
        dns("stale.example"),
        fixedAt("ok.example", "192.0.2.2", { namespace: "n2", name: "z-late" }),
        fixedAt("x.default.svc", "192.0.2.3"),
        fixedAt("mine.example", "192.0.2.3", { exportTo: ["."] }),
        entry({ name: "none", hosts: ["none.example"] }),
        entry({ name: "empty", hosts: ["empty.example"], resolution: "STATIC" }),
        entry({ name: "vip", hosts: ["vip.example"], addresses: ["10.0.0.1"] }),
        entry({
          name: "pods",
          hosts: ["pods.example"],
          resolution: "STATIC",
          workloadSelector: { labels: { app: "x" } },
        }),
        pod({ name: "p", labels: { app: "x" }, ips: ["10.0.0.7"] }),
      );
      world.resolve("up2.example", ["192.0.2.8"], "denied", 1_010_000);
      world.resolve("gone.example", "denied", "denied");
      world.resolve("stale.example", { stale: ["192.0.2.4"] });
      expect(row("ok.example")).to.deep.equal({
        host: "ok.example",
        kind: "ServiceEntry",
        namespace: "default",
        name: "ok-example",
        resolution: "STATIC",
        answerMode: "auto",
        visibleTo: "all",
        state: "ok",
        addresses: [
          { address: "192.0.2.1", source: "static", target: null, state: "fresh", expiresAtMs: null },
        ],
        nextRefreshMs: null,
        lastError: null,
        shadowedBy: null,
      });
      expect(row("ok.example", "n2")).to.deep.include({
        state: "shadowed",
        // Clients of its own namespace are answered from it.
        addresses: [
          { address: "192.0.2.2", source: "static", target: null, state: "fresh", expiresAtMs: null },
        ],
        shadowedBy: {
          namespace: "default",
          name: "ok-example",
          reason: "for other namespaces ServiceEntry default/ok-example is as old and its name sorts first",
        },
      });
      expect(row("mixed.example")?.addresses).to.deep.equal([
        { address: "192.0.2.9", source: "static", target: null, state: "fresh", expiresAtMs: null },
        {
          address: "192.0.2.8",
          source: "resolved",
          target: "up2.example",
          state: "fresh",
          expiresAtMs: 1_700_001_010_000,
        },
      ]);
      expect(row("pods.example")?.addresses).to.deep.equal([
        {
          address: "10.0.0.7",
          source: "workload",
          target: "Pod default/p",
          state: "fresh",
          expiresAtMs: null,
        },
      ]);
      expect(row("vip.example")?.addresses.map((each) => each.source)).to.deep.equal(["virtual"]);
      expect(row("mine.example")).to.deep.include({ state: "ok", visibleTo: ["default"] });
      const states = world.registry
        .hosts()
        .map((each) => `${each.host} ${each.state}`)
        .sort();
      expect(states).to.deep.equal([
        "empty.example unresolved",
        "gone.example unresolved",
        "mine.example ok",
        "mixed.example ok",
        "none.example ok",
        "ok.example ok",
        "ok.example shadowed",
        "pods.example ok",
        "stale.example stale",
        "vip.example ok",
        "wait.example pending",
        "x.default.svc rejected",
      ]);
      const counts = { ok: 6, pending: 1, stale: 1, unresolved: 2, shadowed: 1, rejected: 1 };
      expect(world.registry.hostCounts()).to.deep.equal(counts);
    });
  });

  it("tells of a change of condition once, not of a change of addresses", () => {
    const told: string[] = [];
    const store = world.store;
    const registry = new Registry({
      store,
      settings: DEFAULT_SETTINGS,
      problems: world.problems,
      clock: world.clock,
      emit: () => {},
      resolutions: (name) => world.resolutions.get(name),
      wanted: { want() {}, unwant() {} },
      onConditionChanged: ({ host: name, object, before, after, reason }) =>
        told.push(`${name} ${object.name} ${before} -> ${after} ${reason}`.trim()),
    });
    const resolve = (...given: Parameters<World["resolve"]>) => {
      world.resolve(...given);
      registry.resolutionChanged(host(given[0]), "A");
      world.settle();
    };
    world.put(dns("a.example", "up.example"));
    resolve("up.example", ["192.0.2.1"]);
    resolve("up.example", ["192.0.2.2"]);
    resolve("up.example", { failed: "timeout" }, { failed: "timeout" });
    world.remove("ServiceEntry", "default", "a-example");
    expect(told).to.deep.equal([
      "a.example a-example undefined -> pending",
      "a.example a-example pending -> ok",
      "a.example a-example ok -> unresolved up.example: no reply from upstream",
      "a.example a-example unresolved -> undefined",
    ]);
  });
});
