/**
 * `node bench/native/soak.ts [millions of packets]`: the batching back end under packets of every length and way, while
 * garbage is collected all the time. Says how it went, a line per million; its status is 1 if an octet was wrong.
 */

import { chooseBackEnd } from "../../src/native/choose-back-end.ts";
import { stress } from "../../test/native/stress.ts";

const MILLION = 1_000_000;
const DEFAULT_MILLIONS = 5;

const millions = Number(process.argv[2] ?? DEFAULT_MILLIONS);
const choice = await chooseBackEnd("batch");
if (choice.kind === "batch") {
  for (let each = 1; each <= millions; each += 1) {
    const startedMs = performance.now();
    const plan = { packets: MILLION, collectEveryMs: 3, batchesPerCollection: 100 };
    const { sent, answered, wrong, collections } = await stress(choice.calls, plan);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const rss = (process.memoryUsage.rss() / 1024 / 1024).toFixed(0);
    process.stdout.write(
      `${each}: ${answered} of ${sent} answered, ${wrong} wrong, ${collections} collections, ${seconds} s, ${rss} MiB\n`,
    );
    if (wrong > 0) process.exitCode = 1;
  }
}
