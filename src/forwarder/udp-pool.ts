/**
 * The short-lived UDP sockets to one upstream. Each query leaves from one of several source ports taken by
 * chance, and no port serves for long (RFC 5452 9.2): an off-path attacker has to guess port and ID together.
 */

import type { MonotonicMs, Random } from "../runtime.ts";
import { writeUint16 } from "../wire/append.ts";
import type { Attempt, Carrier, CarrierEvents, CarrierOptions } from "./pending-query.ts";
import { headerMismatch, questionMismatch } from "./reply-check.ts";
import type { UdpSocket } from "./upstream-sockets.ts";

/** Sends from one port while others can be opened: 10,000 queries leave from some 1,250 ports. */
const USES_PER_PORT = 8;
/** Sends from one port when as many sockets as allowed are open and all wait for replies. */
const MAX_USES_PER_PORT = 100;
/** Ports to choose from, once as many queries have been sent. */
const PORTS_TO_CHOOSE_FROM = 4;
/** An older socket would hold on to the Service endpoint that it first reached, which may be gone. */
const MAX_SOCKET_AGE_MS = 10_000;

export class UdpPool {
  readonly #options: CarrierOptions;
  /** Sockets that new queries leave from. */
  readonly #fresh: PooledSocket[] = [];
  /** Sockets that have served and wait for their last replies. */
  readonly #worn: PooledSocket[] = [];

  constructor(options: CarrierOptions) {
    this.#options = options;
  }

  /** Sends `message` for the attempt with a fresh ID (written into `message`) from another port than before. */
  send(attempt: Attempt, message: Uint8Array): void {
    const socket = this.#take(attempt);
    socket.send(attempt, message);
    if (socket.uses >= USES_PER_PORT) move(socket, this.#fresh, this.#worn);
  }

  /** All sockets are closed; returns the attempts that lost theirs. */
  closeAll(): Attempt[] {
    const lost = [...this.#fresh, ...this.#worn].flatMap((socket) => socket.close());
    this.#fresh.length = 0;
    this.#worn.length = 0;
    return lost;
  }

  #take(attempt: Attempt): PooledSocket {
    const { clock, random } = this.#options;
    this.#setAsideOld(clock.nowMs());
    if (this.#fresh.length < PORTS_TO_CHOOSE_FROM && !this.#isFull) this.#open();
    const start = random.uint16();
    return (
      pick(this.#fresh, start, attempt, USES_PER_PORT) ??
      pick(this.#worn, start, attempt, MAX_USES_PER_PORT) ??
      this.#replaceOldest()
    );
  }

  get #isFull(): boolean {
    return this.#fresh.length + this.#worn.length >= this.#options.upstream.maxSockets;
  }

  #setAsideOld(nowMs: MonotonicMs): void {
    for (let oldest = this.#fresh[0]; oldest !== undefined; oldest = this.#fresh[0]) {
      if (nowMs - oldest.openedAtMs < MAX_SOCKET_AGE_MS) return;
      move(oldest, this.#fresh, this.#worn);
      this.#closeIfDone(oldest);
    }
  }

  #open(): PooledSocket {
    const socket = new PooledSocket(this.#options, {
      onIdle: () => this.#closeIfDone(socket),
      onError: (code) => this.#lose(socket, code),
    });
    this.#fresh.push(socket);
    return socket;
  }

  /** No open socket will do: the one that has waited longest gives way; its queries are sent again in time. */
  #replaceOldest(): PooledSocket {
    const oldest = this.#worn[0] ?? this.#fresh[0];
    if (oldest !== undefined && this.#isFull) {
      this.#forget(oldest);
      oldest.close();
    }
    return this.#open();
  }

  #closeIfDone(socket: PooledSocket): void {
    if (socket.openAttempts > 0 || !this.#worn.includes(socket)) return;
    this.#forget(socket);
    socket.close();
  }

  #lose(socket: PooledSocket, code: string): void {
    this.#forget(socket);
    const loss = { code, transport: "udp", wasConnected: false } as const;
    this.#options.events.onLost(this.#options.upstream, socket.close(), loss);
  }

  #forget(socket: PooledSocket): void {
    remove(socket, this.#fresh);
    remove(socket, this.#worn);
  }
}

interface PooledSocketEvents {
  onIdle(): void;
  onError(code: string): void;
}

class PooledSocket implements Carrier {
  readonly openedAtMs: MonotonicMs;
  /** Every attempt that left from here, so that a late reply is told from a forged one. */
  readonly #attempts: Attempt[] = [];
  readonly #socket: UdpSocket;
  readonly #random: Random;
  readonly #events: CarrierEvents;
  readonly #onIdle: () => void;
  openAttempts = 0;

  constructor(options: CarrierOptions, events: PooledSocketEvents) {
    this.openedAtMs = options.clock.nowMs();
    this.#random = options.random;
    this.#events = options.events;
    this.#onIdle = events.onIdle;
    this.#socket = options.sockets.openUdp(options.upstream.to, {
      onMessage: (message) => this.#receive(message),
      onError: events.onError,
    });
  }

  get uses(): number {
    return this.#attempts.length;
  }

  carries(attempt: Attempt): boolean {
    for (const other of this.#attempts) if (other.query === attempt.query) return true;
    return false;
  }

  send(attempt: Attempt, message: Uint8Array): void {
    do attempt.id = this.#random.uint16();
    while (this.#find(attempt.id) !== null);
    attempt.carrier = this;
    this.#attempts.push(attempt);
    this.openAttempts += 1;
    writeUint16(message, 0, attempt.id);
    this.#socket.send(message);
  }

  release(attempt: Attempt): void {
    if (!attempt.isOpen) return;
    attempt.isOpen = false;
    this.openAttempts -= 1;
    if (this.openAttempts === 0) this.#onIdle();
  }

  /** Returns the attempts that were open. */
  close(): Attempt[] {
    this.#socket.close();
    const lost = this.#attempts.filter((attempt) => attempt.isOpen);
    for (const attempt of lost) attempt.isOpen = false;
    this.openAttempts = 0;
    return lost;
  }

  #receive(message: Uint8Array): void {
    const attempt = message.length < 2 ? null : this.#find((message[0]! << 8) | message[1]!);
    const mismatch =
      headerMismatch(message) ?? (attempt === null ? "id" : questionMismatch(message, attempt.query));
    if (mismatch !== null) this.#events.onMismatch(mismatch);
    else if (attempt !== null) this.#events.onReply(attempt, message);
  }

  #find(id: number): Attempt | null {
    for (const attempt of this.#attempts) if (attempt.id === id) return attempt;
    return null;
  }
}

/** The first one behind `start` that has not carried the query before and has uses left. */
function pick(
  sockets: readonly PooledSocket[],
  start: number,
  attempt: Attempt,
  maxUses: number,
): PooledSocket | null {
  for (let step = 0; step < sockets.length; step += 1) {
    const socket = sockets[(start + step) % sockets.length]!;
    if (socket.uses < maxUses && !socket.carries(attempt)) return socket;
  }
  return null;
}

function move(socket: PooledSocket, from: PooledSocket[], to: PooledSocket[]): void {
  if (remove(socket, from)) to.push(socket);
}

function remove(socket: PooledSocket, from: PooledSocket[]): boolean {
  const at = from.indexOf(socket);
  if (at !== -1) from.splice(at, 1);
  return at !== -1;
}
