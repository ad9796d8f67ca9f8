/**
 * What any part of the program may be handed instead of reaching for it: time, chance, a log,
 * a way to be closed. Parts take these as parameters, so tests can stop the clock and fix the dice.
 */

import { randomFillSync } from "node:crypto";
// The global of this name is a getter that looks the module up each time.
import { performance } from "node:perf_hooks";

/** Milliseconds of a clock that never jumps; the same zero point in every thread of the process. */
export type MonotonicMs = number;

/** A timer that was set and can still be cancelled. */
export interface Timer {
  cancel(): void;
}

/** Time, as a parameter. */
export interface Clock {
  /** Milliseconds since an arbitrary moment, never stepping back; comparable between threads. */
  nowMs(): MonotonicMs;
  /** Milliseconds since 1970 (UTC); may jump when the machine's clock is set. For display only. */
  wallMs(): number;
  /** Calls back once after `delayMs` milliseconds; does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

/** Chance, as a parameter. */
export interface Random {
  /** A number in [0, 1); for jitter and rotation. */
  fraction(): number;
  /** An unpredictable integer in [0, 65535] (RFC 5452, section 9.2: IDs and ports must not be guessable). */
  uint16(): number;
}

/** Fields of one log line; `component` and `object` by convention. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A structured log; the control plane's only. The path of a query never logs. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Something that owns sockets, timers or threads until it is closed. */
export interface Closeable {
  close(): Promise<void>;
}

export type Transport = "udp" | "tcp";

/**
 * Where the reply to one message goes: the sender of a datagram, or a TCP connection.
 * `send` may be called long after the message came; a client that is gone makes it a no-op.
 */
export interface Client {
  readonly transport: Transport;
  /** The sender's IP address as text. */
  readonly address: string;
  /**
   * The address without a text, for who has it in numbers: fills `words` (4 at least) with one for IPv4 or four for IPv6, as
   * they stand in a packet's header read as numbers, and returns how many.
   */
  readAddress?(words: Uint32Array): 1 | 4;
  readonly port: number;
  /** Sends the first `length` octets as one whole DNS message (no TCP length prefix). Never throws; copies. */
  send(message: Uint8Array, length: number): void;
}

/** The clock of the running machine. */
export const systemClock: Clock = {
  nowMs: () => performance.now() + processOffsetMs,
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** `performance.now()` starts at zero in each thread; the kernel's monotonic clock is one for all. */
const processOffsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

const pool = new Uint16Array(512);
let poolUsed = pool.length;

/** The machine's own chance; `uint16` comes from a CSPRNG, drawn in blocks. */
export const systemRandom: Random = {
  fraction: Math.random,
  uint16() {
    if (poolUsed === pool.length) {
      randomFillSync(pool);
      poolUsed = 0;
    }
    return pool[poolUsed++]!;
  },
};

/** A log that says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Ends a closed union: a new member without a case fails to compile here. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
