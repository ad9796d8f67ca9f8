/** Upstreams without a network: what was sent to them, and a script that replies; time is the test's clock. */

import {
  type SocketAddress,
  socketAddressText,
  type TcpConnection,
  type TcpHandlers,
  type UdpHandlers,
  type UdpSocket,
  type UpstreamSockets,
} from "../../src/forwarder/upstream-sockets.ts";
import type { Clock } from "../../src/runtime.ts";

/** One message that reached an upstream. */
export interface Sent {
  /** `address:port` of the upstream. */
  readonly to: string;
  readonly transport: "udp" | "tcp";
  /** The source port; each socket has one of its own. */
  readonly port: number;
  readonly message: Uint8Array;
  readonly atMs: number;
  /** Sends octets back over the socket that the message came from, after `delayMs` (0: at the clock's next move). */
  reply(octets: Uint8Array, delayMs?: number): void;
  /** The socket or connection fails. */
  fail(code: string, delayMs?: number): void;
}

export class MemoryUpstreams implements UpstreamSockets {
  readonly maxUdpSockets: number;
  readonly sent: Sent[] = [];
  /** Called for each message; by default nobody answers. */
  script: (sent: Sent) => void = () => {};
  /** For an upstream that takes no TCP connection: the code it fails with. */
  tcpRefusals = new Map<string, string>();
  openUdpSockets = 0;
  mostOpenUdpSockets = 0;
  tcpConnections = 0;
  readonly #clock: Clock;
  #nextPort = 1024;

  constructor(clock: Clock, maxUdpSockets = 64) {
    this.#clock = clock;
    this.maxUdpSockets = maxUdpSockets;
  }

  /** What reached the upstream `address:port`. */
  sentTo(to: string): Sent[] {
    return this.sent.filter((sent) => sent.to === to);
  }

  openUdp(to: SocketAddress, handlers: UdpHandlers): UdpSocket {
    const port = this.#nextPort++;
    let isOpen = true;
    this.openUdpSockets += 1;
    this.mostOpenUdpSockets = Math.max(this.mostOpenUdpSockets, this.openUdpSockets);
    const close = () => {
      if (isOpen) this.openUdpSockets -= 1;
      isOpen = false;
    };
    const later = (delayMs: number, callback: () => void) =>
      this.#clock.setTimer(delayMs, () => isOpen && callback());
    return {
      send: (message) => {
        if (!isOpen) throw new Error("sent over a closed socket");
        this.#receive({
          to: socketAddressText(to),
          transport: "udp",
          port,
          message: message.slice(),
          atMs: this.#clock.nowMs(),
          reply: (octets, delayMs = 0) => later(delayMs, () => handlers.onMessage(octets.slice())),
          fail: (code, delayMs = 0) => later(delayMs, () => handlers.onError(code)),
        });
      },
      close,
    };
  }

  connectTcp(to: SocketAddress, handlers: TcpHandlers): TcpConnection {
    const port = this.#nextPort++;
    const text = socketAddressText(to);
    let isOpen = true;
    this.tcpConnections += 1;
    const later = (delayMs: number, callback: () => void) =>
      this.#clock.setTimer(delayMs, () => isOpen && callback());
    const fail = (code: string) => {
      isOpen = false;
      handlers.onClosed(code);
    };
    const refusal = this.tcpRefusals.get(text);
    later(0, () => (refusal === undefined ? handlers.onConnected() : fail(refusal)));
    return {
      send: (message) => {
        if (!isOpen) throw new Error("sent over a closed connection");
        if (refusal !== undefined) return;
        this.#receive({
          to: text,
          transport: "tcp",
          port,
          message: message.slice(),
          atMs: this.#clock.nowMs(),
          reply: (octets, delayMs = 0) => later(delayMs, () => handlers.onMessage(octets.slice())),
          fail: (code, delayMs = 0) => later(delayMs, () => fail(code)),
        });
      },
      close: () => {
        isOpen = false;
      },
    };
  }

  #receive(sent: Sent): void {
    this.sent.push(sent);
    this.script(sent);
  }
}
