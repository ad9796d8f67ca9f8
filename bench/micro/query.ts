/** What a query costs between the socket that it came from and the one that its reply goes to. */

import type { Forwarder } from "../../src/forwarder/forwarder-interface.ts";
import { type Client, systemClock, systemRandom } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { Engine } from "../../src/server/engine.ts";
import { QUERY_SERIES, QueryMetrics } from "../../src/server/metrics.ts";
import { ClientIndex } from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { entryAt } from "../load/manifests.ts";
import { makeQueryMessage } from "../load/messages.ts";
import { compileStore, filledStore } from "./compiled-table.ts";
import { nanoseconds } from "./nanoseconds.ts";

const ENTRIES = 10_000;
const SAMPLES = 500;
/** An OPT record: 1232 octets, no option. */
const OPT = Buffer.from([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);

export function measureQuery(): Map<string, readonly string[]> {
  const engine = filledEngine();
  const own = Array.from({ length: SAMPLES }, (_, index) =>
    makeQueryMessage(entryAt(index * 18).host, index),
  );
  const withEdns = own.map((message) => {
    const copy = Buffer.concat([message, OPT]);
    copy[11] = 1;
    return copy;
  });
  const noData = own.map((message) => {
    const copy = Buffer.from(message);
    copy[copy.length - 3] = 28;
    return copy;
  });
  const other = Array.from({ length: SAMPLES }, (_, index) =>
    makeQueryMessage(`name-${index}.example.org`, index),
  );
  const query = new Query();
  const answers = (message: Buffer) => engine.handle(message, message.length, CLIENT) > 0;
  const figures: [string, number][] = [
    ["read a query", nanoseconds(own, (message) => readQuery(message, message.length, query) === Verdict.OK)],
    [
      "read a query with EDNS",
      nanoseconds(withEdns, (message) => readQuery(message, message.length, query) === Verdict.OK),
    ],
    ["answer: read, decide, write, count", nanoseconds(own, answers)],
    ["answer with EDNS", nanoseconds(withEdns, answers)],
    ["NODATA", nanoseconds(noData, answers)],
    ["hand to the forwarder", nanoseconds(other, answers)],
  ];
  return new Map(figures.map(([name, value]) => [`${name} (ns)`, [value.toFixed(0)]]));
}

const CLIENT: Client = { transport: "udp", address: "192.0.2.1", port: 5353, send() {} };

/** Answers at once, with nothing. */
const FORWARDER: Forwarder = { forward: () => 12, forget() {}, noteRefused() {}, async close() {} };

function filledEngine(): Engine {
  const clusterDomain = parseHostName("cluster.local");
  if (!isHostName(clusterDomain)) throw new Error("not a host name");
  const engine = new Engine(
    {
      table: new FlatTable(systemRandom),
      clients: new ClientIndex(),
      forwarder: FORWARDER,
      metrics: new QueryMetrics(new SharedSeries(QUERY_SERIES)),
      clock: systemClock,
      random: systemRandom,
      maxHeld: 1,
      onFault: (error) => {
        throw error;
      },
    },
    {
      clusterDomain,
      pendingTimeoutMs: 0,
      relayHttps: false,
      searchSuffixes: [],
      suffixAnswer: "cname",
      suffixView: true,
      shortServiceNames: true,
      explainTxt: false,
      trustedForwarders: [],
    },
  );
  engine.applyDelta(packDelta(compileStore(filledStore(ENTRIES), systemClock, () => {}).snapshot()));
  while (engine.step());
  engine.setSynced();
  return engine;
}
