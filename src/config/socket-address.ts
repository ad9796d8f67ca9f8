/** Addresses with a port, as users write them: `ADDR`, `ADDR:PORT`, `[ADDR6]:PORT` and `:PORT`. */

import { familyOf, type IpAddress, parseIpAddress } from "../wire/ip-address.ts";

export interface SocketAddress {
  readonly address: IpAddress;
  /** 1-65535; 0 only for listening: any free port. */
  readonly port: number;
}

/** An address to listen on. */
export interface ListenAddress extends SocketAddress {
  /** The user named no address, so that one which this machine does not have is no error. */
  readonly isDefault: boolean;
}

/** The parts that were written; at least one is there. */
export interface WrittenAddress {
  readonly address: IpAddress | undefined;
  readonly port: number | undefined;
}

/** Reads the text; otherwise says what is wrong with it, as the end of a sentence. */
export function parseWrittenAddress(text: string): WrittenAddress | { readonly fault: string } {
  const { host, portText } = split(text);
  if (host === "" && portText === undefined) return { fault: "is empty" };
  const address = host === "" ? undefined : parseIpAddress(host);
  if (address === null) return { fault: `is not an IP address${portText === undefined ? "" : " and port"}` };
  if (portText === undefined) return { address, port: undefined };
  if (!/^\d{1,5}$/.test(portText) || Number(portText) > 65_535) {
    return { fault: `has the port ${JSON.stringify(portText)}, which is not a number from 0 to 65535` };
  }
  return { address, port: Number(portText) };
}

/** `127.0.0.1:53`, `[::1]:53`. */
export function socketAddressText({ address, port }: SocketAddress): string {
  return familyOf(address) === "A" ? `${address}:${port}` : `[${address}]:${port}`;
}

function split(text: string): { readonly host: string; readonly portText: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  // Brackets are for IPv6 only: a host without a colon between them is no address.
  if (bracketed) return { host: bracketed[1]!.includes(":") ? bracketed[1]! : text, portText: bracketed[2] };
  const colon = text.lastIndexOf(":");
  const isBareAddress = colon === -1 || text.indexOf(":") !== colon;
  return isBareAddress
    ? { host: text, portText: undefined }
    : { host: text.slice(0, colon), portText: text.slice(colon + 1) };
}
