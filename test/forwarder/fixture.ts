/** A forwarder between clients that remember their replies and upstreams in memory, under a clock that stands. */

import { expect } from "chai";
import { type ConfigurableForwarder, createForwarder } from "../../src/forwarder/forwarder.ts";
import type { ForwarderOptions } from "../../src/forwarder/forwarder-settings.ts";
import { forwarderSeries } from "../../src/forwarder/metrics.ts";
import type { SocketAddress } from "../../src/forwarder/upstream-sockets.ts";
import { type Client, systemRandom, type Transport } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MemoryUpstreams, type Sent } from "../support/memory-upstream.ts";

export const ONE: SocketAddress = { address: "198.51.100.1", port: 53 };
export const TWO: SocketAddress = { address: "198.51.100.2", port: 53 };

export class TestClient implements Client {
  readonly transport: Transport;
  readonly address: string;
  readonly port = 40_000;
  /** Replies in the order of their coming, at once or later. */
  readonly replies: Buffer[] = [];
  onReply: (reply: Buffer) => void = () => {};

  constructor(transport: Transport = "udp", address = "10.0.0.1") {
    this.transport = transport;
    this.address = address;
  }

  send(message: Uint8Array, length: number): void {
    const reply = Buffer.from(message.subarray(0, length));
    this.replies.push(reply);
    this.onReply(reply);
  }

  /** The only reply. */
  get reply(): Buffer {
    expect(this.replies, "replies").to.have.length(1);
    return this.replies[0]!;
  }
}

export interface Fixture {
  readonly clock: FakeClock;
  readonly upstreams: MemoryUpstreams;
  readonly series: SharedSeries;
  readonly forwarder: ConfigurableForwarder;
  /** Forwards the message for the client, or a new UDP client, which it returns. */
  ask(message: Uint8Array, client?: TestClient): TestClient;
  /** A series' number. */
  count(name: string, ...labels: readonly string[]): number;
}

export interface FixtureOptions extends Partial<ForwarderOptions> {
  readonly clock?: FakeClock;
}

export function makeFixture(options: FixtureOptions = {}): Fixture {
  const clock = options.clock ?? new FakeClock();
  const upstreams = new MemoryUpstreams(clock);
  const sets = { upstreams: [ONE], clusterUpstreams: options.upstreams ?? [ONE], ...options };
  const series = new SharedSeries(forwarderSeries(sets));
  const forwarder = createForwarder({
    clusterDomain: "cluster.local",
    cacheOctets: 1 << 20,
    cacheMaxTtlSeconds: 3600,
    maxInFlight: 4096,
    maxInFlightPerClient: 256,
    sockets: upstreams,
    clock,
    random: systemRandom,
    series,
    memoryShare: () => 0,
    ...sets,
  });
  return {
    clock,
    upstreams,
    series,
    forwarder,
    ask: (message, client = new TestClient()) => forwardFor(forwarder, message, client),
    count: (name, ...labels) => series.values[series.at(name, ...labels)]!,
  };
}

/** What clients asked: without the probes of an upstream that may be dead, which ask for the root. */
export function withoutProbes(sent: readonly Sent[]): Sent[] {
  return sent.filter(({ message }) => message[12] !== 0);
}

const query = new Query();
const reply = new Uint8Array(65_535);

/** As the server does it: a message in a larger buffer, and one `Query` for all. */
export function forwardFor(
  forwarder: ConfigurableForwarder,
  message: Uint8Array,
  client: TestClient,
): TestClient {
  const buffer = new Uint8Array(message.length + 7).fill(0xee);
  buffer.set(message);
  expect(readQuery(buffer, message.length, query)).to.equal(Verdict.OK);
  const length = forwarder.forward(buffer, query, client, reply);
  if (length > 0) client.send(reply, length);
  // Both belong to the server again.
  buffer.fill(0xdd);
  reply.fill(0xcc);
  return client;
}
