/**
 * `node bench/load/main.ts [--short] [start|change|latency|api|cpu|visibility]...`: measures, all without names, and writes
 * docs/performance.md. `--short`: shows that cpu and visibility work, and writes nothing.
 */

import { loadNow, type Part, type Report, writeReport } from "../support/performance-page.ts";
import { measureApi } from "./api.ts";
import { measureChange } from "./change.ts";
import { measureCpu } from "./cpu.ts";
import { measureLatency } from "./latency.ts";
import { measureStart } from "./start.ts";
import { measureVisibility } from "./visibility.ts";

const BENCHES = {
  start: measureStart,
  change: measureChange,
  latency: measureLatency,
  api: measureApi,
  cpu: measureCpu,
  visibility: measureVisibility,
} as const satisfies Partial<Record<Part, (isShort: boolean) => Promise<Report>>>;
const NAMES = Object.keys(BENCHES) as (keyof typeof BENCHES)[];

const words = process.argv.slice(2);
const isShort = words.includes("--short");
const asked = words.filter((word) => word !== "--short");
const unknown = asked.filter((name) => !NAMES.some((each) => each === name));
if (unknown.length > 0) {
  process.stderr.write(`there is no bench ${unknown.join(", ")}; there are ${NAMES.join(", ")}\n`);
  process.exitCode = 2;
} else {
  for (const name of NAMES) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    const loadBefore = loadNow();
    process.stdout.write(`${name}: load average ${loadBefore}\n`);
    const report = await BENCHES[name](isShort);
    if (!isShort) writeReport(name, report, loadBefore);
    process.stdout.write(`\n${report.title}\n\n${report.text}\n\n`);
  }
}
