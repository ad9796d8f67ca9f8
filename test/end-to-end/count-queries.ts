/** In the server's pod: for every line on standard input, the number of queries that reached the server so far. */

import { createInterface } from "node:readline";

for await (const _ of createInterface({ input: process.stdin })) {
  const text = await (await fetch("http://127.0.0.1:9153/metrics")).text();
  let count = 0;
  for (const [, value] of text.matchAll(/^serviceentry_dns_requests_total\{.*\} (\d+)$/gm))
    count += Number(value);
  process.stdout.write(`${count}\n`);
}
