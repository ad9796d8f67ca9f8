/** `node bench/micro/main.ts`: the parts by themselves, in this process; writes their part of docs/performance.md. */

import { loadNow, writeReport } from "../support/performance-page.ts";
import { measureClients } from "./clients.ts";
import { measureQuery } from "./query.ts";
import { measureRegistry } from "./registry.ts";
import { measureTable } from "./table.ts";

const loadBefore = loadNow();
const text = [
  "Medians, in one process that does nothing else.",
  table("A query, 10,000 hosts", [""], measureQuery()),
  table("From a manifest to a delta, 10,000 entries", [""], measureRegistry()),
  table("The table", ["10,000 hosts", "100,000 hosts"], measureTable()),
  table("Who asks, 100,000 pods", ["IPv4", "IPv6"], measureClients()),
].join("\n\n");
writeReport("micro", { title: "The parts by themselves", text }, loadBefore);
process.stdout.write(`${text}\n`);

function table(
  name: string,
  columns: readonly string[],
  rows: ReadonlyMap<string, readonly string[]>,
): string {
  const lines = [...rows].map(([label, cells]) => `| ${label} | ${cells.join(" | ")} |`);
  return [
    `| ${name} | ${columns.join(" | ")} |`,
    `|---|${columns.map(() => "---:|").join("")}`,
    ...lines,
  ].join("\n");
}
