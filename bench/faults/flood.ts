/** A flood of hostile packets, 10,000 a second for a minute, and 100 good queries a second meanwhile. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Figure } from "../support/performance-page.ts";
import { percentile } from "../support/statistics.ts";
import { ask, sleep } from "./asker.ts";
import { type FromAttacker, HOSTILE_PER_SECOND, type Order } from "./attacker-messages.ts";
import { OWN_HOST, withProgram } from "./program.ts";

const GOOD_PER_SECOND = 100;
const GOAL_MS = 10;
export const FLOOD_SECONDS = 60;
/** Starts sooner and ends later than the good queries. */
const MARGIN_SECONDS = 1;
const ATTACKER = fileURLToPath(new URL("attacker.ts", import.meta.url));

/** The figures of one flood. */
export async function flood(seconds: number): Promise<Figure[]> {
  const attacker = fork(ATTACKER);
  const kill = () => attacker.kill("SIGKILL");
  process.once("exit", kill);
  try {
    const upstreamPort = await told(attacker, (said) => ("upstreamPort" in said ? said.upstreamPort : null));
    return await withProgram({ upstreamPorts: [upstreamPort] }, async (program) => {
      const { port } = program;
      const sent = told(attacker, (said) => ("sent" in said ? said.sent : null));
      attacker.send({ port, seconds: seconds + MARGIN_SECONDS } satisfies Order);
      await sleep(MARGIN_SECONDS * 500);
      const count = seconds * GOOD_PER_SECOND;
      const nameOf = () => OWN_HOST;
      const outcomes = await ask({ port, count, perSecond: GOOD_PER_SECOND, nameOf, patienceMs: 2_000 });
      const answered = outcomes.filter(({ rcode }) => rcode === 0).length;
      const p99Ms = percentile(
        outcomes.map(({ tookMs }) => tookMs),
        0.99,
      );
      const perSecond = Math.round((await sent) / (seconds + MARGIN_SECONDS));
      return [
        {
          name: `flood of ${seconds} s: hostile packets per second`,
          measured: String(perSecond),
          goal: String(HOSTILE_PER_SECOND),
          isMet: perSecond >= HOSTILE_PER_SECOND * 0.95,
        },
        {
          name: `flood of ${seconds} s: good queries answered`,
          measured: `${answered} of ${count}`,
          goal: String(count),
          isMet: answered === count,
        },
        {
          name: `flood of ${seconds} s: 99th percentile of good answers`,
          measured: `${p99Ms.toFixed(1)} ms`,
          goal: `<= ${GOAL_MS} ms`,
          isMet: p99Ms <= GOAL_MS,
        },
        {
          name: `flood of ${seconds} s: the program`,
          measured: program.hasEnded ? "ended" : "lives",
          goal: "lives",
          isMet: !program.hasEnded,
        },
      ];
    });
  } finally {
    attacker.kill("SIGKILL");
    process.off("exit", kill);
  }
}

function told(attacker: ChildProcess, pick: (said: FromAttacker) => number | null): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  attacker.once("exit", () => reject(new Error("the attacker ended")));
  attacker.on("message", (said: FromAttacker) => {
    const value = pick(said);
    if (value !== null) resolve(value);
  });
  return promise;
}
