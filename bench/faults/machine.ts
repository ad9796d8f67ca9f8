/** Faults of the machine that the program runs on: no file left to open, no datagram taken. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createDgramUpstreamSockets } from "../../src/forwarder/dgram-upstream-sockets.ts";
import { createForwarder } from "../../src/forwarder/forwarder.ts";
import { forwarderSeries } from "../../src/forwarder/metrics.ts";
import type { UpstreamSockets } from "../../src/forwarder/upstream-sockets.ts";
import { systemClock, systemRandom } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { Query } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import type { Figure } from "../support/performance-page.ts";
import { ask, type Outcome, queryMessage, sleep } from "./asker.ts";
import { OWN_HOST, withProgram } from "./program.ts";
import { startUpstream } from "./upstream.ts";

const OPEN_FILES = 256;
const CONNECTIONS = 400;
const RECOVERS_WITHIN_MS = 1_000;
const SEND_FAULT_MS = 500;

/** EMFILE: idle connections take every file that the process may open; then they go. */
export async function noOpenFiles(): Promise<Figure[]> {
  const upstream = await startUpstream(() => 1);
  try {
    return await withProgram({ upstreamPorts: [upstream.port], openFiles: OPEN_FILES }, async (program) => {
      const { port } = program;
      const connections = await openConnections(port);
      const own = await ask({ port, count: 500, perSecond: 250, nameOf: () => OWN_HOST, patienceMs: 2_000 });
      const forwarded = (index: number) => `files${index}.example.org`;
      const meanwhile = await ask({ port, count: 50, perSecond: 50, nameOf: forwarded, patienceMs: 5_000 });
      for (const connection of connections) connection.destroy();
      await sleep(RECOVERS_WITHIN_MS);
      const after = (index: number) => `after${index}.example.org`;
      const later = await ask({ port, count: 200, perSecond: 200, nameOf: after, patienceMs: 6_000 });
      const ownAnswered = good(own);
      const answered = good(later);
      const name = `no file left to open (ulimit -n ${OPEN_FILES})`;
      return [
        {
          name: `${name}: own answers`,
          measured: `${ownAnswered} of 500`,
          goal: "500",
          isMet: ownAnswered === 500,
        },
        {
          name: `${name}: forwarded ones from 1 s after its end`,
          measured: `${answered} of 200`,
          goal: "200",
          isMet: answered === 200,
        },
        { name: `${name}: forwarded ones meanwhile`, measured: `${good(meanwhile)} of 50` },
        lives(name, !program.hasEnded),
      ];
    });
  } finally {
    upstream.stop();
  }
}

async function openConnections(port: number): Promise<Socket[]> {
  const connections: Socket[] = [];
  for (let index = 0; index < CONNECTIONS; index += 1) {
    const localAddress = `127.0.1.${1 + (index % 8)}`;
    const connection = connect({ port, host: "127.0.0.1", localAddress });
    connection.on("error", () => {});
    connections.push(connection);
    await Promise.race([once(connection, "connect").catch(() => {}), sleep(50)]);
  }
  return connections;
}

/** ENOBUFS and EPERM, which no test can have of the kernel: injected where the forwarder gets its sockets. */
export async function sendFails(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const code of ["ENOBUFS", "EPERM"]) {
    const upstream = await startUpstream(() => 1);
    const to = { address: "127.0.0.1", port: upstream.port };
    const sets = { upstreams: [to], clusterUpstreams: [to] };
    const startedMs = systemClock.nowMs();
    const isFaulty = () => systemClock.nowMs() - startedMs < SEND_FAULT_MS;
    const forwarder = createForwarder({
      ...sets,
      clusterDomain: "cluster.local",
      cacheOctets: 1 << 20,
      cacheMaxTtlSeconds: 60,
      maxInFlight: 4_096,
      maxInFlightPerClient: 4_096,
      sockets: failing(code, isFaulty),
      clock: systemClock,
      random: systemRandom,
      series: new SharedSeries(forwarderSeries(sets)),
    });
    try {
      let answered = 0;
      let lastMs = 0;
      const query = new Query();
      const reply = new Uint8Array(65_535);
      for (let index = 0; index < 200; index += 1) {
        const message = queryMessage(`send${index}.example.org`, index);
        readQuery(message, message.length, query);
        const send = (octets: Uint8Array) => {
          if ((octets[3]! & 15) !== 0) return;
          answered += 1;
          lastMs = systemClock.nowMs() - startedMs;
        };
        forwarder.forward(message, query, { transport: "udp", address: "127.0.0.1", port: 1, send }, reply);
        await sleep(5);
      }
      await sleep(2_000);
      const afterMs = lastMs - Math.max(SEND_FAULT_MS, 1_000);
      const name = `every send fails for ${SEND_FAULT_MS} ms (${code}), 200 queries`;
      figures.push(
        { name: `${name}: answered`, measured: `${answered}`, goal: "200", isMet: answered === 200 },
        {
          name: `${name}: last reply after the last query`,
          measured: `${Math.max(0, afterMs).toFixed(0)} ms`,
          goal: `<= ${RECOVERS_WITHIN_MS} ms`,
          isMet: afterMs <= RECOVERS_WITHIN_MS,
        },
      );
    } finally {
      await forwarder.close();
      upstream.stop();
    }
  }
  return figures;
}

function failing(code: string, isFaulty: () => boolean): UpstreamSockets {
  const sockets = createDgramUpstreamSockets();
  return {
    ...sockets,
    openUdp(to, handlers) {
      const socket = sockets.openUdp(to, handlers);
      let isClosed = false;
      return {
        send(message) {
          if (isFaulty()) setImmediate(() => isClosed || handlers.onError(code));
          else socket.send(message);
        },
        close() {
          isClosed = true;
          socket.close();
        },
      };
    },
  };
}

function good(outcomes: readonly Outcome[]): number {
  return outcomes.filter(({ rcode }) => rcode === 0).length;
}

function lives(name: string, isAlive: boolean): Figure {
  return {
    name: `${name}: the process`,
    measured: isAlive ? "lives" : "has ended",
    goal: "lives",
    isMet: isAlive,
  };
}
