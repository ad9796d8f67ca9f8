import { expect } from "chai";
import { Registry } from "prom-client";
import {
  ApiWriter,
  type ApiWriterOptions,
  objectPath,
  type WrittenObject,
} from "../../src/cluster/api-writes.ts";
import { registerWriteMetrics, WRITE_RESULTS, WRITE_VERBS, WriteCounts } from "../../src/cluster/metrics.ts";
import { TokenBucket } from "../../src/cluster/token-bucket.ts";
import { WriteFault } from "../../src/cluster/write-fault.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type ApiObject, ScriptedApiServer, type Step } from "../support/scripted-api-server.ts";
import { quiet, until } from "../support/waiting.ts";
import { FixedRandom, plainClient, serviceEntry } from "./fixture.ts";

const SERVICES = { group: "", version: "v1", plural: "services" } as const;
const ENTRIES = { group: "networking.istio.io", version: "v1", plural: "serviceentries" } as const;

function service(name: string, fields: Readonly<Record<string, unknown>> = {}): WrittenObject {
  const metadata = { name, namespace: "published", ...(fields["metadata"] as object | undefined) };
  return { apiVersion: "v1", kind: "Service", spec: { ports: [{ port: 80 }] }, ...fields, metadata };
}

const refuse =
  (status: number, message: string, headers: Readonly<Record<string, string>> = {}): Step =>
  (exchange) =>
    exchange.refuse(status, message, headers);

