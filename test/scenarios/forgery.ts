/** Messages that somebody who is not upstream makes of its reply, each wrong in one way; octet by octet. */

import { assertNever } from "../../src/runtime.ts";
import type { IpAddress } from "../../src/wire/ip-address.ts";
import { encodeMessage } from "../../src/wire/message.ts";
import { decodeOrThrow } from "./reply-text.ts";

export const FORGERIES = [
  "id",
  "name",
  "type",
  "class",
  "no-question",
  "query",
  "short",
  "garbage",
  "port",
  "address",
] as const;
export type Forgery = (typeof FORGERIES)[number];

/** `port`, `address`: all octets are right, but another socket must send them. */
export function forge(reply: Uint8Array, forgery: Forgery): Uint8Array {
  const octets = poisoned(reply);
  const typeAt = questionEnd(octets) - 4;
  switch (forgery) {
    case "id":
      octets[0] = octets[0]! ^ 0x5a;
      return octets;
    case "name":
      octets[13] = (octets[13]! | 0x20) === LETTER_X ? LETTER_X + 1 : LETTER_X;
      return octets;
    case "type":
      octets[typeAt + 1] = octets[typeAt + 1]! ^ 0x10;
      return octets;
    case "class":
      octets[typeAt + 3] = octets[typeAt + 3]! ^ 0x02;
      return octets;
    case "no-question":
      return Uint8Array.of(...octets.subarray(0, 4), 0, 0, 0, 0, 0, 0, 0, 0);
    case "query":
      octets[2] = octets[2]! & 0x7f;
      return octets;
    case "short":
      return octets.slice(0, 4);
    case "garbage":
      return garbage(octets);
    case "port":
    case "address":
      return octets;
    default:
      return assertNever(forgery);
  }
}

/** The message's ID, and nothing sensible behind it: counts of 65535. */
export function garbage(message: Uint8Array): Uint8Array {
  return Uint8Array.of(...message.subarray(0, 2), ...new Array<number>(GARBAGE_OCTETS).fill(0xff));
}

const LETTER_X = 0x78;
const GARBAGE_OCTETS = 48;
const POISON = { A: "192.0.2.66" as IpAddress, AAAA: "2001:db8::66" as IpAddress };

/** With the forger's addresses, so that a story sees whom the server believed. */
function poisoned(reply: Uint8Array): Uint8Array {
  const message = decodeOrThrow(reply);
  const answers = message.answers.map((record) => {
    const { kind } = record.data;
    return kind === "A" || kind === "AAAA" ? { ...record, data: { kind, address: POISON[kind] } } : record;
  });
  return encodeMessage({ ...message, answers });
}

/** Where the first answer begins, in a message with one question. */
export function questionEnd(message: Uint8Array): number {
  let at = 12;
  while (message[at] !== 0) at += message[at]! + 1;
  return at + 5;
}
