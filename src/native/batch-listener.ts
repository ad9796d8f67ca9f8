/**
 * UDP in batches: takes as many datagrams from a socket as have come, has the engine answer them one by one, and
 * sends what there is to send together at the end of the turn. A reply leaves from the address that was asked.
 */

import type { Engine } from "../server/engine.ts";
import { LATER } from "../server/engine.ts";
import type { BoundAddress, ListenError } from "../server/listen-address.ts";
import { headerRcode, type QueryMetrics } from "../server/metrics.ts";
import type { DatagramListener } from "../server/socket-back-end.ts";
import { Rcode } from "../wire/constants.ts";
import { AddressTexts } from "./address-texts.ts";
import { BatchClient, type ReplySocket } from "./batch-client.ts";
import type { BatchSocket } from "./batch-sockets.ts";
import type { Loop, Watched } from "./loop.ts";
import { OwnAddresses } from "./own-addresses.ts";
import {
  Errno,
  MAX_BATCH,
  type MappedMemory,
  type ReceiveBatch,
  type SendBatch,
  type SystemCalls,
} from "./system-calls.ts";

export interface BatchListenerParts {
  readonly engine: Pick<Engine, "handle" | "reply">;
  readonly metrics: QueryMetrics;
  readonly calls: SystemCalls;
  readonly memory: MappedMemory;
  readonly receives: ReceiveBatch;
  readonly loop: Pick<Loop, "clock" | "watch" | "unwatch" | "onFlush">;
  /** All addresses of this machine. */
  readonly localAddresses?: () => readonly string[];
}

export class BatchListener implements DatagramListener {
  readonly addresses: readonly BoundAddress[];
  /** The one who made the sockets has them. */
  readonly warnings: readonly ListenError[] = [];
  readonly #parts: BatchListenerParts;
  readonly #sockets: readonly ListeningSocket[];
  readonly #own: OwnAddresses;
  readonly #texts = new AddressTexts();

  /** Serves from the next turn of the loop on; `sockets` stay open when it closes. */
  constructor(parts: BatchListenerParts, sockets: readonly BatchSocket[]) {
    this.#parts = parts;
    this.addresses = sockets.map(({ address, port }) => ({ transport: "udp", address, port }));
    this.#own = new OwnAddresses(sockets, parts.loop.clock, parts.localAddresses);
    this.#sockets = sockets.map((socket) => new ListeningSocket(parts, socket, this.#own, this.#texts));
    parts.loop.onFlush(() => {
      for (const socket of this.#sockets) socket.flush();
    });
  }

  /** Datagrams that the kernel had no room for, of all sockets since they were opened. */
  get dropped(): number {
    let dropped = 0;
    for (const { fd } of this.#sockets) dropped += this.#parts.calls.droppedBy(this.#parts.memory, fd);
    return dropped;
  }

  /** Takes no more queries; replies still go out. */
  stop(): void {
    for (const socket of this.#sockets) socket.isStopped = true;
  }

  async close(): Promise<void> {
    this.#own.close();
    for (const socket of this.#sockets) socket.close();
  }
}

class ListeningSocket implements Watched, ReplySocket {
  readonly isUpstream = false;
  readonly fd: number;
  readonly isIpv6: boolean;
  readonly texts: AddressTexts;
  isStopped = false;
  readonly #parts: BatchListenerParts;
  readonly #own: OwnAddresses;
  readonly #sends: SendBatch;
  readonly #token: number;
  /** Used again for every datagram until the engine keeps it. */
  #client: BatchClient;
  #isClosed = false;

  constructor(parts: BatchListenerParts, socket: BatchSocket, own: OwnAddresses, texts: AddressTexts) {
    const { calls, memory, loop } = parts;
    this.fd = socket.fd;
    this.isIpv6 = socket.isIpv6;
    this.texts = texts;
    this.#parts = parts;
    this.#own = own;
    this.#sends = calls.sendBatch(memory, socket.fd, socket.isIpv6);
    this.#client = new BatchClient(this);
    this.#token = loop.watch(socket.fd, this);
    if (this.#token < 0) throw new Error(`epoll_ctl failed: ${this.#token}`);
  }

  onReadable(): void {
    const { receives } = this.#parts;
    const count = receives.receive(this.fd, MAX_BATCH);
    if (count < 0) {
      // Somebody else's turn, or too little memory for a moment; anything else would be told again for ever.
      if (TRANSIENT.has(-count)) return;
      throw new Error(`recvmmsg failed: ${count}`);
    }
    if (this.isStopped) return;
    for (let index = 0; index < count; index += 1) this.#take(index);
  }

  #take(index: number): void {
    const { receives, engine, metrics } = this.#parts;
    const client = this.#client;
    const length = receives.length(index);
    receives.readEnds(index, client);
    // Sending to port 0 is an error.
    if (client.port === 0) {
      metrics.countDrop("source_port_zero");
      return;
    }
    // Answering ourselves would go round for ever.
    if (this.#own.has(client)) {
      metrics.countDrop("own_listener");
      return;
    }
    if (length < 0) {
      metrics.countDrop("short");
      return;
    }
    const replyLength = engine.handle(receives.octets(index), length, client);
    if (replyLength > 0) this.put(client, engine.reply, replyLength);
    // After an error of the program, too, somebody may have kept it.
    if (replyLength === LATER || (replyLength > 0 && headerRcode(engine.reply) === Rcode.SERVFAIL)) {
      this.#client = new BatchClient(this);
    }
  }

  put(client: BatchClient, message: Uint8Array, length: number): void {
    if (this.#isClosed || length > MAX_REPLY_OCTETS) {
      this.#parts.metrics.countDrop("send_error");
      return;
    }
    if (this.#sends.isFull) this.flush();
    this.#sends.put(client, message, length);
  }

  flush(): void {
    if (this.#sends.count === 0) return;
    for (let refused = this.#sends.flush(); refused > 0; refused -= 1)
      this.#parts.metrics.countDrop("send_error");
  }

  close(): void {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    this.#parts.loop.unwatch(this.#token, this.fd);
  }
}

/** What a UDP datagram can carry (RFC 768), with the shorter header of IPv6. */
const MAX_REPLY_OCTETS = 65_527;
const TRANSIENT: ReadonlySet<number> = new Set([Errno.EAGAIN, Errno.EINTR, Errno.ENOMEM, Errno.ENOBUFS]);
