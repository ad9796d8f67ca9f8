import { expect } from "chai";
import { type LogFields, silentLogger } from "../../src/runtime.ts";
import { statusObject } from "../support/api-exchange.ts";
import { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";
import { isList, isWatch, Reflection, serviceEntry } from "./fixture.ts";

describe("Reflector", () => {
  let server: ScriptedApiServer;
  let reflection: Reflection;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    reflection = new Reflection(server);
  });

  afterEach(async () => {
    await reflection.close();
    await server.close();
    expect(reflection.clock.timers).to.equal(0);
  });

  function apply(...names: readonly string[]): void {
    for (const name of names) server.apply(serviceEntry(name));
  }

  /** Waits until the objects are these. */
  async function comes(names: string): Promise<void> {
    await until(() => reflection.names === names, `${names} (there is: ${reflection.names})`);
  }

  async function started(): Promise<void> {
    reflection.start();
    await reflection.watching();
    await server.nextRequest(isWatch);
  }

  describe("in quiet times", () => {
    it("lists, then watches from the list's version with bookmarks for at most 30 s", async () => {
      apply("a", "b");
      reflection.start();
      const list = await server.nextRequest(isList);
      expect(list.path).to.equal("/apis/networking.istio.io/v1/serviceentries");
      expect(Object.fromEntries(list.query)).to.deep.equal({ limit: "500" });
      const watch = await server.nextRequest(isWatch);
      expect(watch.query.get("resourceVersion")).to.equal(server.resourceVersion);
      expect(watch.query.get("allowWatchBookmarks")).to.equal("true");
      expect(Number(watch.query.get("timeoutSeconds"))).to.be.within(20, 30);
      await reflection.watching();
      expect(reflection.names).to.equal("a b");
      expect(reflection.states).to.deep.equal([
        { phase: "starting", isListed: true, message: "" },
        { phase: "watching", isListed: true, message: "" },
      ]);
    });

    it("reads a list of several pages, all of one moment", async () => {
      for (let number = 0; number < 1203; number++) apply(`entry-${number}`);
      const version = server.resourceVersion;
      server.script(isList, async (exchange) => {
        exchange.respond(200, {
          metadata: { resourceVersion: version, continue: `${version}.0` },
          items: [],
        });
        apply("later");
      });
      reflection.start();
      await reflection.watching();
      const lists = server.requests.filter(isList).map(({ query }) => query.get("continue"));
      expect(lists).to.deep.equal([null, `${version}.0`, `${version}.500`, `${version}.1000`]);
      expect(reflection.story.slice(0, 1)).to.deep.equal(["list 1204"]);
    });

    it("hands on changes in their order", async () => {
      apply("a");
      await started();
      server.apply(serviceEntry("b", { mark: 1 }));
      server.apply(serviceEntry("b", { mark: 2 }));
      server.remove("ServiceEntry", "default", "a");
      await comes("b");
      expect(reflection.objects.get("b")).to.equal(2);
      expect(reflection.story).to.deep.equal(["list 1", "ADDED b", "MODIFIED b", "DELETED a"]);
    });

    it("goes on where it was when the server ends the watch", async () => {
      apply("a");
      await started();
      apply("b");
      await comes("a b");
      const version = server.resourceVersion;
      reflection.clock.advance(25_000);
      server.endWatches();
      const watch = await server.nextRequest(isWatch);
      expect(watch.query.get("resourceVersion")).to.equal(version);
      apply("c");
      await comes("a b c");
      expect(server.requests.filter(isList)).to.have.length(1);
      expect(reflection.counts.restarts("ended")).to.equal(1);
      expect(reflection.state.phase).to.equal("watching");
    });

    it("goes on from a bookmark where nothing happened", async () => {
      await started();
      server.passTime(7000);
      server.bookmark();
      const version = server.resourceVersion;
      reflection.clock.advance(25_000);
      server.endWatches();
      expect((await server.nextRequest(isWatch)).query.get("resourceVersion")).to.equal(version);
    });

    it("uses one connection for list and watches", async () => {
      await started();
      for (let round = 0; round < 3; round++) {
        reflection.clock.advance(25_000);
        server.endWatches();
        await server.nextRequest(isWatch);
      }
      expect(server.connections).to.equal(1);
    });

    it("takes octets however they are cut", async () => {
      const entry = serviceEntry("zürich", { metadata: { resourceVersion: "7" }, mark: '"}]{[\\" 🜁 \n' });
      server.script(isList, async (exchange) => {
        exchange.open();
        const text = JSON.stringify({ items: [entry, entry], metadata: { resourceVersion: "5" } });
        for (const octet of Buffer.from(text)) await exchange.send(Buffer.of(octet));
        exchange.end();
      });
      server.script(isWatch, async (exchange) => {
        exchange.open();
        const text = `${JSON.stringify({ type: "MODIFIED", object: { ...entry, mark: "ö" } })}\n`;
        for (const octet of Buffer.from(text)) await exchange.send(Buffer.of(octet));
      });
      reflection.start();
      await until(() => reflection.story.length === 1, "the list");
      expect(reflection.objects.get("zürich")).to.equal('"}]{[\\" 🜁 \n');
      await until(() => reflection.objects.get("zürich") === "ö", "the event");
    });

    it("lists everything again every 10 minutes, which heals a lost change", async () => {
      apply("a", "b");
      await started();
      server.lose(() => {
        server.remove("ServiceEntry", "default", "b");
        apply("c");
      });
      for (let second = 0; second < 600; second += 25) {
        await until(() => server.openWatches === 1, "a watch");
        const before = server.requests.length;
        reflection.clock.advance(25_000);
        server.endWatches();
        await until(() => server.requests.length > before, "the next request");
      }
      await comes("a c");
      expect(server.requests.filter(isList)).to.have.length(2);
      expect(reflection.counts.restarts("relist")).to.equal(1);
    });

    it("keeps watching when that list fails, and asks for it again a minute later", async () => {
      apply("a");
      await started();
      reflection.clock.advance(600_000 - 30_000);
      server.script(isList, (exchange) => exchange.refuse(500, "etcd is slow"));
      server.endWatches();
      await reflection.ended("server");
      reflection.clock.advance(1000);
      await server.nextRequest(isWatch);
      apply("b");
      await comes("a b");
      reflection.clock.advance(60_000);
      server.endWatches();
      await until(() => server.requests.filter(isList).length === 3, "the third list");
    });
  });

  describe("when the version is too old", () => {
    for (const expiredAs of ["status", "event"] as const) {
      it(`lists again, said as ${expiredAs}`, async () => {
        apply("a", "b");
        await started();
        server.expiredAs = expiredAs;
        server.holdWatches();
        server.remove("ServiceEntry", "default", "a");
        server.compact();
        server.cutWatches();
        await reflection.ended("connection");
        reflection.clock.advance(1000);
        await comes("b");
        expect(reflection.counts.restarts("expired")).to.equal(1);
        await reflection.watching();
      });
    }

    it("takes the changes that came before it said so", async () => {
      apply("a");
      server.script(isWatch, async (exchange) => {
        exchange.open();
        const event = { type: "ADDED", object: serviceEntry("b", { metadata: { resourceVersion: "2000" } }) };
        const error = { type: "ERROR", object: statusObject(410, "too old") };
        await exchange.send(`${JSON.stringify(event)}\n${JSON.stringify(error)}\n`);
      });
      reflection.start();
      await reflection.watching();
      await until(() => reflection.story.length === 3, "three steps");
      expect(reflection.story).to.deep.equal(["list 1", "ADDED b", "list 1"]);
    });

    it("waits longer and longer where that repeats", async () => {
      reflection.random.value = 0.999;
      const tooOld = (exchange: { refuse(status: number, message: string): void }) =>
        exchange.refuse(410, "too old");
      server.script(isWatch, tooOld, tooOld, tooOld);
      reflection.start();
      await reflection.ended("expired", 2);
      expect(server.requests.filter(isList)).to.have.length(2);
      reflection.clock.advance(1500);
      await new Promise(setImmediate);
      expect(server.requests.filter(isList)).to.have.length(2);
      reflection.clock.advance(100);
      await reflection.ended("expired", 3);
    });

    it("lists without pages when the pages are gone before the last was read", async () => {
      for (let number = 0; number < 501; number++) apply(`entry-${number}`);
      server.script(
        (request) => isList(request) && request.query.has("continue"),
        (exchange) => exchange.refuse(410, "The provided continue parameter is too old"),
      );
      reflection.start();
      await reflection.watching();
      expect(reflection.objects.size).to.equal(501);
      expect(server.requests.filter(isList).map(({ query }) => query.get("limit"))).to.deep.equal([
        "500",
        "500",
        null,
      ]);
    });
  });

  describe("when the server refuses", () => {
    it("does not count as listed, and tries again with growing waits", async () => {
      reflection.random.value = 0.999;
      server.script(isList, ...Array.from({ length: 8 }, () => refuseWith(500)));
      reflection.start();
      const waits = [800, 1600, 3000, 3000, 3000, 3000, 3000, 3000];
      for (const [position, waitMs] of waits.entries()) {
        await reflection.ended("server", position + 1);
        expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
        const before = server.requests.filter(isList).length;
        reflection.clock.advance(waitMs * 0.99);
        await quiet();
        expect(server.requests.filter(isList), `after ${waitMs}`).to.have.length(before);
        reflection.clock.advance(waitMs * 0.01);
        await until(() => server.requests.filter(isList).length > before, `a list after ${waitMs}`);
      }
      await reflection.watching();
    });

    it("forgets failures after a minute of health", async () => {
      reflection.random.value = 0.999;
      server.script(isList, refuseWith(500), refuseWith(500), refuseWith(500));
      reflection.start();
      for (let failures = 1; failures <= 3; failures++) {
        await reflection.ended("server", failures);
        reflection.clock.advance(3200);
      }
      await reflection.watching();
      for (let halfMinutes = 0; halfMinutes < 3; halfMinutes++) {
        reflection.clock.advance(25_000);
        server.endWatches();
        await reflection.ended("ended", halfMinutes + 1);
        await until(() => server.openWatches === 1, "a watch");
      }
      server.script(isWatch, refuseWith(503));
      reflection.clock.advance(1000);
      server.endWatches();
      await reflection.ended("server", 4);
      reflection.clock.advance(800);
      await until(() => server.openWatches === 1, "a watch");
    });

    it("leaves it alone for as long as Retry-After says", async () => {
      apply("a");
      reflection.random.value = 0;
      server.script(isList, (exchange) => exchange.refuse(429, "slow down", { "retry-after": "7" }));
      reflection.start();
      await reflection.ended("throttled");
      expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
      reflection.clock.advance(6900);
      await quiet();
      expect(server.requests.filter(isList)).to.have.length(1);
      server.script(isWatch, (exchange) => exchange.refuse(503, "starting", { "retry-after": "5" }));
      reflection.clock.advance(100);
      await reflection.ended("server");
      expect(reflection.names).to.equal("a");
      // One that starts is there sooner than it says.
      reflection.clock.advance(1900);
      await quiet();
      expect(server.openWatches).to.equal(0);
      reflection.clock.advance(100);
      await reflection.watching();
      expect(server.requests.filter(isList)).to.have.length(2);
    });

    it("does not believe a Retry-After of hours", async () => {
      reflection.random.value = 0;
      server.script(isList, (exchange) => exchange.refuse(429, "go away", { "retry-after": "86400" }));
      reflection.start();
      await reflection.ended("throttled");
      reflection.clock.advance(60_000);
      await reflection.watching();
    });

    it("does not spin where watches end as soon as they begin", async () => {
      const ends = (exchange: { open(): void; end(): void }) => {
        exchange.open();
        exchange.end();
      };
      server.script(isWatch, ends, ends, ends);
      reflection.start();
      await reflection.ended("server");
      expect(server.requests.filter(isWatch)).to.have.length(1);
    });

    it("takes an error event that is not about the version for a failure, and lists when it repeats", async () => {
      apply("a");
      const fails = async (exchange: {
        open(): void;
        event(type: string, object: unknown): Promise<void>;
      }) => {
        exchange.open();
        await exchange.event("ERROR", statusObject(500, "watch chan error"));
      };
      server.script(isWatch, fails, fails);
      reflection.start();
      await reflection.ended("server", 1);
      expect(reflection.state.message).to.contain("watch chan error");
      reflection.clock.advance(1000);
      await reflection.ended("server", 2);
      expect(server.requests.filter(isList)).to.have.length(1);
      reflection.clock.advance(2000);
      await until(() => server.openWatches === 1, "a watch");
      expect(server.requests.filter(isList)).to.have.length(2);
    });
  });

  describe("when the kind is missing or denied", () => {
    it("counts as listed and empty, and is asked for every 30 s", async () => {
      server.istioVersions = [];
      apply("a");
      reflection.start();
      await reflection.ended("missing");
      expect(reflection.state).to.deep.include({ phase: "missing", isListed: true });
      expect(reflection.story).to.deep.equal(["list 0"]);
      for (let round = 2; round < 4; round++) {
        reflection.clock.advance(29_999);
        await quiet();
        expect(reflection.counts.restarts("missing")).to.equal(round - 1);
        reflection.clock.advance(1);
        await reflection.ended("missing", round);
      }
      server.istioVersions = ["v1"];
      reflection.clock.advance(30_000);
      await comes("a");
      await reflection.watching();
      expect(reflection.story).to.deep.equal(["list 0", "list 1"]);
    });

    it("says what is denied", async () => {
      server.denied.add("serviceentries");
      reflection.start();
      await reflection.ended("denied");
      expect(reflection.state).to.deep.equal({
        phase: "denied",
        isListed: true,
        message: "403 serviceentries is forbidden",
      });
      server.denied.clear();
      reflection.clock.advance(30_000);
      await reflection.watching();
    });

    it("keeps the objects while a server that has just started says so", async () => {
      apply("a");
      await started();
      server.missing.add("serviceentries");
      server.denied.add("serviceentries");
      server.cutWatches();
      await reflection.ended("connection");
      reflection.clock.advance(1000);
      await reflection.ended("denied");
      expect(reflection.state.phase).to.equal("failing");
      server.denied.clear();
      await until(() => {
        reflection.clock.advance(100);
        return reflection.counts.restarts("missing") > 0;
      }, "missing");
      expect(reflection.names).to.equal("a");
      server.missing.clear();
      await until(() => {
        reflection.clock.advance(100);
        return reflection.state.phase === "watching";
      }, "watching");
      expect(reflection.story).to.deep.equal(["list 1", "list 1"]);
    });

    it("lets them go when the kind stays missing, and keeps them when it stays denied", async () => {
      for (const [set, left] of [
        ["denied", "a"],
        ["missing", ""],
      ] as const) {
        if (set === "denied") apply("a");
        if (set === "denied") await started();
        server[set].add("serviceentries");
        server.cutWatches();
        await until(() => {
          reflection.clock.advance(500);
          return reflection.state.phase === set;
        }, set);
        expect(reflection.names).to.equal(left);
        server.denied.clear();
      }
      server.missing.clear();
      reflection.clock.advance(30_000);
      await comes("a");
    });

    it("lists every 30 s where it may list and not watch, and says so", async () => {
      apply("a");
      const denied = (exchange: { refuse(status: number, message: string): void }) =>
        exchange.refuse(403, "cannot watch");
      server.script(isWatch, ...Array.from({ length: 200 }, () => denied));
      reflection.start();
      await until(() => {
        reflection.clock.advance(250);
        return reflection.state.phase === "denied";
      }, "denied");
      expect(reflection.names).to.equal("a");
      apply("b");
      await until(() => {
        reflection.clock.advance(1000);
        return reflection.names === "a b";
      }, "b");
      expect(reflection.state).to.deep.include({ phase: "denied", isListed: true });
    });

    it("finds the version that is served, also when it is another one later", async () => {
      server.istioVersions = ["v1alpha3", "v1beta1"];
      apply("a");
      await started();
      expect(server.requests.at(-1)?.path).to.equal("/apis/networking.istio.io/v1beta1/serviceentries");
      server.istioVersions = ["v1alpha3"];
      server.cutWatches();
      await reflection.ended("connection");
      reflection.clock.advance(1000);
      await until(() => server.requests.at(-1)?.path.includes("v1alpha3") === true, "another version");
      await until(() => server.openWatches === 1, "a watch");
      expect(reflection.names).to.equal("a");
    });

    for (const status of [403, 404]) {
      it(`tries all versions where nobody tells them (${status})`, async () => {
        server.istioVersions = ["v1alpha3"];
        server.script("/apis/networking.istio.io", refuseWith(status));
        apply("a");
        reflection.start();
        await reflection.watching();
        expect(server.requests.map(({ path }) => path.split("/")[3])).to.deep.equal([
          undefined,
          "v1",
          "v1beta1",
          "v1alpha3",
          "v1alpha3",
        ]);
      });
    }

    it("does not take an answer for the versions that is none for their absence", async () => {
      server.script(
        "/apis/networking.istio.io",
        (exchange) => exchange.respond(200, "<html>"),
        (exchange) => exchange.respond(200, { versions: null }),
        refuseWith(503),
      );
      reflection.start();
      for (const [reason, count] of [
        ["broken", 1],
        ["broken", 2],
        ["server", 1],
      ] as const) {
        await reflection.ended(reason, count);
        expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
        reflection.clock.advance(5000);
      }
      await reflection.watching();
    });

    it("tries the next version where the group has one that the kind lacks", async () => {
      server.script("/v1/serviceentries", refuseWith(404));
      reflection.start();
      await reflection.watching();
      expect(server.requests.at(-1)?.path).to.contain("/v1beta1/");
    });
  });

  describe("when the connection fails", () => {
    it("knocks until somebody is there, at least every 3 s", async () => {
      apply("a");
      await server.goAway();
      reflection.random.value = 0.999;
      reflection.start();
      for (let attempt = 1; attempt < 9; attempt++) {
        await reflection.ended("connection", attempt);
        expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
        expect(reflection.state.message).to.contain("ECONNREFUSED");
        reflection.clock.advance(3000);
      }
      await reflection.ended("connection", 9);
      await server.comeBack();
      reflection.clock.advance(3000);
      await comes("a");
    });

    for (const way of ["cut", "reset"] as const) {
      it(`goes on where it was after a ${way} in the middle of a line`, async () => {
        apply("a");
        const version = server.resourceVersion;
        server.script(isWatch, async (exchange) => {
          exchange.open();
          await exchange.event("BOOKMARK", { metadata: { resourceVersion: "1500" } });
          await exchange.send('{"type":"ADDED","object":{"meta');
          exchange[way]();
        });
        reflection.start();
        await reflection.ended("connection");
        server.passTime(600);
        reflection.clock.advance(800);
        await server.nextRequest((request) => request.query.get("resourceVersion") === version);
        await server.nextRequest((request) => request.query.get("resourceVersion") === "1500");
        apply("b");
        await comes("a b");
        expect(server.requests.filter(isList)).to.have.length(1);
      });
    }

    it("takes the end of the body within a line for a cut", async () => {
      server.script(isWatch, async (exchange) => {
        exchange.open();
        await exchange.send('{"type":"ADDED",');
        exchange.end();
      });
      reflection.start();
      await reflection.ended("connection");
      expect(reflection.state.message).to.contain("within a line");
    });

    it("throws away a list that was cut", async () => {
      apply("a");
      server.script(isList, async (exchange) => {
        exchange.open(200, { "content-length": "1000" });
        await exchange.send(
          `{"metadata":{"resourceVersion":"1"},"items":[${JSON.stringify(serviceEntry("x"))},`,
        );
        exchange.cut();
      });
      reflection.start();
      await reflection.ended("connection");
      expect(reflection.story).to.deep.equal([]);
      reflection.clock.advance(800);
      await comes("a");
    });

    it("leaves a watch that has fallen silent within 40 s, and has what it missed", async () => {
      apply("a");
      await started();
      server.holdWatches();
      apply("b");
      server.remove("ServiceEntry", "default", "a");
      reflection.clock.advance(34_999);
      await quiet();
      expect(reflection.names).to.equal("a");
      reflection.clock.advance(1);
      await comes("b");
      expect(reflection.counts.restarts("stalled")).to.equal(1);
      expect(server.requests.filter(isList)).to.have.length(1);
      await reflection.watching();
    });

    it("does not take a quiet watch with bookmarks for a silent one", async () => {
      await started();
      for (let round = 0; round < 5; round++) {
        reflection.clock.advance(30_000);
        server.passTime();
        server.bookmark();
        await quiet();
      }
      expect(server.requests.filter(isWatch)).to.have.length(1);
    });

    it("leaves a list that does not begin, or does not go on", async () => {
      apply("a");
      server.script(
        isList,
        () => {},
        async (exchange) => {
          exchange.open();
          await exchange.send('{"metadata":{"resourceVersion":"1"},"items":[');
        },
      );
      reflection.start();
      await server.nextRequest(isList);
      reflection.clock.advance(30_000);
      await reflection.ended("stalled", 1);
      await server.nextRequest(isList);
      await quiet();
      reflection.clock.advance(30_000);
      await reflection.ended("stalled", 2);
      expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
      reflection.clock.advance(2000);
      await comes("a");
    });

    it("sends a request again whose kept connection was closed meanwhile", async () => {
      await started();
      server.script(isWatch, (exchange) => exchange.reset());
      reflection.clock.advance(25_000);
      server.endWatches();
      await until(() => server.requests.filter(isWatch).length === 3 && server.openWatches === 1, "a watch");
      expect(reflection.counts.restarts("connection")).to.equal(0);
    });
  });

  describe("when objects are broken", () => {
    it("begins again before a line that is no JSON, and takes what came before it", async () => {
      apply("a");
      server.script(isWatch, async (exchange) => {
        exchange.open();
        const event = { type: "ADDED", object: serviceEntry("b", { metadata: { resourceVersion: "1500" } }) };
        await exchange.send(`${JSON.stringify(event)}\n{"type":"ADDED","object":\n`);
      });
      reflection.start();
      await reflection.ended("broken");
      expect(reflection.names).to.equal("a b");
      server.passTime(600);
      reflection.clock.advance(800);
      await server.nextRequest((request) => request.query.get("resourceVersion") === "1500");
      expect(server.requests.filter(isList)).to.have.length(1);
    });

    it("lists when it meets the same line again", async () => {
      const breaks = async (exchange: { open(): void; send(text: string): Promise<void> }) => {
        exchange.open();
        await exchange.send("<html>\n");
      };
      server.script(isWatch, breaks, breaks);
      reflection.start();
      for (let round = 1; round <= 2; round++) {
        await reflection.ended("broken", round);
        reflection.clock.advance(2000);
      }
      await until(() => server.requests.filter(isList).length === 2, "the second list");
      await reflection.watching();
    });

    it("does not count a list that is none", async () => {
      server.script(
        isList,
        (exchange) => exchange.respond(200, "<html>welcome</html>"),
        (exchange) => exchange.respond(200, { items: [] }),
        (exchange) => exchange.respond(200, '{"metadata":{"resourceVersion":"1"},"items":[{}'),
      );
      reflection.start();
      for (let round = 1; round <= 3; round++) {
        await reflection.ended("broken", round);
        expect(reflection.state).to.deep.include({ phase: "failing", isListed: false });
        reflection.clock.advance(5000);
      }
      await reflection.watching();
    });

    it("leaves out an object that is too large, and none beside it", async () => {
      await reflection.close();
      reflection = new Reflection(server, { mostObjectOctets: 1000 });
      const large = { mark: "x".repeat(2000) };
      apply("a");
      server.apply(serviceEntry("b", large));
      apply("c");
      await started();
      expect(reflection.names).to.equal("a c");
      expect(reflection.refused).to.equal(1);
      server.apply(serviceEntry("a", large));
      apply("d");
      await comes("a c d");
      expect(reflection.refused).to.equal(2);
      expect(reflection.objects.get("a")).to.equal(undefined);
      expect(server.openWatches).to.equal(1);
    });

    it("leaves out an object that the reader throws at, and none beside it", async () => {
      await reflection.close();
      const said: string[] = [];
      const error = (_fields: LogFields, message: string) => said.push(message);
      reflection = new Reflection(server, {
        logger: { ...silentLogger, error },
        handlers: {
          read: (raw) => {
            const { name } = (raw as { metadata: { name: string } }).metadata;
            if (name.startsWith("bad")) throw new Error("no");
            return { name, mark: undefined };
          },
        },
      });
      apply("a", "bad-1", "b");
      await started();
      apply("bad-2", "c");
      await comes("a b c");
      expect(reflection.refused).to.equal(2);
      expect(said).to.deep.equal(
        ["bad-1", "bad-2"].map(
          (name) => `one of the serviceentries cannot be read and is left out: default/${name}`,
        ),
      );
    });

    it("lists again when a change could not be taken", async () => {
      await reflection.close();
      let throws = 1;
      const broken = new Reflection(server, {
        handlers: {
          onEvents: () => {
            if (throws-- > 0) throw new Error("no");
          },
        },
      });
      reflection = broken;
      apply("a");
      await started();
      apply("b");
      await reflection.ended("internal");
      reflection.clock.advance(800);
      await comes("a b");
      await reflection.watching();
    });
  });

  describe("close", () => {
    it("ends an open watch, and nothing is handed on afterwards", async () => {
      apply("a");
      await started();
      const states = reflection.states.length;
      await reflection.close();
      apply("b");
      await until(() => server.openWatches === 0, "no watch");
      expect(reflection.story).to.deep.equal(["list 1"]);
      expect(reflection.states).to.have.length(states);
    });

    it("ends a list that hangs, and a wait", async () => {
      server.script(isList, () => {});
      reflection.start();
      await server.nextRequest(isList);
      await reflection.close();
      const waiting = new Reflection({ url: "http://127.0.0.1:1" });
      waiting.start();
      await waiting.ended("connection");
      expect(waiting.clock.timers).to.equal(1);
      await waiting.close();
      expect(waiting.clock.timers).to.equal(0);
      expect(waiting.counts.restarts("connection")).to.equal(1);
    });

    it("cannot be undone", async () => {
      await reflection.close();
      reflection.start();
      await quiet();
      expect(server.requests).to.deep.equal([]);
    });
  });
});

function refuseWith(status: number): (exchange: { refuse(status: number, message: string): void }) => void {
  return (exchange) => exchange.refuse(status, "no");
}
