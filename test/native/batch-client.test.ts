import { expect } from "chai";
import fc from "fast-check";
import { AddressTexts } from "../../src/native/address-texts.ts";
import { BatchClient } from "../../src/native/batch-client.ts";
import { addressWords } from "../../src/table/address-words.ts";

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const texts = new AddressTexts();

describe("BatchClient", () => {
  it("gives its address in the same words as its text says them", () => {
    const property = fc.property(
      fc.boolean(),
      fc.tuple(word, word, word, word),
      fc.nat(9),
      (isIpv6, remote, scope) => {
        const client = new BatchClient({ isIpv6, texts, put() {} });
        [client.remote0, client.remote1, client.remote2, client.remote3] = remote;
        client.scope = scope;
        // Left over from another client.
        const words = Uint32Array.of(1, 2, 3, 4);
        const expected = new Uint32Array(4);
        const count = addressWords(client.address, expected);
        expect(client.readAddress(words)).to.equal(count);
        expect(words.subarray(0, count)).to.deep.equal(expected.subarray(0, count));
      },
    );
    fc.assert(property);
  });
});
