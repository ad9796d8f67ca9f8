/** A thread that sends every datagram back, in batches; it dies when it is told to. */

import { parentPort, workerData } from "node:worker_threads";
import { openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import type { BatchHandles } from "../../src/native/batch-sockets.ts";
import type { SocketBackEnd } from "../../src/server/socket-back-end.ts";
import { Stage } from "../server/fixtures.ts";

export interface EchoOptions {
  readonly handles: BatchHandles;
  readonly sliceMs: number;
  /** A port to which it opens sockets that it never closes. */
  readonly upstreamPort: number;
}

const { handles, sliceMs, upstreamPort } = workerData as EchoOptions;
const backEnd: SocketBackEnd = await openBatchBackEnd({ handles, sliceMs });
const { metrics, clock } = Stage.synced();
const reply = new Uint8Array(65_536);
await backEnd.openUdp(
  {
    engine: {
      reply,
      handle(message, length) {
        for (let at = 0; at < length; at += 1) reply[at] = message[at]!;
        return length;
      },
    },
    metrics,
    clock,
    reusePort: false,
  },
  [],
);
for (let count = 0; count < 3; count += 1) {
  const handlers = { onMessage: () => {}, onError: () => {} };
  backEnd.upstreamSockets.openUdp({ address: "127.0.0.1", port: upstreamPort }, handlers);
}
parentPort?.on("message", (message: string) => {
  if (message === "die in the loop")
    backEnd.soon(() => {
      throw new Error("died in the loop");
    });
  else parentPort?.postMessage(message);
});
parentPort?.postMessage("ready");
