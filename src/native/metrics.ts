/** What a batching thread tells of itself. Node's own figures say nothing of it: its event loop seems always busy. */

import type { SeriesDefinition, SharedSeries } from "../series.ts";
import type { Loop } from "./loop.ts";

const EVERY_MS = 1000;

export const BATCH_SERIES: readonly SeriesDefinition[] = [
  {
    name: "udp_busy_ratio",
    help: "Share of the last second in which a batching UDP thread had something to do; 0 with dgram.",
    type: "gauge",
    across: "max",
    labels: {},
  },
  {
    name: "udp_receive_dropped_total",
    help: "Datagrams that the kernel dropped because a listening socket's buffer was full; 0 with dgram.",
    type: "counter",
    labels: {},
  },
];

/** Once a second; `series`: with `BATCH_SERIES` and an `event_loop_lag_seconds` of the thread. */
export function keepMeasuring(
  series: SharedSeries,
  thread: string,
  loop: Loop,
  droppedNow: () => number,
): void {
  const { values } = series;
  const busy = series.at("udp_busy_ratio");
  const dropped = series.at("udp_receive_dropped_total");
  const lag = series.at("event_loop_lag_seconds", thread);
  let sinceMs = loop.clock.nowMs();
  const write = () => {
    const nowMs = loop.clock.nowMs();
    const { busyMs, longestMs } = loop.takeLoad();
    values[busy] = Math.min(1, busyMs / (nowMs - sinceMs));
    values[lag] = longestMs / 1000;
    // The kernel's own count: the sockets are older than a thread that took them over.
    values[dropped] = droppedNow();
    sinceMs = nowMs;
    loop.clock.setTimer(EVERY_MS, write);
  };
  loop.clock.setTimer(EVERY_MS, write);
}
