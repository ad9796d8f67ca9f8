/**
 * Which messages are between forwarder and upstream at the moment: a story's time stands until there are none,
 * so what takes no time in the story takes none, however long the system needs.
 */

import type {
  TcpConnection,
  TcpHandlers,
  UdpHandlers,
  UdpSocket,
  UpstreamSockets,
} from "../../src/forwarder/upstream-sockets.ts";

/** One socket of the forwarder. */
type Line = object;

export class PacketsOnTheWay {
  /** Each message, and each connection that is being made, with its socket. */
  readonly #packets = new Map<string | Line, Line>();
  /** Over which socket upstream was asked, by the ID of the message. */
  readonly #asked = new Map<string, Line>();
  /** Connections that are made, with upstream's port. */
  readonly #connected = new Map<Line, number>();

  get size(): number {
    return this.#packets.size;
  }

  /** A message has reached upstream. */
  arrived(message: Uint8Array): void {
    this.#packets.delete(`query ${hex(message)}`);
  }

  /** Upstream sends a reply, maybe with another ID; where the socket is closed already, it is lost. */
  replied(reply: Uint8Array, query: Uint8Array): void {
    const line = this.#asked.get(idOf(query));
    if (line !== undefined) this.#packets.set(`reply ${hex(reply)}`, line);
  }

  /** Upstream ends the connection that the query came over. */
  hangsUp(query: Uint8Array): void {
    const line = this.#asked.get(idOf(query));
    if (line !== undefined) this.#packets.set(`end ${idOf(query)}`, line);
  }

  /** The upstream with this port ends all its connections. */
  endConnections(port: number): void {
    for (const [line, to] of this.#connected) if (to === port) this.#packets.set(line, line);
  }

  /** The same sockets, watched. */
  watch(sockets: UpstreamSockets): UpstreamSockets {
    return {
      maxUdpSockets: sockets.maxUdpSockets,
      openUdp: (to, handlers) => {
        const line = {};
        const watched: UdpHandlers = {
          onMessage: (message) => {
            this.#delivered(message);
            handlers.onMessage(message);
          },
          onError: (code) => {
            this.#ended(line);
            handlers.onError(code);
          },
        };
        return this.#watchSending(sockets.openUdp(to, watched), line);
      },
      connectTcp: (to, handlers) => {
        const line = {};
        this.#packets.set(line, line);
        const watched: TcpHandlers = {
          onConnected: () => {
            this.#packets.delete(line);
            this.#connected.set(line, to.port);
            handlers.onConnected();
          },
          onMessage: (message) => {
            this.#delivered(message);
            handlers.onMessage(message);
          },
          onClosed: (code) => {
            this.#ended(line);
            handlers.onClosed(code);
          },
        };
        return this.#watchSending(sockets.connectTcp(to, watched), line);
      },
    };
  }

  #watchSending(socket: UdpSocket | TcpConnection, line: Line): UdpSocket & TcpConnection {
    return {
      send: (message) => {
        this.#packets.set(`query ${hex(message)}`, line);
        this.#asked.set(idOf(message), line);
        socket.send(message);
      },
      close: () => {
        this.#ended(line);
        socket.close();
      },
    };
  }

  #delivered(reply: Uint8Array): void {
    this.#packets.delete(`reply ${hex(reply)}`);
  }

  /** What is on its way over this socket never arrives. */
  #ended(line: Line): void {
    this.#connected.delete(line);
    for (const [packet, its] of this.#packets) if (its === line) this.#packets.delete(packet);
    for (const [id, its] of this.#asked) if (its === line) this.#asked.delete(id);
  }
}

function hex(message: Uint8Array): string {
  return Buffer.from(message).toString("hex");
}

function idOf(message: Uint8Array): string {
  return hex(message.subarray(0, 2));
}
