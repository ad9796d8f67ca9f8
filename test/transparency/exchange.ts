/**
 * Generated messages through the data plane, between a client and an upstream that compare octets: each query and
 * each reply must pass unchanged but for its ID. Nothing here reads a message by the program's own code.
 */

import { createSocket } from "node:dgram";
import fc from "fast-check";
import { frame, RD, startServer, type TestServer, until } from "../conformance/fixture.ts";
import { header, octets, option, type Part, pointer, uint16, uint32 } from "../wire/octets.ts";

export interface Exchanges {
  readonly answered: number;
  /** What was not the same, in words and octets. */
  readonly differences: readonly string[];
}

interface Exchange {
  readonly query: Buffer;
  /** With the query's question; the ID is filled in. */
  readonly reply: Buffer;
}

/** Messages on their way at once. */
const WINDOW = 64;
const WITHIN_MS = 60_000;
/** OPT, TSIG and the transfers are refused, 0 is no type. */
const NEVER_ASKED = [0, 41, 250, 251, 252];
const KEEPALIVE = 11;
const COOKIE = 10;

const uint8 = fc.nat(255);
const anyUint16 = fc.nat(65_535);
const anyOctets = (maxLength: number) => fc.uint8Array({ maxLength });
const rareOctets = fc.oneof(
  { weight: 4, arbitrary: fc.constant(octets()) },
  { weight: 1, arbitrary: anyOctets(40) },
);
const anyType = fc
  .oneof(fc.constantFrom(1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 46, 48, 64, 65, 99, 255, 257), anyUint16)
  .filter((type) => !NEVER_ASKED.includes(type));
const anyClass = fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: anyUint16 });
const anyLabel = fc.uint8Array({ minLength: 1, maxLength: 20 });
/** All flags but QR, and opcode QUERY. */
const anyQueryFlags = fc.oneof(fc.constantFrom(RD, 0, RD | 0x30), fc.nat(0x07ff));
const anyReplyFlags = anyUint16.map((flags) => 0x8000 | (flags & 0x07ff));

const anyOption = fc
  .tuple(anyUint16, anyOctets(30))
  // The one exception, and one that a forwarder may read.
  .filter(([code]) => code !== KEEPALIVE && code !== COOKIE)
  .map(([code, data]) => option(code, data));
const anyOpt = fc
  .tuple(anyUint16, uint8, uint8, anyUint16, fc.array(anyOption, { maxLength: 4 }))
  .map(([size, extendedRcode, version, flags, options]) => {
    const rdata = octets(...options);
    return octets(
      0,
      uint16(41),
      uint16(size),
      extendedRcode,
      version,
      uint16(flags),
      uint16(rdata.length),
      rdata,
    );
  });
const anyOwner: fc.Arbitrary<Part> = fc.oneof(
  fc.constant(pointer(12)),
  fc.constant([0]),
  anyLabel.map((label) => octets(label.length, label, pointer(12))),
);
const anyRecord = fc
  .tuple(
    anyOwner,
    anyUint16.filter((type) => type !== 41 && type !== 250 && type !== 24),
    anyUint16,
    fc.nat(),
    anyOctets(60),
  )
  .map(([owner, type, recordClass, ttl, rdata]) =>
    octets(owner, uint16(type), uint16(recordClass), uint32(ttl), uint16(rdata.length), rdata),
  );
const someRecords = (maxLength: number) => fc.array(anyRecord, { maxLength });
const maybeOpt = fc.option(anyOpt, { nil: null });

const anyExchange = fc.record({
  labels: fc.array(anyLabel, { maxLength: 4 }),
  type: anyType,
  recordClass: anyClass,
  flags: anyQueryFlags,
  sections: fc.oneof(
    { weight: 4, arbitrary: fc.constant([[], [], []]) },
    { weight: 1, arbitrary: fc.tuple(someRecords(2), someRecords(2), someRecords(2)) },
  ),
  opt: maybeOpt,
  trailing: rareOctets,
  replyFlags: anyReplyFlags,
  replySections: fc.tuple(someRecords(6), someRecords(3), someRecords(3)),
  replyOpt: maybeOpt,
  replyTrailing: rareOctets,
});

