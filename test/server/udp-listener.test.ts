/** UDP over real sockets on loopback. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { ListenError } from "../../src/server/listen-address.ts";
import { openUdpListener, type UdpListener } from "../../src/server/udp-listener.ts";
import { Rcode } from "../../src/wire/constants.ts";
import type { Message } from "../../src/wire/message.ts";
import { addresses, record, set } from "../table/samples.ts";
import { addressesOf, decoded, question, rcodeOf, Stage } from "./fixtures.ts";

const LOCAL = ["127.0.0.1", "127.0.0.2", "::1"];

describe("UDP listener", () => {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  async function listen(
    stage: Stage,
    asked: readonly { address: string; port: number; isDefault?: boolean }[],
    localAddresses: () => readonly string[] = () => LOCAL,
  ): Promise<UdpListener> {
    const { engine, metrics, clock } = stage;
    const listener = await openUdpListener(
      { engine, metrics, clock, reusePort: false, localAddresses },
      asked.map((each) => ({ isDefault: false, ...each })),
    );
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
    const reply = once(socket, "message", { signal: AbortSignal.timeout(2000) });
    socket.send(message);
    const [octets] = (await reply) as [Buffer];
    return decoded(new Uint8Array(octets));
  }

  function ownStage(): Stage {
    return Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
  }

  it("answers on each address from that address, for wildcards of both families", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [
      { address: "0.0.0.0", port: 0 },
      { address: "::", port: 0 },
    ]);
    const [v4, v6] = listener.addresses;
    expect([v4!.address, v6!.address]).to.deep.equal(["0.0.0.0", "::"]);
    // 127.0.0.3 is nobody's own address: the wildcard's socket takes it, but a connected client gets no reply.
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      const reply = await ask(await client("udp4", v4!.port, address), question("own.example", "A"));
      expect(addressesOf(reply)).to.deep.equal(["192.0.2.1"]);
    }
    const reply = await ask(await client("udp6", v6!.port, "::1"), question("OWN.example", "A", { id: 99 }));
    expect([reply.id, reply.questions[0]!.name]).to.deep.equal([99, "OWN.example"]);
  });

  it("takes up addresses that come later and lets go of those that left", async () => {
    const stage = ownStage();
    let local = ["127.0.0.1", "127.0.0.2"];
    const listener = await listen(stage, [{ address: "0.0.0.0", port: 0 }], () => local);
    const { port } = listener.addresses[0]!;
    local = ["127.0.0.1", "127.0.0.9"];
    stage.clock.advance(10_000);
    // A socket is bound in some turns of the event loop.
    const late = await client("udp4", port, "127.0.0.9");
    let reply: Message | null = null;
    for (let tries = 0; reply === null && tries < 50; tries += 1) {
      const received = once(late, "message", { signal: AbortSignal.timeout(40) });
      late.send(question("own.example", "A"));
      reply = await received.then(
        ([octets]) => decoded(new Uint8Array(octets)),
        () => null,
      );
    }
    expect(reply && addressesOf(reply)).to.deep.equal(["192.0.2.1"]);
    // The other's socket is gone: the wildcard's answers in its place, from an address that the system chooses.
    const anywhere = createSocket("udp4");
    opened.push(anywhere);
    const received = once(anywhere, "message", { signal: AbortSignal.timeout(2000) });
    anywhere.send(question("own.example", "A"), port, "127.0.0.2");
    const [, sender] = (await received) as [Buffer, RemoteInfo];
    expect(sender.address).to.equal("127.0.0.1");
  });

  it("sends late replies to whom they belong", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const first = await client("udp4", port, "127.0.0.1");
    const second = await client("udp4", port, "127.0.0.1");
    const replies = [first, second].map((socket) =>
      once(socket, "message", { signal: AbortSignal.timeout(2000) }),
    );
    const asked = stage.forwarder.asked;
    first.send(question("a.example", "A", { id: 1 }));
    await until(() => asked.length === 1);
    second.send(question("b.example", "A", { id: 2 }));
    await until(() => asked.length === 2);
    expect(asked.map(({ client: { port: from } }) => from)).to.deep.equal([
      first.address().port,
      second.address().port,
    ]);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    asked.pop();
    stage.forwarder.reply({ rcode: Rcode.REFUSED });
    const [[one], [two]] = (await Promise.all(replies)) as [[Buffer], [Buffer]];
    expect([decoded(new Uint8Array(one)).id, rcodeOf(decoded(new Uint8Array(one)))]).to.deep.equal([
      1,
      Rcode.REFUSED,
    ]);
    expect([decoded(new Uint8Array(two)).id, rcodeOf(decoded(new Uint8Array(two)))]).to.deep.equal([
      2,
      Rcode.NXDOMAIN,
    ]);
  });

  it("drops a query from port 0 and one from its own address, before anything else", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "0.0.0.0", port: 0 }]);
    const { port } = listener.addresses[0]!;
    const sent: unknown[] = [];
    const socket = { send: (...args: unknown[]) => void sent.push(args) };
    const message = question("own.example", "A");
    listener.receive(socket, message, { address: "192.0.2.9", port: 0 });
    listener.receive(socket, message, { address: "127.0.0.2", port });
    expect(sent).to.deep.equal([]);
    expect(stage.metric("dropped_total", "source_port_zero")).to.equal(1);
    expect(stage.metric("dropped_total", "own_listener")).to.equal(1);
    expect(stage.metric("requests_total", "udp", "A")).to.equal(0);
    // The port alone says nothing.
    listener.receive(socket, message, { address: "192.0.2.9", port });
    expect(sent.length).to.equal(1);
  });

  it("lives through garbage and answers afterwards", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    for (const garbage of [
      "",
      "x",
      "GET / HTTP/1.1\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]) {
      socket.send(Buffer.from(garbage, "latin1"));
    }
    const id = 4242;
    const reply = await new Promise<Message>((resolve) => {
      socket.on("message", (octets) => {
        const message = decoded(new Uint8Array(octets));
        if (message.id === id) resolve(message);
      });
      socket.send(question("own.example", "A", { id }));
    });
    expect(rcodeOf(reply)).to.equal(Rcode.NOERROR);
    expect(stage.faults).to.deep.equal([]);
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

  it("counts a reply that the system refuses to send", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = createSocket("udp4");
    opened.push(socket);
    // Broadcast is not permitted on an ordinary socket.
    listener.receive(socket, question("own.example", "A"), { address: "255.255.255.255", port: 99 });
    await until(() => stage.metric("dropped_total", "send_error") === 1);
    listener.receive(socket, question("own.example", "A"), { address: "127.0.0.1", port: 99 });
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(stage.metric("dropped_total", "send_error")).to.equal(1);
  });

  it("says with code and address why it cannot listen, and leaves nothing open", async () => {
    const stage = ownStage();
    const taken = await listen(stage, [{ address: "0.0.0.0", port: 0 }]);
    const { port } = taken.addresses[0]!;
    for (const address of ["0.0.0.0", "127.0.0.1"]) {
      const error = await listen(ownStage(), [
        { address: "127.0.0.1", port: 0 },
        { address, port },
      ]).then(
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
    const error = await listen(ownStage(), [missing]).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ListenError);
  });

  it("takes no more queries once stopped, but still sends", async () => {
    const stage = Stage.synced();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = await client("udp4", listener.addresses[0]!.port, "127.0.0.1");
    const reply = once(socket, "message", { signal: AbortSignal.timeout(2000) });
    socket.send(question("fwd.example", "A"));
    await until(() => stage.forwarder.asked.length === 1);
    listener.stop();
    listener.receive(socket, question("fwd.example", "A"), { address: "127.0.0.1", port: 1 });
    expect(stage.forwarder.asked.length).to.equal(1);
    stage.forwarder.reply({});
    await reply;
  });

  it("copies what it sends: the next reply does not change it", async () => {
    const stage = ownStage();
    const sent: Buffer[] = [];
    const socket = { send: (message: Buffer) => void sent.push(message) };
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    for (const id of [1, 2]) {
      listener.receive(socket, question("own.example", "A", { id }), { address: "192.0.2.9", port: 99 });
    }
    expect(sent.map((message) => message.readUInt16BE(0))).to.deep.equal([1, 2]);
  });
});

/** Waits some turns of the event loop for what datagrams on loopback bring about. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    if (turns > 20_000) throw new Error("it never came");
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
