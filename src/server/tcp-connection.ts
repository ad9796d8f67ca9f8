/**
 * One TCP connection of a client (RFC 7766): messages behind two octets of length, however the segments fall;
 * many at once, each answered as soon as its answer is there. Every wait has an end, every buffer a limit.
 */

import type { Socket } from "node:net";
import type { Client, Clock, MonotonicMs, Timer } from "../runtime.ts";
import { readUint16, writeUint16 } from "../wire/append.ts";
import { HEADER_OCTETS } from "../wire/constants.ts";
import { type Engine, LATER } from "./engine.ts";
import { IDLE_MS } from "./keepalive.ts";
import type { QueryMetrics } from "./metrics.ts";

/** From a message's first octet to its last. */
const MESSAGE_MS = 3_000;
/** For a client to read what waits for it, once it is too much. */
const READ_MS = 10_000;
/** Queries of one connection that wait for their answers; then we stop reading. */
const MAX_IN_FLIGHT = 128;
/** Octets of answers that wait for the client to read; then we stop reading. */
export const MAX_QUEUED_OCTETS = 64 * 1024;
/** The length before each message (RFC 1035, section 4.2.2). */
const PREFIX_OCTETS = 2;
/** A buffer for a part of a message is kept for the next one if it is not larger. */
const SMALL_BUFFER_OCTETS = 2048;
const NOTHING = Buffer.alloc(0);

export interface TcpConnectionParts {
  readonly engine: Pick<Engine, "handle" | "reply">;
  readonly metrics: QueryMetrics;
  readonly clock: Clock;
}

export class TcpConnection {
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #parts: TcpConnectionParts;
  /** The last whole message or answer. */
  #lastActiveMs: MonotonicMs;
  #inFlight = 0;
  /** Octets that are not handled yet; the first `#waitingLength` count. */
  #waiting: Buffer = NOTHING;
  #waitingLength = 0;
  /** Since when the waiting octets are a part of a message; null while there is none, or we do not read. */
  #partialSinceMs: MonotonicMs | null = null;
  /** Since when too much waits for the client to read. */
  #unreadSinceMs: MonotonicMs | null = null;
  #isWorking = false;
  #isPaused = false;
  /** No more queries will come, or none is taken any more: FIN once all are answered. */
  #isEnding = false;
  #isClosed = false;
  #timer: Timer | null = null;
  #timerAtMs: MonotonicMs = 0;

  constructor(socket: Socket, address: string, port: number, parts: TcpConnectionParts) {
    this.#socket = socket;
    this.address = address;
    this.port = port;
    this.#parts = parts;
    this.#lastActiveMs = parts.clock.nowMs();
    // Resets and the like end in "close", which always follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.finish());
    this.#setTimer();
  }

  get lastActiveMs(): MonotonicMs {
    return this.#lastActiveMs;
  }

