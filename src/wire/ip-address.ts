/**
 * IP addresses as canonical text (RFC 5952 for IPv6), so that equal addresses are equal strings.
 * IPv4-mapped IPv6 (`::ffff:1.2.3.4`) is the IPv4 address it stands for.
 */

import { isIP, SocketAddress } from "node:net";

declare const canonical: unique symbol;
/** Canonical text of an IPv4 or IPv6 address; only `parseIpAddress` and `ipAddressFromOctets` make one. */
export type IpAddress = string & { readonly [canonical]: true };

/** "A" for IPv4, "AAAA" for IPv6: the record type that carries the address. */
export type Family = "A" | "AAAA";
export const FAMILIES: readonly Family[] = ["A", "AAAA"];

export interface IpPrefix {
  readonly address: IpAddress;
  /** 0-32 or 0-128. */
  readonly bits: number;
}

/** Reads an address; null when the text is none (a zone such as `%eth0`, a CIDR, leading zeros: none). */
export function parseIpAddress(text: string): IpAddress | null {
  if (isDottedQuad(text)) return text as IpAddress;
  const version = isIP(text);
  if (version !== 6 || text.includes("%")) return null;
  const address = new SocketAddress({ address: text, family: "ipv6" }).address;
  const octets = ipv6Octets(address);
  return isMapped(octets) ? dotted(octets.subarray(12)) : (address as IpAddress);
}

/** Four numbers up to 255, without leading zeros. */
function isDottedQuad(text: string): boolean {
  const { length } = text;
  if (length > MOST_IPV4_CHARACTERS) return false;
  let dots = 0;
  let value = NO_DIGIT;
  for (let at = 0; at < length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (value === 0) return false;
      value = value === NO_DIGIT ? digit : value * 10 + digit;
      if (value > 255) return false;
    } else if (digit === DOT && value !== NO_DIGIT) {
      dots += 1;
      value = NO_DIGIT;
    } else return false;
  }
  return dots === 3 && value !== NO_DIGIT;
}

const MOST_IPV4_CHARACTERS = "255.255.255.255".length;
const NO_DIGIT = -1;
/** As the digit that it would be. */
const DOT = -2;

/** Reads `address` or `address/bits`; null when it is neither. A bare address counts as a single IP. */
export function parseIpPrefix(text: string): IpPrefix | null {
  const slash = text.indexOf("/");
  const address = parseIpAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  const most = familyOf(address) === "A" ? 32 : 128;
  if (slash === -1) return { address, bits: most };
  const bitsText = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(bitsText)) return null;
  // A mapped prefix (::ffff:0:0/96 and below) is the IPv4 prefix it stands for.
  const written = Number(bitsText);
  const bits = most === 32 && text.includes(":") ? written - 96 : written;
  return bits >= 0 && bits <= most ? { address, bits } : null;
}

export function familyOf(address: IpAddress): Family {
  return address.includes(":") ? "AAAA" : "A";
}

/** 4 or 16 octets, network order: the RDATA of A (RFC 1035 3.4.1) or AAAA (RFC 3596 2.2). */
export function ipAddressOctets(address: IpAddress): Uint8Array {
  return address.includes(":") ? ipv6Octets(address) : ipv4Octets(address);
}

/** Writes the same to `octets`; returns where it ends. */
export function writeIpAddress(octets: Uint8Array, at: number, address: IpAddress): number {
  if (address.includes(":")) {
    octets.set(ipv6Octets(address), at);
    return at + 16;
  }
  const bits = ipv4Number(address);
  octets[at] = bits >>> 24;
  octets[at + 1] = bits >>> 16;
  octets[at + 2] = bits >>> 8;
  octets[at + 3] = bits;
  return at + 4;
}

/** The reverse of `ipAddressOctets`; throws unless 4 or 16 octets are given. */
export function ipAddressFromOctets(octets: Uint8Array): IpAddress {
  if (octets.length === 4) return dotted(octets);
  if (octets.length !== 16) throw new RangeError(`an IP address has 4 or 16 octets, not ${octets.length}`);
  if (isMapped(octets)) return dotted(octets.subarray(12));
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((octets[at]! << 8) | octets[at + 1]!).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address as IpAddress;
}

/** Whether the address lies in the prefix; false across families. */
export function prefixContains(prefix: IpPrefix, address: IpAddress): boolean {
  const family = familyOf(address);
  if (familyOf(prefix.address) !== family) return false;
  if (family === "A") {
    // Of 0 bits JavaScript would shift by 0, not by 32.
    const different = ipv4Number(prefix.address) ^ ipv4Number(address);
    return prefix.bits === 0 || different >>> (32 - prefix.bits) === 0;
  }
  const ours = ipAddressOctets(prefix.address);
  const theirs = ipAddressOctets(address);
  const whole = prefix.bits >> 3;
  for (let at = 0; at < whole; at += 1) if (ours[at] !== theirs[at]) return false;
  const rest = prefix.bits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return (ours[whole]! & mask) === (theirs[whole]! & mask);
}

/** 32 bits, with a sign. */
function ipv4Number(address: IpAddress): number {
  let bits = 0;
  let octet = 0;
  for (let index = 0; index < address.length; index += 1) {
    const code = address.charCodeAt(index);
    if (code === 0x2e) {
      bits = (bits << 8) | octet;
      octet = 0;
    } else {
      octet = octet * 10 + code - 0x30;
    }
  }
  return (bits << 8) | octet;
}

function ipv4Octets(text: string): Uint8Array {
  const octets = new Uint8Array(4);
  writeIpAddress(octets, 0, text as IpAddress);
  return octets;
}

function ipv6Octets(text: string): Uint8Array {
  const octets = new Uint8Array(16);
  const [head, tail] = text.split("::") as [string, string | undefined];
  const write = (groups: readonly string[], end: boolean) => {
    const bytes = groups.flatMap((group) => {
      if (group.includes(".")) return [...ipv4Octets(group)];
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
    octets.set(bytes, end ? 16 - bytes.length : 0);
  };
  write(head === "" ? [] : head.split(":"), false);
  if (tail !== undefined && tail !== "") write(tail.split(":"), true);
  return octets;
}

function isMapped(octets: Uint8Array): boolean {
  for (let at = 0; at < 10; at += 1) if (octets[at] !== 0) return false;
  return octets[10] === 0xff && octets[11] === 0xff;
}

function dotted(octets: Uint8Array): IpAddress {
  return octets.join(".") as IpAddress;
}
