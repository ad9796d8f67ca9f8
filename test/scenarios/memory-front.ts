/** The engine called directly, with the forwarder before upstreams in memory: no sockets at all. */

import { dataPlaneSeries } from "../../src/data-plane-series.ts";
import { createForwarder } from "../../src/forwarder/forwarder.ts";
import { assertNever, type Client } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { Engine } from "../../src/server/engine.ts";
import { QueryMetrics } from "../../src/server/metrics.ts";
import { ClientIndex } from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { MemoryUpstreams, type Sent } from "../support/memory-upstream.ts";
import {
  FIRST_ID_HANDED_BACK,
  type Front,
  type FrontParts,
  LOOP_KEY,
  nextTurn,
  withId,
  withUpstreams,
} from "./front.ts";
import type { Deed } from "./upstream-script.ts";

export function createMemoryFront(parts: FrontParts): Front {
  const { clock, random, script, upstreams: counts } = parts;
  const addresses = Array.from({ length: counts.other + counts.cluster }, (_, index) =>
    upstreamAt(index + 1),
  );
  let settings = withUpstreams(parts.settings, addresses, counts);
  const sockets = new MemoryUpstreams(clock);
  const series = new SharedSeries(dataPlaneSeries(settings));
  const loops: number[] = [];
  const onLoop = (upstream: string) => loops.push(upstreamNumber(upstream));
  const loopProbes = { key: LOOP_KEY, isAsker: true, onLoop };
  const forwarder = createForwarder({
    ...settings,
    sockets,
    series,
    clock,
    random,
    ...(parts.loopProbes && { loopProbes }),
  });
  const faults: string[] = [];
  const engine = new Engine(
    {
      table: new FlatTable(random),
      clients: new ClientIndex(),
      forwarder,
      metrics: new QueryMetrics(series),
      clock,
      random,
      maxHeld: 4096,
      onFault: (error) => faults.push(String(error)),
    },
    settings,
  );
  const ask = (query: Uint8Array, address: string, onReply: (reply: Uint8Array) => void) => {
    const client = clientOf(address, onReply);
    const length = engine.handle(query, query.length, client);
    if (length > 0) client.send(engine.reply, length);
  };

  let nextIdHandedBack = FIRST_ID_HANDED_BACK;
  const carryOut = (deed: Deed, sent: Sent) => {
    switch (deed.kind) {
      case "reply":
        // There are no strangers: a socket in memory hears its upstream alone.
        if (deed.from === "upstream") sent.reply(deed.octets, deed.delayMs);
        return;
      case "hangUp":
        if (sent.transport === "tcp") sent.fail("ECONNRESET", deed.delayMs);
        return;
      case "handBack": {
        const back = (reply: Uint8Array) => sent.reply(withId(reply, idOf(sent.message)));
        const query = withId(sent.message, nextIdHandedBack++);
        // A message takes a turn to arrive.
        clock.setTimer(0, () => ask(query, "127.0.0.1", back));
        return;
      }
      default:
        assertNever(deed);
    }
  };
  sockets.script = (sent) => {
    const upstream = upstreamNumber(sent.to);
    if (script.isClosed(upstream)) {
      sent.fail("ECONNREFUSED");
      return;
    }
    const { transport, port, atMs } = sent;
    for (const deed of script.receive(sent.message, { upstream, transport, port, atMs }))
      carryOut(deed, sent);
  };

  return {
    transport: "udp",
    faults,
    loops,
    ask: (query, client, onReply) => ask(query, `127.0.0.${client}`, onReply),
    apply(delta) {
      engine.applyDelta(delta);
      while (engine.step());
    },
    applyClients(delta) {
      engine.applyClients(delta);
      while (engine.step());
    },
    setSynced: () => engine.setSynced(),
    update(changes) {
      settings = withUpstreams(changes, addresses, counts);
      engine.updateSettings(settings);
      forwarder.update(settings);
    },
    openUpstreams: () => Promise.resolve(),
    count: (name, labels) => series.values[series.at(name, ...labels)]!,
    settle: nextTurn,
    close: () => forwarder.close(),
  };
}

/** Counted from 1. */
function upstreamAt(upstream: number): { readonly address: string; readonly port: number } {
  return { address: `192.0.2.${upstream}`, port: 53 };
}

function upstreamNumber(text: string): number {
  return Number(/\.(\d+):53$/.exec(text)?.[1]);
}

function idOf(message: Uint8Array): number {
  return (message[0]! << 8) | message[1]!;
}

function clientOf(address: string, onReply: (reply: Uint8Array) => void): Client {
  return {
    transport: "udp",
    address,
    port: 5353,
    send: (message, length) => onReply(new Uint8Array(message.subarray(0, length))),
  };
}
