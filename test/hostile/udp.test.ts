/** Hostile datagrams: each class has its reaction and its counter, and the next good query is answered at once. */

import { spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import fc from "fast-check";
import { ask, type RunningServer, rcodeOf, replyTo, startServer } from "../conformance/fixture.ts";
import { processorMs } from "../support/waiting.ts";
import { HOSTILE, withId } from "./messages.ts";

const RCODES = { FORMERR: 1, NOTIMP: 4, REFUSED: 5 } as const;
const HOSTILE_ID = 0x6666;
/** Of this thread, which is client, server and upstream: it is 1 ms. */
const MOST_WORK_MS = 500;
/** Fewer than a socket has room for. */
const BURST = 50;

describe("hostile datagrams", () => {
  let server: RunningServer;
  let socket: Socket;
  const replies: Buffer[] = [];

  before(async () => {
    server = await startServer();
    socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.on("message", (reply) => replies.push(reply));
  });
  after(async () => {
    socket.close();
    await server.stop();
  });
  beforeEach(() => {
    replies.length = 0;
    server.upstream.received.length = 0;
    server.upstream.script = (each) => each.reply(replyTo(each.message));
  });

  function send(message: Uint8Array): void {
    socket.send(message, server.udpPort, "127.0.0.1");
  }

  /** Asks a good question and returns what came before its answer: all answers that do not wait for upstream. */
  async function goodQueryIsAnswered(): Promise<readonly Buffer[]> {
    const good = ask("own.example");
    const isGood = (reply: Buffer) => reply.readUInt16BE(0) === good.readUInt16BE(0);
    const startMs = processorMs();
    send(good);
    await server.until(() => replies.some(isGood));
    expect(processorMs() - startMs).to.be.below(MOST_WORK_MS);
    const answer = replies.find(isGood)!;
    expect([rcodeOf(answer), answer.readUInt16BE(6)]).to.deep.equal([0, 1]);
    return replies.filter((reply) => !isGood(reply));
  }

  for (const [title, message, reaction] of HOSTILE) {
    it(`${title}: ${reaction.kind === "error" ? reaction.rcode : reaction.kind}`, async () => {
      const sent = withId(message, HOSTILE_ID);
      switch (reaction.kind) {
        case "drop": {
          const dropped = () => server.metric("udp", "dropped_total", reaction.reason);
          const before = dropped();
          send(sent);
          expect(await goodQueryIsAnswered()).to.deep.equal([]);
          expect(dropped() - before).to.equal(1);
          return;
        }
        case "error": {
          const counted = () => server.metric("udp", "responses_total", reaction.rcode, "error");
          const before = counted();
          send(sent);
          const [reply, ...others] = await goodQueryIsAnswered();
          expect(others).to.deep.equal([]);
          expect(reply?.readUInt16BE(0)).to.equal(HOSTILE_ID);
          expect(rcodeOf(reply!)).to.equal(RCODES[reaction.rcode]);
          expect(reply!.length).to.be.at.most(sent.length);
          expect(counted() - before).to.equal(1);
          expect(server.upstream.received).to.deep.equal([]);
          return;
        }
        case "answer": {
          send(sent);
          const [reply] = await goodQueryIsAnswered();
          expect([rcodeOf(reply!), reply!.readUInt16BE(6)]).to.deep.equal([0, reaction.count]);
          expect(server.upstream.received).to.deep.equal([]);
          return;
        }
        case "forward": {
          send(sent);
          await server.until(() => replies.length === 1);
          expect(server.upstream.received[0]!.message.toString("hex", 2)).to.equal(sent.toString("hex", 2));
          expect(replies[0]!.toString("hex")).to.equal(replyTo(sent).toString("hex"));
          await goodQueryIsAnswered();
          return;
        }
        case "noise": {
          send(sent);
          for (const reply of await goodQueryIsAnswered()) expect(reply.length).to.be.at.most(sent.length);
          expect(server.upstream.received).to.deep.equal([]);
        }
      }
    });
  }

  it("random octets in hundreds of datagrams do no harm", async () => {
    const messages = fc.sample(fc.uint8Array({ minLength: 0, maxLength: 600 }), { numRuns: 500, seed: 9 });
    for (let at = 0; at < messages.length; at += BURST) {
      // What would be a good question by chance is none of ours to count.
      for (const message of messages.slice(at, at + BURST)) send(message);
      await goodQueryIsAnswered();
    }
  });

  for (const [title, sourcePort, reason] of [
    ["source port 0", () => 0, "source_port_zero"],
    ["our own listener as source", (own: number) => own, "own_listener"],
  ] as const) {
    it(`${title}: drop`, async function () {
      const dropped = () => server.metric("udp", "dropped_total", reason);
      const before = dropped();
      const error = sendRaw(ask("own.example"), sourcePort(server.udpPort), server.udpPort);
      if (error !== null) {
        process.stdout.write(`\n    hostile datagrams: "${title}" is skipped: ${error}\n`);
        this.skip();
      }
      await server.until(() => dropped() === before + 1);
      expect(await goodQueryIsAnswered()).to.deep.equal([]);
    });
  }
});

/** A datagram with the source port that we say, as only a raw socket sends it; otherwise why not. */
function sendRaw(message: Uint8Array, sourcePort: number, port: number): string | null {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + message.length, 4);
  const packet = Buffer.concat([header, message]).toString("hex");
  const program = [
    "import socket",
    "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)",
    "raw.bind(('127.0.0.1', 0))",
    `raw.sendto(bytes.fromhex('${packet}'), ('127.0.0.1', 0))`,
  ].join("\n");
  const { error, status, stderr } = spawnSync("python3", ["-c", program], {
    encoding: "utf8",
    timeout: 5000,
  });
  if (error !== undefined) return `no python3 to open a raw socket with (${error.message})`;
  return status === 0 ? null : `no raw socket: ${stderr.trim().split("\n").at(-1)}`;
}
