import { expect } from "chai";
import * as fc from "fast-check";
import { microTime } from "../../src/cluster/lease-record.ts";
import { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet } from "../support/waiting.ts";
import { Candidates, type Network } from "./candidates.ts";
import { FixedRandom } from "./fixture.ts";

const NAMESPACE = "serviceentry-dns";

describe("Lease", () => {
  let server: ScriptedApiServer;
  let random: FixedRandom;
  let candidates: Candidates;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    random = new FixedRandom();
    random.value = 1;
    candidates = new Candidates(server, random);
  });

  afterEach(async () => {
    await candidates.close();
    await server.close();
    for (const { clock } of candidates.all) expect(clock.timers).to.equal(0);
  });

  function spec(): Readonly<Record<string, unknown>> {
    return server.get("Lease", NAMESPACE, NAMESPACE)?.["spec"] as Readonly<Record<string, unknown>>;
  }

  function writes(): number {
    return server.requests.filter(({ method }) => method !== "GET").length;
  }

  it("is created by the first candidate and kept by it", async () => {
    const one = await candidates.join("one");
    expect(one.lease.isHeld).to.equal(true);
    const acquireTime = microTime(one.clock.wallMs());
    expect(spec()).to.deep.equal({
      holderIdentity: "one",
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
      acquireTime,
      renewTime: acquireTime,
    });
    await candidates.pass(60_000);
    expect(one.story).to.deep.equal(["held"]);
    expect(spec()).to.deep.include({ holderIdentity: "one", acquireTime });
    // With the longest wait between two renewals, 2.4 s.
    expect(writes()).to.be.within(60 / 2.5, 60 / 2.4 + 1);
    expect(spec()["renewTime"]).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("has one holder among three, and the others write nothing", async () => {
    for (const name of ["one", "two", "three"]) await candidates.join(name);
    await candidates.pass(30_000);
    expect(candidates.writers).to.equal("one");
    expect(candidates.all.map(({ story }) => story)).to.deep.equal([["held"], [], []]);
    expect(candidates.all.map(({ lease }) => lease.holder)).to.deep.equal(["one", "one", "one"]);
  });

  it("is taken over within 15 s of a crash, whenever that happens between two renewals", async () => {
    for (const phaseMs of [0, 700, 1900, 2300]) {
      const world = new Candidates(server, random);
      const [one] = [await world.join("one"), await world.join("two"), await world.join("three")];
      await world.pass(5000 + phaseMs);
      expect(world.writers).to.equal("one");
      one!.isFrozen = true;
      const tookMs = await world.until(() => world.writers !== "", 20_000);
      expect(tookMs).to.be.within(10_000, 15_000);
      expect(world.doubles).to.equal(0);
      expect(spec()["leaseTransitions"]).to.equal(1);
      server.remove("Lease", NAMESPACE, NAMESPACE);
      await world.close();
      expect(world.doubles).to.equal(0);
    }
  });

  it("is taken over at once after a release, and counts the transitions", async () => {
    const one = await candidates.join("one");
    const two = await candidates.join("two");
    await candidates.pass(5000);
    await one.lease.close();
    expect(one.story).to.deep.equal(["held", "lost"]);
    expect(one.lease.hold.aborted).to.equal(true);
    expect(spec()).to.deep.include({ holderIdentity: "", leaseDurationSeconds: 1 });
    expect(await candidates.until(() => two.writes, 10_000)).to.be.at.most(2500);
    expect(spec()).to.deep.include({ holderIdentity: "two", leaseTransitions: 1, leaseDurationSeconds: 15 });
  });

  for (const network of ["refused", "silent", "deaf"] as const) {
    it(`stops writing 10 s after the last renewal when its calls are ${network}, before another begins`, async () => {
      const one = await candidates.join("one");
      const two = await candidates.join("two");
      await candidates.pass(5000);
      const { hold } = one.lease;
      one.client.network = network;
      const stoppedMs = await candidates.until(() => !one.writes, 15_000);
      expect(stoppedMs).to.be.within(7000, 10_000);
      expect(hold.aborted).to.equal(true);
      expect(two.writes).to.equal(false);
      // Renewals that arrive count for the others, whether their sender knows it or not.
      if (network !== "deaf") {
        expect(await candidates.until(() => two.writes, 15_000)).to.be.within(2400, 6000);
      }
      one.client.network = "good";
      await candidates.pass(20_000);
      expect(candidates.doubles).to.equal(0);
      expect(candidates.writers).to.equal(network === "deaf" ? "one" : "two");
    });
  }

  it("counts from the sending of a renewal, not from its answer", async () => {
    const one = await candidates.join("one");
    one.client.network = "slow";
    let sentMs = 0;
    const sent = () => writes();
    for (let ms = 0, before = sent(); ms < 20_000; ms += 100) {
      await candidates.pass(100);
      if (sent() > before) sentMs = ms;
      before = sent();
    }
    one.client.network = "silent";
    const stoppedMs = 20_000 + (await candidates.until(() => !one.writes, 15_000));
    expect(stoppedMs - sentMs).to.be.within(9900, 10_100);
  });

  it("is not held by the clock, even where the timer that ends it is late", async () => {
    const one = await candidates.join("one");
    one.clock.lateMs = 9999;
    expect(one.lease.isHeld).to.equal(true);
    one.clock.lateMs = 10_000;
    expect(one.lease.isHeld).to.equal(false);
  });

  it("is kept while the API server answers late, and while it is away for less than 10 s", async () => {
    const one = await candidates.join("one");
    await candidates.join("two");
    one.client.network = "slow";
    await candidates.pass(40_000);
    one.client.network = "good";
    await candidates.pass(3000);
    await server.goAway();
    await candidates.pass(5000);
    await server.comeBack();
    await candidates.pass(20_000);
    expect(one.story).to.deep.equal(["held"]);
    expect(candidates.doubles).to.equal(0);
  });

  it("has no holder while the API server is away for longer, and one soon after", async () => {
    const one = await candidates.join("one");
    const two = await candidates.join("two");
    await server.goAway();
    await candidates.pass(30_000);
    expect(candidates.writers).to.equal("");
    expect(one.lines).to.deep.equal([
      "info lease acquired: this replica writes",
      "warn connection the lease could not be renewed: this replica writes for at most 10 s more",
      "warn lease given up: this replica writes no longer",
    ]);
    expect(two.lines).to.deep.equal([
      "info the lease has a new holder",
      "warn connection the lease could not be read or taken: this replica writes nothing",
    ]);
    await server.comeBack();
    expect(await candidates.until(() => candidates.writers !== "", 10_000)).to.be.at.most(2500);
    expect(candidates.doubles).to.equal(0);
    await candidates.pass(3000);
    for (const { lines } of [one, two]) expect(lines.join()).to.include("info the lease can be read again");
  });

  it("does not believe other clocks: one an hour ahead, one a day behind", async () => {
    const one = await candidates.join("one");
    one.clock.skewMs = -24 * 3600_000;
    const two = await candidates.join("two");
    two.clock.skewMs = 3600_000;
    await candidates.pass(60_000);
    expect(candidates.writers).to.equal("one");
    one.isFrozen = true;
    expect(await candidates.until(() => two.writes, 20_000)).to.be.within(10_000, 15_000);
    await candidates.thaw(one);
    await candidates.pass(20_000);
    expect(candidates.writers).to.equal("two");
    expect(candidates.doubles).to.equal(0);
  });

  it("is not held by a process that was stopped for too long, from its first moment on", async () => {
    const one = await candidates.join("one");
    const two = await candidates.join("two");
    one.isFrozen = true;
    await candidates.pass(16_000);
    expect(two.writes).to.equal(true);
    await candidates.thaw(one);
    expect(one.lease.isHeld).to.equal(false);
    expect(candidates.doubles).to.equal(0);
  });

  it("goes to one of two who reach for it at the same moment", async () => {
    const one = await candidates.join("one");
    const two = await candidates.join("two");
    const three = await candidates.join("three");
    await candidates.pass(3000);
    one.isFrozen = true;
    // Both read the old record before either writes.
    const both = Promise.withResolvers<void>();
    let held = 0;
    const isWrite = ({ method }: { readonly method: string }) => method === "PUT";
    server.script(isWrite, async (exchange) => {
      held += 1;
      await both.promise;
      await server.answer(exchange);
    });
    for (let ms = 0; held === 0 && ms < 20_000; ms += 100) {
      for (const each of [two, three]) each.clock.advance(100);
      await quiet();
    }
    both.resolve();
    await candidates.pass(5000);
    expect([two, three].filter(({ writes }) => writes)).to.have.length(1);
    expect(candidates.doubles).to.equal(0);
  });

  it("is lost at once when somebody else wrote his name into it, and not taken before his time is over", async () => {
    const one = await candidates.join("one");
    await candidates.pass(1000);
    const lease = server.get("Lease", NAMESPACE, NAMESPACE)!;
    server.apply({ ...lease, spec: { ...(lease["spec"] as object), holderIdentity: "other" } });
    expect(await candidates.until(() => !one.writes, 5000)).to.be.at.most(2500);
    expect(await candidates.until(() => one.writes, 20_000)).to.be.within(12_000, 12_600);
  });

  it("respects a holder that asks for longer", async () => {
    const spec = { holderIdentity: "old", leaseDurationSeconds: 60, renewTime: microTime(0) };
    const metadata = { name: NAMESPACE, namespace: NAMESPACE };
    server.apply({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec });
    const one = await candidates.join("one");
    expect(await candidates.until(() => one.writes, 70_000)).to.be.within(57_000, 58_000);
  });

  it("is created again by its holder when somebody deletes it", async () => {
    const one = await candidates.join("one");
    const two = await candidates.join("two");
    await candidates.pass(3000);
    server.remove("Lease", NAMESPACE, NAMESPACE);
    await candidates.pass(30_000);
    expect(one.story).to.deep.equal(["held"]);
    expect(two.story).to.deep.equal([]);
    expect(spec()["holderIdentity"]).to.equal("one");
  });

  it("is lost at once to whoever created it anew a moment earlier", async () => {
    const one = await candidates.join("one");
    await candidates.pass(1000);
    const lease = server.get("Lease", NAMESPACE, NAMESPACE)!;
    server.remove("Lease", NAMESPACE, NAMESPACE);
    let lostMs = 0;
    server.script(
      ({ method }) => method === "POST",
      async (exchange) => {
        server.apply({ ...lease, spec: { ...(lease["spec"] as object), holderIdentity: "other" } });
        lostMs = one.clock.nowMs();
        await server.answer(exchange);
      },
    );
    await candidates.until(() => !one.writes, 5000);
    expect(one.clock.nowMs() - lostMs).to.equal(0);
  });

  it("is not had where the role forbids it, and had soon after it allows it", async () => {
    server.deniedVerbs.add("create leases");
    const one = await candidates.join("one");
    await candidates.pass(60_000);
    expect(one.writes).to.equal(false);
    expect(server.requests.length).to.be.at.most(16);
    server.deniedVerbs.clear();
    expect(await candidates.until(() => one.writes, 20_000)).to.be.at.most(10_100);
    server.deniedVerbs.add("update leases");
    expect(await candidates.until(() => !one.writes, 20_000)).to.be.within(8000, 10_000);
  });

  it("heeds Retry-After", async () => {
    server.script("leases", (exchange) => exchange.refuse(429, "too many", { "retry-after": "7" }));
    const one = await candidates.join("one");
    expect(await candidates.until(() => one.writes, 20_000)).to.be.within(7000, 7100);
  });

  it("keeps what others wrote beside it", async () => {
    const one = await candidates.join("one");
    const lease = server.get("Lease", NAMESPACE, NAMESPACE)!;
    const metadata = { ...lease.metadata, labels: { team: "a" } };
    server.apply({
      ...lease,
      metadata,
      spec: { ...(lease["spec"] as object), strategy: "OldestEmulationVersion" },
    });
    await candidates.pass(10_000);
    expect(one.story).to.deep.equal(["held"]);
    expect(server.get("Lease", NAMESPACE, NAMESPACE)?.metadata["labels"]).to.deep.equal({ team: "a" });
    expect(spec()["strategy"]).to.equal("OldestEmulationVersion");
  });

  it("never has two writers, whatever happens to three candidates, and one soon after all is well", async () => {
    const anyNetwork = fc.constantFrom<Network>("good", "refused", "silent", "deaf", "slow");
    const anyStep = fc.record({
      who: fc.nat({ max: 2 }),
      what: fc.oneof(anyNetwork, fc.constantFrom("freeze", "thaw", "skew")),
      thenMs: fc.integer({ min: 1, max: 80 }).map((tenths) => tenths * 100),
    });
    const anyStory = fc.tuple(
      fc.array(anyStep, { maxLength: 12 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    await fc.assert(
      fc.asyncProperty(anyStory, async ([steps, chance]) => {
        random.value = chance;
        const world = new Candidates(server, random);
        for (const name of ["one", "two", "three"]) await world.join(name);
        for (const { who, what, thenMs } of steps) {
          const candidate = world.all[who]!;
          if (what === "freeze") candidate.isFrozen = true;
          else if (what === "thaw") await world.thaw(candidate);
          else if (what === "skew") candidate.clock.skewMs += 3600_000;
          else candidate.client.network = what;
          await world.pass(thenMs);
        }
        for (const each of world.all) {
          each.client.network = "good";
          await world.thaw(each);
        }
        const soonMs = await world.until(() => world.writers !== "", 20_000);
        await world.close();
        server.remove("Lease", NAMESPACE, NAMESPACE);
        expect(world.doubles).to.equal(0);
        expect(soonMs).to.be.at.most(15_000);
      }),
      { numRuns: 25 },
    );
  });
});
