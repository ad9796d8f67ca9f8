/** TCP over real sockets on loopback; its waits by a clock that the test moves. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { ListenError } from "../../src/server/listen-address.ts";
import { openTcpListener, type TcpLimits, type TcpListener } from "../../src/server/tcp-listener.ts";
import { Rcode } from "../../src/wire/constants.ts";
import type { Message } from "../../src/wire/message.ts";
import { quiet, until } from "../support/waiting.ts";
import { addresses, record, set } from "../table/samples.ts";
import { addressesOf, decoded, question, rcodeOf, Stage, upstreamReply } from "./fixtures.ts";

const LIMITS: TcpLimits = { connections: 4096, perAddress: 128 };

/** A client's end: what it got, message by message. */
class Peer {
  readonly socket: Socket;
  readonly replies: Message[] = [];
  hasEnded = false;
  isClosed = false;
  #octets = Buffer.alloc(0);

  constructor(port: number, localAddress = "127.0.0.1") {
    this.socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true, allowHalfOpen: true });
    this.socket.on("error", () => {});
    this.socket.on("end", () => {
      this.hasEnded = true;
    });
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    this.socket.on("data", (chunk: Buffer) => {
      this.#octets = Buffer.concat([this.#octets, chunk]);
      while (this.#octets.length >= 2 && this.#octets.length >= 2 + this.#octets.readUInt16BE(0)) {
        const end = 2 + this.#octets.readUInt16BE(0);
        this.replies.push(decoded(new Uint8Array(this.#octets.subarray(2, end))));
        this.#octets = this.#octets.subarray(end);
      }
    });
  }

  get isOver(): boolean {
    return this.hasEnded || this.isClosed;
  }

  get ids(): number[] {
    return this.replies.map(({ id }) => id);
  }
}

function frame(...messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => [Buffer.from([message.length >> 8, message.length & 255]), message]),
  );
}

