/**
 * Sends datagrams of many lengths to a thread that sends them back in every way that there is, while both sides collect
 * garbage again and again, and compares every octet: memory that was moved, freed or shared by mistake shows.
 */

import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { openBatchSockets } from "../../src/native/batch-sockets.ts";
import { MAX_BATCH, mappedOctets, type SystemCalls } from "../../src/native/system-calls.ts";
import { LOOPBACK_ENDS, LOOPBACK_OCTETS } from "./fixtures.ts";
import { type StressOptions, StressWay } from "./stress-thread.ts";

export interface StressResult {
  readonly sent: number;
  readonly answered: number;
  /** Answers that are not what was sent. */
  readonly wrong: number;
  /** Of both threads. */
  readonly collections: number;
}

export interface StressPlan {
  readonly packets: number;
  /** In the thread that answers; the one that asks collects every `batchesPerCollection`. */
  readonly collectEveryMs: number;
  readonly batchesPerCollection: number;
}

/** What has not come by then is lost, or the thread that answers had no turn on a busy machine. */
const WAIT_MS = 2000;
const BATCHES_PER_TURN = 50;
const HEADER_OCTETS = 8;
/** Most are as long as questions are; one in so many is long. */
const LONG_EVERY = 97;
const LONG_OCTETS = 9000;
const SHORT_OCTETS = 200;

export async function stress(calls: SystemCalls, plan: StressPlan): Promise<StressResult> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const sockets = openBatchSockets(calls, [{ address: "127.0.0.1", port: 0, isDefault: false }], false);
  const options: StressOptions = { handles: sockets.handles, collectEveryMs: plan.collectEveryMs };
  const worker = new Worker(new URL("stress-thread.ts", import.meta.url), { workerData: options });
  const octets = mappedOctets(1);
  const memory = calls.mappedMemory(calls.map(octets), octets);
  const fd = calls.listenUdp(memory, LOOPBACK_OCTETS, 0, {
    isWildcard: false,
    reusePort: false,
    receiveBufferOctets: 4 << 20,
  });
  const epollFd = calls.createEpoll();
  try {
    await once(worker, "message");
    const sends = calls.sendBatch(memory, fd, false);
    const receives = calls.receiveBatch(memory);
    const ready = calls.readyEvents(memory, epollFd);
    calls.watch(memory, epollFd, fd, 0);
    const ends = { ...LOOPBACK_ENDS, port: sockets.addresses[0]!.port };
    const message = new Uint8Array(LONG_OCTETS);
    let sent = 0;
    let answered = 0;
    let lost = 0;
    let wrong = 0;
    let collections = 0;
    const receiveAll = (): boolean => {
      const count = receives.receive(fd, MAX_BATCH);
      for (let index = 0; index < count; index += 1) {
        answered += 1;
        if (!isRight(receives.octets(index), receives.length(index), sent)) wrong += 1;
      }
      return count > 0;
    };
    for (let batch = 0; sent < plan.packets; batch += 1) {
      for (; !sends.isFull; sent += 1) sends.put(ends, message, writeMessage(message, sent));
      sends.flush();
      while (answered + lost < sent && ready.wait(WAIT_MS) > 0) while (receiveAll());
      lost = sent - answered;
      if (batch % plan.batchesPerCollection === 0) {
        collect();
        collections += 1;
      }
      if (batch % BATCHES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const told = once(worker, "message");
    worker.postMessage("how many collections");
    sockets.wake();
    return { sent, answered, wrong, collections: collections + ((await told)[0] as number) };
  } finally {
    await worker.terminate();
    calls.close(epollFd);
    calls.close(fd);
    await sockets.close();
  }
}

/** The way, its number and its length, then octets that follow from the number. Returns the length. */
function writeMessage(message: Uint8Array, number: number): number {
  const length =
    HEADER_OCTETS + (number % LONG_EVERY === 0 ? LONG_OCTETS - HEADER_OCTETS : number % SHORT_OCTETS);
  message[0] = wayOf(number);
  message[1] = 0;
  for (let at = 0; at < 4; at += 1) message[2 + at] = number >>> (8 * at);
  message[6] = length;
  message[7] = length >>> 8;
  for (let at = HEADER_OCTETS; at < length; at += 1) message[at] = number * 31 + at;
  return length;
}

function isRight(message: Uint8Array, length: number, sent: number): boolean {
  const number = message[2]! | (message[3]! << 8) | (message[4]! << 16) | (message[5]! << 24);
  if (number < 0 || number >= sent || length !== (message[6]! | (message[7]! << 8))) return false;
  if (message[0] !== wayOf(number)) return false;
  for (let at = HEADER_OCTETS; at < length; at += 1)
    if (message[at] !== ((number * 31 + at) & 0xff)) return false;
  return true;
}

function wayOf(number: number): number {
  if (number % 50 === 7) return StressWay.UPSTREAM;
  return number % 10 === 3 ? StressWay.LATER : StressWay.AT_ONCE;
}
