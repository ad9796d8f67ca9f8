/** What the path of a query leaves to the collector: nothing of its own, or the key by which the cache knows the name. */

import { PerformanceObserver } from "node:perf_hooks";
import { expect } from "chai";
import { BatchListener } from "../../src/native/batch-listener.ts";
import { openBatchSockets } from "../../src/native/batch-sockets.ts";
import type { Watched } from "../../src/native/loop.ts";
import { LoopClock } from "../../src/native/loop-clock.ts";
import { MAX_BATCH, mappedOctets, type SystemCalls } from "../../src/native/system-calls.ts";
import { makeFixture } from "../forwarder/fixture.ts";
import { a, replyTo } from "../forwarder/messages.ts";
import { question, Stage } from "../server/fixtures.ts";
import { addresses, ip, NOWHERE, record, set } from "../table/samples.ts";
import { LOOPBACK_ENDS, LOOPBACK_OCTETS, withSystemCalls } from "./fixtures.ts";

const PACKETS = 100_000;
const PIECE = 5000;
const MOST_ROUNDS = 30;
/** Until the code is compiled. */
const PACKETS_BEFORE = 40_000;

const PODS = 10_000;
/** 127.1.0.0. */
const FIRST_POD = 0x7f010000;

const PATHS = [
  // Each call of a batch costs some octets; they are shared by its packets.
  { name: "an own host", open: openOwn, mostOctetsPerPacket: 8 },
  { name: "an own host for 10,000 known pods", open: openOwnForPods, mostOctetsPerPacket: 8 },
  // A string of the name, type and flags, and its head.
  { name: "the cache", open: openCached, mostOctetsPerPacket: 56 },
] as const;

describe("the path of a query in batches", () => {
  withSystemCalls((calls) => {
    for (const { name, open, mostOctetsPerPacket } of PATHS)
      it(`leaves at most ${mostOctetsPerPacket} octets per packet from ${name}, over ${PACKETS} of them`, async () => {
        const { exchange, close } = await open(calls());
        let collections = 0;
        const observer = new PerformanceObserver((list) => {
          collections += list.getEntries().length;
        });
        observer.observe({ entryTypes: ["gc"] });
        try {
          for (let packets = 0; packets < PACKETS_BEFORE; ) packets += exchange();
          // On a busy machine the compiler comes late; none of so many rounds is good, then every packet leaves something.
          let perPacket = Number.POSITIVE_INFINITY;
          for (let round = 0; round < MOST_ROUNDS && perPacket >= mostOctetsPerPacket; round += 1) {
            let packets = 0;
            let octets = 0;
            for (let piece = 0; piece < PACKETS / PIECE; piece += 1) {
              await turn();
              collections = 0;
              const before = process.memoryUsage().heapUsed;
              let done = 0;
              while (done < PIECE) done += exchange();
              const more = process.memoryUsage().heapUsed - before;
              await turn();
              // A piece in which there is a collection says nothing; most have none.
              if (collections > 0) continue;
              packets += done;
              octets += more;
            }
            if (packets > PACKETS / 2) perPacket = Math.min(perPacket, octets / packets);
          }
          expect(perPacket).to.be.below(mostOctetsPerPacket);
        } finally {
          observer.disconnect();
          await close();
        }
      });
  });
});

function openOwn(calls: SystemCalls) {
  return open(
    calls,
    Stage.synced(...set(record("own.example", addresses("192.0.2.1")))),
    question("own.example", "A"),
  );
}

/** More pods than there are texts of addresses at hand. */
function openOwnForPods(calls: SystemCalls) {
  const stage = Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
  const pods = Array.from({ length: PODS }, (_, index) => ({
    address: ip(`127.1.${index >> 8}.${index & 255}`),
    client: { namespace: "shop", clientClass: "outside" as const, locality: NOWHERE },
  }));
  stage.know(pods);
  return open(calls, stage, question("own.example", "A"), PODS);
}

/** Answered from the cache, once it was asked for. */
async function openCached(calls: SystemCalls) {
  const { forwarder, upstreams, ask, clock } = makeFixture();
  const stage = Stage.synced();
  stage.forwarder.forward = (query, read, client, reply) => forwarder.forward(query, read, client, reply);
  upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }));
  const message = question("other.example", "A");
  ask(message);
  clock.advance(0);
  upstreams.script = () => {
    throw new Error("it is not in the cache");
  };
  return open(calls, stage, message);
}

/** A listener whose loop is the test, and a client; `exchange` asks and answers a batch, and returns its size. */
async function open(calls: SystemCalls, stage: Stage, message: Uint8Array, clients = 1) {
  const sockets = openBatchSockets(calls, [{ address: "0.0.0.0", port: 0, isDefault: false }], false);
  const { handles } = sockets;
  const memory = calls.mappedMemory(handles.memoryAddress, handles.memoryOctets);
  const receives = calls.receiveBatch(memory);
  const watched: Watched[] = [];
  const flushes: (() => void)[] = [];
  const loop = {
    clock: new LoopClock(),
    watch: (_: number, each: Watched) => watched.push(each) - 1,
    unwatch() {},
    onFlush: (flush: () => void) => void flushes.push(flush),
  };
  const { engine, metrics } = stage;
  const listener = new BatchListener({ engine, metrics, calls, memory, receives, loop }, handles.sockets);
  const octets = mappedOctets(1);
  const ours = calls.mappedMemory(calls.map(octets), octets);
  // A wildcard's may send from every address under 127.0.0.0/8.
  const options = { isWildcard: clients > 1, reusePort: false, receiveBufferOctets: 1 << 20 };
  const fd = calls.listenUdp(ours, clients > 1 ? new Uint8Array(4) : LOOPBACK_OCTETS, 0, options);
  const questions = calls.sendBatch(ours, fd, false);
  const answers = calls.receiveBatch(ours);
  const ends = { ...LOOPBACK_ENDS, port: sockets.addresses[0]!.port, hasLocal: clients > 1 };
  let client = 0;
  return {
    exchange(): number {
      while (!questions.isFull) {
        ends.local0 = FIRST_POD + client;
        client = (client + 1) % clients;
        questions.put(ends, message, message.length);
      }
      questions.flush();
      watched[0]!.onReadable();
      flushes[0]!();
      const received = answers.receive(fd, MAX_BATCH);
      if (received !== MAX_BATCH) throw new Error(`${received} answers of ${MAX_BATCH}`);
      return received;
    },
    async close() {
      await listener.close();
      calls.close(fd);
      await sockets.close();
    },
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
