/** What the path of a query leaves to the collector: nothing of its own. */

import { PerformanceObserver } from "node:perf_hooks";
import { expect } from "chai";
import { BatchListener } from "../../src/native/batch-listener.ts";
import { openBatchSockets } from "../../src/native/batch-sockets.ts";
import type { Watched } from "../../src/native/loop.ts";
import { LoopClock } from "../../src/native/loop-clock.ts";
import { MAX_BATCH, mappedOctets, type SystemCalls } from "../../src/native/system-calls.ts";
import { question, Stage } from "../server/fixtures.ts";
import { addresses, record, set } from "../table/samples.ts";
import { LOOPBACK_ENDS, LOOPBACK_OCTETS, withSystemCalls } from "./fixtures.ts";

const PACKETS = 100_000;
const MOST_ROUNDS = 30;
/** Until the code is compiled. */
const PACKETS_BEFORE = 40_000;
/** Each call of a batch costs some octets; they are shared by its packets. */
const MOST_OCTETS_PER_PACKET = 8;

describe("the path of a query in batches", () => {
  withSystemCalls((calls) => {
    it(`allocates nothing per packet, over ${PACKETS} of them`, async () => {
      const { exchange, close } = await open(calls());
      let collections = 0;
      const observer = new PerformanceObserver((list) => {
        collections += list.getEntries().length;
      });
      observer.observe({ entryTypes: ["gc"] });
      try {
        for (let packets = 0; packets < PACKETS_BEFORE; ) packets += exchange();
        // A round may meet a collection, and on a busy machine the compiler comes late; none of so many is good, then
        // something is left by every packet.
        const perPacket: number[] = [];
        for (let round = 0; round < MOST_ROUNDS; round += 1) {
          await turn();
          collections = 0;
          const before = process.memoryUsage().heapUsed;
          let packets = 0;
          while (packets < PACKETS) packets += exchange();
          const octets = process.memoryUsage().heapUsed - before;
          await turn();
          if (collections > 0) continue;
          perPacket.push(octets / packets);
          if (octets / packets < MOST_OCTETS_PER_PACKET) break;
        }
        expect(perPacket).to.not.deep.equal([]);
        expect(Math.min(...perPacket)).to.be.below(MOST_OCTETS_PER_PACKET);
      } finally {
        observer.disconnect();
        await close();
      }
    });
  });
});

/** A listener whose loop is the test, and a client; `exchange` asks and answers a batch, and returns its size. */
async function open(calls: SystemCalls) {
  const stage = Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
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
  const options = { isWildcard: false, reusePort: false, receiveBufferOctets: 1 << 20 };
  const fd = calls.listenUdp(ours, LOOPBACK_OCTETS, 0, options);
  const questions = calls.sendBatch(ours, fd, false);
  const answers = calls.receiveBatch(ours);
  const message = question("own.example", "A");
  const ends = { ...LOOPBACK_ENDS, port: sockets.addresses[0]!.port };
  return {
    exchange(): number {
      while (!questions.isFull) questions.put(ends, message, message.length);
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
