/**
 * UDP with `node:dgram`. A wildcard address becomes one socket per local address, so that each reply leaves from
 * the address that was asked (a connected client takes no other), and the wildcard itself for all the rest.
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Client, Timer } from "../runtime.ts";
import {
  type BoundAddress,
  isCovered,
  isDispensable,
  isWildcardAddress,
  type ListenAddress,
  type ListenError,
  listenError,
} from "./listen-address.ts";
import type { DatagramListener, UdpListenerParts } from "./socket-back-end.ts";

/** Addresses come and go with interfaces; until then the wildcard's socket serves a new one. */
const INTERFACES_EVERY_MS = 10_000;
/** A node may hold thousands of service addresses; those above this number are left to the wildcard's socket. */
const MAX_SOCKETS_PER_WILDCARD = 256;
/** A burst of small queries for a tenth of a second; the kernel cuts it to its own limit. */
const RECEIVE_BUFFER_OCTETS = 4 * 1024 * 1024;

/** After an error, and at the start. */
const WATCHED_SENDS = 1000;
/** Between two that are watched. */
const UNWATCHED_SENDS = 63;

/** Listens on all of `listen`, or closes again and throws a `ListenError`. */
export async function openUdpListener(
  parts: UdpListenerParts,
  listen: readonly ListenAddress[],
): Promise<UdpListener> {
  const listener = new UdpListener(parts);
  try {
    await listener.open(listen);
  } catch (error) {
    await listener.close();
    throw error;
  }
  return listener;
}

export class UdpListener implements DatagramListener {
  readonly #parts: UdpListenerParts;
  readonly #localAddresses: () => readonly string[];
  /** By `socketKey`. */
  readonly #sockets = new Map<string, Socket>();
  readonly #wildcards: { readonly address: string; readonly port: number }[] = [];
  readonly #bound: BoundAddress[] = [];
  /** Ports and, for each, the addresses that are ours. */
  readonly #own = new Map<number, Set<string>>();
  /** Default addresses that this machine does not have. */
  readonly warnings: ListenError[] = [];
  #timer: Timer | null = null;
  #isStopped = false;
  #isClosed = false;

  readonly #sends: SendWatch;

  constructor(parts: UdpListenerParts) {
    this.#parts = parts;
    this.#sends = new SendWatch(() => parts.metrics.countDrop("send_error"));
    this.#localAddresses = parts.localAddresses ?? localAddresses;
  }

  /** As they were asked for, with the port that the system chose. */
  get addresses(): readonly BoundAddress[] {
    return this.#bound;
  }

  async open(listen: readonly ListenAddress[]): Promise<void> {
    for (const asked of listen) {
      if (isCovered(asked, listen)) continue;
      try {
        await this.#openOne(asked);
      } catch (error) {
        const failed = listenError(error, "udp", asked.address, asked.port);
        if (!isDispensable(asked, failed)) throw failed;
        this.warnings.push(failed);
      }
    }
    if (this.#wildcards.length > 0) await this.#followInterfaces();
  }

  async #followInterfaces(): Promise<void> {
    try {
      await this.#openLocal();
    } catch {
      // The system did not tell its addresses; the wildcard's socket serves them all.
    }
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.setTimer(INTERFACES_EVERY_MS, () => void this.#followInterfaces());
  }

  async #openOne(asked: ListenAddress): Promise<void> {
    const { address } = asked;
    let { port } = asked;
    const isWild = isWildcardAddress(address);
    if (isWild && port !== 0 && !this.#parts.reusePort) {
      // The sockets below share their port (SO_REUSEADDR), so they would not notice another program on it.
      const probe = await bind(address, port, false, false);
      await closed(probe);
    }
    const socket = await bind(address, port, isWild, this.#parts.reusePort);
    port = socket.address().port;
    this.#serve(socket, address, port);
    this.#bound.push({ transport: "udp", address, port });
    if (isWild) this.#wildcards.push({ address, port });
  }

  /** One socket for each local address that a wildcard stands for; closes those of addresses that are gone. */
  async #openLocal(): Promise<void> {
    const local = this.#localAddresses();
    const wanted = new Set<string>();
    for (const wildcard of this.#wildcards) {
      const { port } = wildcard;
      const family = local.filter((address) => isIPv6(address) === isIPv6(wildcard.address));
      for (const address of family) this.#ownAddresses(port).add(address);
      for (const address of family.slice(0, MAX_SOCKETS_PER_WILDCARD)) {
        const key = socketKey(address, port);
        wanted.add(key);
        if (this.#sockets.has(key)) continue;
        try {
          const socket = await bind(address, port, true, this.#parts.reusePort);
          this.#serve(socket, address, port);
        } catch {
          // Gone again, or not ready (IPv6 looks for duplicates first): the wildcard's socket serves meanwhile.
        }
      }
      wanted.add(socketKey(wildcard.address, port));
    }
    for (const { address, port } of this.#bound) wanted.add(socketKey(address, port));
    for (const [key, socket] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      socket.close();
    }
  }

  #serve(socket: Socket, address: string, port: number): void {
    if (this.#isClosed) {
      socket.close();
      return;
    }
    this.#sockets.set(socketKey(address, port), socket);
    this.#ownAddresses(port).add(address);
    socket.on("message", (message, sender) => this.receive(socket, message, sender));
    // An error of one datagram's; the socket goes on.
    socket.on("error", () => this.#parts.metrics.countDrop("send_error"));
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_OCTETS);
    } catch {
      // The default serves too, only with more loss in a burst.
    }
  }

  #ownAddresses(port: number): Set<string> {
    let addresses = this.#own.get(port);
    if (addresses === undefined) {
      addresses = new Set();
      this.#own.set(port, addresses);
    }
    return addresses;
  }

