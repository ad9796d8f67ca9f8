/** A short form of `bench/native/soak.ts`. */

import { expect } from "chai";
import { withSystemCalls } from "./fixtures.ts";
import { stress } from "./stress.ts";

const PACKETS = 64 * 1000;
/** Loopback loses datagrams only where a buffer is full. */
const MOST_LOST = PACKETS / 1000;

describe("memory of the batching back end", () => {
  withSystemCalls((calls) => {
    it("is whole, however much is collected", async () => {
      const plan = { packets: PACKETS, collectEveryMs: 3, batchesPerCollection: 100 };
      const { sent, answered, wrong, collections } = await stress(calls(), plan);
      expect(wrong).to.equal(0);
      expect(sent - answered).to.be.within(0, MOST_LOST);
      expect(collections).to.be.greaterThan(20);
    });
  });
});
