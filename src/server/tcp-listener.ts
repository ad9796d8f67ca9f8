/** TCP: accepts connections up to a limit in all and per address; at a limit the oldest idle one makes room. */

import { createServer, isIPv6, type Server, type Socket } from "node:net";
import type { Closeable } from "../runtime.ts";
import {
  type BoundAddress,
  isDispensable,
  type ListenAddress,
  type ListenError,
  listenError,
} from "./listen-address.ts";
import { MAX_QUEUED_OCTETS, TcpConnection, type TcpConnectionParts } from "./tcp-connection.ts";

/** Connections that the kernel holds until they are accepted; it cuts this to its own limit. */
const BACKLOG = 1024;

export interface TcpLimits {
  readonly connections: number;
  readonly perAddress: number;
}

export interface TcpListenerParts extends TcpConnectionParts {
  /** Several workers share the port. */
  readonly reusePort: boolean;
}

/** Listens on all of `listen`, or closes again and throws a `ListenError`. */
export async function openTcpListener(
  parts: TcpListenerParts,
  limits: TcpLimits,
  listen: readonly ListenAddress[],
): Promise<TcpListener> {
  const listener = new TcpListener(parts, limits);
  try {
    await listener.open(listen);
  } catch (error) {
    listener.destroyConnections();
    await listener.close();
    throw error;
  }
  return listener;
}

export class TcpListener implements Closeable {
  /** Default addresses that this machine does not have. */
  readonly warnings: ListenError[] = [];
  readonly #parts: TcpListenerParts;
  #limits: TcpLimits;
  readonly #servers: Server[] = [];
  readonly #bound: BoundAddress[] = [];
  readonly #connections = new Set<TcpConnection>();
  readonly #byAddress = new Map<string, Set<TcpConnection>>();
  #isClosing = false;

  constructor(parts: TcpListenerParts, limits: TcpLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  get addresses(): readonly BoundAddress[] {
    return this.#bound;
  }

  /** For connections that come from now on. */
  setLimits(limits: TcpLimits): void {
    this.#limits = limits;
  }

  async open(listen: readonly ListenAddress[]): Promise<void> {
    for (const asked of listen) {
      try {
        await this.#openOne(asked);
      } catch (error) {
        const failed = listenError(error, "tcp", asked.address, asked.port);
        if (!isDispensable(asked, failed)) throw failed;
        this.warnings.push(failed);
      }
    }
  }

  async #openOne({ address, port }: ListenAddress): Promise<void> {
    const options = { allowHalfOpen: true, noDelay: true, highWaterMark: MAX_QUEUED_OCTETS };
    const server = createServer(options, (socket) => this.#accept(socket));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(
      {
        host: address,
        port,
        backlog: BACKLOG,
        ipv6Only: isIPv6(address),
        reusePort: this.#parts.reusePort,
      },
      resolve,
    );
    await promise;
    server.off("error", reject);
    // Of one connection that could not be accepted (no file descriptor left); the others go on.
    server.on("error", () => this.#parts.metrics.countDrop("tcp_too_many"));
    this.#servers.push(server);
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("a TCP server without an address");
    this.#bound.push({ transport: "tcp", address, port: bound.port });
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    // Reset before it was accepted, or we are closing.
    if (remoteAddress === undefined || remotePort === undefined || this.#isClosing) {
      socket.destroy();
      return;
    }
    if (!this.#makeRoom(remoteAddress)) {
      this.#parts.metrics.countDrop("tcp_too_many");
      socket.destroy();
      return;
    }
    const connection = new TcpConnection(socket, remoteAddress, remotePort, this.#parts);
    this.#add(connection);
    socket.on("close", () => this.#remove(connection));
  }

  /** Whether there is room for one more from the address, maybe by closing the oldest idle connection. */
  #makeRoom(address: string): boolean {
    const ofAddress = this.#byAddress.get(address);
    if (ofAddress !== undefined && ofAddress.size >= this.#limits.perAddress)
      return this.#closeOldest(ofAddress);
    return this.#connections.size < this.#limits.connections || this.#closeOldest(this.#connections);
  }

  #closeOldest(connections: ReadonlySet<TcpConnection>): boolean {
    let oldest: TcpConnection | null = null;
    for (const connection of connections) {
      if (!connection.isIdle) continue;
      if (oldest === null || connection.lastActiveMs < oldest.lastActiveMs) oldest = connection;
    }
    if (oldest === null) return false;
    oldest.destroy();
    this.#remove(oldest);
    return true;
  }

  #add(connection: TcpConnection): void {
    this.#connections.add(connection);
    const ofAddress = this.#byAddress.get(connection.address);
    if (ofAddress === undefined) this.#byAddress.set(connection.address, new Set([connection]));
    else ofAddress.add(connection);
    this.#parts.metrics.addTcpConnections(1);
  }

  #remove(connection: TcpConnection): void {
    if (!this.#connections.delete(connection)) return;
    const ofAddress = this.#byAddress.get(connection.address);
    ofAddress?.delete(connection);
    if (ofAddress?.size === 0) this.#byAddress.delete(connection.address);
    this.#parts.metrics.addTcpConnections(-1);
  }

  /** Accepts no more, answers what was asked, and ends when the last connection has. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = this.#servers.map((server) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      return promise;
    });
    for (const connection of this.#connections) connection.finish();
    await Promise.all(closed);
  }

  /** Ends every connection at once. */
  destroyConnections(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}
