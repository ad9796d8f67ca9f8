/**
 * One question to one server and its reply, bounded in time and size, for `lookup`. The sockets are our own:
 * dns2's clients match neither question nor (over TCP) ID; its codec is used for the messages.
 */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { Packet } from "dns2";
import { type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import { systemRandom, type Transport } from "../runtime.ts";
import { RecordClass } from "../wire/constants.ts";
import { familyOf } from "../wire/ip-address.ts";
import { decodeMessage } from "../wire/message.ts";

export interface Question {
  readonly name: string;
  readonly type: number;
}

export type Exchange =
  | {
      readonly packet: Packet;
      readonly transport: Transport;
      readonly timeMs: number;
      readonly failure?: never;
    }
  /** Why no usable reply came, as the end of a sentence. */
  | {
      readonly failure: string;
      readonly transport: Transport;
      readonly timeMs: number;
      readonly packet?: never;
    };

/** Asks over UDP, again over TCP if the reply is cut off, or over TCP at once. Never rejects. */
export async function exchange(
  server: SocketAddress,
  question: Question,
  transport: Transport,
  timeoutMs = TIMEOUT_MS,
): Promise<Exchange> {
  const query = encodeQuery(question);
  const startMs = performance.now();
  let used = transport;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const ask = transport === "udp" ? askUdp : askTcp;
    let packet = await ask(server, query, signal);
    if (packet.header.tc === 1 && used === "udp") {
      used = "tcp";
      packet = await askTcp(server, query, signal);
    }
    return { packet, transport: used, timeMs: performance.now() - startMs };
  } catch (error) {
    const failure = signal.aborted
      ? `no reply within ${timeoutMs / 1000} s`
      : error instanceof Error
        ? failureText(error, server)
        : String(error);
    return { failure, transport: used, timeMs: performance.now() - startMs };
  }
}

/** As long as a libc waits. */
const TIMEOUT_MS = 5000;
/** A datagram can be lost: sent again after this long. */
const RESEND_MS = 1500;
const OUR_UDP_OCTETS = 1232;

function encodeQuery({ name, type }: Question): Buffer {
  const packet = new Packet();
  packet.header = new Packet.Header({ id: systemRandom.uint16(), rd: 1 });
  packet.questions.push(new Packet.Question(name, type, RecordClass.IN));
  packet.additionals.push(Packet.Resource.EDNS([], { udpPayloadSize: OUR_UDP_OCTETS }));
  return packet.toBuffer();
}

async function askUdp(server: SocketAddress, query: Buffer, signal: AbortSignal): Promise<Packet> {
  const socket = createSocket(familyOf(server.address) === "A" ? "udp4" : "udp6");
  const resend = setInterval(() => socket.send(query, () => {}), RESEND_MS);
  try {
    socket.connect(server.port, server.address);
    await once(socket, "connect", { signal });
    const { promise, resolve, reject } = Promise.withResolvers<Packet>();
    socket.on("message", (bytes) => {
      const packet = readReply(bytes, query);
      if (packet !== undefined) resolve(packet);
    });
    // A connected socket learns that nobody listens there.
    socket.on("error", reject);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    socket.send(query, (error) => error && reject(error));
    return await promise;
  } finally {
    clearInterval(resend);
    socket.close();
  }
}

async function askTcp(server: SocketAddress, query: Buffer, signal: AbortSignal): Promise<Packet> {
  const connection = connect({ host: server.address, port: server.port });
  try {
    await once(connection, "connect", { signal });
    // RFC 1035 4.2.2: two octets of length; one write, so that they do not part.
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    connection.write(Buffer.concat([length, query]));
    let received: Buffer = Buffer.alloc(0);
    while (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) {
      const { promise: ended, resolve: onEnd } = Promise.withResolvers<undefined>();
      connection.once("end", () => onEnd(undefined));
      const chunk = await Promise.race([once(connection, "data", { signal }), ended]);
      if (chunk === undefined) throw new Error("the server closed the connection without a reply");
      received = Buffer.concat([received, chunk[0]]);
    }
    const packet = readReply(received.subarray(2, 2 + received.readUInt16BE(0)), query);
    if (packet === undefined) throw new Error("what came is no reply to the question");
    return packet;
  } finally {
    connection.destroy();
  }
}

/** The reply, if it is one to this query; anything else is as good as nothing. */
function readReply(bytes: Buffer, query: Buffer): Packet | undefined {
  // dns2 can be kept busy for seconds by a chain of compression pointers: our own reader looks first.
  const message = decodeMessage(bytes);
  const asked = decodeMessage(query);
  if ("fault" in message || "fault" in asked || message.id !== asked.id) return undefined;
  const [echo] = message.questions;
  const [question] = asked.questions;
  const isEcho = echo?.name.toLowerCase() === question?.name.toLowerCase() && echo?.type === question?.type;
  // A server that cannot read a query may send it back without the question.
  const isRefusal = echo === undefined && message.answers.length === 0;
  if (!isEcho && !isRefusal) return undefined;
  const packet = Packet.parse(Buffer.from(bytes));
  return packet.header.qr === 1 ? packet : undefined;
}

function failureText(error: Error, server: SocketAddress): string {
  const code = "code" in error ? error.code : undefined;
  if (code === "ECONNREFUSED") return `nobody listens on ${socketAddressText(server)}`;
  if (code === "ENETUNREACH" || code === "EHOSTUNREACH")
    return `${server.address} cannot be reached from here`;
  return error.message;
}
