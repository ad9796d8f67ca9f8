/** The data plane over its messages and real sockets: in this thread, and once as a thread of its own. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import {
  type DataPlaneOptions,
  type DataPlaneParts,
  type DataPlaneSettings,
  type FromDataPlane,
  startDataPlane,
  type ToDataPlane,
} from "../src/data-plane.ts";
import { dataPlaneSeries } from "../src/data-plane-series.ts";
import { labelSets, SharedSeries } from "../src/series.ts";
import { Rcode } from "../src/wire/constants.ts";
import type { Message } from "../src/wire/message.ts";
import {
  addressesOf,
  CLUSTER_DOMAIN,
  clientDelta,
  decoded,
  extendedErrorOf,
  FakeForwarder,
  namespaceFacts,
  pod,
  question,
  rcodeOf,
  upstreamReply,
} from "./server/fixtures.ts";
import { FakeClock } from "./support/fake-clock.ts";
import { PATIENCE_MS } from "./support/waiting.ts";
import { addresses, delta, hostOf, ip, record, remove, set, viewOf } from "./table/samples.ts";

const SETTINGS: DataPlaneSettings = {
  clusterDomain: CLUSTER_DOMAIN,
  upstreams: [{ address: ip("127.0.0.1"), port: 9 }],
  clusterUpstreams: [],
  pendingTimeoutMs: 2500,
  negativeTtlSeconds: 5,
  cacheOctets: 1024 * 1024,
  cacheMaxTtlSeconds: 3600,
  staleAfterMs: 1000,
  maxStaleSeconds: 3600,
  maxInFlight: 4096,
  maxInFlightPerClient: 256,
  tcpConnections: 4096,
  tcpPerAddress: 128,
  relayHttps: false,
  rateLimit: 0,
  trustedForwarders: [],
  refuse: false,
  searchSuffixes: [],
  suffixAnswer: "cname",
  suffixView: true,
  shortServiceNames: true,
  explainTxt: false,
};

interface Asker {
  readonly address: string;
  readonly port: number;
}

/** Both ends of the line in one thread; what the data plane says is kept. */
class Line {
  readonly said: FromDataPlane[] = [];
  #listener: ((message: ToDataPlane) => void) | null = null;
  #waiting: (() => void) | null = null;

  postMessage(message: FromDataPlane): void {
    this.said.push(message);
    this.#waiting?.();
  }

  on(_event: "message", listener: (message: ToDataPlane) => void): void {
    this.#listener = listener;
  }

  tell(message: ToDataPlane): void {
    this.#listener!(message);
  }

