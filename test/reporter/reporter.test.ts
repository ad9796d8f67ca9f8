import { expect } from "chai";
import { Registry } from "prom-client";
import { WriteCounts } from "../../src/cluster/metrics.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { ObjectRef } from "../../src/mesh/objects.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { problem } from "../../src/mesh/problem.ts";
import type { ConditionChange } from "../../src/reporter/event-reasons.ts";
import { registerReporterMetrics } from "../../src/reporter/metrics.ts";
import { Reporter, type ReporterOptions } from "../../src/reporter/reporter.ts";
import { silentLogger } from "../../src/runtime.ts";
import { FixedRandom, plainClient, serviceEntry } from "../cluster/fixture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { GivenLease } from "../support/given-lease.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";

/** One replica: what it watches, and what it notes. */
class Replica {
  readonly lease = new GivenLease();
  readonly store = new MeshStore();
  readonly reporter: Reporter;
  readonly warnings: string[] = [];
  readonly #client: ReturnType<typeof plainClient>;

  constructor(server: ScriptedApiServer, clock: FakeClock, options: Partial<ReporterOptions> = {}) {
    this.#client = plainClient(server);
    this.reporter = new Reporter({
      client: this.#client,
      lease: this.lease,
      store: this.store,
      conditions: false,
      instance: "pod-1",
      counts: new WriteCounts(),
      clock,
      random: new FixedRandom(),
      logger: { ...silentLogger, warn: (_, message) => this.warnings.push(message) },
      ...options,
    });
  }

  /** As the watch brings it. */
  see(object: ApiObject): void {
    const { value } = parseServiceEntry(object);
    if (value !== undefined) this.store.put("ServiceEntry", value, 0);
    this.store.flush();
  }

  change(name: string, fields: Partial<ConditionChange> = {}): void {
    this.reporter.noteCondition({
      host: `${name}.example.com`,
      object: entry(name),
      before: "pending",
      after: "ok",
      reason: "",
      ...fields,
    });
  }

  async close(): Promise<void> {
    await this.reporter.close();
    await this.#client.close();
  }
}

function entry(name: string): ObjectRef {
  return { kind: "ServiceEntry", namespace: "default", name };
}

const SERVFAIL = {
  code: "servfail",
  message: "10.96.0.10:53 answered SERVFAIL",
  sinceMs: Date.parse("2026-05-04T03:02:01Z"),
};

