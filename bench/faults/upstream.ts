/** An upstream over UDP that answers each question with one address, after what `treat` says. */

import { createSocket } from "node:dgram";
import { once } from "node:events";

export interface Upstream {
  readonly port: number;
  stop(): void;
}

/** Milliseconds until the reply; null: there is none. `name`: of the question, with dots. */
export type Treatment = (name: string) => number | null;

const HEADER_OCTETS = 12;
/** Type A of the question's name, TTL 0: every question comes here. */
const ANSWER = Buffer.from([0xc0, HEADER_OCTETS, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 198, 51, 100, 7]);

export async function startUpstream(treat: Treatment, port = 0): Promise<Upstream> {
  const socket = createSocket("udp4");
  let isOpen = true;
  socket.on("message", (message, sender) => {
    const { name, end } = readName(message);
    const delayMs = treat(name);
    if (delayMs === null) return;
    const head = Buffer.from([message[0]!, message[1]!, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    const reply = Buffer.concat([head, message.subarray(HEADER_OCTETS, end), ANSWER]);
    const send = () => isOpen && socket.send(reply, sender.port, sender.address);
    if (delayMs === 0) send();
    else setTimeout(send, delayMs);
  });
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    stop() {
      isOpen = false;
      socket.close();
    },
  };
}

/** `end`: behind the question. */
function readName(message: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = HEADER_OCTETS;
  while (message[at]! > 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + message[at]!));
    at += message[at]! + 1;
  }
  return { name: labels.join("."), end: at + 5 };
}
