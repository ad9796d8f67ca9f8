/** Asks at a steady rate from several addresses, and notes how long each reply took and what it said. */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export interface Outcome {
  /** Since the first query. */
  readonly askedAtMs: number;
  /** Infinity: no reply. */
  tookMs: number;
  /** The header's; -1: no reply. */
  rcode: number;
}

export interface Asking {
  readonly port: number;
  readonly count: number;
  readonly perSecond: number;
  /** The name of the query with this number. */
  readonly nameOf: (index: number) => string;
  /** Given up when this long has passed after the last query. */
  readonly patienceMs: number;
}

/** So that the limit of one client is not what is measured. */
const ADDRESSES = 8;
const TICK_MS = 2;

export async function ask({ port, count, perSecond, nameOf, patienceMs }: Asking): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let open = count;
  const { promise: allAnswered, resolve } = Promise.withResolvers<void>();
  const startedMs = performance.now();
  const sockets = await Promise.all(Array.from({ length: ADDRESSES }, (_, at) => openSocket(at + 1, port)));
  // ID and socket together name the query: at most 65,536 on each.
  for (const [at, socket] of sockets.entries()) {
    socket.on("message", (reply) => {
      const outcome = outcomes[reply.readUInt16BE(0) * ADDRESSES + at];
      if (outcome === undefined || outcome.rcode !== -1) return;
      outcome.tookMs = performance.now() - startedMs - outcome.askedAtMs;
      outcome.rcode = reply[3]! & 15;
      open -= 1;
      if (open === 0) resolve();
    });
  }
  try {
    while (outcomes.length < count) {
      const due = Math.min(count, Math.ceil(((performance.now() - startedMs) * perSecond) / 1000));
      while (outcomes.length < due) {
        const index = outcomes.length;
        outcomes.push({
          askedAtMs: performance.now() - startedMs,
          tookMs: Number.POSITIVE_INFINITY,
          rcode: -1,
        });
        sockets[index % ADDRESSES]!.send(queryMessage(nameOf(index), Math.floor(index / ADDRESSES)));
      }
      await sleep(TICK_MS);
    }
    await Promise.race([allAnswered, sleep(patienceMs)]);
  } finally {
    for (const socket of sockets) socket.close();
  }
  return outcomes;
}

async function openSocket(number: number, port: number): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  // A program that is gone is seen by the missing replies.
  socket.on("error", () => {});
  socket.bind(0, `127.0.0.${number}`);
  await once(socket, "listening");
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Type A, class IN, RD set. */
export function queryMessage(name: string, id: number): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