describe("Reporter", () => {
  let server: ScriptedApiServer;
  let clock: FakeClock;
  let replicas: Replica[];

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new FakeClock();
    replicas = [];
  });

  afterEach(async () => {
    for (const replica of replicas) await replica.close();
    await server.close();
    expect(clock.timers).to.equal(0);
  });

  /** One that has seen the entries a, b and c and holds the lease. */
  function started(options: Partial<ReporterOptions> = {}, hasLease = true): Replica {
    const replica = new Replica(server, clock, options);
    replicas.push(replica);
    for (const name of ["a", "b", "c"]) {
      replica.see(server.get("ServiceEntry", "default", name) ?? server.apply(dnsEntry(name)));
    }
    replica.reporter.start();
    if (hasLease) replica.lease.give();
    return replica;
  }

  function dnsEntry(name: string): ApiObject {
    return serviceEntry(name, { spec: { hosts: [`${name}.example.com`], resolution: "DNS" } });
  }

  /** `reason count message` of each Event. */
  function events(): string[] {
    return server.all("Event").map((each) => `${each["reason"]} x${each["count"]} ${each["message"]}`);
  }

  async function come(...expected: readonly string[]): Promise<void> {
    await until(
      () => events().length === expected.length && events().join() === expected.join(),
      expected.join(),
    ).catch(() => expect(events()).to.deep.equal(expected));
  }

  /** Resolves when what there was to do is done. */
  async function rest(): Promise<void> {
    for (let requests = -1; requests !== server.requests.length; ) {
      requests = server.requests.length;
      await quiet(15);
    }
  }

  function condition(name: string): Readonly<Record<string, unknown>> | undefined {
    const status = server.get("ServiceEntry", "default", name)?.["status"] as
      | { readonly conditions?: readonly Readonly<Record<string, unknown>>[] }
      | undefined;
    return status?.conditions?.find(({ type }) => type === "Resolved");
  }

  describe("Events", () => {
    it("are attached to the entry as kubectl describe looks for them", async () => {
      const replica = started();
      replica.change("a");
      await come("Resolved x1 Host a.example.com has addresses and is answered.");
      const event = server.all("Event")[0]!;
      const { metadata } = server.get("ServiceEntry", "default", "a")!;
      expect(event).to.deep.include({
        involvedObject: {
          apiVersion: "networking.istio.io/v1",
          kind: "ServiceEntry",
          namespace: "default",
          name: "a",
          uid: metadata["uid"],
          resourceVersion: metadata["resourceVersion"],
        },
        type: "Normal",
        source: { component: "serviceentry-dns" },
        reportingComponent: "serviceentry-dns",
        reportingInstance: "pod-1",
      });
      expect(event.metadata.namespace).to.equal("default");
      expect(event["lastTimestamp"]).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    });

    it("say who failed with what since when", async () => {
      const replica = started();
      const reason = "a.example.com: SERVFAIL from upstream";
      replica.change("a", { after: "unresolved", reason, error: SERVFAIL });
      replica.change("b", { before: "ok", after: "stale", error: SERVFAIL });
      replica.change("c", { after: "unresolved" });
      await come(
        "ResolveFailed x1 Host a.example.com: a.example.com: SERVFAIL from upstream (10.96.0.10:53 answered SERVFAIL), since 2026-05-04T03:02:01Z.",
        "ResolveFailed x1 Host b.example.com: 10.96.0.10:53 answered SERVFAIL, since 2026-05-04T03:02:01Z; its last good addresses are answered.",
        "ResolveFailed x1 Host c.example.com: upstream says that its names have no addresses.",
      );
      expect(server.all("Event").every(({ type }) => type === "Warning")).to.equal(true);
    });

    it("tell missing endpoints from names that fail", async () => {
      const replica = started();
      const selecting = { hosts: ["a.example.com"], resolution: "STATIC", workloadSelector: { labels: {} } };
      replica.see(server.apply(serviceEntry("a", { spec: selecting })));
      replica.change("a", { before: "ok", after: "unresolved" });
      await come("NoReadyEndpoints x1 Host a.example.com has no endpoint that is ready.");
    });

    for (const [code, path, reason] of [
      ["PortMismatch", "spec.ports", "PortMismatch"],
      ["NoEndpoints", "spec", "NoReadyEndpoints"],
      ["EndpointUnixSocket", "spec.endpoints[0].address", "EndpointSkipped"],
      ["AddressForbidden", "spec.endpoints[0].address", "EndpointSkipped"],
      ["HostConflict", "spec.hosts", "HostConflict"],
      ["HostReserved", "spec.hosts", "HostRejected"],
      ["HostRejected", "spec.hosts", "HostRejected"],
      ["LimitExceeded", "spec.hosts", "HostRejected"],
      ["LimitExceeded", "spec.endpoints", "EndpointSkipped"],
    ] as const) {
      it(`tell ${code} at ${path} as ${reason}, with its remedy`, async () => {
        const replica = started();
        replica.reporter.noteProblem(problem(code, entry("a"), path, "This is wrong"));
        await until(() => server.all("Event").length === 1, "an Event");
        expect(server.all("Event")[0]).to.include({ reason, type: "Warning" });
        expect(server.all("Event")[0]!["message"]).to.match(/^This is wrong\. \w.{20,}\.$/);
      });
    }

    it("tell nothing of other objects, of entries that are not there, and of what is no news", async () => {
      const replica = started();
      const { reporter } = replica;
      reporter.noteProblem(problem("PortMismatch", { ...entry("a"), kind: "WorkloadEntry" }, "", "no"));
      reporter.noteProblem(problem("EndpointSelf", entry("a"), "", "no"));
      reporter.noteProblem(problem("HostConflict", entry("gone"), "", "no"));
      replica.change("a", { after: "pending", before: undefined });
      replica.change("a", { before: "ok", after: undefined });
      replica.change("gone");
      await rest();
      expect(server.requests).to.deep.equal([]);
    });

    it("are one per object and reason, and one write a minute, whatever happens", async () => {
      const replica = started();
      for (let minute = 0; minute < 5; minute++) {
        for (let second = 0; second < 60; second += 5) {
          replica.change("a", { before: "ok", after: "stale", error: SERVFAIL });
          replica.change("a", { before: "stale", after: "ok" });
          await rest();
          clock.advance(5000);
        }
      }
      await rest();
      expect(server.requests.length).to.be.within(10, 12);
      expect(server.all("Event").map(({ reason }) => reason)).to.deep.equal(["ResolveFailed", "Resolved"]);
      const [failed] = server.all("Event");
      expect(failed!["count"]).to.be.within(48, 60);
      const span = Date.parse(`${failed!["lastTimestamp"]}`) - Date.parse(`${failed!["firstTimestamp"]}`);
      expect(span).to.be.within(240_000, 300_000);
    });

    it("hold several messages, the newest last", async () => {
      const replica = started({}, false);
      for (const at of [1, 2, 3, 4, 3]) {
        replica.reporter.noteProblem(problem("HostConflict", entry("a"), "spec.hosts", `Host ${at}`));
      }
      replica.lease.give();
      await until(() => server.all("Event").length === 1, "an Event");
      const message = String(server.all("Event")[0]!["message"]);
      expect(message.match(/Host \d/g)).to.deep.equal(["Host 2", "Host 4", "Host 3"]);
      expect(server.all("Event")[0]!["count"]).to.equal(5);
    });

    it("count on where another replica, or a former life, had begun", async () => {
      const [one, two] = [started(), started({ instance: "pod-2" }, false)];
      for (let at = 0; at < 2; at++) {
        one.change("a", { after: "stale", error: SERVFAIL });
        await rest();
        clock.advance(60_000);
        await rest();
      }
      expect(server.all("Event")[0]!["count"]).to.equal(2);
      one.lease.take();
      two.lease.give();
      two.change("a", { after: "stale", error: SERVFAIL });
      await until(() => server.all("Event")[0]!["count"] === 3, "a count of 3");
      expect(server.all("Event")).to.have.length(1);
    });

    it("are created again when they have expired", async () => {
      const replica = started();
      replica.change("a", { after: "stale", error: SERVFAIL });
      await rest();
      server.remove("Event", "default", server.all("Event")[0]!.metadata.name);
      clock.advance(60_000);
      replica.change("a", { after: "stale", error: SERVFAIL });
      await until(() => events().length === 1, "an Event");
      expect(server.all("Event")[0]!["count"]).to.equal(1);
    });

    it("have a name that Kubernetes takes, however long the entry's is", async () => {
      const name = `${"a".repeat(228)}.-.${"b".repeat(20)}`.slice(0, 250);
      const replica = started();
      replica.see(server.apply(serviceEntry(name, { spec: { hosts: ["a.example.com"] } })));
      replica.reporter.noteProblem(problem("HostConflict", entry(name), "", "x".repeat(5000)));
      await until(() => events().length === 1, "an Event");
      const event = server.all("Event")[0]!;
      expect(event.metadata.name).to.match(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
      expect(event.metadata.name).not.to.match(/[.-]\./);
      expect(event["message"]).to.have.length(1024);
    });

    it("do not say of what was there at the start that it has addresses", async () => {
      const replica = new Replica(server, clock);
      replicas.push(replica);
      replica.lease.give();
      for (const name of ["a", "b", "c"]) replica.see(server.apply(dnsEntry(name)));
      replica.change("a", { before: undefined, after: "ok" });
      replica.change("b", { before: undefined, after: "pending" });
      replica.change("c", { before: undefined, after: "pending" });
      replica.change("c", { after: "unresolved", error: SERVFAIL });
      replica.reporter.start();
      replica.change("b");
      replica.change("c", { before: "unresolved" });
      await until(() => events().length === 2, "two Events");
      expect(server.all("Event").map(({ reason }) => reason)).to.deep.equal(["ResolveFailed", "Resolved"]);
      expect(events()[1]).to.contain("Host c.example.com has up-to-date addresses again.");
      replica.see(server.apply(dnsEntry("new")));
      replica.change("new", { before: undefined, after: "pending" });
      replica.change("new");
      await until(() => events().length === 3, "three Events");
    });
  });

  describe("with several replicas", () => {
    it("only the holder of the lease writes", async () => {
      const [one, two] = [started(), started({}, false)];
      for (const each of [one, two]) each.change("a");
      await rest();
      expect(server.requests).to.have.length(1);
      expect(events()).to.have.length(1);
    });

    it("a new holder writes what happened while there was none, and nothing older", async () => {
      const replica = started({}, false);
      replica.change("a");
      clock.advance(19_000);
      replica.change("b");
      clock.advance(2000);
      replica.lease.give();
      await rest();
      expect(events()).to.deep.equal(["Resolved x1 Host b.example.com has addresses and is answered."]);
    });

    it("writes nothing any more when the lease is lost, even in the middle", async () => {
      const replica = started();
      const asked = Promise.withResolvers<void>();
      server.script("/events", () => asked.resolve());
      for (const name of ["a", "b", "c"]) replica.change(name);
      await asked.promise;
      replica.lease.take();
      await rest();
      expect(server.requests).to.have.length(1);
      replica.lease.give();
      await until(() => events().length === 3, "three Events");
    });
  });

  describe("under trouble", () => {
    it("rests for a minute when the role forbids it, says so, and loses nothing", async () => {
      const replica = started();
      server.denied.add("events");
      for (const name of ["a", "b"]) replica.change(name);
      await rest();
      expect(server.requests).to.have.length(1);
      expect(replica.warnings).to.deep.equal(["the role does not allow to write events"]);
      server.denied.clear();
      clock.advance(60_000);
      await until(() => events().length === 2, "two Events");
    });

    it("gives up the one Event that the API server refuses", async () => {
      const replica = started();
      server.script("/events", (exchange) => exchange.refuse(422, "no"));
      for (const name of ["a", "b"]) replica.change(name);
      await until(() => events().length === 1, "one Event");
      expect(replica.reporter.numbers().counts.refused).to.equal(1);
    });

    it("holds at most 1000 Events, drops the oldest and counts them", async () => {
      const replica = started({}, false);
      for (let at = 0; at < 1200; at++) {
        const name = `e${at}`;
        replica.see({ ...dnsEntry(name), metadata: { name, namespace: "default", uid: name } });
        replica.change(name);
      }
      expect(replica.reporter.numbers()).to.include({ waiting: 1000, dropped: 200 });
      replica.lease.give();
      await until(() => events().length > 0, "an Event");
      expect(events()[0]).to.contain("Host e200.example.com");
    });

    it("writes at most 50 at once and 20 a second", async () => {
      const replica = started({}, false);
      for (let at = 0; at < 100; at++) {
        replica.see({
          ...dnsEntry(`e${at}`),
          metadata: { name: `e${at}`, namespace: "default", uid: `${at}` },
        });
        replica.change(`e${at}`);
      }
      replica.lease.give();
      await rest();
      expect(events()).to.have.length(50);
      for (let at = 0; at < 20; at++) {
        clock.advance(50);
        await rest();
      }
      expect(events()).to.have.length(70);
    });

    it("does not end an answer's path: notes after the close are nothing", async () => {
      const replica = started();
      await replica.reporter.close();
      replica.change("a");
      await rest();
      expect(server.requests).to.deep.equal([]);
    });
  });

  describe("the condition Resolved", () => {
    it("is written only where it is wanted", async () => {
      const replica = started();
      replica.change("a");
      await rest();
      clock.advance(10_000);
      await rest();
      expect(condition("a")).to.equal(undefined);
    });

    it("says how the hosts are doing, beside what Istio says", async () => {
      const status = {
        addresses: [{ value: "240.240.0.1", host: "a.example.com" }],
        conditions: [{ type: "Reconciled", status: "True" }],
      };
      server.apply({ ...dnsEntry("a"), status });
      const replica = started({ conditions: true });
      replica.change("a");
      await rest();
      clock.advance(1000);
      await rest();
      expect(condition("a")).to.deep.include({
        status: "True",
        reason: "Resolved",
        message: "The host has addresses.",
      });
      const first = condition("a")!["lastTransitionTime"];
      clock.advance(60_000);
      replica.change("a", { before: "ok", after: "unresolved", error: SERVFAIL });
      clock.advance(6000);
      await until(() => condition("a")?.["status"] === "False", "False");
      expect(condition("a")).to.deep.include({
        reason: "ResolveFailed",
        message: "Host a.example.com: 10.96.0.10:53 answered SERVFAIL.",
      });
      expect(condition("a")!["lastTransitionTime"]).not.to.equal(first);
      const after = server.get("ServiceEntry", "default", "a")!;
      expect(after["spec"]).to.deep.equal(dnsEntry("a")["spec"]);
      const { addresses, conditions } = after["status"] as {
        readonly addresses: unknown;
        readonly conditions: readonly unknown[];
      };
      expect(addresses).to.deep.equal(status.addresses);
      expect(conditions[0]).to.deep.equal(status.conditions[0]);
      expect(conditions).to.have.length(2);
      const patches = server.requests.filter(
        ({ path, method }) => method === "PATCH" && path.includes("entries"),
      );
      expect(patches.every(({ path }) => path.endsWith("/status"))).to.equal(true);
    });

    it("counts the worst host, and goes when the entry answers none", async () => {
      const replica = started({ conditions: true });
      await rest();
      const change = async (host: string, after: ConditionChange["after"]) => {
        replica.change("a", { host, before: "pending", after });
        clock.advance(6000);
        await rest();
        return condition("a")?.["message"];
      };
      expect(await change("x.com", "ok")).to.equal("The host has addresses.");
      expect(await change("y.com", "ok")).to.equal("All 2 hosts have addresses.");
      expect(await change("z.com", "stale")).to.contain("Host z.com cannot be refreshed");
      expect(await change("y.com", "unresolved")).to.contain("Host y.com: upstream says");
      expect(await change("x.com", "unresolved")).to.match(/^Host x\.com: upstream says .*, and 1 more\.$/);
      for (const host of ["x.com", "y.com"]) await change(host, undefined);
      expect(await change("z.com", undefined)).to.equal(undefined);
      expect(server.get("ServiceEntry", "default", "a")?.["status"]).to.deep.equal({ conditions: [] });
    });

    it("is not written where nothing differs: after a restart, and by a second replica", async () => {
      const one = started({ conditions: true });
      for (const name of ["a", "b", "c"]) one.change(name);
      clock.advance(1000);
      await until(() => ["a", "b", "c"].every((name) => condition(name) !== undefined), "three conditions");
      await rest();
      one.lease.take();
      const before = server.resourceVersion;
      const requests = server.requests.length;
      const two = new Replica(server, clock, { conditions: true });
      replicas.push(two);
      for (const name of ["a", "b", "c"]) {
        two.see(server.get("ServiceEntry", "default", name)!);
        two.change(name, { before: undefined });
      }
      two.reporter.start();
      two.lease.give();
      await rest();
      clock.advance(10_000);
      await rest();
      expect(server.resourceVersion).to.equal(before);
      expect(server.requests.slice(requests).some(({ method }) => method !== "GET")).to.equal(false);
    });

    it("is put right by a new holder where it is wrong, and taken from entries that answer nothing", async () => {
      const ours = (name: string, status: string) =>
        server.apply({ ...dnsEntry(name), status: { conditions: [{ type: "Resolved", status }] } });
      for (const name of ["a", "b", "c"]) ours(name, "False");
      const replica = new Replica(server, clock, { conditions: true });
      replicas.push(replica);
      for (const name of ["a", "b", "c"]) replica.see(server.get("ServiceEntry", "default", name)!);
      replica.change("a", { before: undefined });
      replica.reporter.start();
      replica.lease.give();
      await until(() => condition("b") === undefined && condition("c") === undefined, "two conditions gone");
      clock.advance(1000);
      await until(() => condition("a")?.["status"] === "True", "True");
    });

    it("is written though others write the entry at the same time", async () => {
      const replica = started({ conditions: true });
      await rest();
      let edits = 0;
      const edit = () =>
        server.apply({ ...server.get("ServiceEntry", "default", "a")!, spec: { edit: ++edits } });
      const isPatch = ({ method, path }: { readonly method: string; readonly path: string }) =>
        method === "PATCH" && path.includes("serviceentries");
      for (let at = 0; at < 2; at++)
        server.script(isPatch, async (exchange) => {
          edit();
          await server.answer(exchange);
        });
      replica.change("a");
      clock.advance(1000);
      await until(() => condition("a") !== undefined, "a condition");
      expect(server.get("ServiceEntry", "default", "a")?.["spec"]).to.deep.equal({ edit: 2 });
    });

    it("never takes the place of another condition that came before it in the list meanwhile", async () => {
      const replica = started({ conditions: true });
      await rest();
      replica.change("a");
      clock.advance(1000);
      await rest();
      const ours = condition("a")!;
      const istio = { type: "Reconciled", status: "True" };
      const isPatch = ({ method, path }: { readonly method: string; readonly path: string }) =>
        method === "PATCH" && path.includes("serviceentries");
      server.script(isPatch, async (exchange) => {
        server.apply({
          ...server.get("ServiceEntry", "default", "a")!,
          status: { conditions: [istio, ours] },
        });
        await server.answer(exchange);
      });
      replica.change("a", { before: "ok", after: "stale", error: SERVFAIL });
      clock.advance(6000);
      await rest();
      expect(condition("a")).to.include({ reason: "StaleAddresses" });
      const { conditions } = server.get("ServiceEntry", "default", "a")!["status"] as {
        readonly conditions: readonly unknown[];
      };
      expect(conditions).to.have.length(2);
      expect(conditions[0]).to.deep.equal(istio);
    });

    it("is written under the version that is served", async () => {
      server.istioVersions = ["v1alpha3"];
      const replica = started({ conditions: true });
      replica.change("a");
      await rest();
      clock.advance(1000);
      await until(() => condition("a") !== undefined, "a condition");
      expect(server.requests.at(-1)?.path).to.contain("/v1alpha3/namespaces/default/serviceentries/a/status");
    });

    it("is left to a later try when the role forbids it, and Events go on", async () => {
      server.deniedVerbs.add("patch serviceentries/status");
      const replica = started({ conditions: true });
      await rest();
      replica.change("a");
      clock.advance(1000);
      await rest();
      expect(replica.warnings).to.deep.equal(["the role does not allow to write conditions"]);
      replica.change("b");
      await rest();
      expect(events()).to.have.length(2);
      server.deniedVerbs.clear();
      clock.advance(61_000);
      await until(() => condition("a") !== undefined && condition("b") !== undefined, "two conditions");
    });
  });

  it("shows its numbers, all from 0 on", async () => {
    const registry = new Registry();
    let replica: Replica | undefined;
    registerReporterMetrics(registry, () => replica?.reporter.numbers());
    const first = await registry.metrics();
    for (const series of [
      'events_total{reason="HostConflict"}',
      "conditions_total",
      "dropped_total",
      "refused_total",
      "waiting",
    ])
      expect(first).to.contain(`serviceentry_dns_reporter_${series} 0\n`);
    replica = started({ conditions: true });
    replica.change("a");
    await rest();
    clock.advance(1000);
    await until(() => condition("a") !== undefined, "a condition");
    await rest();
    const second = await registry.metrics();
    expect(second).to.contain('reporter_events_total{reason="Resolved"} 1\n');
    expect(second).to.contain("reporter_conditions_total 1\n");
  });
});
