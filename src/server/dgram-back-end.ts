/** Node's own sockets and event loop: on every system, and for TCP. */

import { type ELDHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { createDgramUpstreamSockets } from "../forwarder/dgram-upstream-sockets.ts";
import type { UpstreamSockets } from "../forwarder/upstream-sockets.ts";
import type { Clock } from "../runtime.ts";
import type { SharedSeries } from "../series.ts";
import type { ListenAddress } from "./listen-address.ts";
import type { DatagramListener, SocketBackEnd, UdpListenerParts } from "./socket-back-end.ts";
import { openUdpListener } from "./udp-listener.ts";

/** Shorter delays than this may not be seen; each look wakes an idle thread up. */
const LAG_SAMPLE_MS = 50;
/** How long the greatest lag stays in the metric. */
const LAG_WINDOW_MS = 1000;

export class DgramBackEnd implements SocketBackEnd {
  readonly clock: Clock;
  readonly upstreamSockets: UpstreamSockets = createDgramUpstreamSockets();
  #lag: ELDHistogram | null = null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  openUdp(parts: UdpListenerParts, listen: readonly ListenAddress[]): Promise<DatagramListener> {
    return openUdpListener(parts, listen);
  }

  /** `series`: with an `event_loop_lag_seconds` of this thread. */
  measure(series: SharedSeries, thread: string): void {
    const lag = monitorEventLoopDelay({ resolution: LAG_SAMPLE_MS });
    lag.enable();
    this.#lag = lag;
    const at = series.at("event_loop_lag_seconds", thread);
    const sample = () => {
      if (this.#lag === null) return;
      series.values[at] = Math.max(0, lag.max / 1e9 - LAG_SAMPLE_MS / 1000);
      lag.reset();
      this.clock.setTimer(LAG_WINDOW_MS, sample);
    };
    this.clock.setTimer(LAG_WINDOW_MS, sample);
  }

  async close(): Promise<void> {
    this.#lag?.disable();
    this.#lag = null;
  }
}
