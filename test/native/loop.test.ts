/** The loop in the test's own thread, and sockets to upstreams in it. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { expect } from "chai";
import type { UdpSocket } from "../../src/forwarder/upstream-sockets.ts";
import { type BatchBackEnd, openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import { type BatchSockets, openBatchSockets } from "../../src/native/batch-sockets.ts";
import { BATCH_SERIES } from "../../src/native/metrics.ts";
import { SharedSeries } from "../../src/series.ts";
import { until } from "../support/waiting.ts";
import { TEST_SLICE_MS, withSystemCalls } from "./fixtures.ts";

const LOOPBACK = { address: "127.0.0.1", port: 0, isDefault: false };

describe("loop", () => {
  withSystemCalls((calls) => {
    const opened: { close(): unknown }[] = [];
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.close();
    });

    async function backEnd(sliceMs = TEST_SLICE_MS): Promise<BatchBackEnd> {
      const sockets: BatchSockets = openBatchSockets(calls(), [LOOPBACK], false);
      const made = await openBatchBackEnd({ handles: sockets.handles, calls: calls(), sliceMs });
      opened.push(made, sockets);
      return made;
    }

    async function upstream(address = "127.0.0.1"): Promise<{ socket: Socket; port: number }> {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      opened.push(socket);
      socket.bind(0, address);
      await once(socket, "listening");
      return { socket, port: socket.address().port };
    }

    function heard(made: BatchBackEnd, to: { address: string; port: number }) {
      const messages: string[] = [];
      const errors: string[] = [];
      const socket: UdpSocket = made.upstreamSockets.openUdp(to, {
        onMessage: (message) => messages.push(Buffer.from(message).toString()),
        onError: (code) => errors.push(code),
      });
      return { socket, messages, errors };
    }

    it("gives the event loop its turns, and timers theirs when they are due, not before", async () => {
      const { clock } = await backEnd(50);
      const setAtMs = clock.nowMs();
      const { promise, resolve } = Promise.withResolvers<number>();
      clock.setTimer(20, () => resolve(clock.nowMs() - setAtMs));
      const ofEventLoop = new Promise((done) => setTimeout(done, 1));
      expect(await promise).to.be.at.least(20);
      // However idle the loop is, it does not wait for ever.
      await ofEventLoop;
    });

    it("takes one piece of work in a turn, in the order in which they came", async () => {
      const made = await backEnd(50);
      const order: string[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const piece of ["a", "b", "c"]) {
        made.soon(() => {
          order.push(piece);
          made.clock.setTimer(0, () => order.push(`timer of ${piece}`));
          if (piece === "c") made.soon(resolve);
        });
      }
      await promise;
      expect(order.slice(0, 4)).to.deep.equal(["a", "timer of a", "b", "timer of b"]);
    });

    it("rests between pieces of work that take long together, not between short ones", async () => {
      const made = await backEnd(50);
      const sleepsOf = async (pieces: number, eachMs: number) => {
        const before = sleeps();
        const { promise, resolve } = Promise.withResolvers<void>();
        for (let left = pieces; left > 0; left -= 1) {
          made.soon(() => {
            for (const endMs = performance.now() + eachMs; performance.now() < endMs; );
            if (left === 1) resolve();
          });
        }
        await promise;
        return sleeps() - before;
      };
      // 20 ms of work.
      expect(await sleepsOf(200, 0.1)).to.be.at.least(40);
      expect(await sleepsOf(200, 0)).to.be.at.most(40);
    });

    it("sends to upstream and hears its replies, of both families", async () => {
      const made = await backEnd();
      for (const address of ["127.0.0.1", "::1"]) {
        const { socket, port } = await upstream(address);
        const asked = once(socket, "message") as Promise<[Buffer, RemoteInfo]>;
        const { socket: ours, messages } = heard(made, { address, port });
        ours.send(Buffer.from("a question"));
        const [question, from] = await asked;
        expect(question.toString()).to.equal("a question");
        for (const reply of ["one", "", "three"]) socket.send(reply, from.port, from.address);
        await until(() => messages.length === 3);
        expect(messages).to.deep.equal(["one", "", "three"]);
        // Nobody else is heard.
        const stranger = await upstream(address);
        stranger.socket.send("forged", from.port, from.address);
        socket.send("last", from.port, from.address);
        await until(() => messages.length === 4);
        expect(messages[3]).to.equal("last");
        ours.close();
      }
    });

    it("hands over replies that may be kept", async () => {
      const made = await backEnd();
      const { socket, port } = await upstream();
      const kept: Uint8Array[] = [];
      const ours = made.upstreamSockets.openUdp(
        { address: "127.0.0.1", port },
        { onMessage: (message) => kept.push(message), onError: () => {} },
      );
      socket.on("message", (message, from) => socket.send(message, from.port, from.address));
      for (const text of ["first", "second"]) {
        ours.send(Buffer.from(text));
        await until(() => kept.length === (text === "first" ? 1 : 2));
      }
      expect(kept.map((message) => Buffer.from(message).toString())).to.deep.equal(["first", "second"]);
      ours.close();
    });

    it("uses another source port for every socket, none of them in a row", async () => {
      const made = await backEnd();
      const { socket, port } = await upstream();
      const ports: number[] = [];
      socket.on("message", (_, from) => ports.push(from.port));
      const all = Array.from({ length: 40 }, () => heard(made, { address: "127.0.0.1", port }).socket);
      for (const each of all) each.send(Buffer.from("x"));
      await until(() => ports.length === 40);
      for (const each of all) each.close();
      expect(new Set(ports).size).to.equal(40);
      const steps = new Set(ports.slice(1).map((each, index) => each - ports[index]!));
      expect(steps.size).to.be.greaterThan(20);
    });

    it("tells of a closed port at the first message, later and once", async () => {
      const made = await backEnd();
      const { socket, port } = await upstream();
      socket.close();
      await once(socket, "close");
      opened.splice(opened.indexOf(socket), 1);
      const { socket: ours, errors } = heard(made, { address: "127.0.0.1", port });
      for (let count = 0; count < 3; count += 1) ours.send(Buffer.from("x"));
      expect(errors).to.deep.equal([]);
      await until(() => errors.length > 0);
      ours.send(Buffer.from("x"));
      await turns(20);
      expect(errors).to.deep.equal(["ECONNREFUSED"]);
    });

    it("tells later of a socket that cannot be made, and calls nobody once it is closed", async () => {
      const made = await backEnd();
      const broadcast = { address: "255.255.255.255", port: 53 };
      const { errors, socket } = heard(made, broadcast);
      socket.send(Buffer.from("x"));
      expect(errors).to.deep.equal([]);
      const closed = heard(made, broadcast);
      closed.socket.close();
      await until(() => errors.length > 0);
      await turns(20);
      expect([errors, closed.errors]).to.deep.equal([["EACCES"], []]);
      const noAddress = heard(made, { address: "fe80::1%lo", port: 53 });
      await until(() => noAddress.errors.length > 0);
      expect(noAddress.errors).to.deep.equal(["EINVAL"]);
    });

    it("leaves no descriptor open", async () => {
      const before = descriptors();
      for (let round = 0; round < 3; round += 1) {
        const made = await backEnd();
        const { port } = await upstream();
        const all = Array.from({ length: 10 }, () => heard(made, { address: "127.0.0.1", port }).socket);
        await turns(3);
        for (const each of all) {
          each.close();
          each.close();
        }
        for (const each of opened.splice(0)) await each.close();
      }
      expect(descriptors()).to.equal(before);
    });

    it("closes what a thread has left behind", async () => {
      const before = descriptors();
      const sockets = openBatchSockets(calls(), [LOOPBACK], false);
      const made = await openBatchBackEnd({ handles: sockets.handles, calls: calls(), sliceMs: 1 });
      for (let count = 0; count < 5; count += 1) heard(made, { address: "127.0.0.1", port: 9 });
      await made.close();
      expect(descriptors()).to.equal(before + 2 + 5);
      sockets.reclaim();
      expect(descriptors()).to.equal(before + 2);
      await sockets.close();
      await sockets.close();
      sockets.wake();
      expect(descriptors()).to.equal(before);
    });

    it("says how busy it is, and its longest turn", async () => {
      const made = await backEnd(100);
      const lag = {
        name: "event_loop_lag_seconds",
        help: "",
        type: "gauge",
        labels: { thread: ["udp"] },
      } as const;
      const series = new SharedSeries([...BATCH_SERIES, lag]);
      made.measure(series, "udp");
      const at = series.at("event_loop_lag_seconds", "udp");
      made.soon(() => {
        for (const endMs = performance.now() + 60; performance.now() < endMs; );
      });
      await until(() => series.values[at] !== 0, "the first measurement", { everyMs: 10 });
      expect(series.values[at]).to.be.at.least(0.055);
      // It would be 1 if waiting were work.
      expect(series.values[series.at("udp_busy_ratio")]).to.be.above(0).and.below(1);
    });
  });
});

/** Open sockets, epoll and event descriptors of this process. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return /^(socket|anon_inode:\[event)/.test(readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      return false;
    }
  }).length;
}

async function turns(count: number): Promise<void> {
  for (let each = 0; each < count; each += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** How often this thread has waited for something. */
function sleeps(): number {
  const status = readFileSync("/proc/thread-self/status", "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}
