/**
 * What is fuzzed: every reader of octets or objects that strangers write. A target throws where the program would
 * crash or where what it read cannot be.
 */

import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { ReplyCache } from "../src/forwarder/cache.ts";
import { ForwarderMetrics, forwarderSeries } from "../src/forwarder/metrics.ts";
import { TcpFrames } from "../src/forwarder/tcp-frames.ts";
import { parseObject } from "../src/mesh/parse-object.ts";
import { systemClock } from "../src/runtime.ts";
import { SharedSeries } from "../src/series.ts";
import { DROPPED } from "../src/server/engine.ts";
import { QUERY_SERIES, QueryMetrics } from "../src/server/metrics.ts";
import { TcpConnection } from "../src/server/tcp-connection.ts";
import { Query, Verdict } from "../src/wire/query.ts";
import { readQuery } from "../src/wire/read-query.ts";
import { ReplySummary, readReply } from "../src/wire/read-reply.ts";
import { twistObject } from "./twist-object.ts";

export interface Target {
  readonly name: string;
  /** Total on any octets, or it throws. */
  readonly run: (octets: Uint8Array) => void;
}

/** In segments of one octet it is some thousand events: the time of one input is not that of a whole stream. */
const MAX_STREAM_OCTETS = 768;

const query = new Query();
const other = new Query();
const summary = new ReplySummary();

/** Octets at the door of the listeners. */
function fuzzReadQuery(octets: Uint8Array): void {
  const verdict = readQuery(octets, octets.length, query);
  if (verdict === Verdict.DROP_SHORT) return;
  check(query.questionEnd <= octets.length, "the question ends behind the message");
  check(query.nameLength <= 255 && query.labelCount <= 127, "a name that is too long");
  if (verdict !== Verdict.OK) return;
  check(query.questionEnd === 12 + query.nameLength + 4, "a question of another length than its name");
  check(query.ednsOptionsAt + query.ednsOptionsLength <= octets.length, "options behind the message");
  check(query.nameKey().length === query.nameLength, "a key of another length than the name");
}

/** Octets from upstream. */
function fuzzReadReply(octets: Uint8Array): void {
  const isWhole = readReply(octets, octets.length, summary);
  if (!isWhole) return;
  check(summary.recordsEnd <= octets.length, "records behind the message");
  for (let index = 0; index < summary.ttlCount; index += 1) {
    check(summary.ttlOffsets[index]! + 4 <= summary.recordsEnd, "a TTL behind the records");
  }
  if (summary.optAt !== -1)
    check(summary.optAt + summary.optLength <= octets.length, "OPT behind the message");
}

/** The first octet says how the rest is cut into segments; both readers must find the same messages in it. */
function fuzzTcpFraming(octets: Uint8Array): void {
  const stream = octets.subarray(1, 1 + MAX_STREAM_OCTETS);
  const step = 1 + (octets[0] ?? 0);
  const expected = framesOf(stream);
  const fromUpstream: number[] = [];
  const frames = new TcpFrames((message) => fromUpstream.push(message.length));
  const fromClient: number[] = [];
  const socket = new SocketStub();
  const engine = {
    reply: new Uint8Array(),
    handle: (_message: Uint8Array, length: number) => {
      fromClient.push(length);
      return DROPPED;
    },
  };
  const connection = new TcpConnection(socket as unknown as Socket, "192.0.2.1", 1, {
    engine,
    metrics,
    clock: systemClock,
  });
  for (let at = 0; at < stream.length; at += step) {
    const segment = stream.slice(at, at + step);
    frames.push(segment);
    if (!socket.isClosed) socket.emit("data", Buffer.from(segment));
  }
  connection.destroy();
  check(String(fromUpstream) === String(expected), "other messages from upstream than were framed");
  // A frame that can hold no message ends the connection.
  const short = expected.findIndex((length) => length < 12);
  const served = short === -1 ? expected : expected.slice(0, short);
  check(String(fromClient) === String(served), "other messages from a client than were framed");
}

/** Two messages, cut where the first octet says: their keys are equal if and only if their questions are. */
function fuzzCacheKey(octets: Uint8Array): void {
  const cut = 1 + (octets[0] ?? 0);
  const first = octets.subarray(1, 1 + cut);
  const second = octets.subarray(1 + cut);
  if (readQuery(first, first.length, query) !== Verdict.OK || !query.isCacheable) return;
  if (readQuery(second, second.length, other) !== Verdict.OK || !other.isCacheable) return;
  const ADCD = 0x0030;
  const isSame =
    query.nameKey() === other.nameKey() &&
    query.type === other.type &&
    query.dnssecOk === other.dnssecOk &&
    (query.flags & ADCD) === (other.flags & ADCD);
  check((cache.keyOf(query) === cache.keyOf(other)) === isSame, "keys that differ from their questions");
}

/** Octets as the text of an object, and as choices of what to twist in a good one. */
function fuzzObjects(octets: Uint8Array): void {
  try {
    parseObject(JSON.parse(Buffer.from(octets).toString("utf8")));
  } catch (error) {
    // Text that is no JSON is the reader's of files.
    if (!(error instanceof SyntaxError)) throw error;
  }
  const parsed = parseObject(twistObject(octets));
  if (parsed !== undefined) check(JSON.stringify(parsed).length > 0, "a result that is no value");
}

export const TARGETS: readonly Target[] = [
  { name: "read-query", run: fuzzReadQuery },
  { name: "read-reply", run: fuzzReadReply },
  { name: "tcp-framing", run: fuzzTcpFraming },
  { name: "cache-key", run: fuzzCacheKey },
  { name: "objects", run: fuzzObjects },
];

const metrics = new QueryMetrics(new SharedSeries(QUERY_SERIES));
const NO_UPSTREAM = { upstreams: [], clusterUpstreams: [] };
const cache = new ReplyCache(
  { cacheOctets: 65_536, cacheMaxTtlSeconds: 60, maxStaleSeconds: 60 },
  new ForwarderMetrics(new SharedSeries(forwarderSeries(NO_UPSTREAM))),
);

/** Lengths of the whole messages, read by the obvious code. */
function framesOf(stream: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at + 2 <= stream.length; ) {
    const length = stream[at]! * 256 + stream[at + 1]!;
    if (at + 2 + length > stream.length) break;
    lengths.push(length);
    at += 2 + length;
  }
  return lengths;
}

/** As much of a socket as a connection needs. */
class SocketStub extends EventEmitter {
  readonly writableLength = 0;
  readonly writableEnded = false;
  isClosed = false;
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  write(): boolean {
    return true;
  }
  destroySoon(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.emit("close");
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
