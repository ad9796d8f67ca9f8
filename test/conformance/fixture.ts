/**
 * The rules of the RFCs as tests: each is checked against the data plane over real sockets on loopback, between a
 * client and an upstream that know octets only, and once more against a naive responder, which must fail it.
 */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { AssertionError, expect } from "chai";
import {
  type BoundAddress,
  type DataPlaneSettings,
  type FromDataPlane,
  startDataPlane,
  type ToDataPlane,
} from "../../src/data-plane.ts";
import { dataPlaneSeries } from "../../src/data-plane-series.ts";
import { SharedSeries } from "../../src/series.ts";
import type { HostRecord } from "../../src/table/host-record.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { NaiveResponder } from "../support/naive-responder.ts";
import { type Received, ScriptedUpstream } from "../support/scripted-upstream.ts";
import { addresses, delta, hostName, ip, record, set } from "../table/samples.ts";
import { header, octets, opt, type Part, question } from "../wire/octets.ts";

export const RD = 0x0100;
export const QR = 0x8000;
export const IDENTITY = { id: "pod-7", version: "9.8.7" };
const MANY = Array.from({ length: 100 }, (_, index) => `10.0.0.${index + 1}`);
/** A reply that has not come by then will not come, on however busy a machine. */
const NO_REPLY_MS = 20_000;
/** The same of a responder that is expected to fail. */
const NAIVE_NO_REPLY_MS = 250;
/** Longer than the data plane waits for what is in flight when it is told to close. */
const CLOSE_MS = 10_000;

const HOSTS: Readonly<Record<string, readonly [v4: readonly string[], v6: readonly string[]]>> = {
  "own.example": [["192.0.2.1"], []],
  "both.example": [["192.0.2.1", "192.0.2.2"], ["2001:db8::1"]],
  "many.example": [MANY, []],
  "none.example": [[], []],
  "*.wild.example": [["192.0.2.7"], []],
};

const SETTINGS: Omit<DataPlaneSettings, "upstreams"> = {
  clusterDomain: hostName("cluster.local"),
  clusterUpstreams: [],
  pendingTimeoutMs: 2500,
  negativeTtlSeconds: 5,
  cacheOctets: 1024 * 1024,
  cacheMaxTtlSeconds: 3600,
  staleAfterMs: 1000,
  maxStaleSeconds: 3600,
  maxInFlight: 4096,
  maxInFlightPerClient: 2048,
  tcpConnections: 4096,
  tcpPerAddress: 2000,
  relayHttps: false,
  rateLimit: 0,
  trustedForwarders: [],
  refuse: false,
  identity: IDENTITY,
  searchSuffixes: [],
  suffixAnswer: "cname",
  suffixView: true,
  shortServiceNames: true,
  explainTxt: false,
};

/** A server under test, from outside. */
export interface TestServer {
  readonly isNaive: boolean;
  readonly udpPort: number;
  readonly tcpPort: number;
  /** Has no message of an earlier rule. */
  readonly upstream: ScriptedUpstream;
  /** The server's time, which stands until a rule moves it: nothing is sent again because the machine is slow. */
  readonly clock: FakeClock;
  /** One question over a socket of its own; fails if there is no reply. */
  udp(message: Uint8Array): Promise<Buffer>;
  tcp(message: Uint8Array): Promise<Buffer>;
  connect(localAddress?: string): Promise<TcpPeer>;
  /** Of the data plane of the transport; 0 where the server has no metrics. */
  metric(transport: "udp" | "tcp", name: string, ...labels: readonly string[]): number;
  /** Fails unless the condition comes true soon. */
  until(condition: () => boolean): Promise<void>;
}

export type Check = (server: TestServer) => Promise<void> | void;
/** `title`: the section, a colon, what we do. `naiveCannot`: why the naive responder does not fail. */
export type Rule = (title: string, check: Check, naiveCannot?: string) => void;

export interface Options {
  readonly hosts?: readonly HostRecord[];
  readonly settings?: Partial<DataPlaneSettings>;
}

class NoReplyError extends Error {}

/** `title`: `RFC 1035: what it is about`. */
export function conformance(title: string, define: (rule: Rule) => void, options: Options = {}): void {
  describe(title, () => {
    const servers: { ours: RunningServer | null; naive: RunningServer | null } = { ours: null, naive: null };
    const notes: string[] = [];
    before(async () => {
      servers.ours = await startServer(options);
      servers.naive = await startNaive();
    });
    after(async () => {
      await Promise.all([servers.ours?.stop(), servers.naive?.stop()]);
      for (const note of notes) process.stdout.write(`\n    ${title}: ${note}\n`);
    });
    define((ruleTitle, check, naiveCannot) => {
      it(ruleTitle, async () => {
        await run(servers.ours!, check);
      });
      if (naiveCannot !== undefined) {
        notes.push(`the naive responder does not fail "${ruleTitle}": ${naiveCannot}`);
        return;
      }
      it(`${ruleTitle} (the naive responder fails)`, async () => {
        const failure = await run(servers.naive!, check).then(
          () => null,
          (error: unknown) => error,
        );
        if (failure === null) throw new Error("the naive responder passes: the rule proves nothing");
        if (!(failure instanceof AssertionError) && !(failure instanceof NoReplyError)) throw failure;
      });
    });
  });
}

