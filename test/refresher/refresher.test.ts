import { expect } from "chai";
import { createCaresLookup, type LookupResult } from "../../src/refresher/lookup.ts";
import { Refresher } from "../../src/refresher/refresher.ts";
import { silentLogger, systemRandom } from "../../src/runtime.ts";
import { Rcode, RecordType } from "../../src/wire/constants.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { address, LoopbackServer, reply } from "./loopback-server.ts";
import {
  addresses,
  failed,
  healthy,
  host,
  makeWorld,
  NODATA,
  NXDOMAIN,
  ONE,
  type Script,
  settingsWith,
  settle,
  TWO,
  type World,
} from "./scripted-upstream.ts";

/** The same for family A at every call; AAAA does not exist. */
const always =
  (result: LookupResult, afterMs = 20): Script =>
  ({ family }) => ({ afterMs, result: family === "A" ? result : NODATA });
const silent: Script = () => undefined;
const maximum = (numbers: readonly number[]) => Math.max(...numbers);

function differences(times: readonly number[]): readonly number[] {
  return times.slice(1).map((time, at) => time - times[at]!);
}

describe("the refresher", () => {
  let world: World;
  beforeEach(() => {
    world = makeWorld();
  });
  afterEach(() => world.refresher.close());

  const want = (name: string, namespace = "default") => world.refresher.want(host(name), namespace);
  const unwant = (name: string, namespace = "default") => world.refresher.unwant(host(name), namespace);

  describe("a name that comes and goes", () => {
    it("is looked up in both families the moment it appears, and pending until then", async () => {
      want("a.example");
      expect(world.upstream.calls.map(({ family }) => family)).to.deep.equal(["A", "AAAA"]);
      expect(world.refresher.resolution(host("a.example"))?.A).to.deep.equal({
        state: "pending",
        sinceMs: world.clock.nowMs(),
      });
      await world.elapse(20);
      expect(world.addressesOf("a.example")).to.deep.equal(["198.51.100.1"]);
      expect(world.refresher.resolution(host("a.example"))?.AAAA).to.deep.equal({
        state: "denied",
        by: "nodata",
      });
      expect(world.events).to.deep.equal(["changed A a.example", "changed AAAA a.example"]);
    });

    it("is looked up once, however many want it, until the last of them is gone", async () => {
      for (let count = 0; count < 10; count += 1) want("a.example", `ns${count % 3}`);
      expect(world.upstream.calls).to.have.length(2);
      await world.elapse(100);
      for (let count = 0; count < 9; count += 1) unwant("a.example", `ns${count % 3}`);
      expect(world.state("a.example")).to.equal("fresh");
      unwant("a.example", "ns0");
      expect(world.refresher.resolution(host("a.example"))).to.equal(undefined);
      await world.elapse(120_000, 1000);
      expect(world.upstream.calls).to.have.length(2);
    });

    it("is cancelled in mid-lookup, and begins anew when it comes back", async () => {
      want("a.example");
      await world.elapse(10);
      unwant("a.example");
      expect(world.upstream.calls.every(({ isAborted }) => isAborted)).to.equal(true);
      expect(world.refresher.gauges().inFlight).to.equal(0);
      want("a.example");
      expect(world.state("a.example")).to.equal("pending");
      await world.elapse(15);
      expect(world.events).to.deep.equal([]);
      await world.elapse(10);
      expect(world.state("a.example")).to.equal("fresh");
    });

    it("has no future once it is gone: what it would have become is not reported", async () => {
      want("a.example");
      await world.elapse(20);
      world.upstream.script = always(failed("servfail"));
      await world.elapse(28_000, 100);
      unwant("a.example");
      world.events.length = 0;
      await world.elapse(10_000, 100);
      expect(world.events).to.deep.equal([]);
      expect(world.clock.timers).to.equal(0);
    });

    it("is not taken away by one that never wanted it", () => {
      want("a.example", "one");
      unwant("a.example", "two");
      unwant("b.example", "one");
      expect(world.state("a.example")).to.equal("pending");
    });

    it("may be given up from within the report about it", async () => {
      const eager = makeWorld({ onChanged: (name) => eager.refresher.unwant(name, "default") });
      eager.refresher.want(host("a.example"), "default");
      await eager.elapse(60_000, 100);
      expect(eager.refresher.resolution(host("a.example"))).to.equal(undefined);
      expect(eager.upstream.calls).to.have.length(2);
      await eager.refresher.close();
    });
  });

  describe("the next refresh", () => {
    for (const [ttlSeconds, chance, afterMs] of [
      [30, 0, 27_000],
      [30, 0.999999, 29_700],
      [60, 0.5, 56_700],
      [5, 0, 5000],
      [1, 0, 5000],
      [86_400, 0.3, 300_000],
    ] as const) {
      it(`of a TTL of ${ttlSeconds} s comes after ${afterMs} ms, where chance is ${chance}`, async () => {
        world.chance = chance;
        world.upstream.script = always(addresses(["198.51.100.1"], ttlSeconds), 0);
        want("a.example");
        await world.elapse(afterMs * 1.5, 10);
        expect(world.upstream.times("a.example")[1]).to.be.closeTo(afterMs, 10);
      });
    }

    it("of one name with TTL 30 needs at most one lookup per family and 27 s", async () => {
      world.upstream.script = () => ({ afterMs: 20, result: addresses(["198.51.100.1"], 30) });
      want("a.example");
      await world.elapse(600_000, 100);
      for (const family of ["A", "AAAA"] as const) {
        const gaps = differences(world.upstream.times("a.example", family));
        expect(gaps.length).to.be.greaterThan(20);
        expect(Math.min(...gaps)).to.be.at.least(27_000);
      }
    });

    it("with the same addresses is no change: no event but a touch, no line in the log", async () => {
      want("a.example");
      await world.elapse(20);
      world.events.length = 0;
      world.log.length = 0;
      const before = world.refresher.resolution(host("a.example"))!.A;
      await world.elapse(27_100, 100);
      expect(world.events).to.deep.equal(["touched A a.example"]);
      expect(world.log).to.deep.equal([]);
      const after = world.refresher.resolution(host("a.example"))!.A;
      if (before.state !== "fresh" || after.state !== "fresh") throw new Error("not fresh");
      expect(after.addresses).to.equal(before.addresses);
      expect(after.expiresAtMs - before.expiresAtMs).to.be.within(27_000, 27_200);
    });

    it("with other addresses is a change, and none for the log", async () => {
      want("a.example");
      await world.elapse(20);
      world.events.length = 0;
      world.log.length = 0;
      world.upstream.script = always(addresses(["198.51.100.2"]));
      await world.elapse(27_100, 100);
      expect(world.events).to.deep.equal(["changed A a.example"]);
      expect(world.addressesOf("a.example")).to.deep.equal(["198.51.100.2"]);
      expect(world.log).to.deep.equal([]);
    });

    it("comes at once on demand, within the limits", async () => {
      want("a.example");
      await world.elapse(100);
      world.refresher.refreshNow(host("a.example"));
      world.refresher.refreshNow(host("a.example"));
      world.refresher.refreshNow(host("unknown.example"));
      expect(world.upstream.times("a.example")).to.deep.equal([0, 100]);
    });
  });

  describe("failures", () => {
    it("are retried after 0.2, 0.4 ... 30 s, give or take a fifth", async () => {
      for (const chance of [0, 0.5, 0.999999]) {
        const { upstream, refresher, elapse } = Object.assign(makeWorld(), { chance });
        upstream.script = always(failed("servfail"), 0);
        refresher.want(host("a.example"), "default");
        await elapse(120_000, 10);
        const expected = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000];
        const gaps = differences(upstream.times("a.example"));
        for (const [at, gap] of gaps.slice(0, expected.length).entries()) {
          expect(gap).to.be.within(expected[at]! * 0.8, expected[at]! * 1.2 + 10);
        }
        expect(gaps.length).to.be.at.least(8);
        await refresher.close();
      }
    });

    for (const [what, result] of [
      ["SERVFAIL", failed("servfail")],
      ["REFUSED", failed("refused")],
      ["an unreachable server", failed("network")],
      ["silence", undefined],
      ["NXDOMAIN", NXDOMAIN],
    ] as const) {
      it(`are over without outside help after ten minutes of ${what}, before a first answer and behind one`, async () => {
        for (const wasGood of [false, true]) {
          const { upstream, refresher, state, addressesOf, elapse } = makeWorld();
          if (wasGood) {
            refresher.want(host("a.example"), "default");
            await elapse(100);
          }
          upstream.script = result === undefined ? silent : always(result);
          if (!wasGood) refresher.want(host("a.example"), "default");
          await elapse(600_000, 100);
          expect(state("a.example")).to.be.oneOf(["failed", "stale", "denied"]);
          upstream.script = always(addresses(["198.51.100.7"]));
          await elapse(42_000, 100);
          expect(addressesOf("a.example")).to.deep.equal(["198.51.100.7"]);
          await refresher.close();
        }
      });
    }

    it("leave the last good addresses fresh to their expiry, then stale, and for maxStale", async () => {
      want("a.example");
      await world.elapse(20);
      world.upstream.script = always(failed("servfail"));
      await world.elapse(29_900, 100);
      expect(world.upstream.times("a.example").length).to.be.greaterThan(3);
      expect(world.state("a.example")).to.equal("fresh");
      await world.elapse(100);
      expect(world.refresher.resolution(host("a.example"))?.A).to.deep.equal({
        state: "stale",
        addresses: ["198.51.100.1"],
        failure: "servfail",
      });
      await world.elapse(3_599_000, 1000);
      expect(world.state("a.example")).to.equal("stale");
      await world.elapse(1000);
      expect(world.refresher.resolution(host("a.example"))?.A).to.deep.equal({
        state: "failed",
        failure: "servfail",
      });
    });

    it("of a single refresh are not seen at all", async () => {
      want("a.example");
      await world.elapse(20);
      world.events.length = 0;
      world.log.length = 0;
      world.upstream.script = always(failed("servfail"));
      await world.elapse(27_050, 50);
      expect(world.refresher.describe(host("a.example"))?.A.lastError?.code).to.equal("servfail");
      world.upstream.script = healthy;
      await world.elapse(1000);
      expect(world.events).to.deep.equal(["touched A a.example"]);
      expect(world.log).to.deep.equal([]);
    });

    it("that last are told once when they begin and once when they end", async () => {
      world.upstream.script = always(failed("refused"));
      want("a.example");
      await world.elapse(90_000, 100);
      world.upstream.script = healthy;
      await world.elapse(40_000, 100);
      world.upstream.script = always(NXDOMAIN);
      await world.elapse(80_000, 100);
      expect(world.log.filter((line) => line.includes(" A "))).to.deep.equal([
        "warn a.example A does not resolve and has no good addresses left; it is asked again by itself",
        "info a.example A resolves again",
        "info a.example A does not exist: upstream says NXDOMAIN",
      ]);
      const changes = world.events.filter((event) => event === "changed A a.example");
      expect(changes).to.have.length(3);
    });

    it("of a lookup that throws are failures like others", async () => {
      const broken = makeWorld({ lookup: () => Promise.reject(new Error("broken")) });
      broken.refresher.want(host("a.example"), "default");
      await broken.elapse(1000);
      expect(broken.state("a.example")).to.equal("failed");
      expect(broken.refresher.counts.refreshes.network).to.be.greaterThan(4);
      await broken.refresher.close();
    });

    it("are described: what, who, since when, and when the next try comes", async () => {
      world.upstream.script = always(failed("servfail"), 0);
      const beganMs = world.clock.nowMs();
      want("a.example");
      await settle();
      await world.elapse(5000);
      const described = world.refresher.describe(host("a.example"))!;
      expect(described.A.lastError).to.deep.equal({
        code: "servfail",
        message: "192.0.2.53:53 answered SERVFAIL",
        sinceMs: beganMs,
      });
      expect(described.A.nextRefreshMs).to.be.greaterThan(world.clock.nowMs());
      expect(described.AAAA.lastError).to.equal(null);
      expect(world.refresher.describe(host("b.example"))).to.equal(undefined);
      world.refresher.refreshNow(host("a.example"));
      expect(world.refresher.describe(host("a.example"))?.A.nextRefreshMs).to.equal(null);
    });
  });

  describe("denials", () => {
    it("of a name that never resolved count at once, and are checked after 5 s, doubling to 30 s", async () => {
      world.upstream.script = () => ({ afterMs: 0, result: NXDOMAIN });
      want("gone.example");
      await world.elapse(10);
      expect(world.refresher.resolution(host("gone.example"))?.A).to.deep.equal({
        state: "denied",
        by: "nxdomain",
      });
      await world.elapse(130_000, 10);
      const expected = [5000, 10_000, 20_000, 30_000, 30_000, 30_000];
      for (const [at, gap] of differences(world.upstream.times("gone.example")).entries()) {
        expect(gap).to.be.closeTo(expected[at]!, 10);
      }
      expect(world.events.filter((event) => event.includes(" A "))).to.have.length(1);
    });

    it("of a name that had addresses count at the second in a row, 5 s later", async () => {
      want("a.example");
      await world.elapse(20);
      world.upstream.script = always(NXDOMAIN);
      world.events.length = 0;
      await world.elapse(27_100, 100);
      expect(world.upstream.times("a.example")).to.have.length(2);
      expect(world.addressesOf("a.example")).to.deep.equal(["198.51.100.1"]);
      // Past its expiry, but no refresh has failed: not stale.
      await world.elapse(4500, 100);
      expect(world.state("a.example")).to.equal("fresh");
      expect(world.events).to.deep.equal([]);
      await world.elapse(600, 100);
      expect(world.state("a.example")).to.equal("denied");
      expect(world.events).to.deep.equal(["changed A a.example"]);
    });

    it("that are a blip leave no trace", async () => {
      want("a.example");
      await world.elapse(20);
      world.events.length = 0;
      world.log.length = 0;
      let isFirst = true;
      world.upstream.script = (call) => {
        if (call.family === "AAAA") return { afterMs: 20, result: NODATA };
        const result = isFirst ? NODATA : addresses(["198.51.100.1"]);
        isFirst = false;
        return { afterMs: 20, result };
      };
      await world.elapse(33_000, 100);
      expect(world.events).to.deep.equal(["touched A a.example"]);
      expect(world.log).to.deep.equal([]);
    });

    it("count 60 s after the first, where only failures follow", async () => {
      want("a.example");
      await world.elapse(20);
      let isFirst = true;
      world.upstream.script = ({ family }) => {
        if (family === "AAAA") return { afterMs: 0, result: NODATA };
        const result = isFirst ? NXDOMAIN : failed("servfail");
        isFirst = false;
        return { afterMs: 0, result };
      };
      await world.elapse(27_000, 100);
      await world.elapse(59_900, 100);
      expect(world.state("a.example")).to.equal("stale");
      await world.elapse(200, 100);
      expect(world.refresher.resolution(host("a.example"))?.A).to.deep.equal({
        state: "denied",
        by: "nxdomain",
      });
    });
  });

  describe("upstreams", () => {
    it("are two sets: for names of the cluster and for all others", async () => {
      const { upstream, refresher } = makeWorld({ settings: settingsWith({ other: [TWO] }) });
      for (const name of ["db.prod.svc.cluster.local", "cluster.local", "notcluster.local", "a.example"]) {
        refresher.want(host(name), "default");
      }
      const asked = upstream.calls
        .filter(({ family }) => family === "A")
        .map(({ name, server }) => [name, server]);
      expect(asked).to.deep.equal([
        ["db.prod.svc.cluster.local", ONE],
        ["cluster.local", ONE],
        ["notcluster.local", TWO],
        ["a.example", TWO],
      ]);
      await refresher.close();
    });

    it("that stay silent are not asked first again", async () => {
      const { upstream, refresher, elapse } = makeWorld({ settings: settingsWith({ other: [ONE, TWO] }) });
      upstream.script = (call) => (call.server === ONE ? undefined : healthy(call));
      refresher.want(host("a.example"), "default");
      await elapse(1000);
      refresher.want(host("b.example"), "default");
      await elapse(1000);
      expect(
        upstream.calls.filter(({ name }) => name === "b.example").map(({ server }) => server),
      ).to.deep.equal([TWO, TWO]);
      await refresher.close();
    });

    it("may be others from now on", async () => {
      const { upstream, refresher, elapse } = makeWorld();
      refresher.want(host("a.example"), "default");
      await elapse(100);
      refresher.update(settingsWith({ other: [TWO] }));
      refresher.refreshNow(host("a.example"));
      refresher.want(host("b.example"), "default");
      await elapse(100);
      const asked = upstream.calls
        .filter(({ family }) => family === "A")
        .map(({ name, server }) => [name, server]);
      expect(asked).to.deep.equal([
        ["a.example", ONE],
        ["a.example", TWO],
        ["b.example", TWO],
      ]);
      await refresher.close();
    });

    it("must be there", () => {
      expect(() => makeWorld({ settings: settingsWith({ cluster: [] }) })).to.throw(RangeError);
    });

    it("of which the first is dead: 500 names that come at once are there within 1.5 s", async () => {
      const { upstream, refresher, elapse, state } = makeWorld({
        settings: settingsWith({ other: [ONE, TWO] }),
      });
      upstream.script = (call) => (call.server === ONE ? undefined : healthy(call));
      const names = Array.from({ length: 500 }, (_, at) => `n${at}.example`);
      for (const name of names) refresher.want(host(name), "default");
      await elapse(1500);
      expect(names.filter((name) => state(name) !== "fresh")).to.deep.equal([]);
      await refresher.close();
    });
  });

  describe("many names", () => {
    const dead = Array.from({ length: 64 }, (_, at) => `dead${at}.example`);
    const blackhole: Script = (call) => (call.name.startsWith("dead") ? undefined : healthy(call));

    it("500 at 20 ms of latency are there in under 1 s", async () => {
      const names = Array.from({ length: 500 }, (_, at) => `n${at}.example`);
      for (const name of names) want(name);
      await world.elapse(900, 5);
      expect(
        names.filter((name) => world.state(name) !== "fresh" || world.state(name, "AAAA") !== "denied"),
      ).to.deep.equal([]);
    });

    it("64 blackholed ones known as such delay no other: new or refreshed, it starts at once", async () => {
      world.upstream.script = blackhole;
      for (const name of dead) want(name);
      await world.elapse(60_000, 100);
      for (let at = 0; at < 8; at += 1) want(`live${at}.example`);
      await world.elapse(300_000, 50);
      for (let at = 0; at < 8; at += 1) {
        const times = world.upstream.times(`live${at}.example`);
        expect(times.length).to.be.greaterThan(10);
        expect(maximum(differences(times))).to.be.lessThan(27_100);
        expect(world.upstream.calls.find(({ name }) => name === `live${at}.example`)?.atMs).to.equal(
          world.upstream.calls.find(({ name }) => name === "live0.example")?.atMs,
        );
      }
      expect(world.refresher.gauges().backoff).to.equal(128);
    });

    it("64 blackholed ones that are as new as the others hold them up for little over a second", async () => {
      world.upstream.script = blackhole;
      for (const name of dead) want(name);
      want("live.example");
      await world.elapse(1300);
      expect(world.state("live.example")).to.equal("fresh");
      // Whoever had to make room is still asked, and in the end known as dead.
      expect(world.state("dead0.example")).to.equal("pending");
      await world.elapse(60_000, 100);
      expect(dead.filter((name) => world.state(name) !== "failed")).to.deep.equal([]);
    });

    it("blackholed ones of one namespace leave places for another's", async () => {
      world.upstream.script = blackhole;
      for (const name of dead) want(name, "broken");
      want("live.example", "healthy");
      await world.elapse(30);
      expect(world.state("live.example")).to.equal("fresh");
      expect(world.upstream.running.size).to.equal(32);
    });

    it("names that answer slowly are resolved even where they have to make room", async () => {
      world.upstream.script = (call) => ({ ...healthy(call)!, afterMs: 1000 });
      const names = Array.from({ length: 100 }, (_, at) => `n${at}.example`);
      for (const name of names) want(name);
      await world.elapse(20_000, 50);
      expect(names.filter((name) => world.state(name) !== "fresh")).to.deep.equal([]);
    });

    it("of one namespace are looked up 200 times a second behind a burst of 2,000", async () => {
      world.upstream.script = (call) => ({ ...healthy(call)!, afterMs: 0 });
      for (let at = 0; at < 2000; at += 1) want(`n${at}.example`);
      await world.elapse(100);
      expect(world.upstream.calls.length).to.be.within(2000, 2021);
      // Another one has its own measure.
      want("other.example", "other");
      await settle();
      expect(world.state("other.example")).to.equal("fresh");
      await world.elapse(4900);
      expect(world.upstream.calls.length).to.be.within(2998, 3003);
    });

    it("of a namespace without tokens are charged to another namespace that wants them", async () => {
      world.upstream.script = (call) => ({ ...healthy(call)!, afterMs: 0 });
      for (let at = 0; at < 2000; at += 1) want(`n${at}.example`, "greedy");
      await world.elapse(10);
      expect(world.state("n1999.example")).to.equal("pending");
      want("n1999.example", "modest");
      await world.elapse(10);
      expect(world.state("n1999.example")).to.equal("fresh");
    });
  });

  describe("gauges", () => {
    it("tell what runs, what fails, and how old the oldest success is", async () => {
      expect(world.refresher.gauges()).to.deep.equal({ inFlight: 0, backoff: 0, oldestSuccessAgeSeconds: 0 });
      want("a.example");
      expect(world.refresher.gauges()).to.deep.equal({ inFlight: 2, backoff: 0, oldestSuccessAgeSeconds: 0 });
      await world.elapse(20);
      world.upstream.script = always(failed("servfail"));
      await world.elapse(100_000, 100);
      const gauges = world.refresher.gauges();
      expect(gauges.backoff).to.equal(1);
      expect(gauges.oldestSuccessAgeSeconds).to.equal(100);
      expect(world.refresher.counts.refreshes).to.include({ changed: 1, timeout: 0 });
      expect(world.refresher.counts.refreshes.servfail).to.be.greaterThan(5);
    });
  });

  it("resolves many names through c-ares, at a server that takes 20 ms", async () => {
    const server = new LoopbackServer();
    await server.start();
    server.behaviour = (asked, send) => {
      const answers = asked.type === RecordType.A ? [address(asked.name, "192.0.2.1", 60)] : [];
      setTimeout(() => send(reply(asked, Rcode.NOERROR, answers)), 20);
    };
    const upstream = { address: "127.0.0.1", port: server.port };
    const names = Array.from({ length: 200 }, (_, at) => host(`n${at}.example`));
    let ended = 0;
    await new Promise<void>((done) => {
      const real = new Refresher({
        lookup: createCaresLookup(),
        settings: {
          servers: { cluster: [upstream], other: [upstream] },
          clusterDomain: "cluster.local",
          maxStaleMs: 0,
        },
        // It stands, so that no question is repeated because the machine is slow.
        clock: new FakeClock(),
        random: systemRandom,
        logger: silentLogger,
        onTouched: () => {},
        onChanged(name, family) {
          expect(real.resolution(name)?.[family].state).to.equal(family === "A" ? "fresh" : "denied");
          ended += 1;
          if (ended === 2 * names.length) done(real.close());
        },
      });
      for (const name of names) real.want(name, "default");
    });
    expect(server.asked).to.have.length(2 * names.length);
    await server.close();
  });

  it("asks for nothing more once it is closed", async () => {
    for (let at = 0; at < 100; at += 1) want(`n${at}.example`);
    await world.elapse(30);
    await world.refresher.close();
    const { length } = world.upstream.calls;
    want("late.example");
    await world.elapse(120_000, 1000);
    expect(world.upstream.calls).to.have.length(length);
    expect(world.upstream.running.size).to.equal(0);
  });

  describe("does not share the known faults of resolvers in meshes", () => {
    it("stops refreshing for good after one failure", async () => {
      want("a.example");
      await world.elapse(100);
      let failures = 0;
      world.upstream.script = (call) => {
        if (call.family === "AAAA" || failures > 0) return healthy(call);
        failures += 1;
        return { afterMs: 20, result: failed("timeout") };
      };
      await world.elapse(300_000, 100);
      expect(failures).to.equal(1);
      expect(world.upstream.times("a.example").length).to.be.greaterThan(10);
    });

    it("never applies a changed address", async () => {
      want("a.example");
      await world.elapse(100);
      for (let last = 2; last < 8; last += 1) {
        world.upstream.script = always(addresses([`198.51.100.${last}`], 30));
        // The TTL and 5 s.
        await world.elapse(35_000, 100);
        expect(world.addressesOf("a.example")).to.deep.equal([`198.51.100.${last}`]);
      }
    });

    it("drops every other host when one is added", async () => {
      const names = Array.from({ length: 20 }, (_, at) => `n${at}.example`);
      for (const name of names) {
        want(name);
        await world.elapse(100);
      }
      await world.elapse(60_000, 100);
      expect(names.filter((name) => world.state(name) !== "fresh")).to.deep.equal([]);
      for (const name of names) expect(world.upstream.times(name).length).to.be.at.least(3);
    });

    it("asks upstream every 200 ms", async () => {
      for (const script of [healthy, always(failed("servfail")), always(NXDOMAIN), silent]) {
        const { upstream, refresher, elapse } = makeWorld();
        upstream.script = script;
        refresher.want(host("a.example"), "default");
        await elapse(60_000, 20);
        // Two families; the steepest retries are nine in a minute, each repeated once where nobody answers.
        expect(upstream.calls.length).to.be.at.most(36);
        await refresher.close();
      }
    });
  });
});
