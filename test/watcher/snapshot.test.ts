import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import * as fc from "fast-check";
import { Registry } from "prom-client";
import { toClientPod } from "../../src/mesh/client-pod.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { KINDS, type Kind } from "../../src/mesh/objects.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { KeptName } from "../../src/mesh/resolution.ts";
import { type LogFields, silentLogger } from "../../src/runtime.ts";
import { ClusterSource } from "../../src/watcher/cluster-source.ts";
import { registerSnapshotMetrics } from "../../src/watcher/metrics.ts";
import { Snapshot, type SnapshotOptions } from "../../src/watcher/snapshot.ts";
import {
  readSnapshot,
  SNAPSHOT_FILE,
  UNFINISHED_FILE,
  writeSnapshot,
} from "../../src/watcher/snapshot-file.ts";
import {
  type KeptObject,
  keptObjects,
  objectLine,
  restoreObjects,
} from "../../src/watcher/snapshot-objects.ts";
import { parseHostName } from "../../src/wire/host-name.ts";
import { FixedRandom, plainClient, serviceEntry } from "../cluster/fixture.ts";
import { anyObject, type WorldObject } from "../support/arbitrary-objects.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";
import { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";

const VERSION = "1.2.3";
const NAME: KeptName = {
  name: parseHostName("up.test") as KeptName["name"],
  A: { state: "resolved", addresses: [], ttlSeconds: 30, expiresAtWallMs: 1_700_000_000_000 },
  AAAA: { state: "denied", by: "nodata" },
};

describe("Snapshot", function () {
  this.timeout(240_000);
  let folder: string;
  let clock: FakeClock;
  let said: { readonly message: string; readonly fields: LogFields }[];
  let snapshots: Snapshot[];
  /** That have ended. */
  let writes: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "snapshot-"));
    clock = new FakeClock();
    said = [];
    snapshots = [];
    writes = 0;
  });

  afterEach(async () => {
    for (const snapshot of snapshots) await snapshot.close();
    rmSync(folder, { recursive: true, force: true });
    expect(clock.timers).to.equal(0);
  });

  const warn = (fields: LogFields, message: string) => void said.push({ message, fields });
  const debug = () => {
    writes += 1;
  };

  function open(store: MeshStore, options: Partial<SnapshotOptions> = {}): Snapshot {
    const snapshot = new Snapshot({
      folder,
      version: VERSION,
      store,
      names: () => [NAME],
      isConfirmed: () => true,
      clock,
      logger: { ...silentLogger, warn, debug },
      ...options,
    });
    snapshots.push(snapshot);
    return snapshot;
  }

  function put(store: MeshStore, ...names: readonly string[]): void {
    for (const name of names)
      store.put("ServiceEntry", parseServiceEntry(serviceEntry(name)).value!, clock.nowMs());
    store.flush();
  }

  function storeOf(...names: readonly string[]): MeshStore {
    const store = new MeshStore();
    put(store, ...names);
    return store;
  }

  /** What a program that starts now would answer from; undefined: nothing. */
  function restored(options: Partial<SnapshotOptions> = {}): string | undefined {
    const store = new MeshStore();
    const found = open(store, options).restore(() => {});
    return found ? namesIn(store, "ServiceEntry") : undefined;
  }

  function namesIn(store: MeshStore, kind: Kind): string {
    return Array.from(store.all(kind).values(), ({ ref }) => ref.name).join(" ");
  }

  function file(): string {
    return join(folder, SNAPSHOT_FILE);
  }

  function modified(): number {
    try {
      return statSync(file()).mtimeMs;
    } catch {
      return 0;
    }
  }

  /** Resolves when a write that this time passing starts has ended. */
  async function written(ms: number): Promise<void> {
    const before = writes;
    clock.advance(ms);
    await until(() => writes > before, "a snapshot");
    await new Promise(setImmediate);
  }

  describe("keeps", () => {
    it("objects and names over a restart; the names are there before the objects", async () => {
      await open(storeOf("a", "b")).start();
      await written(1000);
      const store = new MeshStore();
      const order: string[] = [];
      store.onChange(() => order.push("objects"));
      const found = open(store).restore((names) => {
        expect(names).to.deep.equal([NAME]);
        order.push("names");
      });
      expect(found).to.equal(true);
      expect(order).to.deep.equal(["names", "objects"]);
      expect(namesIn(store, "ServiceEntry")).to.equal("a b");
    });

    it("any objects as they are", async () => {
      const anyLabels = fc.dictionary(
        fc.oneof(fc.string(), fc.constant("__proto__")),
        fc.string({ unit: "binary" }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(anyObject, anyLabels), { maxLength: 30 }), async (drawn) => {
          const before = new MeshStore();
          for (const [object, labels] of drawn) putAny(before, { ...object, labels } as WorldObject);
          const objects = keptObjects(before);
          await writeSnapshot(folder, VERSION, { confirmedAtMs: 5, objects, names: [NAME] });
          const read = readSnapshot(folder, VERSION, 5);
          if (read.kind !== "good") throw new Error(JSON.stringify(read));
          expect(read.content.names).to.deep.equal([NAME]);
          const after = new MeshStore();
          restoreObjects(read.content.objects, after, 0);
          for (const kind of KINDS) {
            expect([...after.all(kind).keys()]).to.deep.equal([...before.all(kind).keys()]);
            expect(plain([...after.all(kind).values()] as WorldObject[])).to.deep.equal(
              plain([...before.all(kind).values()] as WorldObject[]),
            );
          }
        }),
        { numRuns: 25 },
      );
    });

    it("pods of which only that was kept by which clients are told apart", async () => {
      const pod = parsePod({
        metadata: {
          name: "p",
          namespace: "east",
          uid: "u",
          resourceVersion: "7",
          labels: { "k8s-app": "x", app: "y" },
        },
        spec: { nodeName: "node1" },
        status: {
          podIP: "10.0.0.1",
          startTime: "2026-01-01T00:00:00Z",
          conditions: [{ type: "Ready", status: "True" }],
        },
      }).value!;
      const short = toClientPod(pod, (text) => text);
      const before = new MeshStore();
      before.put("Pod", short, 0);
      await writeSnapshot(folder, VERSION, { confirmedAtMs: 5, objects: keptObjects(before), names: [] });
      const read = readSnapshot(folder, VERSION, 5);
      const after = new MeshStore();
      restoreObjects(read.kind === "good" ? read.content.objects : [], after, 0);
      const [again] = after.all("Pod").values();
      expect(again).to.be.instanceOf(short.constructor);
      for (const name of [...Object.keys(pod), "meshMode", "isDeleting"] as (keyof typeof pod)[])
        expect(again![name], name).to.deep.equal(short[name]);
      expect(again!.ips).to.deep.equal(["10.0.0.1"]);
    });
  });

  describe("is written", () => {
    it("soon after a change, at most once in 10 s, and not while nothing changes", async () => {
      const store = storeOf("a");
      let begun = 0;
      const names = () => {
        begun += 1;
        return [];
      };
      await open(store, { names }).start();
      await written(1000);
      for (let second = 0; second < 60; second++) {
        put(store, `b${second}`);
        clock.advance(1000);
        await until(() => writes === begun, "the end of a write");
        await new Promise(setImmediate);
      }
      expect(writes).to.be.within(6, 7);
      put(store, "last");
      await written(10_000);
      clock.advance(280_000);
      await quiet(30);
      expect(begun).to.equal(writes);
    });

    it("now and then without a change, so that its age is that of the last look", async () => {
      const snapshot = open(storeOf("a"));
      await snapshot.start();
      await written(1000);
      expect(snapshot.ageSeconds).to.equal(0);
      clock.advance(299_000);
      expect(snapshot.ageSeconds).to.equal(299);
      await written(1000);
      expect(snapshot.ageSeconds).to.equal(0);
    });

    it("at the end, with what changed last", async () => {
      const store = storeOf("a");
      const snapshot = open(store);
      await snapshot.start();
      await written(1000);
      put(store, "b");
      await snapshot.close();
      expect(restored()).to.equal("a b");
      const last = modified();
      put(store, "c");
      clock.advance(600_000);
      await quiet(20);
      expect(modified()).to.equal(last);
    });

    it("not before the first lists are through", async () => {
      let isConfirmed = false;
      const store = storeOf("a");
      const snapshot = open(store, { isConfirmed: () => isConfirmed });
      await snapshot.start();
      clock.advance(60_000);
      await quiet(20);
      expect(readdirSync(folder)).not.to.include(SNAPSHOT_FILE);
      isConfirmed = true;
      put(store, "b");
      await written(10_000);
      expect(restored()).to.equal("a b");
    });

    it("with the age of the last look at the API server, however long that is away", async () => {
      let isConfirmed = true;
      const store = storeOf("a");
      const snapshot = open(store, { isConfirmed: () => isConfirmed });
      await snapshot.start();
      await written(1000);
      isConfirmed = false;
      for (let hour = 0; hour < 23; hour++) await written(3_600_000);
      expect(snapshot.ageSeconds).to.equal(23 * 3600);
      await snapshot.close();
      expect(restored()).to.equal("a");
      clock.advance(3_600_001);
      expect(restored()).to.equal(undefined);
    });

    it("whole, even when the process is killed at any moment of it", async () => {
      let interrupted = 0;
      // At least so often, and until it has met a write.
      for (let kill = 0; kill < 6 || (interrupted === 0 && kill < 60); kill++) {
        const child = spawn(process.execPath, [join(import.meta.dirname, "snapshot-writer.ts"), folder], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        await once(child.stdout, "data");
        // The writing itself is short: so it is waited for without a pause.
        for (const endAtMs = Date.now() + 2000; Date.now() < endAtMs; )
          if (existsSync(join(folder, UNFINISHED_FILE))) break;
        child.kill("SIGKILL");
        await once(child, "exit");
        const read = readSnapshot(folder, "1.0.0", Date.now());
        expect(read.kind).to.equal("good");
        if (read.kind === "good") expect(read.content.objects.length % 100).to.equal(0);
        if (existsSync(join(folder, UNFINISHED_FILE))) interrupted += 1;
      }
      expect(interrupted).to.be.above(0);
    });

    it("over what a killed process left unfinished", async () => {
      writeFileSync(join(folder, UNFINISHED_FILE), "x".repeat(1_000_000));
      expect(restored()).to.equal(undefined);
      await open(storeOf("a")).start();
      await written(1000);
      expect(restored()).to.equal("a");
      expect(readdirSync(folder)).to.deep.equal([SNAPSHOT_FILE]);
    });

    it("for nobody else to read", async () => {
      await open(storeOf("a")).start();
      await written(1000);
      expect(statSync(file()).mode & 0o077).to.equal(0);
    });
  });

  describe("is refused, with what is to be done, when it", () => {
    const cases: [string, (text: Buffer) => Buffer | string, RegExp][] = [
      ["is cut off", (octets) => octets.subarray(0, octets.length - 5), /ends after \d+ of \d+ octets/],
      ["is cut off in its first line", (octets) => octets.subarray(0, 20), /its beginning is damaged/],
      ["is empty", () => "", /its beginning is damaged/],
      ["is another program's", () => "PK\u0003\u0004 something\nelse", /is no snapshot/],
      ["has another format", () => "serviceentry-dns-snapshot 2 {}\n", /has the format 2, not 1/],
      ["has a first line that is none", () => "serviceentry-dns-snapshot 1 {}\n", /damaged first line/],
      ["has a first line of null", () => "serviceentry-dns-snapshot 1 null\n", /damaged first line/],
    ];
    for (const [title, change, reason] of cases) {
      it(title, async () => {
        await open(storeOf("a")).start();
        await written(1000);
        writeFileSync(file(), change(readFileSync(file())));
        expect(restored()).to.equal(undefined);
        expect(said).to.have.length(1);
        expect(said[0]!.message)
          .to.match(reason)
          .and.to.match(/^the snapshot .*: it is not used$/);
        expect(said[0]!.fields["remedy"]).to.match(/^\w.{20,}\.$/);
      });
    }

    it("has one octet that is another", async () => {
      await open(storeOf("a", "b", "c")).start();
      await written(1000);
      const octets = readFileSync(file());
      for (let at = 0; at < octets.length; at += 3) {
        const damaged = Buffer.from(octets);
        damaged[at]! ^= 1 << (at % 8);
        writeFileSync(file(), damaged);
        expect(readSnapshot(folder, VERSION, clock.wallMs()).kind, `octet ${at}`).to.equal("refused");
      }
    });

    it("is of another version of the program", async () => {
      await open(storeOf("a")).start();
      await written(1000);
      expect(restored({ version: "1.2.4" })).to.equal(undefined);
      expect(said[0]!.message).to.contain("was written by version 1.2.3");
    });

    it("is a day old, or from the future", async () => {
      const snapshot = open(storeOf("a"));
      await snapshot.start();
      await written(1000);
      const confirmedAtMs = clock.wallMs();
      const kindAt = (ms: number) => readSnapshot(folder, VERSION, confirmedAtMs + ms).kind;
      expect(kindAt(24 * 3_600_000)).to.equal("good");
      expect(kindAt(24 * 3_600_000 + 1)).to.equal("refused");
      expect(kindAt(-300_000)).to.equal("good");
      expect(kindAt(-300_001)).to.equal("refused");
    });

    it("is a folder", () => {
      mkdirSync(file());
      expect(restored()).to.equal(undefined);
      expect(said[0]!.message).to.contain("cannot be read");
    });
  });

  describe("where it cannot be written", () => {
    it("is off from the start, says so once, and does no harm", async () => {
      writeFileSync(join(folder, "file"), "");
      const store = storeOf("a");
      const snapshot = open(store, { folder: join(folder, "file", "below") });
      await snapshot.start();
      put(store, "b");
      clock.advance(600_000);
      await snapshot.close();
      expect(said.map(({ message }) => message)).to.deep.equal(["snapshots are off"]);
      expect(said[0]!.fields["remedy"]).to.contain("Mount a volume");
      expect(snapshot.ageSeconds).to.equal(undefined);
    });

    it("is off in a folder that others own", async function () {
      // Who may do everything can write everywhere: so as somebody who may not.
      if (process.getuid?.() !== 0) {
        process.stdout.write("\n  skipped: the folder that others own: only root can try that here\n");
        this.skip();
      }
      process.seteuid!(65_534);
      try {
        await open(storeOf("a")).start();
      } finally {
        process.seteuid!(0);
      }
      expect(said[0]).to.deep.include({ message: "snapshots are off" });
      expect(said[0]!.fields["reason"]).to.equal("permission denied");
    });

    it("is tried again after what may pass, such as a folder that is gone for a while", async () => {
      const store = storeOf("a");
      const below = join(folder, "below");
      const snapshot = open(store, { folder: below });
      await snapshot.start();
      rmSync(below, { recursive: true });
      // In the place of the folder nothing can be made; in the file's, a folder is no file.
      mkdirSync(join(below, SNAPSHOT_FILE, "in-the-way"), { recursive: true });
      clock.advance(1000);
      await until(() => said.length === 1, "a warning");
      expect(said[0]!.message).to.equal("the snapshot could not be written and is tried again");
      rmSync(join(below, SNAPSHOT_FILE), { recursive: true });
      put(store, "b");
      clock.advance(10_000);
      await until(() => readdirSync(below).includes(SNAPSHOT_FILE), "a snapshot");
      await snapshot.close();
      expect(restored({ folder: below })).to.equal("a b");
      expect(said).to.have.length(1);
    });
  });

  describe("and the API server", () => {
    let server: ScriptedApiServer;
    let client: ReturnType<typeof plainClient>;
    let source: ClusterSource;
    let store: MeshStore;

    beforeEach(async () => {
      server = await ScriptedApiServer.start();
      client = plainClient(server);
    });

    afterEach(async () => {
      await source?.close();
      await client.close();
      await server.close();
    });

    function watch(): void {
      source = new ClusterSource({
        client,
        store,
        problems: new ProblemBook(() => 0),
        clock,
        random: new FixedRandom(),
        logger: silentLogger,
        onSynced: () => {},
        settings: NEED_SETTINGS,
      });
      void source.start();
    }

    it("the first list of each kind replaces what it brought, deletions included", async () => {
      for (const name of ["kept", "gone"]) server.apply(serviceEntry(name));
      server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "gone-too" } });
      store = new MeshStore();
      watch();
      await until(() => source.isLive, "live");
      await open(store, { isConfirmed: () => source.isLive }).start();
      await written(1000);
      await source.close();
      server.remove("ServiceEntry", "default", "gone");
      server.remove("Namespace", undefined, "gone-too");
      server.apply(serviceEntry("new"));

      await server.goAway();
      store = new MeshStore();
      expect(open(store).restore(() => {})).to.equal(true);
      expect(namesIn(store, "ServiceEntry")).to.equal("kept gone");
      watch();
      clock.advance(20_000);
      await quiet(30);
      expect(source.isLive).to.equal(false);
      expect(namesIn(store, "ServiceEntry")).to.equal("kept gone");

      await server.comeBack();
      const holdNamespaces = Promise.withResolvers<void>();
      server.script("/api/v1/namespaces", async (exchange) => {
        await holdNamespaces.promise;
        await server.answer(exchange);
      });
      await until(() => {
        clock.advance(10);
        return namesIn(store, "ServiceEntry") === "kept new";
      }, "the live entries");
      expect(namesIn(store, "Namespace")).to.equal("gone-too");
      holdNamespaces.resolve();
      await until(() => {
        clock.advance(10);
        return source.isLive;
      }, "live");
      expect(namesIn(store, "Namespace")).to.equal("");
    });

    for (const absence of ["missing", "denied"] as const) {
      it(`a kind that is ${absence} at first, as of a server that has just started, takes nothing away`, async () => {
        server.apply(serviceEntry("a"));
        await writeSnapshot(folder, VERSION, {
          confirmedAtMs: clock.wallMs(),
          objects: keptObjects(storeOf("a")),
          names: [],
        });
        store = new MeshStore();
        open(store).restore(() => {});
        server[absence].add("serviceentries");
        watch();
        for (let second = 0; second < 20; second++) {
          clock.advance(1000);
          await quiet();
          expect(namesIn(store, "ServiceEntry")).to.equal("a");
        }
        server[absence].delete("serviceentries");
        await until(() => {
          clock.advance(100);
          return source.isLive;
        }, "live");
        expect(namesIn(store, "ServiceEntry")).to.equal("a");
      });
    }
  });

  it("shows its age, and no series where there is none", async () => {
    const registry = new Registry();
    const snapshot = open(storeOf("a"));
    registerSnapshotMetrics(registry, () => snapshot.ageSeconds);
    expect(await registry.metrics()).to.match(/# TYPE serviceentry_dns_snapshot_age_seconds gauge\n+$/);
    await snapshot.start();
    await written(1000);
    clock.advance(7000);
    expect(await registry.metrics()).to.contain("serviceentry_dns_snapshot_age_seconds 7\n");
  });
});

function putAny(store: MeshStore, object: WorldObject): void {
  store.put<Kind>(object.ref.kind, object, 0);
}

/** Field by field, whatever class an object is of; one that is undefined is as one that is not there. */
function plain(objects: readonly WorldObject[]): unknown {
  return objects.map((object) => JSON.parse(objectLine([object.ref.kind, object] as unknown as KeptObject)));
}
