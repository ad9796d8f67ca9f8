/** What both listeners take and give: where to listen, where they do, and why they cannot. */

import { isIPv6 } from "node:net";
import type { Transport } from "../runtime.ts";

export interface ListenAddress {
  readonly address: string;
  /** 0: one that the system chooses. */
  readonly port: number;
  /** Not asked for by the user: a machine without this kind of address is no error. */
  readonly isDefault: boolean;
}

export interface BoundAddress {
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
}

/** An address that cannot be listened on. */
export class ListenError extends Error {
  /** Node's own, such as `EADDRINUSE`. */
  readonly code: string;
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;

  constructor(code: string, transport: Transport, address: string, port: number) {
    super(
      `cannot listen on ${transport} ${isIPv6(address) ? `[${address}]` : address}:${port}: ${reason(code)}`,
    );
    this.code = code;
    this.transport = transport;
    this.address = address;
    this.port = port;
  }
}

/** The error of a failed bind; anything else than a system error is rethrown. */
export function listenError(
  error: unknown,
  transport: Transport,
  address: string,
  port: number,
): ListenError {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return new ListenError(error.code, transport, address, port);
  }
  throw error;
}

/** Whether a default address may be left out: the machine has no such family or address. */
export function isDispensable(listen: ListenAddress, error: ListenError): boolean {
  return listen.isDefault && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL");
}

export function isWildcardAddress(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** Whether the address is served by a wildcard that is asked for as well, or comes twice. */
export function isCovered(asked: ListenAddress, listen: readonly ListenAddress[]): boolean {
  if (asked.port === 0) return false;
  const samePort = listen.filter(
    (other) => other.port === asked.port && isIPv6(other.address) === isIPv6(asked.address),
  );
  const wildcard = samePort.find((other) => isWildcardAddress(other.address));
  if (wildcard !== undefined && !isWildcardAddress(asked.address)) return true;
  return samePort.find((other) => other.address === asked.address) !== asked;
}

function reason(code: string): string {
  switch (code) {
    case "EADDRINUSE":
      return "another program uses the port (EADDRINUSE)";
    case "EACCES":
      return "ports below 1024 need a privilege (EACCES)";
    case "EADDRNOTAVAIL":
      return "this machine has no such address (EADDRNOTAVAIL)";
    case "EAFNOSUPPORT":
      return "this machine has no such address family (EAFNOSUPPORT)";
    default:
      return code;
  }
}
