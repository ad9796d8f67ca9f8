/** What is not ours passes unchanged, whatever it is: a sample; `node bench/transparency.ts` sends 10,000. */

import { expect } from "chai";
import { exchange } from "./exchange.ts";

const COUNT = 1000;

describe("transparency", () => {
  for (const transport of ["udp", "tcp"] as const) {
    it(`${COUNT} generated messages and replies pass over ${transport} unchanged but for the ID`, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const { answered, differences } = await exchange(transport, COUNT, seed);
      expect(differences.slice(0, 3), `seed ${seed}`).to.deep.equal([]);
      expect(answered).to.equal(COUNT);
    });
  }
});
