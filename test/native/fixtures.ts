/** What the tests of the batching back end share: the system calls, once, or why there are none here. */

import { openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import { type BatchHandles, openBatchSockets } from "../../src/native/batch-sockets.ts";
import { chooseBackEnd } from "../../src/native/choose-back-end.ts";
import type { DatagramEnds, SystemCalls } from "../../src/native/system-calls.ts";
import type { DatagramListener, SocketBackEnd } from "../../src/server/socket-back-end.ts";
import type { AskedAddress } from "../server/datagram-cases.ts";
import type { Stage } from "../server/fixtures.ts";

export const LOOPBACK_OCTETS = Uint8Array.of(127, 0, 0, 1);
export const LOOPBACK_WORD = 0x7f000001;
/** From or to 127.0.0.1. */
export const LOOPBACK_ENDS: DatagramEnds = {
  port: 0,
  remote0: LOOPBACK_WORD,
  remote1: 0,
  remote2: 0,
  remote3: 0,
  scope: 0,
  local0: 0,
  local1: 0,
  local2: 0,
  local3: 0,
  hasLocal: false,
};

/** Short: the test's own sockets share the thread. */
export const TEST_SLICE_MS = 1;

/** Skips the suite, and says why, where the back end is not to be had. */
export function withSystemCalls(body: (calls: () => SystemCalls) => void): void {
  let found: SystemCalls | null = null;
  before(async function () {
    const choice = await chooseBackEnd("auto");
    if (choice.kind === "batch") {
      found = choice.calls;
      return;
    }
    process.stdout.write(`    skipped: ${choice.reason}\n`);
    this.skip();
  });
  body(() => {
    if (found === null) throw new Error("no system calls");
    return found;
  });
}

/** A listener with sockets and loop of its own; all of it closes with the listener. */
export async function openListener(
  calls: SystemCalls,
  stage: Stage,
  asked: readonly AskedAddress[],
  localAddresses: () => readonly string[],
): Promise<DatagramListener & { readonly handles: BatchHandles }> {
  const listen = asked.map((each) => ({ isDefault: false, ...each }));
  const sockets = openBatchSockets(calls, listen, false);
  const { handles, warnings, addresses } = sockets;
  const backEnd: SocketBackEnd = await openBatchBackEnd({ handles, calls, sliceMs: TEST_SLICE_MS });
  const { engine, metrics, clock } = stage;
  const parts = { engine, metrics, clock, reusePort: false, localAddresses };
  const listener = await backEnd.openUdp(parts, listen);
  return {
    handles,
    addresses,
    warnings,
    stop: () => listener.stop(),
    async close() {
      await listener.close();
      await backEnd.close();
      await sockets.close();
    },
  };
}
