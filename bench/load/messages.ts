/** Queries as octets, and the one exchange that the benches need. */

import { createSocket } from "node:dgram";
import { once } from "node:events";

/** What the benches' upstream answers with. */
export const UPSTREAM_ADDRESS = "198.51.100.7";
export const HEADER_OCTETS = 12;
export const TYPE_A = 1;
/** A record of the question's name: A, IN, TTL 300. */
export const ADDRESS = Buffer.from([
  ...[0xc0, HEADER_OCTETS, 0, TYPE_A, 0, 1, 0, 0, 0x01, 0x2c, 0, 4],
  ...UPSTREAM_ADDRESS.split(".").map(Number),
]);

/** A whole reply to a question for the host's address, with the ID 0. */
export function oneAnswer(host: string): Buffer {
  return Buffer.concat([replyHeader(1), encodeName(host), Buffer.from([0, TYPE_A, 0, 1]), ADDRESS]);
}

/** One question, QR, RD and RA set, NOERROR. */
export function replyHeader(answers: number): Buffer {
  return Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
}

/** Type A, class IN, RD set. */
export function makeQueryMessage(host: string, id: number): Buffer {
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, encodeName(host), Buffer.from([0, 1, 0, 1])]);
}

/** As it stands in a message. */
export function encodeName(host: string): Buffer {
  const labels = host
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** Asks over and over until an answer holds the address; milliseconds from `sinceMs` to its receipt. */
export async function untilAnswered(
  port: number,
  host: string,
  address: string,
  sinceMs: number,
  withinMs: number,
): Promise<number> {
  const octets = Buffer.from(address.split(".").map(Number));
  const socket = createSocket("udp4");
  // A server that is gone: the time runs out.
  socket.on("error", () => {});
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    for (let id = 1; performance.now() - sinceMs < withinMs; id = (id % 65_535) + 1) {
      socket.send(makeQueryMessage(host, id));
      const [message] = (await once(socket, "message", { signal: AbortSignal.timeout(withinMs) })) as [
        Buffer,
      ];
      if (message.includes(octets)) return performance.now() - sinceMs;
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    throw new Error(`${host} is not answered with ${address} within ${withinMs} ms`);
  } finally {
    socket.close();
  }
}

const ASK_EVERY_MS = 1;