  /** One datagram. */
  receive(
    socket: Pick<Socket, "send">,
    message: Uint8Array,
    sender: Pick<RemoteInfo, "address" | "port">,
  ): void {
    if (this.#isStopped) return;
    const { engine, metrics } = this.#parts;
    const { address, port } = sender;
    // Node throws on sending to port 0: one forged datagram would end the process.
    if (port === 0) {
      metrics.countDrop("source_port_zero");
      return;
    }
    // Answering ourselves would go round for ever.
    if (this.#own.get(port)?.has(address)) {
      metrics.countDrop("own_listener");
      return;
    }
    const client = new UdpClient(socket, address, port, this.#sends);
    const length = engine.handle(message, message.length, client);
    if (length > 0) client.send(engine.reply, length);
  }

  /** Takes no more queries; replies still go out. */
  stop(): void {
    this.#isStopped = true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map(closed));
  }
}

class UdpClient implements Client {
  readonly transport = "udp";
  readonly address: string;
  readonly port: number;
  readonly #socket: Pick<Socket, "send">;
  readonly #sends: SendWatch;

  constructor(socket: Pick<Socket, "send">, address: string, port: number, sends: SendWatch) {
    this.#socket = socket;
    this.address = address;
    this.port = port;
    this.#sends = sends;
  }

  send(message: Uint8Array, length: number): void {
    // The system may send later, when the buffer holds another reply already.
    const copy = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += 1) copy[at] = message[at]!;
    try {
      this.#socket.send(copy, this.port, this.address, this.#sends.next());
    } catch (error) {
      // The socket was closed while the query waited.
      this.#sends.sent(error);
    }
  }
}

/**
 * Looks after replies that the system refuses to send. To be called back for each one would cost a seventh of the
 * whole answer: so one in many is watched, and after an error every one for a while.
 */
class SendWatch {
  readonly #onError: () => void;
  /** Sends that are still watched; below 0: how many were not since. */
  #left = WATCHED_SENDS;

  constructor(onError: () => void) {
    this.#onError = onError;
  }

  /** What the next send is to call; undefined: nothing. */
  next(): ((error: unknown) => void) | undefined {
    this.#left = this.#left === -UNWATCHED_SENDS ? 1 : this.#left - 1;
    return this.#left >= 0 ? this.sent : undefined;
  }

  readonly sent = (error: unknown): void => {
    if (!error) return;
    this.#left = WATCHED_SENDS;
    this.#onError();
  };
}

/** A name look-up that looks up nothing: without it every send waits for the next tick. */
function lookup(
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  // The socket knows its family, and does not read this one.
  callback(null, address, 4);
}

function bind(address: string, port: number, reuseAddr: boolean, reusePort: boolean): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = isIPv6(address)
    ? createSocket({ type: "udp6", ipv6Only: true, reuseAddr, reusePort, lookup })
    : createSocket({ type: "udp4", reuseAddr, reusePort, lookup });
  const failed = (error: Error) => {
    socket.close();
    reject(error);
  };
  socket.once("error", failed);
  socket.bind(port, address, () => {
    socket.off("error", failed);
    resolve(socket);
  });
  return promise;
}

function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.close(() => resolve());
  return promise;
}

function socketKey(address: string, port: number): string {
  return `${address} ${port}`;
}

function localAddresses(): string[] {
  const found: string[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, scopeid } of addresses ?? []) {
      found.push(scopeid !== undefined && scopeid !== 0 && !isIPv4(address) ? `${address}%${name}` : address);
    }
  }
  return found;
}
