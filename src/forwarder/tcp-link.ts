/**
 * The TCP connection to one upstream: one for all queries, which do not wait for each other's replies
 * (RFC 7766 6.2.1). Made when it is needed; the upstream may end it at any time.
 */

import type { MonotonicMs } from "../runtime.ts";
import { writeUint16 } from "../wire/append.ts";
import { replyWithoutKeepalive } from "./keepalive.ts";
import type { Attempt, Carrier, CarrierOptions } from "./pending-query.ts";
import { headerMismatch, questionMismatch } from "./reply-check.ts";
import type { TcpConnection } from "./upstream-sockets.ts";

/** A connection that was silent for this long may be dead without our knowing: a new one is made. */
const MAX_IDLE_MS = 5_000;

export class TcpLink implements Carrier {
  readonly #options: CarrierOptions;
  /** By ID. */
  readonly #attempts = new Map<number, Attempt>();
  #connection: TcpConnection | null = null;
  #isConnected = false;
  #lastHeardAtMs: MonotonicMs = 0;

  constructor(options: CarrierOptions) {
    this.#options = options;
  }

  /** Sends `message` for the attempt with a fresh ID, which is written into `message`. */
  send(attempt: Attempt, message: Uint8Array): void {
    const { clock, random } = this.#options;
    const isIdle = this.#attempts.size === 0 && clock.nowMs() - this.#lastHeardAtMs >= MAX_IDLE_MS;
    if (isIdle) this.#disconnect();
    const connection = this.#connection ?? this.#connect();
    do attempt.id = random.uint16();
    while (this.#attempts.has(attempt.id));
    attempt.carrier = this;
    this.#attempts.set(attempt.id, attempt);
    writeUint16(message, 0, attempt.id);
    connection.send(message);
  }

  release(attempt: Attempt): void {
    if (!attempt.isOpen) return;
    attempt.isOpen = false;
    this.#attempts.delete(attempt.id);
  }

  /** The attempt waited in vain: a connection that has been silent since it was sent is given up. */
  suspect(attempt: Attempt): void {
    if (this.#connection === null || this.#lastHeardAtMs > attempt.sentAtMs) return;
    this.#lose("ETIMEDOUT");
  }

  /** Closes the connection; returns the attempts that it carried. */
  close(): Attempt[] {
    this.#disconnect();
    const lost = [...this.#attempts.values()];
    this.#attempts.clear();
    for (const attempt of lost) attempt.isOpen = false;
    return lost;
  }

  #connect(): TcpConnection {
    const { sockets, upstream, clock } = this.#options;
    this.#lastHeardAtMs = clock.nowMs();
    this.#connection = sockets.connectTcp(upstream.to, {
      onConnected: () => {
        this.#isConnected = true;
      },
      onMessage: (message) => this.#receive(message),
      onClosed: (code) => this.#lose(code),
    });
    return this.#connection;
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#isConnected = false;
  }

  #lose(code: string): void {
    const loss = { code, transport: "tcp", wasConnected: this.#isConnected } as const;
    this.#options.events.onLost(this.#options.upstream, this.close(), loss);
  }

  #receive(message: Uint8Array): void {
    this.#lastHeardAtMs = this.#options.clock.nowMs();
    const attempt = message.length < 2 ? undefined : this.#attempts.get((message[0]! << 8) | message[1]!);
    // An unknown ID is a reply that came too late: nobody else can write into the connection.
    if (attempt === undefined) return;
    const mismatch = headerMismatch(message) ?? questionMismatch(message, attempt.query);
    if (mismatch !== null) this.#options.events.onMismatch(mismatch);
    else this.#options.events.onReply(attempt, replyWithoutKeepalive(message));
  }
}
