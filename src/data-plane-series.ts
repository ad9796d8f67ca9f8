/** What every data-plane thread counts. Apart from the thread's own code, which the control plane does not need. */

import { forwarderSeries } from "./forwarder/metrics.ts";
import { BATCH_SERIES } from "./native/metrics.ts";
import type { SeriesDefinition } from "./series.ts";
import { QUERY_SERIES } from "./server/metrics.ts";

/** Of a thread: which transport it serves. */
export type DataPlaneRole = (typeof ROLES)[number];
const ROLES = ["udp", "tcp"] as const;

/** All numbers of one data-plane thread. */
export function dataPlaneSeries(settings: Parameters<typeof forwarderSeries>[0]): SeriesDefinition[] {
  return [
    ...QUERY_SERIES,
    ...forwarderSeries(settings),
    ...BATCH_SERIES,
    {
      name: "event_loop_lag_seconds",
      help: "Longest delay of a data-plane thread's event loop in the last second; of a batching one its longest turn.",
      type: "gauge",
      across: "max",
      labels: { thread: ROLES },
    },
  ];
}
