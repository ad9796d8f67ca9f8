/** What a program costs while nobody asks and nothing changes. */

import { cpuMs } from "../support/child.ts";
import type { Figure } from "../support/performance-page.ts";
import { quiet, sleep } from "./workspace.ts";

/** What a start leaves to be done later: memory that goes back, compilers. */
const SETTLE_MS = 20_000;
const IDLE_MS = 20_000;
const MOST_IDLE_SHARE = 0.01;

/** For the pages that say it. */
export const IDLE_IS = `processor time over ${IDLE_MS / 1000} s, at least ${SETTLE_MS / 1000} s after the start, in which nobody asks and nothing changes`;

/** The share of a processor that the process takes once it has started and settled. */
export async function idleShare(pid: number): Promise<number> {
  await quiet(pid);
  await sleep(SETTLE_MS);
  const before = cpuMs(pid);
  await sleep(IDLE_MS);
  return (cpuMs(pid) - before) / IDLE_MS;
}

/** `isGoal`: whether the goal is for this program; one that refreshes names is never idle. */
export function idleFigure(name: string, share: number, isGoal: boolean): Figure {
  return {
    name,
    measured: `${(share * 100).toFixed(1)} % of a processor`,
    ...(isGoal && { goal: `< ${MOST_IDLE_SHARE * 100} %`, isMet: share < MOST_IDLE_SHARE }),
  };
}
