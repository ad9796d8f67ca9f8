/** A short run of the fuzzer over its corpus; `node fuzz/run.ts --seconds N` is the long one. */

import { expect } from "chai";
import { fuzz, MAX_INPUT_MS, readCorpus } from "../fuzz/fuzzer.ts";
import { TARGETS } from "../fuzz/targets.ts";

const SHORT_MS = 300;
/** Many times the goal: only what grows faster than its input takes so long, on however slow a machine. */
const MOST_MS = 20 * MAX_INPUT_MS;

describe("fuzzing", () => {
  for (const target of TARGETS) {
    it(`${target.name}: no crash, no input that takes far too long`, () => {
      const seed = 1 + Math.floor(Math.random() * 2 ** 31);
      const { runs, finding } = fuzz(target, readCorpus(target), SHORT_MS, seed, MOST_MS);
      const found = finding && `${finding.what}\n${Buffer.from(finding.input).toString("hex")}`;
      expect(found, `seed ${seed}`).to.equal(null);
      expect(runs).to.be.above(readCorpus(target).length);
    });
  }

  it("finds a crash and a slow input, and says which", () => {
    const corpus = [new Uint8Array([1]), new Uint8Array([2])];
    const crash = { name: "crash", run: ([first]: Uint8Array) => void (first === 2 && JSON.parse("{")) };
    expect(fuzz(crash, corpus, 0, 1).finding).to.deep.include({ target: "crash", input: corpus[1] });
    const slow = {
      name: "slow",
      run: () => {
        const untilMs = performance.now() + MAX_INPUT_MS + 1;
        while (performance.now() < untilMs);
      },
    };
    expect(fuzz(slow, corpus, 0, 1).finding?.what).to.match(/^took \d/);
  });
});
