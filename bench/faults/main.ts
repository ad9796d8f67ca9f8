/**
 * `node bench/faults/main.ts [--seconds N] [NAME]...`: what clients notice of faults, on the running program over
 * loopback, with each figure next to its goal. All without names; status 1 when a goal is missed. Each takes about
 * a minute at most. `--seconds`: of the flood.
 */

import { parseArgs } from "node:util";
import { type Figure, figureTable } from "../support/performance-page.ts";
import { oneOfTwoDead, upstreamDead, upstreamRefuses, upstreamSlow } from "./dead.ts";
import { FLOOD_SECONDS, flood } from "./flood.ts";
import { firstPacketLost, manyLost } from "./lossy.ts";
import { noOpenFiles, sendFails } from "./machine.ts";

const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: String(FLOOD_SECONDS) } },
});

const FAULTS: Readonly<Record<string, () => Promise<Figure[]>>> = {
  "first-packet-lost": firstPacketLost,
  "many-lost": manyLost,
  "upstream-dead": upstreamDead,
  "upstream-slow": upstreamSlow,
  "one-of-two-dead": oneOfTwoDead,
  "upstream-refuses": upstreamRefuses,
  "no-open-files": noOpenFiles,
  "send-fails": sendFails,
  flood: () => flood(Number(values.seconds)),
};

const unknown = asked.filter((name) => !Object.hasOwn(FAULTS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `there is no fault ${unknown.join(", ")}; there are ${Object.keys(FAULTS).join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  const figures: Figure[] = [];
  for (const name of asked.length > 0 ? asked : Object.keys(FAULTS)) {
    process.stderr.write(`${name} ...\n`);
    figures.push(...(await FAULTS[name]!()));
  }
  process.stdout.write(`${figureTable(figures)}\n`);
  if (figures.some(({ isMet }) => isMet === false)) process.exitCode = 1;
}
