/**
 * `own-generator.ts PORT FILE SECONDS RATE`: asks 127.0.0.1 for the names of the file in turn and prints what came
 * back as JSON. RATE 0: always as many as the window holds.
 */

import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { makeQueryMessage } from "./messages.ts";

const WINDOW = 100;
const TICK_MS = 1;
/** For the last answers. */
const PATIENCE_MS = 500;

const [port, file, seconds, rate] = process.argv.slice(2);
const messages = readFileSync(file!, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => makeQueryMessage(line.split(" ")[0]!, 0));
const sentAtMs = new Float64Array(65_536);
const latenciesMs: number[] = [];
const socket = createSocket("udp4");
const startedMs = performance.now();
const endMs = startedMs + Number(seconds) * 1000;
let sent = 0;

socket.on("message", (message) => {
  const id = message.readUInt16BE(0);
  if (sentAtMs[id] === 0) return;
  latenciesMs.push(performance.now() - sentAtMs[id]!);
  sentAtMs[id] = 0;
  if (Number(rate) === 0 && performance.now() < endMs) send();
});
socket.connect(Number(port), "127.0.0.1", () => {
  if (Number(rate) === 0) for (let count = 0; count < WINDOW; count += 1) send();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const due = ((Math.min(nowMs, endMs) - startedMs) / 1000) * Number(rate);
    while (sent < due) send();
    if (nowMs < endMs) return;
    clearInterval(timer);
    setTimeout(finish, PATIENCE_MS);
  }, TICK_MS);
});

function send(): void {
  const message = Buffer.from(messages[sent % messages.length]!);
  const id = sent & 0xffff;
  message.writeUInt16BE(id, 0);
  sentAtMs[id] = performance.now();
  sent += 1;
  socket.send(message);
}

function finish(): void {
  socket.close();
  const answered = latenciesMs.length;
  process.stdout.write(JSON.stringify({ answered, lost: sent - answered, latenciesMs }));
}
