/**
 * Sockets to upstreams in a batching loop: connected UDP sockets that the loop watches. Each message leaves by itself,
 * for a batch would hide the ECONNREFUSED of an earlier one behind its short count. TCP is the event loop's.
 */

import { getSystemErrorName } from "node:util";
import { createDgramUpstreamSockets } from "../forwarder/dgram-upstream-sockets.ts";
import type {
  SocketAddress,
  UdpHandlers,
  UdpSocket,
  UpstreamSockets,
} from "../forwarder/upstream-sockets.ts";
import { ipAddressOctets, parseIpAddress } from "../wire/ip-address.ts";
import { type DescriptorLedger, NO_PLACE } from "./descriptor-ledger.ts";
import type { Loop, Watched } from "./loop.ts";
import { Errno, type MappedMemory, type ReceiveBatch, type SystemCalls } from "./system-calls.ts";

export interface BatchUpstreamParts {
  readonly calls: SystemCalls;
  readonly memory: MappedMemory;
  readonly receives: ReceiveBatch;
  readonly loop: Loop;
  readonly ledger: DescriptorLedger;
}

export function createBatchUpstreamSockets(parts: BatchUpstreamParts): UpstreamSockets {
  const { maxUdpSockets, connectTcp } = createDgramUpstreamSockets();
  return { maxUdpSockets, connectTcp, openUdp: (to, handlers) => new BatchUdpSocket(parts, to, handlers) };
}

/** Queries that one port carries at a time are few. */
const RECEIVED_AT_ONCE = 16;

class BatchUdpSocket implements UdpSocket, Watched {
  readonly isUpstream = true;
  readonly #parts: BatchUpstreamParts;
  readonly #handlers: UdpHandlers;
  #fd: number;
  #token = -1;
  #place = NO_PLACE;
  #hasFailed = false;
  #isClosed = false;

  constructor(parts: BatchUpstreamParts, to: SocketAddress, handlers: UdpHandlers) {
    const { calls, memory, loop, ledger } = parts;
    this.#parts = parts;
    this.#handlers = handlers;
    const address = parseIpAddress(to.address);
    this.#fd = address === null ? -Errno.EINVAL : calls.connectUdp(memory, ipAddressOctets(address), to.port);
    if (this.#fd < 0) {
      this.#fail(this.#fd);
      return;
    }
    this.#place = ledger.own(this.#fd);
    this.#token = this.#place === NO_PLACE ? -Errno.EMFILE : loop.watch(this.#fd, this);
    if (this.#token < 0) this.#fail(this.#token);
  }

  send(message: Uint8Array): void {
    if (this.#isClosed || this.#hasFailed) return;
    const { calls, memory } = this.#parts;
    const sent = calls.send(memory, this.#fd, message);
    // No room for a while is a datagram lost: it is sent again in time.
    if (sent < 0 && !TRANSIENT.has(-sent)) this.#fail(sent);
  }

  onReadable(): void {
    const { receives } = this.#parts;
    const count = receives.receive(this.#fd, RECEIVED_AT_ONCE);
    if (count < 0) {
      if (!TRANSIENT.has(-count)) this.#fail(count);
      return;
    }
    // A handler may close the socket; and it may receive no other's replies meanwhile.
    for (let index = 0; index < count && !this.#isClosed; index += 1) {
      const length = receives.length(index);
      if (length >= 0) this.#handlers.onMessage(receives.copy(index, length));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { calls, loop, ledger } = this.#parts;
    if (this.#token >= 0) loop.unwatch(this.#token);
    if (this.#place !== NO_PLACE) ledger.disown(this.#place);
    if (this.#fd >= 0) calls.close(this.#fd);
  }

  /** The handler is told later: a socket that cannot be opened (EMFILE) fails while it is being made. */
  #fail(result: number): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#parts.loop.soon(() => {
      if (this.#isClosed) return;
      this.close();
      this.#handlers.onError(getSystemErrorName(result));
    });
  }
}

const TRANSIENT: ReadonlySet<number> = new Set([Errno.EAGAIN, Errno.EINTR]);
