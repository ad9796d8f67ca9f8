/**
 * A DNS upstream on real sockets that does what its script says, octets in, octets out: nothing of the
 * program under test reads or writes its messages.
 */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket as TcpSocket } from "node:net";
import { freePort } from "./program.ts";

export interface Received {
  readonly transport: "udp" | "tcp";
  readonly message: Buffer;
  /** The sender's source port. */
  readonly port: number;
  reply(message: Uint8Array): void;
  /** TCP: ends the connection. */
  hangUp(): void;
}

export class ScriptedUpstream {
  readonly received: Received[] = [];
  script: (received: Received) => void;
  #udp: UdpSocket | null = null;
  #tcp: Server | null = null;
  readonly #connections = new Set<TcpSocket>();
  #port = 0;

  constructor(script: (received: Received) => void = () => {}) {
    this.script = script;
  }

  get address(): { readonly address: string; readonly port: number } {
    return { address: "127.0.0.1", port: this.#port };
  }

  get tcpConnections(): number {
    return this.#connections.size;
  }

  /** Listens on 127.0.0.1, on the port given or any free one, for UDP and TCP. */
  async start(port?: number): Promise<void> {
    this.#port = port ?? (await freePort());
    const tcp = createServer((connection) => this.#accept(connection));
    tcp.listen(this.#port, "127.0.0.1");
    await once(tcp, "listening");
    const udp = createSocket("udp4");
    udp.on("message", (message, sender) => {
      this.#receive({
        transport: "udp",
        message,
        port: sender.port,
        // After the end nothing is sent.
        reply: (octets) => this.#udp?.send(octets, sender.port, sender.address, () => {}),
        hangUp: () => {},
      });
    });
    udp.bind(this.#port, "127.0.0.1");
    await once(udp, "listening");
    this.#tcp = tcp;
    this.#udp = udp;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const connection of this.#connections) connection.destroy();
    if (this.#tcp === null) resolve();
    else this.#tcp.close(() => resolve());
    this.#udp?.close();
    this.#tcp = null;
    this.#udp = null;
    await promise;
  }

  #accept(connection: TcpSocket): void {
    this.#connections.add(connection);
    let waiting = Buffer.alloc(0);
    connection.on("error", () => {});
    connection.on("close", () => this.#connections.delete(connection));
    connection.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const message = Buffer.from(waiting.subarray(2, 2 + waiting.readUInt16BE(0)));
        waiting = waiting.subarray(2 + message.length);
        this.#receive({
          transport: "tcp",
          message,
          port: connection.remotePort ?? 0,
          reply: (octets) => {
            const prefix = Buffer.alloc(2);
            prefix.writeUInt16BE(octets.length);
            // In two writes: the receiver must not rely on whole messages.
            connection.write(prefix);
            connection.write(octets);
          },
          hangUp: () => connection.end(),
        });
      }
    });
  }

  #receive(received: Received): void {
    this.received.push(received);
    this.script(received);
  }
}