describe("TCP listener", () => {
  const listeners: TcpListener[] = [];
  const peers: Peer[] = [];
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.socket.destroy();
    for (const listener of listeners.splice(0)) {
      listener.destroyConnections();
      await listener.close();
    }
  });

  async function listen(stage: Stage, limits = LIMITS): Promise<number> {
    const { engine, metrics, clock } = stage;
    const asked = [{ address: "127.0.0.1", port: 0, isDefault: false }];
    const listener = await openTcpListener({ engine, metrics, clock, reusePort: false }, limits, asked);
    listeners.push(listener);
    return listener.addresses[0]!.port;
  }

  async function peer(port: number, localAddress?: string): Promise<Peer> {
    const made = new Peer(port, localAddress);
    peers.push(made);
    await once(made.socket, "connect");
    return made;
  }

  function ownStage(): Stage {
    return Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
  }

  const own = (id = 1) => question("own.example", "A", { id });
  const fwd = (id = 1) => question("fwd.example", "A", { id });

  it("answers", async () => {
    const port = await listen(ownStage());
    const client = await peer(port);
    client.socket.write(frame(own(7)));
    await until(() => client.replies.length === 1);
    expect([client.replies[0]!.id, ...addressesOf(client.replies[0]!)]).to.deep.equal([7, "192.0.2.1"]);
    expect(client.isOver).to.equal(false);
  });

  it("answers what comes one octet per segment", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    for (const octet of frame(own(1), own(2))) {
      client.socket.write(Buffer.from([octet]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await until(() => client.replies.length === 2);
    expect(client.ids).to.deep.equal([1, 2]);
  });

  it("answers messages cut anywhere, several in one segment and one over several", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    const all = frame(...Array.from({ length: 20 }, (_, id) => own(id)));
    for (let at = 0; at < all.length; ) {
      const next = at + 1 + ((at * 7) % 90);
      client.socket.write(all.subarray(at, next));
      at = next;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await until(() => client.replies.length === 20);
    expect(client.ids).to.deep.equal(Array.from({ length: 20 }, (_, id) => id));
  });

  it("answers 500 queries of one write", async () => {
    const client = await peer(await listen(ownStage()));
    client.socket.write(frame(...Array.from({ length: 500 }, (_, id) => own(id))));
    await until(() => client.replies.length === 500);
    expect(new Set(client.ids).size).to.equal(500);
  });

  it("answers 500 forwarded queries of one write, never more than 128 in flight", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    client.socket.write(frame(...Array.from({ length: 500 }, (_, id) => fwd(id))));
    const { asked } = stage.forwarder;
    await until(() => asked.length === 128);
    await quiet();
    expect(asked.length).to.equal(128);
    for (let served = 0; served < 500; served += 1) {
      await until(() => asked.length > served);
      expect(asked.length - served).to.be.at.most(128);
      const { message, client: back } = asked[served]!;
      const reply = upstreamReply(message, { rcode: Rcode.NXDOMAIN });
      back.send(reply, reply.length);
    }
    await until(() => client.replies.length === 500);
    expect(new Set(client.ids).size).to.equal(500);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("answers an own query at once though a slow one came before it", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    client.socket.write(frame(fwd(1), own(2)));
    await until(() => client.replies.length === 1);
    expect(client.ids).to.deep.equal([2]);
    stage.forwarder.reply({});
    await until(() => client.replies.length === 2);
    expect(client.ids).to.deep.equal([2, 1]);
  });

  it("answers after a half-close, then ends", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    client.socket.end(frame(fwd(1), own(2)));
    await until(() => client.replies.length === 1 && stage.forwarder.asked.length === 1);
    await quiet();
    expect(client.isOver).to.equal(false);
    stage.forwarder.reply({});
    await until(() => client.isOver);
    expect(client.ids).to.deep.equal([2, 1]);
    await until(() => stage.metric("tcp_connections") === 0);
  });

  it("closes silently when a message ends too soon", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    client.socket.end(frame(own()).subarray(0, 20));
    await until(() => client.isOver);
    expect(client.replies).to.deep.equal([]);
  });

  it("closes on a frame that can hold no message, but sends the answers before it", async () => {
    for (const length of [0, 1, 11]) {
      const stage = ownStage();
      const client = await peer(await listen(stage));
      client.socket.write(Buffer.concat([frame(own(5)), Buffer.from([0, length]), new Uint8Array(length)]));
      await until(() => client.isOver);
      expect(client.ids).to.deep.equal([5]);
      expect(stage.metric("dropped_total", "tcp_frame")).to.equal(1);
    }
  });

  it("answers FORMERR to a malformed message and goes on with the next", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    const malformed = new Uint8Array(12);
    malformed[1] = 2;
    client.socket.write(frame(own(1), malformed, own(3)));
    await until(() => client.replies.length === 3);
    expect(client.replies.map((reply) => [reply.id, rcodeOf(reply)])).to.deep.equal([
      [1, Rcode.NOERROR],
      [2, Rcode.FORMERR],
      [3, Rcode.NOERROR],
    ]);
  });

  it("does not wait for the answer to a message that it drops", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    const response = question("own.example", "A", { flags: 0x8000 });
    client.socket.end(frame(response, own(2)));
    await until(() => client.isOver);
    expect(client.ids).to.deep.equal([2]);
  });

  it("closes an idle connection after 10 s, counted from the last answer", async () => {
    const stage = ownStage();
    const port = await listen(stage);
    const client = await peer(port);
    await until(() => stage.metric("tcp_connections") === 1);
    stage.clock.advance(6000);
    client.socket.write(frame(own()));
    await until(() => client.replies.length === 1);
    stage.clock.advance(9999);
    await quiet();
    expect(client.isOver).to.equal(false);
    stage.clock.advance(1);
    await until(() => client.isOver);
    await until(() => stage.metric("tcp_connections") === 0);
    expect(stage.metric("dropped_total", "tcp_never_read")).to.equal(0);
    expect(stage.clock.timers).to.equal(0);
  });

  it("gives a message 3 s from its first octet, however steadily it drips", async () => {
    const stage = ownStage();
    const client = await peer(await listen(stage));
    const octets = frame(own(1), own(2));
    const half = frame(own(1)).length;
    // Each message has its own 3 s.
    client.socket.write(octets.subarray(0, 10));
    await until(() => stage.clock.timers === 1 && client.socket.bytesWritten === 10);
    await quiet();
    stage.clock.advance(2000);
    client.socket.write(octets.subarray(10, half + 5));
    await until(() => client.replies.length === 1);
    stage.clock.advance(2000);
    client.socket.write(octets.subarray(half + 5, half + 6));
    await quiet();
    expect(client.isOver).to.equal(false);
    stage.clock.advance(1000);
    await until(() => client.isOver);
    expect(client.ids).to.deep.equal([1]);
  });

  it("makes room for a new connection by closing the oldest idle one", async () => {
    const stage = ownStage();
    const port = await listen(stage, { connections: 3, perAddress: 128 });
    const busy = await peer(port);
    busy.socket.write(frame(fwd()));
    await until(() => stage.forwarder.asked.length === 1);
    stage.clock.advance(10);
    const older = await peer(port);
    await until(() => stage.metric("tcp_connections") === 2);
    stage.clock.advance(10);
    const younger = await peer(port, "127.0.0.2");
    await until(() => stage.metric("tcp_connections") === 3);
    stage.clock.advance(10);
    // Now the older one has been used last.
    older.socket.write(frame(own()));
    await until(() => older.replies.length === 1);
    const fresh = await peer(port);
    fresh.socket.write(frame(own()));
    await until(() => fresh.replies.length === 1 && younger.isOver);
    expect([busy.isOver, older.isOver]).to.deep.equal([false, false]);
    expect(stage.metric("tcp_connections")).to.equal(3);
  });

  it("closes an address's own oldest idle connection at the address's limit, else the new one", async () => {
    const stage = ownStage();
    const port = await listen(stage, { connections: 100, perAddress: 2 });
    const other = await peer(port, "127.0.0.2");
    await until(() => stage.metric("tcp_connections") === 1);
    stage.clock.advance(10);
    const first = await peer(port);
    await until(() => stage.metric("tcp_connections") === 2);
    stage.clock.advance(10);
    const second = await peer(port);
    await until(() => stage.metric("tcp_connections") === 3);
    const third = await peer(port);
    await until(() => first.isOver);
    expect([other.isOver, second.isOver, third.isOver]).to.deep.equal([false, false, false]);
    for (const each of [second, third]) each.socket.write(frame(fwd()));
    await until(() => stage.forwarder.asked.length === 2);
    const fourth = await peer(port);
    await until(() => fourth.isOver);
    expect([second.isOver, third.isOver]).to.deep.equal([false, false]);
    expect(stage.metric("dropped_total", "tcp_too_many")).to.equal(1);
  });

  it("stops reading from a client that never reads, and ends it after 10 s", async () => {
    const big = addresses(...Array.from({ length: 256 }, (_, index) => `10.0.0.${index}`).sort());
    const stage = Stage.synced(...set(record("own.example", big)));
    const client = await peer(await listen(stage));
    client.socket.pause();
    const queries = frame(...Array.from({ length: 400 }, (_, id) => own(id)));
    let answered = -1;
    // 4 KiB an answer: some megabytes fill what the system buffers for us.
    for (
      let writes = 0;
      writes < 100 && answered !== stage.metric("requests_total", "tcp", "A");
      writes += 1
    ) {
      answered = stage.metric("requests_total", "tcp", "A");
      client.socket.write(queries);
      await quiet();
    }
    const stalled = stage.metric("requests_total", "tcp", "A");
    client.socket.write(queries);
    await quiet();
    expect(stage.metric("requests_total", "tcp", "A")).to.equal(stalled);
    stage.clock.advance(9999);
    expect(stage.metric("tcp_connections")).to.equal(1);
    stage.clock.advance(1);
    await until(() => stage.metric("tcp_connections") === 0);
    expect(stage.metric("dropped_total", "tcp_never_read")).to.equal(1);
  });

  it("reads on once a slow client reads again, and answers everything", async () => {
    const big = addresses(...Array.from({ length: 256 }, (_, index) => `10.0.0.${index}`).sort());
    const stage = Stage.synced(...set(record("own.example", big)));
    const client = await peer(await listen(stage));
    client.socket.pause();
    client.socket.write(frame(...Array.from({ length: 3000 }, (_, id) => own(id))));
    await quiet();
    client.socket.resume();
    await until(() => client.replies.length === 3000);
    expect(new Set(client.ids).size).to.equal(3000);
    expect(client.isOver).to.equal(false);
  });

  it("survives a reset in the middle of an answer, and late answers to it", async () => {
    const stage = ownStage();
    const port = await listen(stage);
    const client = await peer(port);
    client.socket.write(frame(fwd(1), own(2), fwd(3)));
    await until(() => stage.forwarder.asked.length === 2);
    client.socket.resetAndDestroy();
    await until(() => stage.metric("tcp_connections") === 0);
    for (const { message, client: back } of stage.forwarder.asked) back.send(message, message.length);
    expect(stage.metric("in_flight")).to.equal(0);
    const next = await peer(port);
    next.socket.write(frame(own(4)));
    await until(() => next.replies.length === 1);
    expect(stage.faults).to.deep.equal([]);
  });

  it("lives through garbage", async () => {
    const stage = ownStage();
    const port = await listen(stage);
    for (const garbage of [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\x16\x03\x01\x00\xa5\x01",
      "\xff\xff\xff",
      "\0",
    ]) {
      const client = await peer(port);
      client.socket.end(Buffer.from(garbage, "latin1"));
      await until(() => client.isOver);
    }
    const client = await peer(port);
    client.socket.write(frame(own()));
    await until(() => client.replies.length === 1);
  });

  it("answers a new client while 1,000 connections are idle", async () => {
    const stage = ownStage();
    const port = await listen(stage, { connections: 4096, perAddress: 2000 });
    await Promise.all(Array.from({ length: 1000 }, () => peer(port)));
    const client = await peer(port, "127.0.0.2");
    client.socket.write(frame(own()));
    await until(() => client.replies.length === 1);
    expect(stage.metric("tcp_connections")).to.equal(1001);
  });

  it("on closing ends idle connections, finishes the others, and accepts none", async () => {
    const stage = ownStage();
    const port = await listen(stage);
    const idle = await peer(port);
    const busy = await peer(port);
    busy.socket.write(frame(fwd(1)));
    await until(() => stage.forwarder.asked.length === 1 && stage.metric("tcp_connections") === 2);
    let isClosed = false;
    const closing = listeners[0]!.close().then(() => {
      isClosed = true;
    });
    await until(() => idle.isOver);
    expect([busy.isOver, isClosed]).to.deep.equal([false, false]);
    const late = new Peer(port);
    peers.push(late);
    await until(() => late.isClosed);
    stage.forwarder.reply({});
    await closing;
    await until(() => busy.isOver);
    expect(busy.ids).to.deep.equal([1]);
    listeners.length = 0;
  });

  it("says with code and address why it cannot listen", async () => {
    const port = await listen(ownStage());
    const { engine, metrics, clock } = ownStage();
    const parts = { engine, metrics, clock, reusePort: false };
    const error = await openTcpListener(parts, LIMITS, [
      { address: "127.0.0.1", port: 0, isDefault: false },
      { address: "127.0.0.1", port, isDefault: true },
    ]).catch((reason: unknown) => reason);
    if (!(error instanceof ListenError)) throw error;
    expect([error.code, error.transport, error.port]).to.deep.equal(["EADDRINUSE", "tcp", port]);
    const missing = { address: "192.0.2.77", port: 0, isDefault: true };
    const listener = await openTcpListener(parts, LIMITS, [missing]);
    expect(listener.warnings.map(({ code }) => code)).to.deep.equal(["EADDRNOTAVAIL"]);
    await listener.close();
  });
});
