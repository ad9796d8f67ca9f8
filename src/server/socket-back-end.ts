/** What drives the sockets of one data-plane thread, and with them its time and its turns. */

import type { UpstreamSockets } from "../forwarder/upstream-sockets.ts";
import type { Clock, Closeable } from "../runtime.ts";
import type { SharedSeries } from "../series.ts";
import type { Engine } from "./engine.ts";
import type { BoundAddress, ListenAddress, ListenError } from "./listen-address.ts";
import type { QueryMetrics } from "./metrics.ts";

export interface SocketBackEnd extends Closeable {
  readonly clock: Clock;
  readonly upstreamSockets: UpstreamSockets;
  /** Calls back in a turn of its own, soon, so that queries are answered in between. */
  soon(callback: () => void): void;
  /** Listens on all of `listen`, or closes again and throws a `ListenError`. */
  openUdp(parts: UdpListenerParts, listen: readonly ListenAddress[]): Promise<DatagramListener>;
  /** From now on writes what only it knows of itself into the series, until it is closed. `thread`: its label there. */
  measure(series: SharedSeries, thread: string): void;
}

export interface UdpListenerParts {
  readonly engine: Pick<Engine, "handle" | "reply">;
  readonly metrics: QueryMetrics;
  readonly clock: Clock;
  /** Several workers share the port. */
  readonly reusePort: boolean;
  /** All addresses of this machine, IPv6 link-local ones with their zone. */
  readonly localAddresses?: () => readonly string[];
}

export interface DatagramListener extends Closeable {
  /** As they were asked for, with the port that the system chose. */
  readonly addresses: readonly BoundAddress[];
  /** Default addresses that this machine does not have. */
  readonly warnings: readonly ListenError[];
  /** Takes no more queries; replies still go out. */
  stop(): void;
}
