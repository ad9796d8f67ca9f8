import { expect } from "chai";
import { Query } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { header, octets, question } from "./octets.ts";

describe("Query", () => {
  it("nameKey is one character per octet of the lower-cased name, and of no octet behind it", () => {
    const query = new Query();
    for (const [asked, key] of [
      ["LONGER.Example.com", "\x06longer\x07example\x03com\0"],
      ["\xc9\xff", "\x02\xc9\xff\0"],
      ["", "\0"],
    ] as const) {
      const message = octets(header(0, [1, 0, 0, 0]), question(asked));
      readQuery(message, message.length, query);
      expect(query.nameKey()).to.equal(key);
    }
  });
  it("two queries share no octets", () => {
    const [one, other] = [new Query(), new Query()];
    one.name.fill(1);
    one.nameLength = 1;
    other.nameLength = 1;
    expect(other.nameKey()).to.equal("\0");
    expect(one.nameKey()).to.equal("\x01");
  });
});
