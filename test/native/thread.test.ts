/** The loop in a worker thread that is blocked most of the time: woken, ended, killed and followed by another. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { type BatchSockets, openBatchSockets } from "../../src/native/batch-sockets.ts";
import { quiet, until } from "../support/waiting.ts";
import type { EchoOptions } from "./echo-thread.ts";
import { withSystemCalls } from "./fixtures.ts";

/** Only a wake-up is sooner, on however busy a machine. */
const LONG_SLICE_MS = 20_000;
/** What waits for a thread has room in its socket. */
const MOST_WAITING = 100;

describe("a batching thread", () => {
  withSystemCalls((calls) => {
    const closers: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    function open(): BatchSockets {
      const sockets = openBatchSockets(calls(), [{ address: "127.0.0.1", port: 0, isDefault: false }], false);
      closers.push(() => sockets.close());
      return sockets;
    }

    async function start(sockets: BatchSockets, sliceMs: number): Promise<Worker> {
      const options: EchoOptions = { handles: sockets.handles, sliceMs, upstreamPort: 9 };
      const worker = new Worker(new URL("echo-thread.ts", import.meta.url), { workerData: options });
      closers.push(() => {
        sockets.wake();
        return worker.terminate();
      });
      const [message] = await once(worker, "message");
      expect(message).to.equal("ready");
      return worker;
    }

    it("hears at once what is posted, if it is woken", async () => {
      const sockets = open();
      const worker = await start(sockets, LONG_SLICE_MS);
      // It waits for datagrams now.
      await quiet(30);
      for (let count = 0; count < 3; count += 1) {
        const startedMs = performance.now();
        const heard = once(worker, "message");
        worker.postMessage("hello");
        sockets.wake();
        expect((await heard)[0]).to.equal("hello");
        expect(performance.now() - startedMs).to.be.below(LONG_SLICE_MS / 2);
      }
    });

    it("ends within a slice, whether it is woken or not, and holds up no report", async () => {
      const sockets = open();
      const worker = await start(sockets, 100);
      await quiet(30);
      // The report tells of all threads, and waits for each.
      expect(process.report.getReport()).to.have.property("header");
      await worker.terminate();
    });

    it("leaves its sockets to its successor, which loses no query, and nothing else", async () => {
      const sockets = open();
      const { port } = sockets.addresses[0]!;
      const client = createSocket("udp4");
      closers.push(() => client.close());
      const answered = new Set<string>();
      client.on("message", (message) => answered.add(message.toString()));
      let sent = 0;
      const timer = setInterval(() => {
        if (sent - answered.size >= MOST_WAITING) return;
        client.send(String(sent), port, "127.0.0.1");
        sent += 1;
      }, 2);
      closers.push(() => clearInterval(timer));
      for (let deaths = 0; deaths < 2; deaths += 1) {
        const worker = await start(sockets, 100);
        closers.pop();
        await until(() => answered.size > deaths * 20 + 10);
        const died = once(worker, "error");
        const exited = new Promise((resolve) => worker.once("exit", resolve));
        worker.postMessage("die in the loop");
        sockets.wake();
        expect(((await died)[0] as Error).message).to.equal("died in the loop");
        await exited;
        sockets.reclaim();
      }
      await start(sockets, 100);
      clearInterval(timer);
      await until(() => answered.size === sent);
    });
  });
});
