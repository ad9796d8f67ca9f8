/**
 * Host names as text: lower case, no trailing dot, labels of letters, digits, `-` and `_`.
 * A wildcard is `*.` and a host name. On the wire names are octets; this is the control plane's form.
 */

import { isIP } from "node:net";
import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS } from "./constants.ts";

declare const checked: unique symbol;
/** A host name or wildcard that `parseHostName` accepted. */
export type HostName = string & { readonly [checked]: true };

/** Lower-cases, drops one trailing dot and checks; otherwise says what is wrong, as the end of a sentence. */
export function parseHostName(text: string): HostName | { readonly fault: string } {
  if (isPlainName(text)) return text as HostName;
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  // ASCII alone: String.toLowerCase makes a "k" of the Kelvin sign.
  const name = bare.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  if (name === "") return { fault: "is empty" };
  if (isIP(name) !== 0) return { fault: "is an IP address, not a host name" };
  const labels = name.split(".");
  if (name.length + 2 > MAX_NAME_OCTETS) return { fault: `is longer than ${MAX_NAME_OCTETS - 2} characters` };
  for (const [position, label] of labels.entries()) {
    if (label === "") return { fault: "has an empty label" };
    if (label.length > MAX_LABEL_OCTETS)
      return { fault: `has a label longer than ${MAX_LABEL_OCTETS} characters` };
    if (label === "*" && position === 0 && labels.length > 1) continue;
    if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/.test(label)) {
      return { fault: `has the label ${JSON.stringify(label)}; labels are letters, digits, "-" and "_"` };
    }
  }
  return name as HostName;
}

/** Nothing is to be done for it, and it is no IP address: most names. Says no to some that are well-formed. */
function isPlainName(text: string): boolean {
  const { length } = text;
  if (length + 2 > MAX_NAME_OCTETS) return false;
  let labelAt = 0;
  let hasLetter = false;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 0x61 && code <= 0x7a) hasLetter = true;
    else if (code === DOT) {
      if (at === labelAt || at - labelAt > MAX_LABEL_OCTETS || text.charCodeAt(at - 1) === HYPHEN)
        return false;
      labelAt = at + 1;
      hasLetter = false;
    } else if (code === HYPHEN) {
      if (at === labelAt) return false;
    } else if (code < 0x30 || code > 0x39) return false;
  }
  // The last label: with a letter in it the name is no IPv4 address.
  return hasLetter && length - labelAt <= MAX_LABEL_OCTETS && text.charCodeAt(length - 1) !== HYPHEN;
}

const DOT = 0x2e;
const HYPHEN = 0x2d;

/** Whether the text is a well-formed host name (see `parseHostName`). */
export function isHostName(parsed: HostName | { readonly fault: string }): parsed is HostName {
  return typeof parsed === "string";
}

export function isWildcard(host: HostName): boolean {
  return host.startsWith("*.");
}

/** What a wildcard stands above: the part after `*.`; any other name is returned as it is. */
export function wildcardRest(host: HostName): HostName {
  return (isWildcard(host) ? host.slice(2) : host) as HostName;
}

/** Whether `host` is `zone` or lies below it. */
export function isAtOrBelow(host: string, zone: string): boolean {
  const dot = host.length - zone.length - 1;
  return dot < 0 ? host === zone : host.charCodeAt(dot) === 0x2e && host.endsWith(zone);
}

/** The name on the wire (RFC 1035 3.1): length octets, labels, root. A wildcard's `*` is an ordinary label. */
export function hostNameOctets(host: HostName): Uint8Array {
  const octets = new Uint8Array(host.length + 2);
  writeHostName(octets, 0, host);
  return octets;
}

/** Writes the same to `octets`; returns where it ends, `host.length + 2` further on. */
export function writeHostName(octets: Uint8Array, at: number, host: HostName): number {
  let lengthAt = at;
  for (let index = 0; index < host.length; index += 1) {
    const code = host.charCodeAt(index);
    const next = at + 1 + index;
    if (code === 0x2e) {
      octets[lengthAt] = next - 1 - lengthAt;
      lengthAt = next;
    } else {
      octets[next] = code;
    }
  }
  const end = at + 1 + host.length;
  octets[lengthAt] = end - 1 - lengthAt;
  octets[end] = 0;
  return end + 1;
}
