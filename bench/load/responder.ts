/** A small DNS server to measure against, run as a child process: `responder.ts bare HOST` or `responder.ts upstream`. */

import { createSocket, type Socket } from "node:dgram";
import { encodeName } from "./messages.ts";
import { UNCACHED } from "./uncached.ts";

const HEADER_OCTETS = 12;
const TYPE_A = 1;
/** A record of the question's name: A, IN, TTL 300. */
const ADDRESS = Buffer.from([0xc0, HEADER_OCTETS, 0, TYPE_A, 0, 1, 0, 0, 0x01, 0x2c, 0, 4, 198, 51, 100, 7]);
const TTL_AT = 6;

const [kind, host] = process.argv.slice(2);
const socket = createSocket("udp4");
if (kind === "bare") sendOneAnswer(socket, host ?? "");
else answerAnything(socket);
process.on("SIGTERM", () => process.exit());
// Whoever started it is gone.
process.on("disconnect", () => process.exit());
socket.bind(0, "127.0.0.1", () => process.send?.(socket.address().port));

function sendOneAnswer(socket: Socket, host: string): void {
  const answer = Buffer.concat([header(1), encodeName(host), Buffer.from([0, TYPE_A, 0, 1]), ADDRESS]);
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
    const head = header(hasAnswer ? 1 : 0);
    message.copy(head, 0, 0, 2);
    const record = Buffer.from(ADDRESS);
    if (message.toString("latin1", HEADER_OCTETS + 1).startsWith(UNCACHED)) record.writeUInt32BE(0, TTL_AT);
    const question = message.subarray(HEADER_OCTETS, end + 5);
    socket.send(Buffer.concat(hasAnswer ? [head, question, record] : [head, question]), port, address);
  });
}

/** One question, QR, RD and RA set, NOERROR. */
function header(answers: number): Buffer {
  return Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
}