  /** Nothing asked, nothing half sent: closing it loses nothing. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#waitingLength === 0 && this.#socket.writableLength === 0;
  }

  /** Answers what was asked, then closes. */
  finish(): void {
    this.#isEnding = true;
    this.#endIfDone();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** A late answer. */
  answer(message: Uint8Array, length: number): void {
    if (this.#isClosed) return;
    this.#inFlight -= 1;
    this.#write(message, length);
    if (this.#isWorking) return;
    this.#readOn();
    this.#endIfDone();
  }

  #take(chunk: Buffer): void {
    if (this.#isEnding) return;
    if (this.#waitingLength === 0) {
      this.#keep(chunk, this.#work(chunk, chunk.length));
    } else {
      this.#append(chunk, 0);
      this.#workOnWaiting();
    }
    this.#setTimer();
  }

  #workOnWaiting(): void {
    const done = this.#work(this.#waiting, this.#waitingLength);
    if (done === 0) return;
    this.#waiting.copyWithin(0, done, this.#waitingLength);
    this.#waitingLength -= done;
    if (this.#waitingLength === 0 && this.#waiting.length > SMALL_BUFFER_OCTETS) this.#waiting = NOTHING;
  }

  /** Handles whole messages as long as we may; returns how many octets they took. */
  #work(octets: Buffer, end: number): number {
    let at = 0;
    this.#isWorking = true;
    // The answers to queries of one segment go out in one segment.
    this.#socket.cork();
    while (!this.#isEnding && end - at >= PREFIX_OCTETS && !this.#mustWait()) {
      const length = readUint16(octets, at);
      if (length < HEADER_OCTETS) {
        this.#parts.metrics.countDrop("tcp_frame");
        this.#giveUp();
        at = end;
        break;
      }
      const next = at + PREFIX_OCTETS + length;
      if (next > end) break;
      this.#handle(octets.subarray(at + PREFIX_OCTETS, next), length);
      at = next;
    }
    // Before the answers go out: "drain" follows, or the answers that are missing, and then we read on.
    if (this.#mustWait()) this.#pause();
    this.#socket.uncork();
    this.#isWorking = false;
    const isPartial = at < end && !this.#isPaused;
    if (!isPartial) this.#partialSinceMs = null;
    else if (at > 0 || this.#partialSinceMs === null) this.#partialSinceMs = this.#parts.clock.nowMs();
    return at;
  }

  #handle(message: Uint8Array, length: number): void {
    const { engine, clock } = this.#parts;
    this.#lastActiveMs = clock.nowMs();
    this.#inFlight += 1;
    const replyLength = engine.handle(message, length, new TcpClient(this));
    if (replyLength === LATER) return;
    this.#inFlight -= 1;
    if (replyLength > 0) this.#write(engine.reply, replyLength);
  }

  #write(message: Uint8Array, length: number): void {
    if (this.#socket.writableEnded) return;
    const frame = Buffer.allocUnsafe(PREFIX_OCTETS + length);
    writeUint16(frame, 0, length);
    frame.set(message.subarray(0, length), PREFIX_OCTETS);
    this.#lastActiveMs = this.#parts.clock.nowMs();
    this.#socket.write(frame);
  }

  #mustWait(): boolean {
    return this.#inFlight >= MAX_IN_FLIGHT || this.#socket.writableLength >= MAX_QUEUED_OCTETS;
  }

  #pause(): void {
    if (this.#socket.writableLength >= MAX_QUEUED_OCTETS) this.#unreadSinceMs ??= this.#parts.clock.nowMs();
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #drained(): void {
    this.#unreadSinceMs = null;
    this.#readOn();
    this.#endIfDone();
  }

  #readOn(): void {
    if (!this.#isPaused || this.#mustWait() || this.#isClosed) return;
    this.#isPaused = false;
    this.#workOnWaiting();
    if (!this.#isPaused) this.#socket.resume();
    this.#setTimer();
  }

  #keep(chunk: Buffer, from: number): void {
    if (from < chunk.length) this.#append(chunk, from);
  }

  #append(chunk: Buffer, from: number): void {
    const length = this.#waitingLength + chunk.length - from;
    if (length > this.#waiting.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#waiting.length, 512));
      this.#waiting.copy(larger, 0, 0, this.#waitingLength);
      this.#waiting = larger;
    }
    chunk.copy(this.#waiting, this.#waitingLength, from);
    this.#waitingLength = length;
  }

  #endIfDone(): void {
    if (!this.#isEnding || this.#inFlight > 0) return;
    this.#giveUp();
  }

  /** Sends what is queued, then closes; late answers are lost. */
  #giveUp(): void {
    this.#isEnding = true;
    this.#socket.destroySoon();
  }

  /** One timer for all three waits, set anew only when it must fire earlier. */
  #setTimer(): void {
    if (this.#isClosed) return;
    const atMs = this.#deadlineMs();
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    const { clock } = this.#parts;
    this.#timer = clock.setTimer(Math.max(1, Math.ceil(atMs - clock.nowMs())), () => {
      this.#timer = null;
      if (this.#deadlineMs() > clock.nowMs()) this.#setTimer();
      else this.#expire();
    });
  }

  #deadlineMs(): MonotonicMs {
    let deadlineMs = this.#lastActiveMs + IDLE_MS;
    if (this.#partialSinceMs !== null) deadlineMs = Math.min(deadlineMs, this.#partialSinceMs + MESSAGE_MS);
    if (this.#unreadSinceMs !== null) deadlineMs = Math.min(deadlineMs, this.#unreadSinceMs + READ_MS);
    return deadlineMs;
  }

  #expire(): void {
    if (this.#socket.writableLength > 0) this.#parts.metrics.countDrop("tcp_never_read");
    this.#socket.destroy();
  }

  #closed(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#waiting = NOTHING;
    this.#waitingLength = 0;
  }
}

/** One query's way back. */
class TcpClient implements Client {
  readonly transport = "tcp";
  readonly #connection: TcpConnection;
  #isAnswered = false;

  constructor(connection: TcpConnection) {
    this.#connection = connection;
  }

  get address(): string {
    return this.#connection.address;
  }

  get port(): number {
    return this.#connection.port;
  }

  send(message: Uint8Array, length: number): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#connection.answer(message, length);
  }
}
