/** UDP on `node:dgram`: the cases of every back end, and what only sockets of single addresses have to do. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { openUdpListener, type UdpListener } from "../../src/server/udp-listener.ts";
import type { Message } from "../../src/wire/message.ts";
import { PATIENCE_MS, quiet, until } from "../support/waiting.ts";
import { addresses, record, set } from "../table/samples.ts";
import { type AskedAddress, datagramCases } from "./datagram-cases.ts";
import { addressesOf, decoded, question, Stage } from "./fixtures.ts";

const LOCAL = ["127.0.0.1", "127.0.0.2", "::1"];

describe("UDP listener", () => {
  datagramCases(listenWithDgram);

  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  async function listen(
    stage: Stage,
    asked: readonly AskedAddress[],
    localAddresses: () => readonly string[] = () => LOCAL,
  ): Promise<UdpListener> {
    const listener = await listenWithDgram(stage, asked, localAddresses);
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

  function ownStage(): Stage {
    return Stage.synced(...set(record("own.example", addresses("192.0.2.1"))));
  }

  it("takes up addresses that come later and lets go of those that left", async () => {
    const stage = ownStage();
    let local = ["127.0.0.1", "127.0.0.2"];
    const listener = await listen(stage, [{ address: "0.0.0.0", port: 0 }], () => local);
    const { port } = listener.addresses[0]!;
    local = ["127.0.0.1", "127.0.0.9"];
    stage.clock.advance(10_000);
    // A socket is bound in some turns of the event loop.
    const late = await client("udp4", port, "127.0.0.9");
    const replies: Message[] = [];
    late.on("message", (octets) => replies.push(decoded(new Uint8Array(octets))));
    await until(
      () => {
        late.send(question("own.example", "A"));
        return replies.length > 0;
      },
      "a reply from the new address",
      { everyMs: 20 },
    );
    expect(addressesOf(replies[0]!)).to.deep.equal(["192.0.2.1"]);
    // The other's socket is gone: the wildcard's answers in its place, from an address that the system chooses.
    const anywhere = createSocket("udp4");
    opened.push(anywhere);
    const received = once(anywhere, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    anywhere.send(question("own.example", "A"), port, "127.0.0.2");
    const [, sender] = (await received) as [Buffer, RemoteInfo];
    expect(sender.address).to.equal("127.0.0.1");
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

  it("counts a reply that the system refuses to send", async () => {
    const stage = ownStage();
    const listener = await listen(stage, [{ address: "127.0.0.1", port: 0 }]);
    const socket = createSocket("udp4");
    opened.push(socket);
    // Broadcast is not permitted on an ordinary socket.
    listener.receive(socket, question("own.example", "A"), { address: "255.255.255.255", port: 99 });
    await until(() => stage.metric("dropped_total", "send_error") === 1);
    listener.receive(socket, question("own.example", "A"), { address: "127.0.0.1", port: 99 });
    await quiet();
    expect(stage.metric("dropped_total", "send_error")).to.equal(1);
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

function listenWithDgram(
  { engine, metrics, clock }: Stage,
  asked: readonly AskedAddress[],
  localAddresses: () => readonly string[],
): Promise<UdpListener> {
  const parts = { engine, metrics, clock, reusePort: false, localAddresses };
  return openUdpListener(
    parts,
    asked.map((each) => ({ isDefault: false, ...each })),
  );
}
