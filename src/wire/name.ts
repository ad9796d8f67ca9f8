/**
 * Names as octets (RFC 1035 3.1: length octets, labels, root) and as presentation text, where a dot that is no
 * separator is `\.` and an octet that does not print is `\DDD` (RFC 1035 5.1, RFC 4343 2.1).
 */

import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS } from "./constants.ts";

/** Each octet in lower case: `A` to `Z` change, all others stay, those above 127 too (RFC 4343 3). */
export const LOWER_CASE: Readonly<Uint8Array> = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet,
);

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const OCTET_TEXT: readonly string[] = Array.from({ length: 256 }, (_, octet) => octetToText(octet));

/** The uncompressed, well-formed name at `at` as text: case as it is, no dot at the end; the root is `.`. */
export function nameToText(name: Uint8Array, at = 0): string {
  let text = "";
  for (let length = name[at]!; length !== 0; length = name[at]!) {
    if (text !== "") text += ".";
    for (let index = at + 1; index <= at + length; index += 1) text += OCTET_TEXT[name[index]!];
    at += length + 1;
  }
  return text === "" ? "." : text;
}

/** Reads presentation text, with or without a dot at the end; otherwise what is wrong, as a sentence's end. */
export function nameFromText(text: string): Uint8Array | { readonly fault: string } {
  if (text === "") return { fault: "is empty" };
  if (text === ".") return new Uint8Array(1);
  const name: number[] = [];
  let label: number[] = [];
  const tokens: string[] = text.match(/\\\d{3}|\\\D|./gs) ?? [];
  if (tokens.at(-1) !== ".") tokens.push(".");
  for (const token of tokens) {
    if (token === ".") {
      if (label.length === 0) return { fault: "has an empty label" };
      if (label.length > MAX_LABEL_OCTETS) {
        return { fault: `has a label longer than ${MAX_LABEL_OCTETS} octets` };
      }
      name.push(label.length, ...label);
      label = [];
      continue;
    }
    const octet = token.length === 4 ? Number(token.slice(1)) : token.charCodeAt(token.length - 1);
    if (token === "\\") return { fault: "has an unfinished escape" };
    if (octet > (token.length === 4 ? 0xff : 0x7f)) {
      return { fault: "has a character that is not ASCII; octets are written \\000 to \\255" };
    }
    label.push(octet);
  }
  name.push(0);
  if (name.length > MAX_NAME_OCTETS) return { fault: `is longer than ${MAX_NAME_OCTETS} octets` };
  return Uint8Array.from(name);
}

/** Whether two uncompressed names are the same but for ASCII letter case (RFC 4343 3). */
export function equalNames(name: Uint8Array, other: Uint8Array): boolean {
  if (name.length !== other.length) return false;
  for (let at = 0; at < name.length; at += 1) {
    if (LOWER_CASE[name[at]!] !== LOWER_CASE[other[at]!]) return false;
  }
  return true;
}

/** A copy of an uncompressed name in lower case. Length octets are below `A`, so they stay. */
export function lowerCaseName(name: Uint8Array): Uint8Array {
  return Uint8Array.from(name, (octet) => LOWER_CASE[octet]!);
}

function octetToText(octet: number): string {
  if (octet === DOT || octet === BACKSLASH) return `\\${String.fromCharCode(octet)}`;
  if (octet > 0x20 && octet < 0x7f) return String.fromCharCode(octet);
  return `\\${String(octet).padStart(3, "0")}`;
}
