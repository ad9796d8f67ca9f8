/** A small DNS server to measure against, run as a child process: `responder.ts bare HOST`,
 * `responder.ts batch HOST` or `responder.ts upstream`. */

import { createSocket, type Socket } from "node:dgram";
import { openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import { openBatchSockets } from "../../src/native/batch-sockets.ts";
import { loadSystemCalls } from "../../src/native/system-calls.ts";
import { systemClock } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { QUERY_SERIES, QueryMetrics } from "../../src/server/metrics.ts";
import { ADDRESS, HEADER_OCTETS, oneAnswer, replyHeader, TYPE_A } from "./messages.ts";
import { UNCACHED } from "./uncached.ts";

const TTL_AT = 6;

const [kind, host] = process.argv.slice(2);
process.on("SIGTERM", () => process.exit());
// Whoever started it is gone.
process.on("disconnect", () => process.exit());
if (kind === "batch") await answerInBatches(host ?? "");
else answerWithDgram();

function answerWithDgram(): void {
  const socket = createSocket("udp4");
  if (kind === "bare") sendOneAnswer(socket, host ?? "");
  else answerAnything(socket);
  socket.bind(0, "127.0.0.1", () => process.send?.(socket.address().port));
}

async function answerInBatches(host: string): Promise<void> {
  const calls = await loadSystemCalls();
  const listen = [{ address: "127.0.0.1", port: 0, isDefault: false }];
  const { handles, addresses } = openBatchSockets(calls, listen, false);
  const backEnd = await openBatchBackEnd({ handles, calls });
  const reply = oneAnswer(host);
  const handle = (message: Uint8Array) => {
    reply[0] = message[0]!;
    reply[1] = message[1]!;
    return reply.length;
  };
  const metrics = new QueryMetrics(new SharedSeries(QUERY_SERIES));
  const parts = { engine: { reply, handle }, metrics, clock: systemClock, reusePort: false };
  await backEnd.openUdp(parts, listen);
  process.send?.(addresses[0]!.port);
}

function sendOneAnswer(socket: Socket, host: string): void {
  const answer = oneAnswer(host);
  socket.on("message", (message, { port, address }) => {
    answer[0] = message[0]!;
    answer[1] = message[1]!;
    socket.send(answer, port, address);
  });
}

/** One address for type A, nothing for other types; never an error. */
function answerAnything(socket: Socket): void {
  socket.on("message", (message, { port, address }) => {
    let end = HEADER_OCTETS;
    while (message[end] !== 0) end += message[end]! + 1;
    const hasAnswer = message.readUInt16BE(end + 1) === TYPE_A;
    const head = replyHeader(hasAnswer ? 1 : 0);
    message.copy(head, 0, 0, 2);
    const record = Buffer.from(ADDRESS);
    if (message.toString("latin1", HEADER_OCTETS + 1).startsWith(UNCACHED)) record.writeUInt32BE(0, TTL_AT);
    const question = message.subarray(HEADER_OCTETS, end + 5);
    socket.send(Buffer.concat(hasAnswer ? [head, question, record] : [head, question]), port, address);
  });
}
