/** Queries that are lost on their way to the only upstream. */

import type { Figure } from "../support/performance-page.ts";
import { percentile } from "../support/statistics.ts";
import { ask } from "./asker.ts";
import { withProgram } from "./program.ts";
import { startUpstream } from "./upstream.ts";

const REPLY_AFTER_MS = 1;
const LOST_SHARE = 0.3;
const SEED = 20_260_101;

export async function firstPacketLost(): Promise<Figure[]> {
  const seen = new Set<string>();
  const upstream = await startUpstream((name) => {
    if (seen.has(name)) return REPLY_AFTER_MS;
    seen.add(name);
    return null;
  });
  try {
    return await withProgram({ upstreamPorts: [upstream.port] }, async ({ port }) => {
      const nameOf = (index: number) => `first${index}.example.org`;
      const outcomes = await ask({ port, count: 200, perSecond: 50, nameOf, patienceMs: 5_000 });
      const timesMs = outcomes.map(({ tookMs }) => tookMs);
      const [middleMs, p99Ms, worstMs] = [0.5, 0.99, 1].map((share) => percentile(timesMs, share));
      const measured = `${p99Ms!.toFixed(0)} ms (median ${middleMs!.toFixed(0)}, worst ${worstMs!.toFixed(0)})`;
      const name = "first packet lost, 200 queries: p99";
      return [{ name, measured, goal: "<= 450 ms", isMet: p99Ms! <= 450 }];
    });
  } finally {
    upstream.stop();
  }
}

export async function manyLost(): Promise<Figure[]> {
  const chance = lehmer(SEED);
  const upstream = await startUpstream(() => (chance() < LOST_SHARE ? null : REPLY_AFTER_MS));
  try {
    return await withProgram({ upstreamPorts: [upstream.port] }, async ({ port }) => {
      const nameOf = (index: number) => `lost${index}.example.org`;
      const outcomes = await ask({ port, count: 300, perSecond: 50, nameOf, patienceMs: 6_000 });
      const answered = outcomes.filter(({ rcode }) => rcode === 0).length;
      const p99Ms = percentile(
        outcomes.map(({ tookMs }) => tookMs),
        0.99,
      );
      const name = "30 % lost on the way up, 300 queries";
      return [
        { name: `${name}: answered`, measured: `${answered}`, goal: ">= 299", isMet: answered >= 299 },
        {
          name: `${name}: p99`,
          measured: `${p99Ms.toFixed(0)} ms`,
          goal: "<= 1600 ms",
          isMet: p99Ms <= 1_600,
        },
      ];
    });
  } finally {
    upstream.stop();
  }
}

/** Numbers in [0, 1), the same in each run. */
function lehmer(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