describe("ApiWriter", () => {
  let server: ScriptedApiServer;
  let clock: FakeClock;
  let random: FixedRandom;
  let counts: WriteCounts;
  let client: ReturnType<typeof plainClient>;
  let writer: ApiWriter;
  const giveUp = new AbortController();
  const { signal } = giveUp;

  function newWriter(options: Partial<ApiWriterOptions> = {}): ApiWriter {
    return new ApiWriter({ client, clock, random, counts, rate: { perSecond: 10, burst: 20 }, ...options });
  }

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new FakeClock();
    random = new FixedRandom();
    counts = new WriteCounts();
    client = plainClient(server);
    writer = newWriter();
  });

  afterEach(async () => {
    await client.close();
    await server.close();
    expect(clock.timers).to.equal(0);
  });

  async function faultOf(call: Promise<unknown>): Promise<WriteFault> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(WriteFault);
    return error as WriteFault;
  }

  const path = (name: string) => objectPath(SERVICES, "published", name);
  const create = (name: string) => writer.create(objectPath(SERVICES, "published"), service(name), signal);

  it("creates, and says what was created", async () => {
    const { uid, resourceVersion, raw } = await create("a");
    expect(server.get("Service", "published", "a")?.metadata).to.deep.include({ uid, resourceVersion });
    expect(raw["spec"]).to.deep.equal({ ports: [{ port: 80 }] });
    expect((await faultOf(create("a"))).code).to.equal("exists");
  });

  it("replaces what is still as it was read, and nothing else", async () => {
    const { resourceVersion } = await create("a");
    const next = service("a", { metadata: { resourceVersion }, spec: { ports: [{ port: 81 }] } });
    await writer.replace(path("a"), next, signal);
    expect((await faultOf(writer.replace(path("a"), next, signal))).code).to.equal("conflict");
    expect(server.get("Service", "published", "a")?.["spec"]).to.deep.equal({ ports: [{ port: 81 }] });
  });

  it("patches under a test, and only the status where that is asked", async () => {
    const stored = server.apply(serviceEntry("a", { status: { addresses: [{ value: "240.0.0.1" }] } }));
    const status = objectPath(ENTRIES, "default", "a", "status");
    const patch = (version: string) =>
      writer.patch(
        status,
        [
          { op: "test", path: "/metadata/resourceVersion", value: version },
          { op: "add", path: "/status/conditions", value: [{ type: "Resolved" }] },
          { op: "replace", path: "/spec/hosts", value: ["other.example.com"] },
        ],
        signal,
      );
    const fault = await faultOf(patch("1"));
    expect(fault.code).to.equal("guard");
    const { raw } = await patch(String(stored.metadata["resourceVersion"]));
    expect(raw["status"]).to.deep.equal({
      addresses: [{ value: "240.0.0.1" }],
      conditions: [{ type: "Resolved" }],
    });
    expect(raw["spec"]).to.deep.equal({ hosts: ["a.example.com"] });
  });

  it("tells a patch that does not fit from an object that is wrong", async () => {
    server.apply(serviceEntry("a"));
    const entry = objectPath(ENTRIES, "default", "a");
    const fault = await faultOf(writer.patch(entry, [{ op: "remove", path: "/spec/nothing" }], signal));
    expect(fault.code).to.equal("guard");
    const details = { name: "a", kind: "Service", causes: [{ reason: "FieldValueInvalid" }] };
    server.script("services", (exchange) => exchange.respond(422, { kind: "Status", details }));
    expect((await faultOf(create("a"))).code).to.equal("invalid");
    const ofUid = { ...details, causes: [{ reason: "FieldValueInvalid", field: "metadata.uid" }] };
    server.script("services", (exchange) => exchange.respond(422, { kind: "Status", details: ofUid }));
    expect((await faultOf(create("a"))).code).to.equal("conflict");
  });

  it("applies for its field manager, guarded by the uid", async () => {
    const { uid, resourceVersion } = await create("a");
    const guarded = service("a", { metadata: { uid, resourceVersion, labels: { app: "x" } } });
    await writer.apply(path("a"), guarded, "serviceentry-dns", signal);
    const request = server.requests.at(-1)!;
    expect(request.mediaType).to.equal("application/apply-patch+yaml");
    expect(Object.fromEntries(request.query)).to.deep.equal({
      fieldManager: "serviceentry-dns",
      force: "true",
    });
    expect(server.get("Service", "published", "a")?.metadata).to.deep.include({ labels: { app: "x" } });
    const foreign = service("a", { metadata: { uid: "another" } });
    expect((await faultOf(writer.apply(path("a"), foreign, "serviceentry-dns", signal))).code).to.equal(
      "conflict",
    );
  });

  it("makes no new version where an apply changes nothing", async () => {
    const { resourceVersion } = await create("a");
    const again = await writer.apply(path("a"), service("a"), "serviceentry-dns", signal);
    expect(again.resourceVersion).to.equal(resourceVersion);
  });

  it("deletes what is meant, and takes what is gone for deleted", async () => {
    const { uid } = await create("a");
    expect((await faultOf(writer.delete(path("a"), { uid: "another" }, signal))).code).to.equal("conflict");
    await writer.delete(path("a"), { uid }, signal);
    expect(server.all("Service")).to.deep.equal([]);
    await writer.delete(path("a"), { uid }, signal);
  });

  describe("names what was refused", () => {
    it("by a quota", async () => {
      server.quotas.set("services", 1);
      await create("a");
      const fault = await faultOf(create("b"));
      expect(fault).to.include({ code: "quota", isTransient: false });
      expect(fault.message).to.contain("exceeded quota");
      expect(server.requests).to.have.length(2);
    });

    it("by the role", async () => {
      server.deniedVerbs.add("create services");
      const fault = await faultOf(create("a"));
      expect(fault).to.include({ code: "denied", isTransient: false });
    });

    it("because the namespace is ending", async () => {
      const cause = { reason: "NamespaceTerminating", message: "namespace published is being terminated" };
      const status = {
        kind: "Status",
        message: "forbidden",
        reason: "Forbidden",
        details: { causes: [cause] },
      };
      server.script("services", (exchange) => exchange.respond(403, status));
      expect((await faultOf(create("a"))).code).to.equal("terminating");
    });

    for (const [status, code] of [
      [400, "invalid"],
      [404, "missing"],
      [409, "conflict"],
      [413, "invalid"],
      [418, "refused"],
      [422, "invalid"],
    ] as const) {
      it(`with ${status}`, async () => {
        server.script("services", refuse(status, "no"));
        const fault = await faultOf(create("a"));
        expect(fault).to.include({ code, message: `${status} no` });
        expect(server.requests).to.have.length(1);
      });
    }

    it("with what is no Status at all", async () => {
      server.script("services", (exchange) => exchange.respond(400, "<html>proxy</html>"));
      expect((await faultOf(create("a"))).message).to.equal("400 <html>proxy</html>");
      server.script("services", (exchange) => exchange.respond(200, "<html>proxy</html>"));
      expect((await faultOf(create("b"))).code).to.equal("broken");
      server.script("services", (exchange) => exchange.respond(200, { kind: "Status" }));
      expect((await faultOf(create("c"))).code).to.equal("broken");
    });
  });

  describe("repeats what may pass", () => {
    /** Lets the writer's present wait end, however long it is; returns how long it was. */
    async function waitOut(call: Promise<unknown>, requests: number): Promise<number> {
      const startMs = clock.nowMs();
      let isOver = false;
      const end = () => {
        isOver = true;
      };
      call.then(end, end);
      await until(async () => {
        if (!isOver && server.requests.length < requests) clock.advance(10);
        // What the wait's end brings about is there before more time passes.
        await quiet(1);
        return isOver || server.requests.length >= requests;
      }, `${requests} requests`);
      return clock.nowMs() - startMs;
    }

    it("later and later, with full jitter", async () => {
      server.script("services", ...Array.from({ length: 3 }, () => refuse(503, "later")));
      random.value = 0.5;
      const call = create("a");
      await server.nextRequest("services");
      await quiet(20);
      expect(await waitOut(call, 2)).to.be.within(390, 450);
      await quiet(20);
      expect(await waitOut(call, 3)).to.be.within(790, 850);
      await waitOut(call, 4);
      await call;
      expect(counts.count("create", "server")).to.equal(3);
      expect(counts.count("create", "ok")).to.equal(1);
    });

    it("not before the time that the server asked for, and that for all calls", async () => {
      server.script("services", refuse(429, "too many", { "retry-after": "9" }));
      random.value = 0;
      const first = create("a");
      await server.nextRequest("services");
      await until(() => counts.count("create", "throttled") === 1, "throttled");
      const second = create("b");
      clock.advance(8999);
      await quiet(20);
      expect(server.requests).to.have.length(1);
      clock.advance(1);
      await Promise.all([first, second]);
    });

    it("when the connection is cut, and says so in the end", async () => {
      const cut: Step = (exchange) => exchange.reset();
      server.script("services", ...Array.from({ length: 30 }, () => cut));
      random.value = 0;
      writer = newWriter({ mostAttempts: 3 });
      const call = create("a");
      const ended = faultOf(call);
      await waitOut(call, 1000);
      expect((await ended).code).to.equal("connection");
      expect(counts.count("create", "connection")).to.equal(3);
    });

    it("when the server says nothing for 15 s", async () => {
      server.script("services", () => {});
      random.value = 0;
      const call = create("a");
      await server.nextRequest("services");
      clock.advance(15_000);
      await until(() => counts.count("create", "stalled") === 1, "stalled");
      await waitOut(call, 2);
      await call;
    });
  });

  it("gives up when it is told to: in a wait, in a call, and before one", async () => {
    const mine = new AbortController();
    const call = (name: string) =>
      writer.create(objectPath(SERVICES, "published"), service(name), mine.signal);
    server.script("services", () => {});
    writer = newWriter({ rate: { perSecond: 1, burst: 1 } });
    const inCall = faultOf(call("a"));
    const inWait = faultOf(call("b"));
    await server.nextRequest("services");
    mine.abort();
    expect((await inCall).code).to.equal("aborted");
    expect((await inWait).code).to.equal("aborted");
    expect((await faultOf(call("c"))).code).to.equal("aborted");
    expect(server.requests).to.have.length(1);
  });

  it("keeps to its rate", async () => {
    writer = newWriter({ rate: { perSecond: 10, burst: 3 } });
    const calls = Array.from({ length: 10 }, (_, at) => create(`s${at}`));
    const done = () => counts.count("create", "ok");
    await until(() => done() === 3, "three at once");
    for (let tenth = 1; tenth <= 7; tenth++) {
      clock.advance(99);
      await quiet();
      expect(done()).to.equal(2 + tenth);
      clock.advance(1);
      await until(() => done() === 3 + tenth, `${3 + tenth} calls`);
    }
    await Promise.all(calls);
  });

  it("sends text of any script as UTF-8", async () => {
    const object: ApiObject = { ...service("a"), note: "Grüße, 世界" } as ApiObject;
    await writer.create(objectPath(SERVICES, "published"), object as WrittenObject, signal);
    expect(server.get("Service", "published", "a")?.["note"]).to.equal("Grüße, 世界");
  });

  it("counts by verb and result, from 0 on", async () => {
    const registry = new Registry();
    let isHeld = false;
    registerWriteMetrics(registry, counts, () => isHeld);
    const first = await registry.metrics();
    for (const verb of WRITE_VERBS)
      for (const result of WRITE_RESULTS)
        expect(first).to.contain(`api_writes_total{verb="${verb}",result="${result}"} 0\n`);
    expect(first).to.contain("serviceentry_dns_lease_held 0\n");
    isHeld = true;
    await create("a");
    const second = await registry.metrics();
    expect(second).to.contain('api_writes_total{verb="create",result="ok"} 1\n');
    expect(second).to.contain("serviceentry_dns_lease_held 1\n");
  });
});

describe("objectPath", () => {
  it("leads to a collection, an object, and a part of it", () => {
    expect(objectPath(SERVICES, "a")).to.equal("/api/v1/namespaces/a/services");
    expect(objectPath(ENTRIES, "a", "b", "status")).to.equal(
      "/apis/networking.istio.io/v1/namespaces/a/serviceentries/b/status",
    );
    expect(objectPath(SERVICES, "a", "../x?y")).to.equal("/api/v1/namespaces/a/services/..%2Fx%3Fy");
  });
});

describe("TokenBucket", () => {
  it("saves up to its burst and no more", () => {
    const bucket = new TokenBucket({ perSecond: 4, burst: 2 }, 0);
    expect([1, 2, 3, 4].map(() => bucket.take(0))).to.deep.equal([0, 0, 250, 500]);
    expect([1, 2, 3].map(() => bucket.take(100_000))).to.deep.equal([0, 0, 250]);
  });
});
