/**
 * A process of its own for `flood.ts`: sends the hostile packets, and is the upstream that some of them reach, so that
 * the good client waits for neither.
 */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { HOSTILE, withId } from "../../test/hostile/messages.ts";
import { sleep } from "./asker.ts";
import { type FromAttacker, HOSTILE_PER_SECOND, type Order } from "./attacker-messages.ts";
import { startUpstream } from "./upstream.ts";

const TICK_MS = 2;
/** Larger ones are cut into fragments on a real network. */
const MAX_PACKET_OCTETS = 1400;

// Not to outlive the bench.
process.once("disconnect", () => process.exit());
const upstream = await startUpstream(() => 1);
const ordered = once(process, "message");
process.send?.({ upstreamPort: upstream.port } satisfies FromAttacker);
const [{ port, seconds }] = (await ordered) as [Order];
const socket = createSocket({ type: "udp4", sendBufferSize: 1 << 20 });
// What loopback does not take is no matter.
socket.on("error", () => {});
const packets = HOSTILE.filter(([, message]) => message.length < MAX_PACKET_OCTETS).map(([, message]) =>
  withId(message, 0x6666),
);
const startedMs = performance.now();
let sent = 0;
while (performance.now() - startedMs < seconds * 1000) {
  const due = ((performance.now() - startedMs) * HOSTILE_PER_SECOND) / 1000;
  for (; sent < due; sent += 1) socket.send(packets[sent % packets.length]!, port, "127.0.0.1", () => {});
  await sleep(TICK_MS);
}
process.send?.({ sent } satisfies FromAttacker);
socket.close();
