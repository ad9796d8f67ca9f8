import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { systemClock, systemRandom } from "../src/runtime.ts";

describe("system clock", () => {
  it("has one zero point in every thread", async () => {
    const source = `import("${new URL("../src/runtime.ts", import.meta.url)}").then(({ systemClock }) =>
      require("node:worker_threads").parentPort.postMessage(systemClock.nowMs()));`;
    const before = systemClock.nowMs();
    const worker = new Worker(source, { eval: true });
    const inWorker = await new Promise<number>((resolve, reject) =>
      worker.once("message", resolve).once("error", reject),
    );
    expect(inWorker).to.be.within(before, systemClock.nowMs());
    await worker.terminate();
  });

  it("calls back after the delay unless cancelled", async () => {
    const calls: string[] = [];
    systemClock.setTimer(1, () => calls.push("cancelled")).cancel();
    await new Promise<void>((resolve) => {
      const keepAlive = setTimeout(() => {}, 5000);
      systemClock.setTimer(5, () => {
        clearTimeout(keepAlive);
        resolve();
      });
    });
    expect(calls).to.deep.equal([]);
  });
});

describe("system random", () => {
  it("draws all 16 bits, evenly enough that no block repeats", () => {
    const seen = new Set<number>();
    for (let draw = 0; draw < 20_000; draw += 1) seen.add(systemRandom.uint16());
    // 20,000 draws from 65,536 values leave about 17,230 different ones.
    expect(seen.size).to.be.within(16_800, 17_700);
    expect(Math.max(...seen)).to.be.greaterThan(65_000);
    expect(Math.min(...seen)).to.be.lessThan(500);
  });
});
