/** A DNS server on loopback, UDP and TCP on one port, whose every reply a test writes. */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket as TcpSocket } from "node:net";
import { HeaderFlag, RecordClass, RecordType } from "../../src/wire/constants.ts";
import type { IpAddress } from "../../src/wire/ip-address.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type RecordData,
  type ResourceRecord,
} from "../../src/wire/message.ts";
import { freePort } from "../support/program.ts";

export interface Asked {
  readonly name: string;
  readonly type: number;
  readonly transport: "udp" | "tcp";
  readonly message: Message;
  /** The client's UDP port, or 0. */
  readonly port: number;
}

/** Called for each question; `send` may be called any number of times, at any time. */
export type Behaviour = (asked: Asked, send: (reply: Uint8Array) => void) => void;

export class LoopbackServer {
  behaviour: Behaviour = () => {};
  readonly asked: Asked[] = [];
  readonly #udp: Socket = createSocket("udp4");
  readonly #tcp: Server = createServer((socket) => this.#serve(socket));
  readonly #connections = new Set<TcpSocket>();
  port = 0;

  async start(): Promise<void> {
    this.port = await freePort();
    this.#udp.bind(this.port, "127.0.0.1");
    await once(this.#udp, "listening");
    this.#tcp.listen(this.port, "127.0.0.1");
    await once(this.#tcp, "listening");
    this.#udp.on("message", (octets, from) => {
      this.#ask(octets, "udp", from.port, (reply) => this.#udp.send(reply, from.port, from.address));
    });
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await Promise.all([
      new Promise<void>((done) => this.#udp.close(done)),
      new Promise((done) => this.#tcp.close(done)),
    ]);
  }

  #serve(socket: TcpSocket): void {
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#connections.delete(socket));
    let read = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      read = Buffer.concat([read, chunk]);
      while (read.length >= 2 && read.length >= 2 + read.readUInt16BE(0)) {
        const end = 2 + read.readUInt16BE(0);
        this.#ask(read.subarray(2, end), "tcp", 0, (reply) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
        read = read.subarray(end);
      }
    });
  }

  #ask(octets: Uint8Array, transport: "udp" | "tcp", port: number, send: (reply: Uint8Array) => void): void {
    const message = decodeMessage(octets);
    if ("fault" in message) throw new Error(`a question that ${message.fault}`);
    const question = message.questions[0]!;
    const asked = { name: question.name, type: question.type, transport, message, port };
    this.asked.push(asked);
    this.behaviour(asked, send);
  }
}

/** A reply to the question with this RCODE and these records. */
export function reply(
  asked: Asked,
  rcode: number,
  answers: readonly ResourceRecord[] = [],
  change: Partial<Message> = {},
): Uint8Array {
  const { id, questions } = asked.message;
  const flags = HeaderFlag.QR | HeaderFlag.RD | HeaderFlag.RA | rcode;
  return encodeMessage({ id, flags, questions, answers, authorities: [], additionals: [], ...change });
}

export function address(name: string, text: string, ttlSeconds: number): ResourceRecord {
  const isV6 = text.includes(":");
  const data: RecordData = { kind: isV6 ? "AAAA" : "A", address: text as IpAddress };
  return { name, type: isV6 ? RecordType.AAAA : RecordType.A, class: RecordClass.IN, ttlSeconds, data };
}

export function cname(name: string, target: string, ttlSeconds = 60): ResourceRecord {
  const data: RecordData = { kind: "name", name: target };
  return { name, type: RecordType.CNAME, class: RecordClass.IN, ttlSeconds, data };
}
