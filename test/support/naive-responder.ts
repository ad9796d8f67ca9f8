/**
 * A small DNS server as one is often written: it serves the plain case and makes the usual mistakes with all
 * others. A test of a rule that it passes too proves nothing. No code of the program under test.
 */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv4, type Server, type Socket as TcpSocket } from "node:net";
import { freePort } from "./program.ts";

const A = 1;
const CNAME = 5;
const AAAA = 28;
const ANY = 255;

interface Asked {
  readonly message: Buffer;
  readonly flags: number;
  readonly name: string;
  readonly type: number;
  readonly questionEnd: number;
}

interface Waiting extends Asked {
  readonly reply: (message: Buffer) => void;
}

export class NaiveResponder {
  readonly #hosts: ReadonlyMap<string, readonly string[]>;
  readonly #upstreamPort: number;
  readonly #connections = new Set<TcpSocket>();
  readonly #waiting: Waiting[] = [];
  /** Sequential, from the same port, for every upstream query. */
  #nextId = 1;
  #udp: UdpSocket | null = null;
  #forward: UdpSocket | null = null;
  #tcp: Server | null = null;

  /** `hosts`: addresses by lower-case name; `*.` for wildcards. */
  constructor(hosts: ReadonlyMap<string, readonly string[]>, upstreamPort: number) {
    this.#hosts = hosts;
    this.#upstreamPort = upstreamPort;
  }

  /** Resolves with the port, the same for UDP and TCP. */
  async start(): Promise<number> {
    const port = await freePort();
    const tcp = createServer((connection) => this.#accept(connection)).listen(port, "127.0.0.1");
    await once(tcp, "listening");
    const udp = createSocket("udp4");
    udp.on("message", (message, { port, address }) => {
      if (port !== 0) this.#handle(message, 512, (reply) => udp.send(reply, port, address, () => {}));
    });
    udp.bind(port, "127.0.0.1");
    const forward = createSocket("udp4");
    forward.on("message", (message) => this.#forwarded(message));
    forward.bind(0, "127.0.0.1");
    await Promise.all([once(udp, "listening"), once(forward, "listening")]);
    this.#tcp = tcp;
    this.#udp = udp;
    this.#forward = forward;
    return port;
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    this.#udp?.close();
    this.#forward?.close();
    const tcp = this.#tcp;
    if (tcp !== null) await new Promise((closed) => tcp.close(closed));
  }

  /** One segment is taken for one message, and the next is not looked at before the answer is out. */
  #accept(connection: TcpSocket): void {
    this.#connections.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => this.#connections.delete(connection));
    let answered: Promise<void> = Promise.resolve();
    connection.on("data", (segment) => {
      answered = answered.then(
        () =>
          new Promise((done) => {
            this.#handle(segment.subarray(2), 65_535, (reply) => {
              connection.write(Buffer.concat([uint16(reply.length), reply]));
              done();
            });
          }),
      );
    });
  }

  #handle(message: Buffer, maxOctets: number, reply: (message: Buffer) => void): void {
    const asked = read(message);
    // Garbage is not answered.
    if (asked === null) return;
    const addresses = this.#find(asked.name);
    // What does not fit is cut off, and nobody is told.
    if (addresses !== undefined) reply(answer(asked, addresses).subarray(0, maxOctets));
    else this.#ask({ ...asked, reply });
  }

  #find(name: string): readonly string[] | undefined {
    return this.#hosts.get(name) ?? this.#hosts.get(name.replace(/^[^.]*/, "*"));
  }

  /** A question of our own, without what else the client's message held, over UDP. */
  #ask(waiting: Waiting): void {
    this.#waiting.push(waiting);
    const question = Buffer.concat([encodeName(waiting.name), uint16(waiting.type), uint16(1)]);
    const head = Buffer.concat([this.#nextId, 0x0100, 1, 0, 0, 0].map(uint16));
    this.#nextId += 1;
    this.#forward?.send(Buffer.concat([head, question]), this.#upstreamPort, "127.0.0.1");
  }

  /** Whatever comes answers the question that waits the longest. */
  #forwarded(message: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    const asked = read(message);
    const records = asked === null ? [] : addressRecords(message, asked.questionEnd);
    const rcode = message.length > 3 ? message[3]! & 15 : 0;
    const head = [waiting.message.readUInt16BE(0), 0x8180 | rcode, 1, records.length, 0, 0].map(uint16);
    const question = Buffer.concat([encodeName(waiting.name), uint16(waiting.type), uint16(1)]);
    waiting.reply(Buffer.concat([...head, question, ...records]).subarray(0, 512));
  }
}

/** The first question, whatever the counts, the opcode and QR say; a dot in a label is a separator. */
function read(message: Buffer): Asked | null {
  const labels: string[] = [];
  let at = 12;
  while (at < message.length && message[at] !== 0) {
    const length = message[at]!;
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  if (at + 5 > message.length) return null;
  const name = labels.join(".").toLowerCase();
  const type = message.readUInt16BE(at + 1);
  return { message, flags: message.readUInt16BE(2), name, type, questionEnd: at + 5 };
}

function answer(asked: Asked, addresses: readonly string[]): Buffer {
  const { message, name, type, questionEnd } = asked;
  const wanted = addresses.filter(
    (address) => type === ANY || (type === A && isIPv4(address)) || (type === AAAA && !isIPv4(address)),
  );
  // Another type, or another family: there is no such name.
  const rcode = wanted.length === 0 ? 3 : 0;
  const records = wanted.map((address) => {
    const rdata = isIPv4(address) ? Buffer.from(address.split(".").map(Number)) : Buffer.alloc(16, 0x20);
    const head = [isIPv4(address) ? A : AAAA, 1, 0, 30, rdata.length].map(uint16);
    return Buffer.concat([encodeName(name), ...head, rdata]);
  });
  // All flags come back, and so does the OPT record with all its options.
  const counts = [1, records.length, 0, message.readUInt16BE(10)];
  const head = [message.readUInt16BE(0), 0x8000 | asked.flags | rcode, ...counts].map(uint16);
  const question = Buffer.concat([encodeName(name), uint16(type), uint16(1)]);
  return Buffer.concat([...head, question, ...records, message.subarray(questionEnd)]);
}

/** The records of the types that it knows. */
function addressRecords(message: Buffer, at: number): Buffer[] {
  const records: Buffer[] = [];
  for (let count = message.readUInt16BE(6); count > 0 && at + 12 <= message.length; count -= 1) {
    const start = at;
    while (message[at] !== 0 && message[at]! < 0xc0) at += message[at]! + 1;
    at += message[at] === 0 ? 1 : 2;
    if (at + 10 > message.length) break;
    const type = message.readUInt16BE(at);
    at += 10 + message.readUInt16BE(at + 8);
    if (type === A || type === AAAA || type === CNAME) records.push(message.subarray(start, at));
  }
  return records;
}

function encodeName(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  const parts = labels.map((label) => {
    const octets = Buffer.from(label, "latin1");
    return Buffer.concat([Buffer.from([octets.length]), octets]);
  });
  return Buffer.concat([...parts, Buffer.alloc(1)]);
}

function uint16(value: number): Buffer {
  return Buffer.from([(value >> 8) & 0xff, value & 0xff]);
}
