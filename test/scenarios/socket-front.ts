/** The data plane of one transport on loopback sockets, in this thread: client, server and upstream are real. */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect } from "node:net";
import {
  type BoundAddress,
  type DataPlaneSettings,
  type FromDataPlane,
  startDataPlane,
  type ToDataPlane,
} from "../../src/data-plane.ts";
import { dataPlaneSeries } from "../../src/data-plane-series.ts";
import { createForwarder } from "../../src/forwarder/forwarder.ts";
import { assertNever } from "../../src/runtime.ts";
import { labelSets, SharedSeries } from "../../src/series.ts";
import {
  FIRST_ID_HANDED_BACK,
  type Front,
  type FrontParts,
  LOOP_KEY,
  nextTurn,
  withId,
  withUpstreams,
} from "./front.ts";
import { PacketsOnTheWay } from "./packets-on-the-way.ts";
import { closeSocket, StoryUpstreams } from "./story-upstreams.ts";

export async function openSocketFront(transport: "udp" | "tcp", parts: FrontParts): Promise<Front> {
  const front = new SocketFront(transport, parts);
  try {
    await front.open();
  } catch (error) {
    await front.closeSockets();
    throw error;
  }
  return front;
}

/** Loopback delivers within microseconds; a machine under load within this time. Milliseconds of the machine's. */
const PATIENCE_MS = 30_000;
/** How long the data plane waits for what is in flight when it is told to close. Milliseconds of the story's. */
const CLOSE_MS = 5000;

class SocketFront implements Front {
  readonly transport: "udp" | "tcp";
  readonly faults: string[] = [];
  readonly loops: number[] = [];
  readonly #parts: FrontParts;
  readonly #onTheWay = new PacketsOnTheWay();
  readonly #upstreams: StoryUpstreams;
  #series = new SharedSeries([]);
  /** Indexes of all series of the kind. */
  #requests: readonly number[] = [];
  #responses: readonly number[] = [];
  #to: BoundAddress | undefined;
  #tell: (message: ToDataPlane) => void = () => {};
  #asked = 0;
  #answered = 0;
  #version = 0;
  #appliedVersion = 0;
  #isClosed = false;
  readonly #waiting = new Map<number, (reply: Uint8Array) => void>();
  /** By the last number of their addresses. */
  readonly #clients = new Map<number, UdpSocket>();
  #nextIdHandedBack = FIRST_ID_HANDED_BACK;

