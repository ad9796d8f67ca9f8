/** Sends every datagram back: at once, later, or by way of an upstream, as its first octet says, while it collects. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import type { BatchHandles } from "../../src/native/batch-sockets.ts";
import type { Client } from "../../src/runtime.ts";
import type { SocketBackEnd } from "../../src/server/socket-back-end.ts";
import { Stage } from "../server/fixtures.ts";

/** What a datagram begins with. */
export const StressWay = { AT_ONCE: 0, LATER: 1, UPSTREAM: 2 } as const;

export interface StressOptions {
  readonly handles: BatchHandles;
  readonly collectEveryMs: number;
}

const LATER_MS = 1;
/** Of the way by an upstream. */
const LOST_MS = 10_000;
/** The rest collect new objects only, which is what moves them. */
const COLLECTIONS_PER_MAJOR = 50;

if (parentPort !== null && isStressOptions(workerData)) await serve(workerData);

async function serve({ handles, collectEveryMs }: StressOptions): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { readonly type: "major" | "minor" }) => void;
  const backEnd: SocketBackEnd = await openBatchBackEnd({ handles });
  const { metrics, clock } = Stage.synced();
  const reply = new Uint8Array(65_536);
  const own = { address: "127.0.0.1", port: handles.sockets[0]!.port };
  const askUpstream = (message: Uint8Array, client: Client): void => {
    const socket = backEnd.upstreamSockets.openUdp(own, {
      onMessage(answer) {
        answer[0] = StressWay.UPSTREAM;
        client.send(answer, answer.length);
        socket.close();
      },
      onError: () => socket.close(),
    });
    message[0] = StressWay.AT_ONCE;
    socket.send(message);
    backEnd.clock.setTimer(LOST_MS, () => socket.close());
  };
  const handle = (message: Uint8Array, length: number, client: Client): number => {
    if (message[0] === StressWay.AT_ONCE) {
      for (let at = 0; at < length; at += 1) reply[at] = message[at]!;
      return length;
    }
    const copy = message.slice(0, length);
    if (message[0] === StressWay.LATER) backEnd.clock.setTimer(LATER_MS, () => client.send(copy, length));
    else askUpstream(copy, client);
    return 0;
  };
  await backEnd.openUdp({ engine: { reply, handle }, metrics, clock, reusePort: false }, []);
  let collections = 0;
  const collectAgain = () => {
    collections += 1;
    collect({ type: collections % COLLECTIONS_PER_MAJOR === 0 ? "major" : "minor" });
    backEnd.clock.setTimer(collectEveryMs, collectAgain);
  };
  collectAgain();
  parentPort?.on("message", () => parentPort?.postMessage(collections));
  parentPort?.postMessage("ready");
}

function isStressOptions(data: unknown): data is StressOptions {
  return typeof data === "object" && data !== null && "collectEveryMs" in data;
}
