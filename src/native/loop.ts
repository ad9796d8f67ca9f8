/**
 * The loop of a batching thread: waits for sockets and timers at once, serves what is ready, and gives the event
 * loop a turn every `SLICE_MS` and whenever the control plane has something to say. It never waits without limit:
 * a thread that is blocked for ever cannot be ended, and holds up the whole process when that ends.
 */

import type { MonotonicMs } from "../runtime.ts";
import type { DescriptorLedger } from "./descriptor-ledger.ts";
import { LoopClock } from "./loop-clock.ts";
import { Errno, type MappedMemory, type ReadyEvents, type SystemCalls } from "./system-calls.ts";

/** Idle, ten turns of the event loop in a second were 0.5 % of a processor; the control plane wakes us when it speaks. */
export const SLICE_MS = 250;

/**
 * Pieces of work take no more than this in a row; then the thread waits at least `REST_MS`, unless there are queries. A
 * thread that goes on until the scheduler takes its processor away is owed nothing then: the control plane gets the
 * next millisecond, and a query that comes waits for it. One that has slept runs as soon as it is woken.
 */
const WORK_MS = 0.25;
const REST_MS = 1;

/** Something with a descriptor of its own. */
export interface Watched {
  /** Replies of upstreams are served before new queries. */
  readonly isUpstream: boolean;
  /** There is something to read; what is left is told again in the next turn. */
  onReadable(): void;
}

export interface LoopOptions {
  readonly calls: SystemCalls;
  readonly memory: MappedMemory;
  readonly ledger: DescriptorLedger;
  /** The control plane signals it when it has something to say. */
  readonly wakeFd: number;
  /** Between two turns of the event loop. */
  readonly sliceMs?: number;
}

/** How much of its time the loop had something to do. */
export interface LoopLoad {
  readonly busyMs: number;
  /** The longest turn. */
  readonly longestMs: number;
}

export class Loop {
  readonly clock = new LoopClock();
  readonly #calls: SystemCalls;
  readonly #memory: MappedMemory;
  readonly #ledger: DescriptorLedger;
  readonly #wakeFd: number;
  readonly #sliceMs: number;
  readonly #epollFd: number;
  readonly #epollPlace: number;
  readonly #events: ReadyEvents;
  /** By token. */
  readonly #watched: (Watched | null)[] = [];
  readonly #freeTokens: number[] = [];
  readonly #soon: (() => void)[] = [];
  readonly #flushes: (() => void)[] = [];
  #isClosed = false;
  #isWoken = false;
  #immediate: NodeJS.Immediate | null = null;
  /** When the loop last came back from a wait that may have been a rest. */
  #restedMs: MonotonicMs = 0;
  #busyMs = 0;
  #longestMs = 0;

  constructor({ calls, memory, ledger, wakeFd, sliceMs = SLICE_MS }: LoopOptions) {
    this.#calls = calls;
    this.#memory = memory;
    this.#ledger = ledger;
    this.#wakeFd = wakeFd;
    this.#sliceMs = sliceMs;
    this.#epollFd = calls.createEpoll();
    if (this.#epollFd < 0) throw new Error(`epoll_create1 failed: ${this.#epollFd}`);
    this.#epollPlace = ledger.own(this.#epollFd);
    this.#events = calls.readyEvents(memory, this.#epollFd);
    const token = this.watch(wakeFd, { isUpstream: true, onReadable: () => this.#wake() });
    if (token < 0) throw new Error(`epoll_ctl failed: ${token}`);
  }

  /** Returns the token for `unwatch`, or an error number below zero. */
  watch(fd: number, watched: Watched): number {
    const token = this.#freeTokens.pop() ?? this.#watched.length;
    this.#watched[token] = watched;
    const failed = this.#calls.watch(this.#memory, this.#epollFd, fd, token);
    if (failed === 0) return token;
    this.unwatch(token);
    return failed;
  }

  /** `stillOpen`: the descriptor, unless it is closed now, which ends the watch by itself. */
  unwatch(token: number, stillOpen?: number): void {
    if (stillOpen !== undefined) this.#calls.unwatch(this.#memory, this.#epollFd, stillOpen);
    this.#watched[token] = null;
    this.#freeTokens.push(token);
  }

  /**
   * Calls back in a turn of its own, soon; one in each turn, so that queries are answered in between, and a rest after
   * `WORK_MS` of turns.
   */
  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** Called at the end of each turn, and before each wait. */
  onFlush(flush: () => void): void {
    this.#flushes.push(flush);
  }

  start(): void {
    this.#yield();
  }

  /** Closes what the loop owns; there are no more turns. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#ledger.disown(this.#epollPlace);
    this.#calls.close(this.#epollFd);
  }

  /** Since the last call. */
  takeLoad(): LoopLoad {
    const load = { busyMs: this.#busyMs, longestMs: this.#longestMs };
    this.#busyMs = 0;
    this.#longestMs = 0;
    return load;
  }

  #yield(): void {
    this.#immediate = setImmediate(this.#slice);
  }

  readonly #slice = (): void => {
    const endMs = this.clock.stamp() + this.#sliceMs;
    this.#isWoken = false;
    // What messages of the control plane have brought about.
    this.#flush();
    let nowMs = this.clock.nowMs();
    do {
      const waitMs = this.#waitMs(nowMs, endMs);
      const count = this.#events.wait(waitMs);
      const startedMs = this.clock.stamp();
      if (waitMs > 0) this.#restedMs = startedMs;
      if (count < 0 && count !== -Errno.EINTR) throw new Error(`epoll_wait failed: ${count}`);
      try {
        if (count > 0) this.#serve(count);
        this.clock.runDue();
        this.#soon.shift()?.();
      } finally {
        // After an error, too: who was answered before it is not to wait for the thread's successor.
        this.#flush();
      }
      nowMs = this.clock.stamp();
      this.#noteTurn(nowMs - startedMs);
    } while (nowMs < endMs && !this.#isWoken && !this.#isClosed);
    if (!this.#isClosed) this.#yield();
  };

  /** Whole milliseconds, rounded up: a wait that ends too early would be repeated for nothing. */
  #waitMs(nowMs: MonotonicMs, endMs: MonotonicMs): number {
    if (this.#soon.length > 0) return nowMs - this.#restedMs < WORK_MS ? 0 : REST_MS;
    return Math.max(0, Math.ceil(Math.min(endMs, this.clock.nextDueMs) - nowMs));
  }

  #serve(count: number): void {
    let hasClients = false;
    for (let index = 0; index < count; index += 1) {
      const watched = this.#watched[this.#events.token(index)];
      // Gone, or another one by now, if one before it has closed it: nothing to read is no error then.
      if (!watched) continue;
      if (watched.isUpstream) watched.onReadable();
      else hasClients = true;
    }
    if (!hasClients) return;
    for (let index = 0; index < count; index += 1) {
      const watched = this.#watched[this.#events.token(index)];
      if (watched && !watched.isUpstream) watched.onReadable();
    }
  }

  #flush(): void {
    for (const flush of this.#flushes) flush();
  }

  #noteTurn(tookMs: number): void {
    this.#busyMs += tookMs;
    if (tookMs > this.#longestMs) this.#longestMs = tookMs;
  }

  #wake(): void {
    this.#calls.takeEvent(this.#memory, this.#wakeFd);
    this.#isWoken = true;
  }
}
