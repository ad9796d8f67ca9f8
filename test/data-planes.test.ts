/** All threads of the data plane, under either UDP back end: fed, killed, followed by others, closed. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { expect } from "chai";
import { loadSettings } from "../src/config/load-settings.ts";
import type { Settings } from "../src/config/settings.ts";
import { DataPlanes } from "../src/data-planes.ts";
import { chooseBackEnd } from "../src/native/choose-back-end.ts";
import { type LogFields, silentLogger } from "../src/runtime.ts";
import { packClientDelta } from "../src/table/client-index.ts";
import type { HostChange } from "../src/table/host-record.ts";
import { addressesOf, decoded, question } from "./server/fixtures.ts";
import { addresses as addressesAt } from "./support/ask.ts";
import { freePort } from "./support/program.ts";
import { PATIENCE_MS, until } from "./support/waiting.ts";
import { addresses, delta, hostOf, record, set, viewOf } from "./table/samples.ts";

const HOST = "own.example";
/** Between two queries. */
const QUERY_EVERY_MS = 2;
/** What waits for the thread that follows a dead one has room in the socket. */
const MOST_WAITING = 100;
/** The one that had been received when the thread died. */
const MOST_LOST = 1;

for (const udp of ["batch", "dgram"] as const) {
  describe(`data planes, ${udp}`, () => {
    const closers: (() => unknown)[] = [];
    before(async function () {
      const choice = await chooseBackEnd(udp === "batch" ? "auto" : udp);
      if (choice.kind === udp) return;
      process.stdout.write(`    skipped: ${choice.kind === "dgram" ? choice.reason : ""}\n`);
      this.skip();
    });
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    /** Threads whose table always has the changes so far; the workers in the order of their start. */
    async function start(threads = 1) {
      const workers: Worker[] = [];
      const noteWorker = (worker: Worker) => void workers.push(worker);
      process.on("worker", noteWorker);
      closers.push(() => process.off("worker", noteWorker));
      const changes: HostChange[] = [];
      const said: string[] = [];
      const note = (level: string) => (_fields: LogFields, message: string) =>
        said.push(`${level} ${message.replace(/\d+ s/, "N s")}`);
      const planes = new DataPlanes({
        settings: settings(await freePort(), threads, udp),
        version: "0",
        logger: { ...silentLogger, error: note("error"), info: note("info") },
        wholeTable: () => delta(changes.length, ...changes),
        wholeClients: () => packClientDelta({ clients: [], namespaces: [] }),
        isSynced: () => true,
        onLoop: () => {},
        onUpstream: () => {},
      });
      closers.push(() => planes.close());
      await planes.start();
      const change = async (...next: readonly HostChange[]) => {
        changes.push(...next);
        planes.post({ kind: "table", delta: delta(changes.length, ...next) });
        await planes.applied(() => changes.length);
      };
      const { port } = planes.bound().find(({ transport }) => transport === "udp")!;
      return { planes, workers, change, port, said };
    }

    it("applies a change at once, however idle it is", async () => {
      const { change, port } = await start();
      // The first change runs code that was never run.
      await change(...set(record("first.example", addresses("192.0.2.1"))));
      const tookMs: number[] = [];
      // One of some: on a busy machine a thread may wait for its turn. One that is not woken hears nothing for 200 ms.
      for (let last = 1; last <= 20 && !tookMs.some((ms) => ms < 100); last += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const startedMs = performance.now();
        await change(...set(record(HOST, addresses(`192.0.2.${last}`))));
        tookMs.push(performance.now() - startedMs);
        expect(await ask(port)).to.deep.equal([`192.0.2.${last}`]);
      }
      expect(Math.min(...tookMs)).to.be.below(100);
    });

    it("answers on when a thread has died, with the port and the whole table", async () => {
      const { planes, workers, change, port, said } = await start();
      await change(...set(record(HOST, addresses("192.0.2.1"))));
      const client = createSocket("udp4");
      closers.push(() => client.close());
      const answered = new Set<number>();
      client.on("message", (message) => answered.add(decoded(new Uint8Array(message)).id));
      let sent = 0;
      // One at a time, so that the dying thread has no more of them in its hands.
      let mostWaiting = 1;
      const timer = setInterval(() => {
        if (sent - answered.size >= mostWaiting) return;
        client.send(question(HOST, "A", { id: sent }), port, "127.0.0.1");
        sent += 1;
      }, QUERY_EVERY_MS);
      closers.push(() => clearInterval(timer));
      await until(() => answered.size > 20);
      const [udpThread] = workers;
      await udpThread!.terminate();
      // With dgram the sockets die with their thread, and what comes meanwhile is lost.
      mostWaiting = udp === "batch" ? MOST_WAITING : Number.POSITIVE_INFINITY;
      await until(() => workers.length === 3 && planes.bound().length === 2);
      await until(() => said.length === 3);
      expect(said.slice(1)).to.deep.equal([
        "error the thread that answers UDP died after N s and is started again",
        "info the thread that answers UDP answers again",
      ]);
      const answeredBefore = answered.size;
      await until(() => answered.size > answeredBefore + 50);
      clearInterval(timer);
      if (udp === "batch") await until(() => sent - answered.size <= MOST_LOST);
      expect(await ask(port)).to.deep.equal(["192.0.2.1"]);
    });

    it("shares the port among threads, each with the whole table", async () => {
      const { change, port, workers } = await start(2);
      expect(workers.length).to.equal(3);
      await change(...set(record(HOST, addresses("192.0.2.1"))));
      // Each question comes from another port, and so by chance to either thread.
      for (let count = 0; count < 20; count += 1) expect(await ask(port)).to.deep.equal(["192.0.2.1"]);
    });

    it("lets every thread know what a search suffix told one of them", async () => {
      const { change, port } = await start(2);
      await change(...set(hostOf("own.team.example.com", viewOf(["team-a"], "192.0.2.1"))));
      const bare = (transport: "udp" | "tcp") =>
        addressesAt(port, "own.team.example.com", { transport, from: "127.0.0.9" });
      expect(await bare("tcp")).to.deep.equal([]);
      const suffixed = "own.team.example.com.team-a.svc.cluster.local";
      expect(await addressesAt(port, suffixed, { from: "127.0.0.9" })).to.deep.equal(["192.0.2.1"]);
      await until(async () => (await bare("tcp")).length === 1);
      // Each question comes from another port, and so by chance to either thread.
      await until(async () => {
        for (let count = 0; count < 20; count += 1) if ((await bare("udp")).length === 0) return false;
        return true;
      });
    });

    it("frees the port when it is closed", async () => {
      const { planes, port } = await start();
      await planes.close();
      const socket = createSocket("udp4");
      socket.bind(port, "127.0.0.1");
      await once(socket, "listening");
      socket.close();
    });
  });
}

function settings(port: number, threads: number, udp: string): Settings {
  const argv = [
    `--threads=${threads}`,
    `--udp=${udp}`,
    `--listen=127.0.0.1:${port}`,
    "--source=nowhere",
    "--upstreams=127.0.0.1:9",
  ];
  return loadSettings({ argv, env: {}, readFile: () => "", localAddresses: () => [] }).settings;
}

async function ask(port: number): Promise<string[]> {
  const socket = createSocket("udp4");
  try {
    const reply = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.send(question(HOST, "A"), port, "127.0.0.1");
    const [octets] = (await reply) as [Buffer];
    return addressesOf(decoded(new Uint8Array(octets)));
  } finally {
    socket.close();
  }
}