  async hear<Kind extends FromDataPlane["kind"]>(
    kind: Kind,
    count = 1,
  ): Promise<FromDataPlane & { kind: Kind }> {
    for (;;) {
      const heard = this.said.filter(
        (message): message is FromDataPlane & { kind: Kind } => message.kind === kind,
      );
      if (heard.length >= count) return heard[count - 1]!;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}

function options(role: "udp" | "tcp", fields: Partial<DataPlaneOptions> = {}): DataPlaneOptions {
  return {
    role,
    listen: [{ address: "127.0.0.1", port: 0, isDefault: false }],
    reusePort: false,
    series: new SharedSeries(dataPlaneSeries(SETTINGS)).buffer,
    settings: SETTINGS,
    ...fields,
  };
}

/** `from`: a local address that stands for a pod's. */
async function askUdp(to: Asker, message: Uint8Array, from = "127.0.0.1"): Promise<Message> {
  const socket = createSocket("udp4");
  try {
    socket.bind(0, from);
    await once(socket, "listening");
    const reply = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.send(message, to.port, to.address);
    const [octets] = (await reply) as [Buffer];
    return decoded(new Uint8Array(octets));
  } finally {
    socket.close();
  }
}

async function askTcp(to: Asker, message: Uint8Array, from = "127.0.0.1"): Promise<Message> {
  const socket = connect({ port: to.port, host: to.address, localAddress: from });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.end(Buffer.concat([Buffer.from([0, message.length]), message]));
  await once(socket, "close", { signal: AbortSignal.timeout(PATIENCE_MS) });
  return decoded(new Uint8Array(Buffer.concat(chunks).subarray(2)));
}

describe("data plane", () => {
  const open: Line[] = [];
  afterEach(async () => {
    for (const line of open.splice(0)) {
      line.tell({ kind: "close" });
      await line.hear("closed");
    }
  });

  async function start(role: "udp" | "tcp", clock = new FakeClock()) {
    const line = new Line();
    const forwarder = new FakeForwarder();
    const given = options(role);
    await startDataPlane(given, line, { clock, createForwarder: () => forwarder });
    open.push(line);
    const { addresses: listening } = await line.hear("listening");
    const series = new SharedSeries(dataPlaneSeries(SETTINGS), given.series);
    return { line, forwarder, clock, series, to: listening[0]! };
  }

  for (const [role, ask] of [
    ["udp", askUdp],
    ["tcp", askTcp],
  ] as const) {
    it(`answers over ${role} what it was told, and says which version it has applied`, async () => {
      const { line, to, series } = await start(role);
      expect([to.transport, to.address]).to.deep.equal([role, "127.0.0.1"]);
      line.tell({ kind: "table", delta: delta(7, ...set(record("own.example", addresses("192.0.2.1")))) });
      line.tell({ kind: "synced" });
      expect(await line.hear("applied")).to.deep.equal({ kind: "applied", version: 7 });
      expect(addressesOf(await ask(to, question("own.example", "A")))).to.deep.equal(["192.0.2.1"]);
      expect(series.values[series.at("requests_total", role, "A")]).to.equal(1);
    });
  }

  it("applies a large table in turns and answers between them", async () => {
    const { line, to } = await start("udp");
    const hosts = Array.from({ length: 3000 }, (_, index) =>
      record(`h${index}.example`, addresses("192.0.2.1")),
    );
    const turns: string[] = [];
    const ticking = setInterval(() => turns.push("tick"), 0);
    let immediates = 0;
    const count = () => {
      immediates += 1;
      if (!line.said.some(({ kind }) => kind === "applied")) setImmediate(count);
    };
    setImmediate(count);
    line.tell({ kind: "table", delta: delta(1, ...set(...hosts)) });
    await line.hear("applied");
    clearInterval(ticking);
    expect(immediates).to.be.at.least(6);
    expect(addressesOf(await askUdp(to, question("h2999.example", "A"))).length).to.equal(1);
  });

  it("takes deltas in their order, however many come together", async () => {
    const { line, to } = await start("udp");
    for (let version = 1; version <= 50; version += 1) {
      const changes =
        version % 2 === 1
          ? set(record("own.example", addresses(`192.0.2.${version}`)))
          : remove("own.example");
      line.tell({ kind: "table", delta: delta(version, ...changes) });
    }
    line.tell({ kind: "table", delta: delta(51, ...set(record("own.example", addresses("192.0.2.251")))) });
    await line.hear("applied", 51);
    expect(addressesOf(await askUdp(to, question("own.example", "A")))).to.deep.equal(["192.0.2.251"]);
    expect(line.said.filter(({ kind }) => kind === "applied").length).to.equal(51);
  });

  it("is synced only when what was told before is applied", async () => {
    const { line, to, forwarder } = await start("udp");
    const reply = askUdp(to, question("own2999.example", "A"));
    const unknown = askUdp(to, question("unknown.example", "A"));
    const hosts = Array.from({ length: 3000 }, (_, index) =>
      record(`own${index}.example`, addresses("192.0.2.1")),
    );
    line.tell({ kind: "table", delta: delta(1, ...set(...hosts)) });
    line.tell({ kind: "synced" });
    expect(addressesOf(await reply)).to.deep.equal(["192.0.2.1"]);
    while (forwarder.asked.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(forwarder.asked.map(({ message }) => decoded(message).questions[0]!.name)).to.deep.equal([
      "unknown.example",
    ]);
    forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(rcodeOf(await unknown)).to.equal(Rcode.NXDOMAIN);
  });

  it("follows new settings", async () => {
    const { line, to } = await start("udp");
    line.tell({ kind: "table", delta: delta(1, ...set(record("own.example", addresses("192.0.2.1")))) });
    line.tell({ kind: "settings", settings: { ...SETTINGS, clusterDomain: record("other.domain").host } });
    await line.hear("applied");
    const { data } = (await askUdp(to, question("own.example", "AAAA"))).authorities[0]!;
    expect(data.kind === "SOA" && data.mname).to.equal("serviceentry-dns.other.domain");
  });

  it("finishes what is in flight before it ends", async () => {
    const { line, to, forwarder } = await start("udp");
    line.tell({ kind: "synced" });
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(() => resolve())));
    const reply = askUdp(to, question("fwd.example", "A"));
    while (forwarder.asked.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    line.tell({ kind: "close" });
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(line.said.map(({ kind }) => kind)).not.to.include("closed");
    forwarder.reply({ rcode: Rcode.REFUSED });
    expect(rcodeOf(await reply)).to.equal(Rcode.REFUSED);
    await line.hear("closed");
    expect(line.said.filter(({ kind }) => kind === "closed").length).to.equal(1);
  });

  it("ends after 5 s even if something still waits", async () => {
    const { line, to, forwarder, clock } = await start("tcp");
    line.tell({ kind: "synced" });
    const reply = askTcp(to, question("fwd.example", "A")).catch((error: Error) => error);
    while (forwarder.asked.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    line.tell({ kind: "close" });
    clock.advance(5000);
    await line.hear("closed");
    expect(await reply).to.be.instanceOf(Error);
  });

  for (const [role, ask] of [
    ["udp", askUdp],
    ["tcp", askTcp],
  ] as const) {
    it(`answers over ${role} each pod by its own address`, async () => {
      const { line, to, forwarder, series } = await start(role);
      forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
      line.tell({
        kind: "clients",
        delta: clientDelta(
          [pod("127.0.0.2", "team-a"), pod("127.0.0.3", "team-b"), pod("127.0.0.4", "cilium")],
          namespaceFacts("cilium", { suffixAnswer: "nxdomain" }),
        ),
      });
      const views = [viewOf(["team-a"], "192.0.2.1"), viewOf(["team-b", "cilium"], "192.0.2.2")];
      const host = { ...hostOf("own.com", ...views), isDelegated: true };
      line.tell({ kind: "table", delta: delta(1, ...set(host)) });
      line.tell({ kind: "synced" });
      await line.hear("applied");
      const bare = question("own.com", "A");
      expect(addressesOf(await ask(to, bare, "127.0.0.2"))).to.deep.equal(["192.0.2.1"]);
      expect(addressesOf(await ask(to, bare, "127.0.0.3"))).to.deep.equal(["192.0.2.2"]);
      expect(rcodeOf(await ask(to, bare, "127.0.0.5"))).to.equal(Rcode.NXDOMAIN);
      const suffixed = (namespace: string) => question(`own.com.${namespace}.svc.cluster.local`, "A");
      expect((await ask(to, suffixed("team-a"), "127.0.0.2")).answers.length).to.equal(2);
      expect(rcodeOf(await ask(to, suffixed("cilium"), "127.0.0.4"))).to.equal(Rcode.NXDOMAIN);
      expect(forwarder.asked.length).to.equal(1);
      // No pod is known at that address yet: what its search list says counts for a while.
      expect((await ask(to, suffixed("team-b"), "127.0.0.5")).answers.length).to.equal(2);
      expect(addressesOf(await ask(to, bare, "127.0.0.5"))).to.deep.equal(["192.0.2.2"]);
      expect(series.values[series.at("clients")]).to.equal(3);
      expect(series.values[series.at("clients_unknown_total")]).to.equal(3);
    });
  }

  it("tells TCP clients to go when its end is near, and goes on answering", async () => {
    const { line, to } = await start("tcp");
    line.tell({ kind: "table", delta: delta(1, ...set(record("own.example", addresses("192.0.2.1")))) });
    await line.hear("applied");
    const ask = question("own.example", "A", { edns: { options: [{ code: 11, data: new Uint8Array() }] } });
    const timeout = (message: Message) => message.edns?.options[0]?.data;
    expect(timeout(await askTcp(to, ask))).to.deep.equal(Uint8Array.of(0, 100));
    line.tell({ kind: "lameduck" });
    expect(timeout(await askTcp(to, ask))).to.deep.equal(Uint8Array.of(0, 0));
  });

  it("tells the forwarder which clients are forwarders", async () => {
    const line = new Line();
    let isForwarder: ((address: string) => boolean) | undefined;
    const createForwarder: DataPlaneParts["createForwarder"] = (given) => {
      isForwarder = given.isForwarder;
      return new FakeForwarder();
    };
    await startDataPlane(options("udp"), line, { clock: new FakeClock(), createForwarder });
    open.push(line);
    line.tell({
      kind: "clients",
      delta: clientDelta([pod("10.0.0.1", "a"), { address: ip("10.0.0.2"), client: "forwarder" }]),
    });
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(() => resolve())));
    const asked = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.2", "10.0.0.3"];
    expect(asked.map((address) => isForwarder?.(address))).to.deep.equal([false, true, true, false]);
  });

  it("says why it cannot listen, and warns of a default address that is missing", async () => {
    const { to } = await start("udp");
    const line = new Line();
    const forwarder = new FakeForwarder();
    const parts = { createForwarder: () => forwarder };
    const busy = { address: "127.0.0.1", port: to.port, isDefault: true };
    await startDataPlane(options("udp", { listen: [busy] }), line, parts);
    const [failed] = line.said;
    expect(failed).to.include({ kind: "failed", code: "EADDRINUSE" });
    expect(failed?.kind === "failed" && failed.message).to.include(`127.0.0.1:${to.port}`);

    const missing = { address: "192.0.2.77", port: 0, isDefault: true };
    const partly = new Line();
    const listen = [missing, { address: "127.0.0.1", port: 0, isDefault: true }];
    await startDataPlane(options("udp", { listen }), partly, parts);
    open.push(partly);
    expect(partly.said.map(({ kind }) => kind)).to.deep.equal(["warning", "listening"]);
  });

  it("reports a fault once and goes on", async () => {
    const { line, to, forwarder } = await start("udp");
    line.tell({ kind: "synced" });
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(() => resolve())));
    forwarder.forward = () => {
      throw new Error("a fault of the program");
    };
    for (let turn = 0; turn < 2; turn += 1) {
      expect(rcodeOf(await askUdp(to, question("fwd.example", "A")))).to.equal(Rcode.SERVFAIL);
    }
    const faults = line.said.filter((message) => message.kind === "fault");
    expect(faults.map(({ message }) => message)).to.deep.equal(["a fault of the program"]);
    expect(faults[0]!.stack).to.include("data-plane.test");
  });

