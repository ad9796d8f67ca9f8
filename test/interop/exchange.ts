/** One message to a server on loopback and its reply, from a socket of its own. */

import { createSocket } from "node:dgram";
import { connect } from "node:net";

export type Transport = "udp" | "tcp";

/**
 * How long each of the tries takes at least, with nothing to show for it: some servers limit the errors that they
 * send per second (Unbound: to 100) and drop the rest, over TCP by a close.
 */
const TRIES_MS = [1_200, 1_200, 2_500] as const;

/** Null: no reply, however often the message is sent. */
export async function exchange(message: Buffer, transport: Transport, port: number): Promise<Buffer | null> {
  const once = transport === "udp" ? overUdp : overTcp;
  for (const tryMs of TRIES_MS) {
    const startedAtMs = performance.now();
    const reply = await once(message, port, tryMs);
    if (reply !== null) return reply;
    const leftMs = Math.max(0, startedAtMs + tryMs - performance.now());
    await new Promise((resolve) => setTimeout(resolve, leftMs));
  }
  return null;
}

function overUdp(message: Buffer, port: number, waitMs: number): Promise<Buffer | null> {
  const { promise, resolve } = Promise.withResolvers<Buffer | null>();
  const socket = createSocket("udp4");
  const timer = setTimeout(resolve, waitMs, null);
  socket.on("error", () => resolve(null));
  socket.on("message", (reply) => {
    if (reply.length >= 2 && reply.readUInt16BE(0) === message.readUInt16BE(0)) resolve(reply);
  });
  socket.connect(port, "127.0.0.1", () => socket.send(message));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function overTcp(message: Buffer, port: number, waitMs: number): Promise<Buffer | null> {
  const { promise, resolve } = Promise.withResolvers<Buffer | null>();
  const socket = connect(port, "127.0.0.1");
  const timer = setTimeout(resolve, waitMs, null);
  let received = Buffer.alloc(0);
  socket.on("error", () => resolve(null));
  socket.on("close", () => resolve(null));
  socket.on("data", (octets) => {
    received = Buffer.concat([received, octets]);
    if (received.length < 2) return;
    const end = 2 + received.readUInt16BE(0);
    if (received.length >= end) resolve(received.subarray(2, end));
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  socket.write(Buffer.concat([length, message]));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