/** Sends `count` messages and compares what arrives at both ends. `seed` fixes what is generated. */
export async function exchange(transport: "udp" | "tcp", count: number, seed: number): Promise<Exchanges> {
  const made = fc.sample(anyExchange, { numRuns: count, seed }).map(assemble);
  const server = await startServer();
  try {
    const differences: string[] = [];
    server.upstream.script = (received) => {
      const index = indexOf(received.message);
      const { query, reply } = made[index]!;
      compare(`query ${index} at upstream, over ${received.transport}`, received.message, query, differences);
      received.message.copy(reply, 0, 0, 2);
      received.reply(reply);
    };
    const answered = await (transport === "udp" ? overUdp : overTcp)(server, made, differences);
    return { answered, differences };
  } finally {
    server.hangUp();
    await server.stop();
  }
}

function assemble(fields: Parameters<Parameters<typeof anyExchange.map>[0]>[0], index: number): Exchange {
  const { labels, type, recordClass, flags, sections, opt, trailing } = fields;
  // The first label makes each name another one, so that none is answered from the cache.
  const first = String(index);
  const names = labels.flatMap((label) => [label.length, label]);
  const question = octets(first.length, first, ...names, 0, uint16(type), uint16(recordClass));
  const make = (
    messageFlags: number,
    [answers, authorities, additionals]: readonly (readonly Uint8Array[])[],
    last: Uint8Array | null,
    behind: Uint8Array,
  ) => {
    const third = [...additionals!, ...(last === null ? [] : [last])];
    const counts = [1, answers!.length, authorities!.length, third.length];
    const records = [...answers!, ...authorities!, ...third];
    return Buffer.from(octets(header(messageFlags, counts, index), question, ...records, behind));
  };
  const { replyFlags, replySections, replyOpt, replyTrailing } = fields;
  return {
    query: make(flags, sections, opt, trailing),
    reply: make(replyFlags, replySections, replyOpt, replyTrailing),
  };
}

function indexOf(message: Buffer): number {
  return Number(message.toString("latin1", 13, 13 + message[12]!));
}

function compare(what: string, actual: Buffer, expected: Buffer, differences: string[]): void {
  const [is, should] = [actual.toString("hex", 2), expected.toString("hex", 2)];
  if (is !== should) differences.push(`${what}\n  is     ${is}\n  should ${should}`);
}

async function overUdp(
  server: TestServer,
  made: readonly Exchange[],
  differences: string[],
): Promise<number> {
  const socket = createSocket("udp4");
  const pump = new Pump(made, differences, (query) => socket.send(query, server.udpPort, "127.0.0.1"));
  socket.on("message", (reply) => pump.take(reply));
  await pump.run();
  socket.close();
  return pump.answered;
}

async function overTcp(
  server: TestServer,
  made: readonly Exchange[],
  differences: string[],
): Promise<number> {
  const peer = await server.connect();
  const pump = new Pump(made, differences, (query) => peer.socket.write(frame(query)));
  peer.socket.on("data", () => {
    for (const reply of peer.replies.splice(0)) pump.take(reply);
  });
  await pump.run();
  return pump.answered;
}

/** Keeps some messages on their way until all are answered. */
class Pump {
  answered = 0;
  #sent = 0;
  readonly #made: readonly Exchange[];
  readonly #differences: string[];
  readonly #send: (query: Buffer) => void;

  constructor(made: readonly Exchange[], differences: string[], send: (query: Buffer) => void) {
    this.#made = made;
    this.#differences = differences;
    this.#send = send;
  }

  async run(): Promise<void> {
    this.#fill();
    await until(() => this.answered >= this.#made.length, WITHIN_MS);
  }

  take(reply: Buffer): void {
    this.answered += 1;
    const index = indexOf(reply);
    const made = this.#made[index];
    if (made === undefined) this.#differences.push(`a reply to no question: ${reply.toString("hex")}`);
    else {
      compare(`reply ${index} at the client`, reply, made.reply, this.#differences);
      const id = reply.readUInt16BE(0);
      if (id !== made.query.readUInt16BE(0)) this.#differences.push(`reply ${index} has the ID ${id}`);
    }
    this.#fill();
  }

  #fill(): void {
    for (; this.#sent < this.#made.length && this.#sent - this.answered < WINDOW; this.#sent += 1) {
      this.#send(this.#made[this.#sent]!.query);
    }
  }
}
