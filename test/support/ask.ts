/** One question to a server on loopback, one decoded reply: the test's own small client. */

import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { RecordClass, RecordType } from "../../src/wire/constants.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/wire/message.ts";

const RECURSION_DESIRED = 0x0100;
/** Longer than any reply takes on a busy machine, that of a failed upstream (4.5 s) included. */
const REPLY_MS = 15_000;

export interface Asked {
  readonly type?: keyof typeof RecordType;
  readonly transport?: "udp" | "tcp";
  readonly withinMs?: number;
  readonly address?: string;
  /** The address that it is asked from; any of 127.0.0.0/8 may stand for a pod. */
  readonly from?: string;
}

/** Rejects when no reply comes in time, or one that cannot be decoded. */
export async function ask(port: number, name: string, asked: Asked = {}): Promise<Message> {
  const { type = "A", transport = "udp", withinMs = REPLY_MS, address = "127.0.0.1", from } = asked;
  const id = Math.floor(Math.random() * 65_536);
  const question = encodeMessage({
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: RecordType[type], class: RecordClass.IN }],
    answers: [],
    authorities: [],
    additionals: [],
  });
  const exchange = transport === "udp" ? overUdp : overTcp;
  const reply = decodeMessage(await exchange(question, { port, address, withinMs, from }));
  if ("fault" in reply) throw new Error(`the reply ${reply.fault}`);
  if (reply.id !== id) throw new Error("the reply has another ID");
  return reply;
}

/** The addresses in the answer section, sorted. */
export async function addresses(port: number, name: string, asked: Asked = {}): Promise<string[]> {
  const { answers } = await ask(port, name, asked);
  return answers
    .flatMap(({ data }) => (data.kind === "A" || data.kind === "AAAA" ? [String(data.address)] : []))
    .sort();
}

interface Way {
  readonly port: number;
  readonly address: string;
  readonly withinMs: number;
  readonly from: string | undefined;
}

function overUdp(question: Uint8Array, { port, address, withinMs, from }: Way): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const timer = setTimeout(() => {
      socket.close();
      reject(new Error("no reply over UDP"));
    }, withinMs);
    socket.once("message", (reply) => {
      clearTimeout(timer);
      socket.close();
      resolve(new Uint8Array(reply));
    });
    socket.bind(0, from, () => socket.send(question, port, address));
  });
}

function overTcp(question: Uint8Array, { port, address, withinMs, from }: Way): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: address, ...(from === undefined ? {} : { localAddress: from }) });
    let received = Buffer.alloc(0);
    socket.setTimeout(withinMs, () => socket.destroy(new Error("no reply over TCP")));
    socket.once("error", reject);
    socket.on("data", (octets) => {
      received = Buffer.concat([received, octets]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      socket.destroy();
      resolve(new Uint8Array(received.subarray(2, 2 + received.readUInt16BE(0))));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(question.length);
    socket.write(Buffer.concat([length, question]));
  });
}
