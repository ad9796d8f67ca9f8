/** What every UDP back end must do, over real sockets on loopback; each runs these cases under its own name. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { ListenError } from "../../src/server/listen-address.ts";
import type { DatagramListener } from "../../src/server/socket-back-end.ts";
import { Rcode } from "../../src/wire/constants.ts";
import type { Message } from "../../src/wire/message.ts";
import { RawSender, rawSenderProblem } from "../support/raw-sender.ts";
import { PATIENCE_MS, quiet, until } from "../support/waiting.ts";
import { addresses, record, set } from "../table/samples.ts";
import { addressesOf, decoded, question, rcodeOf, Stage } from "./fixtures.ts";

export interface AskedAddress {
  readonly address: string;
  readonly port: number;
  readonly isDefault?: boolean;
}

/** Opens the back end's listener for the stage's engine, or rejects with its `ListenError`. */
export type OpenListener = (
  stage: Stage,
  asked: readonly AskedAddress[],
  localAddresses: () => readonly string[],
) => Promise<DatagramListener>;

const LOCAL = ["127.0.0.1", "127.0.0.2", "::1"];

export function datagramCases(open: OpenListener): void {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  async function listen(stage: Stage, asked: readonly AskedAddress[]): Promise<DatagramListener> {
    const listener = await open(stage, asked, () => LOCAL);
    opened.push(listener);
    return listener;
  }

  /** A client that, like most, takes replies only from the address that it asked. */
  async function client(type: "udp4" | "udp6", port: number, address: string): Promise<Socket> {
    const socket = createSocket(type);
    opened.push(socket);
    socket.connect(port, address);
    await once(socket, "connect");
    return socket;
  }

  async function ask(socket: Socket, message: Uint8Array): Promise<Message> {
    const reply = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.send(message);
    const [octets] = (await reply) as [Buffer];
    return decoded(new Uint8Array(octets));
  }

  it("answers on each address from that address, for wildcards of both families", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [
      { address: "0.0.0.0", port: 0 },
      { address: "::", port: 0 },
    ]);
    const [v4, v6] = listener.addresses;
    expect([v4!.address, v6!.address]).to.deep.equal(["0.0.0.0", "::"]);
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      const reply = await ask(await client("udp4", v4!.port, address), question("own.example", "A"));
      expect(addressesOf(reply)).to.deep.equal(["192.0.2.1"]);
    }
    const reply = await ask(await client("udp6", v6!.port, "::1"), question("OWN.example", "A", { id: 99 }));
    expect([reply.id, reply.questions[0]!.name]).to.deep.equal([99, "OWN.example"]);
  });

  it("sends late replies to whom they belong, from the address that was asked", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "0.0.0.0", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const first = await client("udp4", port, "127.0.0.1");
    const second = await client("udp4", port, "127.0.0.2");
    const replies = [first, second].map((socket) =>
      once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) }),
    );
    const asked = stage.forwarder.asked;
    first.send(question("a.example", "A", { id: 1 }));
    await until(() => asked.length === 1);
    second.send(question("b.example", "A", { id: 2 }));
    await until(() => asked.length === 2);
    expect(asked.map(({ client: { address, port: from } }) => [address, from])).to.deep.equal([
      ["127.0.0.1", first.address().port],
      ["127.0.0.1", second.address().port],
    ]);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    asked.pop();
    stage.forwarder.reply({ rcode: Rcode.REFUSED });
    const [[one], [two]] = (await Promise.all(replies)) as [[Buffer], [Buffer]];
    const seen = [one, two].map((octets) => decoded(new Uint8Array(octets)));
    expect(seen.map((message) => [message.id, rcodeOf(message)])).to.deep.equal([
      [1, Rcode.REFUSED],
      [2, Rcode.NXDOMAIN],
    ]);
  });

  it("drops a query from port 0 and one from its own address, before anything else", async function () {
    const problem = rawSenderProblem();
    if (problem !== null) {
      process.stdout.write(`    skipped: ${problem}\n`);
      this.skip();
    }
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "0.0.0.0", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const raw = new RawSender("127.0.0.2");
    opened.push(raw);
    const message = question("own.example", "A");
    raw.send(0, port, "127.0.0.1", message);
    raw.send(port, port, "127.0.0.1", message);
    await until(() => stage.metric("dropped_total", "own_listener") === 1);
    expect(stage.metric("dropped_total", "source_port_zero")).to.equal(1);
    expect(stage.metric("requests_total", "udp", "A")).to.equal(0);
    // The address alone says nothing.
    const reply = await ask(await client("udp4", port, "127.0.0.2"), message);
    expect(rcodeOf(reply)).to.equal(Rcode.NOERROR);
    expect(stage.faults).to.deep.equal([]);
  });

  it("lives through garbage and answers afterwards; an empty datagram is one, too", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    const garbage = ["", "x", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    for (const each of garbage) socket.send(Buffer.from(each, "latin1"));
    const id = 4242;
    const reply = await new Promise<Message>((resolve) => {
      socket.on("message", (octets) => {
        const message = decoded(new Uint8Array(octets));
        if (message.id === id) resolve(message);
      });
      socket.send(question("own.example", "A", { id }));
    });
    expect(rcodeOf(reply)).to.equal(Rcode.NOERROR);
    expect(stage.metric("dropped_total", "short")).to.equal(3);
    expect(stage.faults).to.deep.equal([]);
  });

  it("takes and sends datagrams of any length, octet for octet", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    const { asked } = stage.forwarder;
    for (const length of [600, 4096, 20_000, 65_507]) {
      const name = question("long.example", "A");
      const message = new Uint8Array(length).map((_, at) => name[at] ?? at * 7);
      const count = asked.length;
      socket.send(message);
      await until(() => asked.length > count);
      expect(Buffer.from(asked.at(-1)!.message).equals(Buffer.from(message))).to.equal(true);
      const received = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
      asked.at(-1)!.client.send(message, length);
      const [octets] = (await received) as [Buffer];
      expect(octets.equals(Buffer.from(message))).to.equal(true);
    }
    // No datagram can carry it.
    socket.send(question("long.example", "A"));
    await until(() => asked.length === 5);
    asked.at(-1)!.client.send(new Uint8Array(65_535), 65_508);
    await until(() => stage.metric("dropped_total", "send_error") === 1);
  });

  it("answers a burst of many clients, each with its own reply", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const clients = await Promise.all(Array.from({ length: 5 }, () => client("udp4", port, "127.0.0.1")));
    const ids = clients.map(() => new Set<number>());
    clients.forEach((socket, index) => {
      socket.on("message", (octets) => ids[index]!.add(decoded(new Uint8Array(octets)).id));
    });
    for (let id = 0; id < 100; id += 1) {
      for (const [index, socket] of clients.entries())
        socket.send(question("own.example", "A", { id: index * 1000 + id }));
    }
    await until(() => ids.every(({ size }) => size === 100));
    ids.forEach((each, index) => {
      expect([...each].every((id) => Math.floor(id / 1000) === index)).to.equal(true);
    });
  });

  it("counts a reply that cannot be sent and goes on", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    socket.send(question("fwd.example", "A"));
    await until(() => stage.forwarder.asked.length === 1);
    await listener.close();
    opened.splice(opened.indexOf(listener), 1);
    stage.forwarder.reply({});
    expect(stage.metric("dropped_total", "send_error")).to.equal(1);
  });

  it("says with code and address why it cannot listen, and leaves nothing open", async () => {
    const taken = await listen(ownStage(), [{ address: "0.0.0.0", port: 0 }]);
    const { port } = taken.addresses[0]!;
    for (const address of ["0.0.0.0", "127.0.0.1"]) {
      const error = await open(
        ownStage(),
        [
          { address: "127.0.0.1", port: 0 },
          { address, port },
        ],
        () => LOCAL,
      ).then(
        () => expect.fail("it listens"),
        (reason: unknown) => reason,
      );
      if (!(error instanceof ListenError)) throw error;
      expect([error.code, error.address, error.port]).to.deep.equal(["EADDRINUSE", address, port]);
      expect(error.message).to.include(`udp ${address}:${port}`);
    }
  });

  it("leaves out a default address that the machine lacks, but not one that was asked for", async () => {
    const missing = { address: "192.0.2.77", port: 0 };
    const listener = await listen(ownStage(), [
      { ...missing, isDefault: true },
      { address: "127.0.0.1", port: 0 },
    ]);
    expect(listener.addresses.map(({ address }) => address)).to.deep.equal(["127.0.0.1"]);
    expect(listener.warnings.map(({ code, address }) => [code, address])).to.deep.equal([
      ["EADDRNOTAVAIL", "192.0.2.77"],
    ]);
    const error = await open(ownStage(), [missing], () => LOCAL).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ListenError);
  });

  it("takes no more queries once stopped, but still sends", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    const reply = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.send(question("fwd.example", "A"));
    await until(() => stage.forwarder.asked.length === 1);
    listener.stop();
    socket.send(question("fwd.example", "A"));
    await quiet();
    expect(stage.forwarder.asked.length).to.equal(1);
    stage.forwarder.reply({});
    await reply;
  });

  it("keeps each late client apart from those that are answered at once", async () => {
    const stage = Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const late = await client("udp4", port, "127.0.0.1");
    const others = await Promise.all(Array.from({ length: 3 }, () => client("udp4", port, "127.0.0.1")));
    const received = once(late, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    late.send(question("fwd.example", "A", { id: 7 }));
    await until(() => stage.forwarder.asked.length === 1);
    for (const other of others) await ask(other, question("own.example", "A"));
    stage.forwarder.reply({});
    const [octets, sender] = (await received) as [Buffer, RemoteInfo];
    expect([decoded(new Uint8Array(octets)).id, sender.port]).to.deep.equal([7, port]);
  });
}

function ownStage(): Stage {
  return Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
}