async function run(server: RunningServer, check: Check): Promise<void> {
  server.upstream.received.length = 0;
  server.upstream.script = (received) => received.reply(replyTo(received.message));
  try {
    await check(server);
  } finally {
    server.hangUp();
  }
}

export interface RunningServer extends TestServer {
  hangUp(): void;
  stop(): Promise<void>;
}

/** The data plane of both transports, in this thread, with its upstream. */
export async function startServer(options: Options = {}): Promise<RunningServer> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const clock = new FakeClock();
  const { port } = upstream.address;
  const settings = { ...SETTINGS, upstreams: [{ address: ip("127.0.0.1"), port }], ...options.settings };
  const definitions = dataPlaneSeries(settings);
  const hosts = Object.entries(HOSTS).map(([host, [v4, v6]]) => record(host, family(v4), family(v6)));
  const planes = await Promise.all(
    (["udp", "tcp"] as const).map(async (role) => {
      const series = new SharedSeries(definitions);
      const line = new Line();
      const listen = [{ address: "127.0.0.1", port: 0, isDefault: false }];
      const dataPlane = { role, listen, reusePort: false, series: series.buffer, settings };
      await startDataPlane(dataPlane, line, { clock });
      line.tell({ kind: "table", delta: delta(1, ...set(...hosts, ...(options.hosts ?? []))) });
      line.tell({ kind: "synced" });
      await line.hears("applied");
      // The end of the first sync follows in the same turn.
      await new Promise<void>((resolve) => setImmediate(resolve));
      return { line, series };
    }),
  );
  const [udp, tcp] = planes as [(typeof planes)[number], (typeof planes)[number]];
  const ports = { udpPort: udp.line.bound.port, tcpPort: tcp.line.bound.port };
  return testServer(false, ports, upstream, clock, {
    metric: (transport, name, ...labels) => {
      const { series } = transport === "udp" ? udp : tcp;
      return series.values[series.at(name, ...labels)]!;
    },
    stop: async () => {
      for (const { line } of planes) line.tell({ kind: "close" });
      // What a clock that stands would wait for for ever.
      clock.advance(CLOSE_MS);
      await Promise.all(planes.map(({ line }) => line.hears("closed")));
      await upstream.stop();
    },
  });
}

async function startNaive(): Promise<RunningServer> {
  const upstream = new ScriptedUpstream();
  await upstream.start();
  const hosts = new Map(Object.entries(HOSTS).map(([host, families]) => [host, families.flat()] as const));
  const responder = new NaiveResponder(hosts, upstream.address.port);
  const port = await responder.start();
  return testServer(true, { udpPort: port, tcpPort: port }, upstream, new FakeClock(), {
    metric: () => 0,
    stop: async () => {
      await responder.stop();
      await upstream.stop();
    },
  });
}

function testServer(
  isNaive: boolean,
  ports: Pick<TestServer, "udpPort" | "tcpPort">,
  upstream: ScriptedUpstream,
  clock: FakeClock,
  own: Pick<RunningServer, "metric" | "stop">,
): RunningServer {
  const withinMs = isNaive ? NAIVE_NO_REPLY_MS : NO_REPLY_MS;
  const peers: TcpPeer[] = [];
  const open = async (localAddress?: string) => {
    const peer = new TcpPeer(ports.tcpPort, withinMs, localAddress);
    peers.push(peer);
    await once(peer.socket, "connect");
    return peer;
  };
  return {
    isNaive,
    ...ports,
    ...own,
    upstream,
    clock,
    udp: (message) => askUdp(ports.udpPort, message, withinMs),
    tcp: async (message) => {
      const peer = await open();
      peer.socket.write(frame(message));
      const [reply] = await peer.gets(1);
      peer.socket.destroy();
      return reply!;
    },
    connect: open,
    until: (condition) => until(condition, withinMs),
    hangUp: () => {
      for (const peer of peers.splice(0)) peer.socket.destroy();
    },
  };
}

async function askUdp(port: number, message: Uint8Array, withinMs: number): Promise<Buffer> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => {});
    return await new Promise<Buffer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new NoReplyError("no reply over UDP")), withinMs);
      socket.once("message", (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      socket.send(message);
    });
  } finally {
    socket.close();
  }
}

/** A client's end of a connection: what it got, message by message. */
export class TcpPeer {
  readonly socket: Socket;
  readonly replies: Buffer[] = [];
  /** Got FIN or a reset. */
  isOver = false;
  readonly #withinMs: number;
  #octets = Buffer.alloc(0);

