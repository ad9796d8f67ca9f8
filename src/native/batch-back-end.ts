/**
 * The batching back end of one thread, put together: its loop, the listener on the sockets that the control plane
 * has made, and sockets to upstreams. The thread takes clock and turns from here instead of the event loop's.
 */

import type { UpstreamSockets } from "../forwarder/upstream-sockets.ts";
import type { Clock } from "../runtime.ts";
import type { SharedSeries } from "../series.ts";
import type { ListenAddress } from "../server/listen-address.ts";
import type { DatagramListener, SocketBackEnd, UdpListenerParts } from "../server/socket-back-end.ts";
import { BatchListener, type BatchListenerParts } from "./batch-listener.ts";
import type { BatchHandles } from "./batch-sockets.ts";
import { createBatchUpstreamSockets } from "./batch-upstream-sockets.ts";
import { DescriptorLedger } from "./descriptor-ledger.ts";
import { Loop } from "./loop.ts";
import { keepMeasuring } from "./metrics.ts";
import { loadSystemCalls, type SystemCalls } from "./system-calls.ts";

export interface BatchBackEndOptions {
  readonly handles: BatchHandles;
  /** Between two turns of the event loop. */
  readonly sliceMs?: number;
  /** Loaded already; omitted: they are loaded now. */
  readonly calls?: SystemCalls;
}

/** Throws a `NativeUnavailableError` where it is not to be had. The loop turns from now on. */
export async function openBatchBackEnd(options: BatchBackEndOptions): Promise<BatchBackEnd> {
  return new BatchBackEnd(options, options.calls ?? (await loadSystemCalls()));
}

/** The shortest that the kernel grants; a batch of answers takes less. */
const SLICE_NANOSECONDS = 100_000;

export class BatchBackEnd implements SocketBackEnd {
  /** Stamped once per turn; its timers are the loop's. */
  readonly clock: Clock;
  readonly upstreamSockets: UpstreamSockets;
  readonly #shared: Omit<BatchListenerParts, "engine" | "metrics" | "localAddresses">;
  readonly #loop: Loop;
  readonly #handles: BatchHandles;
  #listener: BatchListener | null = null;

  constructor({ handles, sliceMs }: BatchBackEndOptions, calls: SystemCalls) {
    const memory = calls.mappedMemory(handles.memoryAddress, handles.memoryOctets);
    const ledger = new DescriptorLedger(handles.ledger);
    const receives = calls.receiveBatch(memory);
    const slice = sliceMs === undefined ? {} : { sliceMs };
    const loop = new Loop({ calls, memory, ledger, wakeFd: handles.wakeFd, ...slice });
    this.clock = loop.clock;
    this.upstreamSockets = createBatchUpstreamSockets({ calls, memory, receives, loop, ledger });
    this.#shared = { calls, memory, receives, loop };
    this.#loop = loop;
    // Where the kernel does not know it, turns are as long as everybody's.
    calls.shortenSlice(memory, SLICE_NANOSECONDS);
    this.#handles = handles;
    loop.start();
  }

  /** Calls back in a turn of the loop, soon. */
  soon(callback: () => void): void {
    this.#loop.soon(callback);
  }

  /** On the sockets that were given. */
  async openUdp(
    { engine, metrics, localAddresses }: UdpListenerParts,
    _listen: readonly ListenAddress[],
  ): Promise<DatagramListener> {
    const own = localAddresses === undefined ? {} : { localAddresses };
    this.#listener = new BatchListener({ ...this.#shared, engine, metrics, ...own }, this.#handles.sockets);
    return this.#listener;
  }

  /** `series`: with `BATCH_SERIES` and an `event_loop_lag_seconds` of this thread. */
  measure(series: SharedSeries, thread: string): void {
    keepMeasuring(series, thread, this.#loop, () => this.#listener?.dropped ?? 0);
  }

  /** The sockets that were given stay open. */
  async close(): Promise<void> {
    this.#loop.close();
  }
}
