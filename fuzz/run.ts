/**
 * Fuzzes every target, or the one of `--target NAME`, for `--seconds N` in all (60). `--seed N` repeats a run.
 * Exit 1 with the input as a corpus line when one crashes or takes longer than 5 ms.
 */

import { parseArgs } from "node:util";
import { fuzz, readCorpus } from "./fuzzer.ts";
import { TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    target: { type: "string" },
  },
});
const chosen = TARGETS.filter(({ name }) => values.target === undefined || values.target === name);
const seed = Number(values.seed);
const milliseconds = (Number(values.seconds) * 1000) / chosen.length;

if (chosen.length === 0 || !(milliseconds > 0)) {
  process.stderr.write(
    `--target is one of ${TARGETS.map(({ name }) => name).join(", ")}; --seconds is above 0\n`,
  );
  process.exitCode = 2;
}
for (const target of process.exitCode === 2 ? [] : chosen) {
  const { runs, slowestMs, finding } = fuzz(target, readCorpus(target), milliseconds, seed);
  process.stdout.write(
    `${target.name}: ${runs} inputs, slowest ${slowestMs.toFixed(2)} ms (goal 5), seed ${seed}\n`,
  );
  if (finding === null) continue;
  process.exitCode = 1;
  process.stdout.write(`${finding.what}\nfound ${Buffer.from(finding.input).toString("hex")}\n`);
}