  constructor(transport: "udp" | "tcp", parts: FrontParts) {
    this.transport = transport;
    this.#parts = parts;
    this.#upstreams = new StoryUpstreams(parts, this.#onTheWay, (query, onReply) =>
      this.ask(withId(query, this.#nextIdHandedBack++), 1, onReply),
    );
  }

  async open(): Promise<void> {
    const { clock, random, loopProbes } = this.#parts;
    await this.#upstreams.open();
    const settings = this.#withUpstreams(this.#parts.settings);
    const definitions = dataPlaneSeries(settings);
    this.#series = new SharedSeries(definitions);
    const indexes = (name: string) =>
      definitions
        .filter((each) => each.name === name)
        .flatMap(labelSets)
        .map((labels) => this.#series.at(name, ...Object.values(labels)));
    this.#requests = indexes("requests_total");
    this.#responses = indexes("responses_total");

    await startDataPlane(
      {
        role: this.transport,
        listen: [{ address: "127.0.0.1", port: 0, isDefault: false }],
        reusePort: false,
        series: this.#series.buffer,
        settings,
        ...(loopProbes && { loopKey: LOOP_KEY }),
      },
      {
        postMessage: (message) => this.#hear(message),
        on: (_event, listener) => {
          this.#tell = listener;
        },
      },
      {
        clock,
        random,
        createForwarder: (options) =>
          createForwarder({ ...options, sockets: this.#onTheWay.watch(options.sockets) }),
      },
    );
  }

  ask(query: Uint8Array, client: number, onReply: (reply: Uint8Array) => void): void {
    this.#asked += 1;
    this.#waiting.set((query[0]! << 8) | query[1]!, onReply);
    if (this.transport === "udp") this.#askOverUdp(query, client);
    else this.#askOverTcp(query, client);
  }

  #askOverUdp(query: Uint8Array, client: number): void {
    const { address, port } = this.#to!;
    let socket = this.#clients.get(client);
    if (socket === undefined) {
      socket = createSocket("udp4");
      socket.on("message", (reply) => this.#replied(new Uint8Array(reply)));
      socket.bind(0, `127.0.0.${client}`);
      this.#clients.set(client, socket);
    }
    socket.send(query, port, address);
  }

  #askOverTcp(query: Uint8Array, client: number): void {
    const { address, port } = this.#to!;
    const connection = connect({ host: address, port, localAddress: `127.0.0.${client}` });
    let received = Buffer.alloc(0);
    connection.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      connection.end();
      this.#replied(new Uint8Array(received.subarray(2)));
    });
    connection.on("error", (error) => this.faults.push(`the client's connection: ${error.message}`));
    connection.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]));
  }

  #replied(reply: Uint8Array): void {
    const id = (reply[0]! << 8) | reply[1]!;
    const onReply = this.#waiting.get(id);
    this.#answered += 1;
    this.#waiting.delete(id);
    if (onReply === undefined) this.faults.push(`a reply with the ID ${id}, which no query has`);
    else onReply(reply);
  }

  apply(delta: Uint8Array, version: number): void {
    this.#version = version;
    this.#tell({ kind: "table", delta });
  }

  applyClients(delta: Uint8Array): void {
    this.#tell({ kind: "clients", delta });
  }

  setSynced(): void {
    this.#tell({ kind: "synced" });
  }

  update(settings: DataPlaneSettings): void {
    this.#tell({ kind: "settings", settings: this.#withUpstreams(settings) });
  }

  #withUpstreams(settings: DataPlaneSettings): DataPlaneSettings {
    return withUpstreams(settings, this.#upstreams.addresses, this.#parts.upstreams);
  }

  openUpstreams(): Promise<void> {
    return this.#upstreams.follow();
  }

  count(name: string, labels: readonly string[]): number {
    return this.#series.values[this.#series.at(name, ...labels)]!;
  }

  async settle(): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS;
    // What has just arrived may set off more in the turns to come.
    for (let quietTurns = 0; quietTurns < 3; ) {
      await nextTurn();
      const busy = this.#busy();
      quietTurns = busy === undefined ? quietTurns + 1 : 0;
      if (busy !== undefined && performance.now() > untilMs) throw new Error(`waited in vain: ${busy}`);
    }
  }

  /** What is still to come without time passing; undefined: nothing. */
  #busy(): string | undefined {
    const requests = this.#sum(this.#requests);
    if (this.#isClosed) return undefined;
    if (requests < this.#asked) return `${this.#asked - requests} queries did not reach the server`;
    const responses = this.#sum(this.#responses);
    if (responses > this.#answered) return `${responses - this.#answered} replies did not reach the client`;
    if (this.#appliedVersion < this.#version) return `version ${this.#version} of the table is not applied`;
    if (this.#onTheWay.size > 0) return `${this.#onTheWay.size} messages between forwarder and upstream`;
    return undefined;
  }

  #sum(indexes: readonly number[]): number {
    return indexes.reduce((total, index) => total + this.#series.values[index]!, 0);
  }

  async close(): Promise<void> {
    this.#tell({ kind: "close" });
    await nextTurn();
    this.#parts.clock.advance(CLOSE_MS);
    const untilMs = performance.now() + PATIENCE_MS;
    while (!this.#isClosed) {
      await nextTurn();
      if (performance.now() > untilMs) throw new Error("the data plane did not close");
    }
    await this.closeSockets();
  }

  /** Those of client and upstream. */
  async closeSockets(): Promise<void> {
    for (const client of this.#clients.values()) await closeSocket(client);
    await this.#upstreams.close();
  }

  #hear(message: FromDataPlane): void {
    switch (message.kind) {
      case "listening":
        this.#to = message.addresses[0];
        return;
      case "applied":
        this.#appliedVersion = message.version;
        return;
      case "closed":
        this.#isClosed = true;
        return;
      case "failed":
        throw new Error(message.message);
      case "told":
        // There is no other thread.
        return;
      case "loop":
        this.loops.push(this.#upstreams.numberOf(message.upstream));
        return;
      case "upstream":
        return;
      case "warning":
      case "fault":
        this.faults.push(message.message);
        return;
      default:
        assertNever(message);
    }
  }
}