  constructor(port: number, withinMs: number, localAddress = "127.0.0.1") {
    this.#withinMs = withinMs;
    this.socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true, allowHalfOpen: true });
    this.socket.on("error", () => {});
    for (const event of ["end", "close"])
      this.socket.on(event, () => {
        this.isOver = true;
      });
    this.socket.on("data", (segment: Buffer) => {
      this.#octets = Buffer.concat([this.#octets, segment]);
      while (this.#octets.length >= 2 && this.#octets.length >= 2 + this.#octets.readUInt16BE(0)) {
        const end = 2 + this.#octets.readUInt16BE(0);
        this.replies.push(this.#octets.subarray(2, end));
        this.#octets = this.#octets.subarray(end);
      }
    });
  }

  /** Resolves with all replies once there are so many. */
  async gets(count: number): Promise<readonly Buffer[]> {
    await until(() => this.replies.length >= count, this.#withinMs);
    return this.replies;
  }
}

export async function until(condition: () => boolean, withinMs: number): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > withinMs) throw new NoReplyError(`it never came: ${condition}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Both ends of the line to a data plane. */
class Line {
  #listener: (message: ToDataPlane) => void = () => {};
  readonly #heard = new Map<FromDataPlane["kind"], () => void>();
  readonly #said = new Set<FromDataPlane["kind"]>();
  bound: BoundAddress = { transport: "udp", address: "", port: 0 };

  postMessage(message: FromDataPlane): void {
    if (message.kind === "listening") this.bound = message.addresses[0]!;
    this.#said.add(message.kind);
    this.#heard.get(message.kind)?.();
  }

  on(_event: "message", listener: (message: ToDataPlane) => void): void {
    this.#listener = listener;
  }

  tell(message: ToDataPlane): void {
    this.#listener(message);
  }

  async hears(kind: FromDataPlane["kind"]): Promise<void> {
    if (this.#said.has(kind)) return;
    await new Promise<void>((resolve) => this.#heard.set(kind, resolve));
  }
}

function family(texts: readonly string[]) {
  return texts.length === 0 ? ({ kind: "empty" } as const) : addresses(...texts);
}

/** Any ID but those of others. */
let lastId = 0;

interface AskFields {
  readonly type?: number;
  readonly class?: number;
  readonly flags?: number;
  /** An OPT record, the only one but `records`. */
  readonly opt?: Uint8Array;
  /** Behind the question, before OPT, counted as additional. */
  readonly records?: readonly Uint8Array[];
  readonly trailing?: Part;
}

/** A query: RD=1, type A, class IN unless said. `name`: text with dots, or wire octets. */
export function ask(name: string, fields: AskFields = {}): Buffer {
  lastId = (lastId + 257) & 0xffff;
  const additionals = [...(fields.records ?? []), ...(fields.opt === undefined ? [] : [fields.opt])];
  return Buffer.from(
    octets(
      header(fields.flags ?? RD, [1, 0, 0, additionals.length], lastId),
      question(name, fields.type ?? 1, fields.class ?? 1),
      ...additionals,
      fields.trailing ?? [],
    ),
  );
}

interface ReplyFields {
  readonly flags?: number;
  readonly answers?: readonly Uint8Array[];
  readonly authorities?: readonly Uint8Array[];
  readonly additionals?: readonly Uint8Array[];
  readonly trailing?: Part;
}

/** An upstream's reply to a message: QR, RA, its RD, CD and question, and what is given. */
export function replyTo(message: Uint8Array, fields: ReplyFields = {}): Buffer {
  const { answers = [], authorities = [], additionals = [], trailing = [] } = fields;
  const counts = [1, answers.length, authorities.length, additionals.length];
  const id = (message[0]! << 8) | message[1]!;
  return Buffer.from(
    octets(
      header(fields.flags ?? 0x8080 | (flagsOf(Buffer.from(message)) & 0x0110), counts, id),
      message.subarray(12, questionEnd(message)),
      ...answers,
      ...authorities,
      ...additionals,
      trailing,
    ),
  );
}

/** Behind the first question. */
export function questionEnd(message: Uint8Array): number {
  let at = 12;
  while (message[at] !== 0) at += message[at]! + 1;
  return at + 5;
}

export function frame(...messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => [Buffer.from([message.length >> 8, message.length & 255]), message]),
  );
}

/** Asks, and fails unless upstream saw the message and the client the reply, each octet but the ID. */
export async function expectBitExact(
  server: TestServer,
  message: Buffer,
  transport: "udp" | "tcp" = "udp",
  makeReply: (message: Uint8Array) => Buffer = (received) => replyTo(received),
): Promise<void> {
  let received: Received | null = null;
  let sent: Buffer = Buffer.alloc(0);
  server.upstream.script = (each) => {
    received = each;
    sent = makeReply(each.message);
    each.reply(sent);
  };
  const reply = await server[transport](message);
  const { message: seen, transport: over } = received ?? { message: Buffer.alloc(0), transport: "none" };
  expect(seen.toString("hex", 2), "what upstream got").to.equal(message.toString("hex", 2));
  expect(over, "how upstream got it").to.equal(transport);
  expect(reply.toString("hex", 2), "what the client got").to.equal(sent.toString("hex", 2));
  expect(reply.readUInt16BE(0), "the client's ID").to.equal(message.readUInt16BE(0));
}

export const PLAIN_OPT = opt();

export function rcodeOf(reply: Buffer): number {
  return reply.readUInt16BE(2) & 15;
}

export function flagsOf(reply: Buffer): number {
  return reply.readUInt16BE(2);
}
