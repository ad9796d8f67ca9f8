/** A thread that answers asks the scheduler for short turns. */

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { loadSystemCalls } from "../../src/native/system-calls.ts";

const NANOSECONDS = 200_000;
const MEMORY_OCTETS = 1 << 20;

describe("short turns on a processor", () => {
  it("are granted where the kernel knows them, and else change nothing", async function () {
    const calls = await loadSystemCalls().catch((error: Error) => error.message);
    if (typeof calls === "string") {
      process.stdout.write(`    skipped: ${calls}\n`);
      return this.skip();
    }
    const memory = calls.mappedMemory(calls.map(MEMORY_OCTETS), MEMORY_OCTETS);
    const result = calls.shortenSlice(memory, NANOSECONDS);
    expect(result).to.be.at.most(0);
    const slice = /se\.slice\s*:\s*(\d+)/.exec(scheduled())?.[1];
    if (result < 0 || slice === undefined) {
      process.stdout.write("    skipped: this kernel does not tell a thread's slice\n");
      return this.skip();
    }
    expect(Number(slice)).to.equal(NANOSECONDS);
    expect(scheduled()).to.match(/\bpolicy\s*:\s*0\b/);
  });
});

/** Of this thread, as the kernel tells it. */
function scheduled(): string {
  try {
    return readFileSync("/proc/thread-self/sched", "utf8");
  } catch {
    return "";
  }
}
