/**
 * `node bench/churn/main.ts [CYCLES]`: what is alive in memory while objects of every form come and go CYCLES times
 * (10,000 unless given) and through hours in which no refresh succeeds, time standing in between. Prints a table,
 * writes nothing; status 1 where something stays.
 */

import { aliveKiB, ChurnWorld, objectsOfCycle } from "../../test/support/churn-world.ts";

const CYCLES = Number(process.argv[2] ?? 10_000);
const PARTS = 10;
/** Both windows of the registry's batches. */
const CYCLE_MS = 40;
const NAMES = 1000;
const FAILING_HOURS = 2;
const SAMPLES_PER_HOUR = 4;
const STEP_MS = 1000;
/** In the second half: in the first one code is compiled, and what fails for an hour is given up. */
const MOST_GROWTH_KIB = 512;

process.stdout.write(
  "| after | alive | table | problems | timers | lookups |\n|---|---:|---:|---:|---:|---:|\n",
);
const grownKiB = [await churn(), await fail()];
const isFlat = grownKiB.every((each) => each < MOST_GROWTH_KIB);
process.stdout.write(
  `\ngrown by ${grownKiB.map((each) => each.toFixed(0)).join(" and ")} KiB: ${isFlat ? "flat" : "NOT flat"}\n`,
);
process.exitCode = isFlat ? 0 : 1;

async function churn(): Promise<number> {
  const world = new ChurnWorld();
  const alive: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const objects = objectsOfCycle(cycle);
    world.tell("ADDED", ...objects);
    await world.pass(CYCLE_MS);
    world.tell("DELETED", ...objects.toReversed());
    await world.pass(CYCLE_MS);
    if ((cycle + 1) % Math.ceil(CYCLES / PARTS) === 0) alive.push(show(`${cycle + 1} cycles`, world));
  }
  await world.close();
  return growth(alive);
}

async function fail(): Promise<number> {
  const world = new ChurnWorld();
  for (let cycle = 0; cycle < NAMES; cycle += 1) world.tell("ADDED", ...objectsOfCycle(cycle));
  await world.pass(STEP_MS);
  show(`${NAMES} names resolved`, world);
  world.upstream = { kind: "failed", failure: "servfail" };
  const alive: number[] = [];
  for (let sample = 1; sample <= FAILING_HOURS * SAMPLES_PER_HOUR; sample += 1) {
    for (let leftMs = 3_600_000 / SAMPLES_PER_HOUR; leftMs > 0; leftMs -= STEP_MS) {
      world.clock.advance(STEP_MS);
      await new Promise(setImmediate);
    }
    alive.push(show(`${(60 / SAMPLES_PER_HOUR) * sample} min of failures`, world));
  }
  await world.close();
  return growth(alive);
}

function show(when: string, world: ChurnWorld): number {
  const alive = aliveKiB();
  const tableKiB = world.table.memoryOctets / 1024;
  const cells = [alive, tableKiB].map((kib) => `${kib.toFixed(0)} KiB`);
  process.stdout.write(
    `| ${when} | ${cells.join(" | ")} | ${world.problems} | ${world.clock.timers} | ${world.lookups} |\n`,
  );
  return alive;
}

function growth(alive: readonly number[]): number {
  return (alive.at(-1) ?? 0) - (alive[Math.floor(alive.length / 2)] ?? 0);
}