  it("has series that are named apart and all there from the start", () => {
    const definitions = dataPlaneSeries(SETTINGS);
    const names = definitions.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    for (const name of ["requests_total", "responses_total", "cache_bytes", "event_loop_lag_seconds"]) {
      expect(names).to.include(name);
    }
    const series = new SharedSeries(definitions);
    for (const definition of definitions) {
      for (const labels of labelSets(definition)) series.at(definition.name, ...Object.values(labels));
    }
  });

  it("runs as a thread of its own, with the system's parts", async () => {
    const given = options("udp");
    const worker = new Worker(new URL("../src/data-plane.ts", import.meta.url), { workerData: given });
    const said: FromDataPlane[] = [];
    const heard = async (kind: FromDataPlane["kind"]) => {
      for (;;) {
        const found = said.find((message) => message.kind === kind);
        if (found !== undefined) return found;
        await once(worker, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
      }
    };
    worker.on("message", (message: FromDataPlane) => said.push(message));
    try {
      const listening = await heard("listening");
      if (listening.kind !== "listening") throw new Error("not listening");
      const to = listening.addresses[0]!;
      const changes = delta(3, ...set(record("own.example", addresses("192.0.2.1", "192.0.2.2"))));
      worker.postMessage({ kind: "table", delta: changes } satisfies ToDataPlane);
      worker.postMessage({ kind: "synced" } satisfies ToDataPlane);
      expect(await heard("applied")).to.deep.equal({ kind: "applied", version: 3 });
      const first = new Set<string>();
      for (let turn = 0; turn < 40; turn += 1) {
        const reply = await askUdp(to, question("own.example", "A"));
        expect([...addressesOf(reply)].sort()).to.deep.equal(["192.0.2.1", "192.0.2.2"]);
        first.add(addressesOf(reply)[0]!);
      }
      expect(first.size).to.equal(2);
      // Nobody listens upstream: the kernel says so at once.
      const refused = await askUdp(to, question("fwd.example", "A", { edns: {} }));
      expect(rcodeOf(refused)).to.equal(Rcode.SERVFAIL);
      expect(extendedErrorOf(refused)).not.to.equal(null);
      const series = new SharedSeries(dataPlaneSeries(SETTINGS), given.series);
      expect(series.values[series.at("requests_total", "udp", "A")]).to.equal(41);
      expect(series.values[series.at("in_flight")]).to.equal(0);
      worker.postMessage({ kind: "close" } satisfies ToDataPlane);
      await heard("closed");
    } finally {
      await worker.terminate();
    }
  });
});
