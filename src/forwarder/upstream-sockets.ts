/**
 * Where the forwarder gets its sockets from, so that more than one back end can drive it: `node:dgram`
 * and `node:net`, batches of system calls, or an upstream in memory for tests. Nothing here throws:
 * whatever goes wrong reaches a handler, with the code of the system (`ECONNREFUSED`).
 */

export interface SocketAddress {
  /** An IPv4 or IPv6 address as text. */
  readonly address: string;
  readonly port: number;
}

export interface UpstreamSockets {
  /** How many UDP sockets may be open at once; a few ports for many queries are easy to guess (RFC 5452 9.2). */
  readonly maxUdpSockets: number;
  /** A socket with a fresh source port that hears `to` alone. */
  openUdp(to: SocketAddress, handlers: UdpHandlers): UdpSocket;
  connectTcp(to: SocketAddress, handlers: TcpHandlers): TcpConnection;
}

/** Called from a turn of the event loop of their own, never from within `openUdp` or `send`. */
export interface UdpHandlers {
  /** One datagram; the handler may write into it. */
  onMessage(message: Uint8Array): void;
  /** The socket is of no more use. */
  onError(code: string): void;
}

export interface UdpSocket {
  /** Sends one datagram, at once or as soon as the socket is ready; the octets must not change afterwards. */
  send(message: Uint8Array): void;
  /** No handler is called afterwards. */
  close(): void;
}

/** Called from a turn of the event loop of their own, never from within `connectTcp` or `send`. */
export interface TcpHandlers {
  onConnected(): void;
  /** One whole DNS message without its length (RFC 1035 4.2.2); the handler may write into it. */
  onMessage(message: Uint8Array): void;
  /** Could not be made, was reset or ended by the other side; the last call. */
  onClosed(code: string): void;
}

export interface TcpConnection {
  /** Sends one DNS message, as soon as the connection is there; the octets must not change afterwards. */
  send(message: Uint8Array): void;
  /** No handler is called afterwards. */
  close(): void;
}

/** As it is written in settings, metrics and logs: `10.96.0.10:53`, `[fd00::10]:53`. */
export function socketAddressText(to: SocketAddress): string {
  return to.address.includes(":") ? `[${to.address}]:${to.port}` : `${to.address}:${to.port}`;
}
