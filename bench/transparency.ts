/**
 * Sends 10,000 generated messages through the data plane over UDP and as many over TCP, and compares each octet of
 * the queries at upstream and of the replies at the client. `--count N`, `--seed N`. Exit 1 on a difference.
 */

import { parseArgs } from "node:util";
import { exchange } from "../test/transparency/exchange.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
});
const count = Number(values.count);
const seed = Number(values.seed);

for (const transport of ["udp", "tcp"] as const) {
  const { answered, differences } = await exchange(transport, count, seed);
  process.stdout.write(
    `${transport}: ${answered} of ${count} answered, ${differences.length} differences (goal 0)\n`,
  );
  for (const difference of differences.slice(0, 5)) process.stdout.write(`${difference}\n`);
  if (differences.length > 0 || answered < count) process.exitCode = 1;
}
