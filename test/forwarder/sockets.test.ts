/**
 * Over real sockets on loopback: what the upstreams in memory cannot show. The clock stands but where a test moves it,
 * so that nothing is sent again because the machine is slow.
 */

import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { expect } from "chai";
import { createDgramUpstreamSockets } from "../../src/forwarder/dgram-upstream-sockets.ts";
import { type ConfigurableForwarder, createForwarder } from "../../src/forwarder/forwarder.ts";
import { forwarderSeries } from "../../src/forwarder/metrics.ts";
import type { SocketAddress, UpstreamSockets } from "../../src/forwarder/upstream-sockets.ts";
import { systemRandom } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { ScriptedUpstream } from "../support/scripted-upstream.ts";
import { quiet, until } from "../support/waiting.ts";
import { forwardFor, TestClient } from "./fixture.ts";
import { a, extendedError, question, questionEnd, read, replyTo } from "./messages.ts";

/** Fewer than a socket has room for: what is lost is not sent again before the clock moves. */
const BURST = 100;

const forwarders: ConfigurableForwarder[] = [];
const servers: ScriptedUpstream[] = [];

afterEach(async () => {
  for (const forwarder of forwarders.splice(0)) await forwarder.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function startUpstream(script?: ScriptedUpstream["script"]): Promise<ScriptedUpstream> {
  const server = new ScriptedUpstream(script);
  servers.push(server);
  await server.start();
  return server;
}

function startForwarder(
  upstreams: readonly SocketAddress[],
  sockets: UpstreamSockets = createDgramUpstreamSockets(),
) {
  const settings = { upstreams, clusterUpstreams: upstreams };
  const series = new SharedSeries(forwarderSeries(settings));
  const clock = new FakeClock();
  const forwarder = createForwarder({
    ...settings,
    clusterDomain: "cluster.local",
    cacheOctets: 1 << 20,
    cacheMaxTtlSeconds: 3600,
    maxInFlight: 4096,
    maxInFlightPerClient: 4096,
    sockets,
    clock,
    random: systemRandom,
    series,
  });
  forwarders.push(forwarder);
  const count = (name: string, ...labels: readonly string[]) => series.values[series.at(name, ...labels)]!;
  const ask = (message: Uint8Array, transport: "udp" | "tcp" = "udp") =>
    new Promise<Buffer>((resolve) => {
      const client = new TestClient(transport);
      client.onReply = resolve;
      forwardFor(forwarder, message, client);
    });
  return { forwarder, ask, count, clock };
}

const good = (message: Uint8Array, last = 1) => replyTo(message, { answers: [a(last)] });

describe("over real sockets", () => {
  for (const transport of ["udp", "tcp"] as const) {
    it(`500 messages and replies of any kind pass bit-exact over ${transport}`, async () => {
      const replies = new Map<string, Buffer>();
      const upstream = await startUpstream((received) => {
        const { message } = received;
        // A question that is echoed, and behind it whatever comes to mind.
        const end = questionEnd(message);
        const reply = Buffer.concat([message.subarray(0, end), randomBytes(Math.floor(Math.random() * 900))]);
        reply[2] = message[2]! | 0x80;
        reply.set([randomBytes(1)[0]! & 0xf0, 0, 1, ...randomBytes(6)], 3);
        replies.set(message.toString("latin1", 2), Buffer.from(reply));
        received.reply(reply);
      });
      const { ask } = startForwarder([upstream.address]);
      const messages = Array.from({ length: 500 }, () => randomMessage());
      const answered: Buffer[] = [];
      for (let at = 0; at < messages.length; at += BURST) {
        const burst = messages.slice(at, at + BURST).map((message) => ask(message, transport));
        answered.push(...(await Promise.all(burst)));
      }
      expect(upstream.received).to.have.length(500);
      for (const [index, message] of messages.entries()) {
        const expected = replies.get(Buffer.from(message).toString("latin1", 2));
        expect(expected, "what upstream received but for the ID").to.not.equal(undefined);
        expected!.set(message.subarray(0, 2));
        expect(answered[index]!.equals(expected!)).to.equal(true);
      }
      expect(new Set(upstream.received.map((received) => received.transport))).to.deep.equal(
        new Set([transport]),
      );
      if (transport === "tcp") expect(upstream.tcpConnections).to.equal(1);
    });
  }

  it("forged replies are ignored and the true one wins 80 ms later", async () => {
    const upstream = await startUpstream((received) => {
      const { message } = received;
      const forged = good(message, 66);
      received.reply(forged.with(0, forged[0]! ^ 0xff));
      received.reply(forged.with(13, forged[13]! ^ 1));
      received.reply(forged.with(questionEnd(message) - 3, 28));
      received.reply(forged.with(questionEnd(message) - 1, 3));
      received.reply(forged.with(5, 0));
      received.reply(forged.with(2, forged[2]! & 0x7f));
      received.reply(randomBytes(4));
      // From another address and port: the kernel must keep it from us.
      const stranger = createSocket("udp4");
      stranger.bind(0, "127.0.0.2", () =>
        stranger.send(forged, received.port, "127.0.0.1", () => stranger.close()),
      );
      setTimeout(() => received.reply(good(message)), 80);
    });
    const { ask, count } = startForwarder([upstream.address]);
    const reply = read(await ask(question("www.example.org")));
    expect([...reply.records[0]!.data]).to.deep.equal([192, 0, 2, 1]);
    const counted = ["id", "question", "question_count", "not_response", "short"].map((reason) =>
      count("upstream_mismatch_total", reason),
    );
    expect(counted).to.deep.equal([1, 3, 1, 1, 1]);
    expect(upstream.received).to.have.length(1);
  });

  it("a lost packet is sent again after 300 ms, from another port and with another ID", async () => {
    const upstream = await startUpstream((received) => {
      if (upstream.received.length > 1) received.reply(good(received.message));
    });
    const { ask, clock } = startForwarder([upstream.address]);
    const reply = ask(question("www.example.org"));
    await until(() => upstream.received.length === 1);
    clock.advance(299);
    await quiet();
    expect(upstream.received).to.have.length(1);
    clock.advance(1);
    expect(read(await reply).rcode).to.equal(0);
    const [first, second] = upstream.received;
    expect(second!.port).to.not.equal(first!.port);
    expect(second!.message.readUInt16BE(0)).to.not.equal(first!.message.readUInt16BE(0));
  });

  it("a closed port is noticed at once, by UDP and TCP, and another upstream takes over", async () => {
    const closed = await startUpstream();
    const { address } = closed;
    await closed.stop();
    servers.splice(0);
    const alone = startForwarder([address]);
    // The clock stands: whoever waited for a time would wait for ever.
    const message = question("www.example.org", { edns: {} });
    expect(extendedError(read(await alone.ask(message, "tcp")))).to.equal(23);
    expect(extendedError(read(await alone.ask(message)))).to.equal(23);
    expect(extendedError(read(await alone.ask(message)))).to.equal(23);
    const upstream = await startUpstream((received) => received.reply(good(received.message)));
    const { ask, count } = startForwarder([address, upstream.address]);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        ask(question(`h${index}.example.org`), index % 2 === 0 ? "udp" : "tcp"),
      ),
    );
    expect(replies.map((reply) => read(reply).rcode)).to.deep.equal(Array(50).fill(0));
    expect(count("upstream_up", `127.0.0.1:${address.port}`)).to.equal(0);
  });

  it("an upstream that comes back is found by its probe", async () => {
    const upstream = await startUpstream((received) => received.reply(good(received.message)));
    const { address } = upstream;
    await upstream.stop();
    const { ask, count, clock } = startForwarder([address]);
    const isUp = () => count("upstream_up", `127.0.0.1:${address.port}`) === 1;
    expect(read(await ask(question("www.example.org"))).rcode).to.equal(2);
    expect(isUp()).to.equal(false);
    await upstream.start(address.port);
    clock.advance(1_000);
    await until(isUp);
    expect(read(await ask(question("www.example.org"))).rcode).to.equal(0);
  });

  it("a TCP connection that upstream ends is made anew, without a failure", async () => {
    const upstream = await startUpstream((received) => {
      received.reply(good(received.message));
      received.hangUp();
    });
    const { ask } = startForwarder([upstream.address]);
    for (let index = 0; index < 20; index += 1) {
      expect(read(await ask(question(`h${index}.example.org`), "tcp")).rcode).to.equal(0);
    }
  });

  it("the greatest message passes over TCP, and an EDNS query of 844 octets over UDP", async () => {
    const upstream = await startUpstream((received) => {
      const { message } = received;
      const size = received.transport === "tcp" ? 65_535 : message.length;
      const reply = new Uint8Array(size).fill(0xab);
      reply.set(good(message));
      received.reply(reply);
    });
    const { ask } = startForwarder([upstream.address]);
    expect(await ask(question("www.example.org"), "tcp")).to.have.length(65_535);
    const options = Array.from({ length: 200 }, () => [0xff, 0, 0, 0]).flat();
    const message = question("www.example.org", { edns: { options } });
    await ask(message);
    expect([...upstream.received[1]!.message.subarray(2)]).to.deep.equal([...message.subarray(2)]);
  });

  it("10,000 queries leave from more than 1,024 ports", async () => {
    const upstream = await startUpstream((received) => received.reply(good(received.message)));
    const { ask } = startForwarder([upstream.address]);
    for (let start = 0; start < 10_000; start += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => ask(question(`h${start + index}.example.org`))),
      );
    }
    const uses = new Map<number, number>();
    for (const { port } of upstream.received) uses.set(port, (uses.get(port) ?? 0) + 1);
    expect(uses.size).to.be.at.least(1_024);
    expect(Math.max(...uses.values())).to.be.at.most(100);
  });

  it("addresses that no socket can be made for are errors of the network, not exceptions", async () => {
    for (const address of ["no-address", "256.1.1.1"]) {
      const tcp = startForwarder([{ address, port: 53 }]);
      expect(extendedError(read(await tcp.ask(question("www.example.org", { edns: {} }), "tcp")))).to.equal(
        23,
      );
      const code = await new Promise<string>((resolve) => {
        const handlers = { onMessage: () => {}, onError: resolve };
        createDgramUpstreamSockets().openUdp({ address, port: 53 }, handlers).send(new Uint8Array(12));
      });
      expect(code).to.match(/^E(INVAL|RR_INVALID_ARG_VALUE)/);
    }
  });
});

/** A question with any flags, type and class, EDNS options unknown to anyone, and maybe octets behind it. */
function randomMessage(): Uint8Array {
  const random = randomBytes(16);
  const label = randomBytes(1 + (random[0]! % 40));
  const option = [0xfd, random[1]!, 0, random[2]! % 64, ...randomBytes(random[2]! % 64)];
  const message = question(
    `${label.toString("latin1").replaceAll(".", "-")}.${random.toString("hex")}.example`,
    {
      id: random.readUInt16BE(3),
      // No response, opcode QUERY.
      flags: random.readUInt16BE(5) & 0x07ff,
      type: 1_000 + (random.readUInt16BE(7) % 60_000),
      class: [1, 3, 4, 4_711][random[9]! % 4]!,
      ...(random[10]! % 4 === 0 ? {} : { edns: { size: random.readUInt16BE(11), options: option } }),
    },
  );
  return random[13]! % 3 === 0 ? Uint8Array.from([...message, ...randomBytes(random[14]! % 32)]) : message;
}
