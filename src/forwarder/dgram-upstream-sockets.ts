/**
 * Sockets to upstreams on `node:dgram` and `node:net`. UDP sockets are connected, so the kernel drops
 * datagrams of other sources and tells of a closed port (ECONNREFUSED).
 */

import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, type Socket as NetSocket } from "node:net";
import { TcpFrames } from "./tcp-frames.ts";
import type {
  SocketAddress,
  TcpConnection,
  TcpHandlers,
  UdpHandlers,
  UdpSocket,
  UpstreamSockets,
} from "./upstream-sockets.ts";

/** More source ports at a time give an attacker little more to guess and the kernel more to keep. */
const MAX_UDP_SOCKETS = 64;
/** What to count with when the limit of open files cannot be read. */
const FILE_LIMIT_FALLBACK = 256;

/** `maxUdpSockets`: of one thread; by default 64, or a quarter of the limit of open files if that is less. */
export function createDgramUpstreamSockets(maxUdpSockets = defaultMaxUdpSockets()): UpstreamSockets {
  return {
    maxUdpSockets,
    openUdp: (to, handlers) => new DgramSocket(to, handlers),
    connectTcp: (to, handlers) => new StreamConnection(to, handlers),
  };
}

class DgramSocket implements UdpSocket {
  readonly #handlers: UdpHandlers;
  #socket: Socket | null = null;
  #hasFailed = false;
  #isClosed = false;
  /** What was sent before the socket was connected; null from then on. */
  #waiting: Uint8Array[] | null = [];
  readonly #onSent = (error: Error | null) => {
    if (error !== null) this.#fail(error);
  };

  constructor(to: SocketAddress, handlers: UdpHandlers) {
    this.#handlers = handlers;
    try {
      const type = to.address.includes(":") ? "udp6" : "udp4";
      const socket = createSocket({ type, lookup: takeAddress });
      this.#socket = socket;
      socket.on("error", (error) => this.#fail(error));
      socket.on("message", (message) => {
        if (!this.#isClosed) handlers.onMessage(message);
      });
      // With a callback of its own, `connect` would hand it the error.
      socket.on("connect", () => this.#flush());
      socket.connect(to.port, to.address);
    } catch (error) {
      this.#fail(error);
    }
  }

  send(message: Uint8Array): void {
    if (this.#waiting !== null) this.#waiting.push(message);
    else this.#write(message);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#socket?.close();
    } catch {
      // The system's error closed it first.
    }
  }

  #flush(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const message of waiting) this.#write(message);
  }

  #write(message: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#socket?.send(message, this.#onSent);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The handler is told later: a socket that cannot be bound (EMFILE) fails while it is being made. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    setImmediate(() => {
      if (this.#isClosed) return;
      this.close();
      this.#handlers.onError(codeOf(error));
    });
  }
}

class StreamConnection implements TcpConnection {
  readonly #handlers: TcpHandlers;
  readonly #frames: TcpFrames;
  #socket: NetSocket | null = null;

  constructor(to: SocketAddress, handlers: TcpHandlers) {
    this.#handlers = handlers;
    this.#frames = new TcpFrames((message) => {
      if (this.#socket !== null) handlers.onMessage(message);
    });
    try {
      const socket = connect({
        host: to.address,
        port: to.port,
        noDelay: true,
        lookup: takeAddress,
        autoSelectFamily: false,
      });
      this.#socket = socket;
      let code = "ECONNRESET";
      socket.on("connect", () => this.#socket !== null && handlers.onConnected());
      socket.on("data", (chunk) => this.#frames.push(chunk));
      socket.on("error", (error) => {
        code = codeOf(error);
      });
      socket.on("close", () => this.#end(code));
    } catch (error) {
      setImmediate(() => this.#handlers.onClosed(codeOf(error)));
    }
  }

  send(message: Uint8Array): void {
    const frame = Buffer.allocUnsafe(message.length + 2);
    frame.writeUInt16BE(message.length, 0);
    frame.set(message, 2);
    this.#socket?.write(frame);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #end(code: string): void {
    if (this.#socket === null) return;
    this.#socket = null;
    this.#handlers.onClosed(code);
  }
}

/** An address needs no look-up; the default one would cost two turns of the event loop, and ask for what is none. */
function takeAddress(
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, address, address.includes(":") ? 6 : 4);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "EUNKNOWN";
}

function defaultMaxUdpSockets(): number {
  return Math.max(2, Math.min(MAX_UDP_SOCKETS, openFileLimit() >> 2));
}

function openFileLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return line === null ? FILE_LIMIT_FALLBACK : Number(line[1]);
  } catch {
    return FILE_LIMIT_FALLBACK;
  }
}
