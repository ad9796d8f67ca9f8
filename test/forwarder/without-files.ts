/**
 * A process of its own for `open-files.test.ts`, started with a low `ulimit -n`: takes every file that it may open,
 * asks, gives them back, asks again, and prints what came of it as JSON.
 */

import { closeSync, openSync } from "node:fs";
import { createDgramUpstreamSockets } from "../../src/forwarder/dgram-upstream-sockets.ts";
import type { SocketAddress } from "../../src/forwarder/upstream-sockets.ts";
import { ScriptedUpstream } from "../support/scripted-upstream.ts";
import { makeFixture, TestClient } from "./fixture.ts";
import { a, extendedError, question, read, replyTo } from "./messages.ts";

export interface WithoutFiles {
  /** What a UDP socket and a TCP connection told of. */
  readonly codes: readonly string[];
  /** INFO-CODEs of the replies without files. */
  readonly errors: readonly (number | undefined)[];
  readonly isUpMeanwhile: boolean;
  /** Of the first query when there are files again. */
  readonly rcodeAfter: number;
}

const QUESTIONS = 20;
const LOST_MS = 100;

const sockets = createDgramUpstreamSockets();
const upstream = new ScriptedUpstream((received) =>
  received.reply(replyTo(received.message, { answers: [a(1)] })),
);
await upstream.start();
const upstreams = [upstream.address];
const fixture = makeFixture({ upstreams, clusterUpstreams: upstreams, sockets });
const files = takeAll();
const codes = [await udpCode(upstream.address), await tcpCode(upstream.address)];
const clients: TestClient[] = [];
for (let index = 0; index < QUESTIONS; index += 1) {
  clients.push(fixture.ask(question(`without${index}.example.org`, { edns: {} })));
  await pass(LOST_MS);
}
for (let waited = 0; waited < 5_000; waited += LOST_MS) await pass(LOST_MS);
const errors = clients.map(({ replies: [reply] }) =>
  reply === undefined ? undefined : extendedError(read(reply)),
);
const isUpMeanwhile = fixture.count("upstream_up", `127.0.0.1:${upstream.address.port}`) === 1;
for (const file of files) closeSync(file);
const { promise, resolve } = Promise.withResolvers<Buffer>();
const client = new TestClient();
client.onReply = resolve;
fixture.ask(question("after.example.org"), client);
const rcodeAfter = read(await promise).rcode;
process.stdout.write(JSON.stringify({ codes, errors, isUpMeanwhile, rcodeAfter } satisfies WithoutFiles));
await fixture.forwarder.close();
await upstream.stop();

function takeAll(): number[] {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    return taken;
  }
}

/** Moves the clock on once the sockets have said what they have to say. */
async function pass(ms: number): Promise<void> {
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  fixture.clock.advance(ms);
}

function udpCode(to: SocketAddress): Promise<string> {
  return new Promise((resolve) => {
    let isOpen = false;
    const onError = (code: string) => resolve(isOpen ? code : `${code} from within openUdp`);
    sockets.openUdp(to, { onMessage: () => {}, onError }).send(question("socket.example.org"));
    isOpen = true;
  });
}

function tcpCode(to: SocketAddress): Promise<string> {
  return new Promise((resolve) => {
    const handlers = { onConnected: () => {}, onMessage: () => {}, onClosed: resolve };
    sockets.connectTcp(to, handlers).send(question("socket.example.org"));
  });
}
