import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";
import { MemoryReturn } from "../src/memory-return.ts";
import { FakeClock } from "./support/fake-clock.ts";

const MIB = 1024 * 1024;

describe("MemoryReturn", () => {
  async function watch(): Promise<{ readonly step: (mib: number) => number; close(): Promise<void> }> {
    const clock = new FakeClock();
    let octets = 0;
    let collections = 0;
    const memory = new MemoryReturn({ clock, heapOctets: () => octets, collect: () => (collections += 1) });
    await memory.start();
    return {
      /** The heap at the next look; collections so far. */
      step: (mib) => {
        octets = mib * MIB;
        clock.advance(2000);
        return collections;
      },
      close: () => memory.close(),
    };
  }

  it("collects once after the start, when the heap has come to rest", async () => {
    const { step, close } = await watch();
    expect([100, 200, 300, 300, 300, 300].map(step)).to.deep.equal([0, 0, 0, 1, 1, 1]);
    await close();
  });

  it("collects again when the heap has become much smaller, and not for less", async () => {
    const { step, close } = await watch();
    [100, 100].map(step);
    expect([140, 100, 100]).to.satisfy((heap: number[]) => heap.map(step).every((count) => count === 1));
    expect([200, 120, 120, 120].map(step)).to.deep.equal([1, 1, 2, 2]);
    await close();
    expect(step(500)).to.equal(2);
  });

  it("gives back what V8 and the C library keep", async () => {
    const script = `
      import { MemoryReturn } from ${JSON.stringify(new URL("../src/memory-return.ts", import.meta.url).href)};
      import { systemClock as clock } from ${JSON.stringify(new URL("../src/runtime.ts", import.meta.url).href)};
      let kept = Array.from({ length: 1_500_000 }, (_, index) => ({ index, list: [index] }));
      const before = process.memoryUsage().rss;
      kept = kept.slice(0, 10);
      let look;
      const timers = { ...clock, setTimer: (_milliseconds, call) => ((look = call), { cancel() {} }) };
      const memory = new MemoryReturn({ clock: timers });
      await memory.start();
      look();
      look();
      process.stdout.write(String((before - process.memoryUsage().rss) / before + 0 * kept.length));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    expect(Number(stdout)).to.be.greaterThan(0.4);
  });
});
