/** RFC 8945: TSIG. */

import { expect } from "chai";
import { name, octets, record, uint16, uint32 } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, rcodeOf } from "./fixture.ts";

const NOTAUTH = 9;
const BADKEY = 17;
const ALGORITHM = name("hmac-sha256");
const TIMES = [...uint16(0), ...uint32(1_700_000_000), ...uint16(300)];

function tsig(mac: string): Uint8Array {
  const rdata = octets(ALGORITHM, TIMES, uint16(mac.length), mac, uint16(0x4242), uint16(0), uint16(0));
  const made = record(name("key.example"), 250, 0, rdata);
  // Class ANY.
  made[name("key.example").length + 3] = 255;
  return made;
}

conformance("RFC 8945: TSIG", (rule) => {
  rule("5.2.1: a signed query for an own name is NOTAUTH, with a TSIG that says BADKEY", async (server) => {
    const message = ask("own.example", { records: [tsig("m".repeat(32))] });
    const reply = await server.udp(message);
    expect([rcodeOf(reply), reply.readUInt16BE(6), reply.readUInt16BE(10)]).to.deep.equal([NOTAUTH, 0, 1]);
    const unsigned = octets(ALGORITHM, TIMES, uint16(0), message.subarray(0, 2), uint16(BADKEY), uint16(0));
    expect(reply.includes(Buffer.from(unsigned))).to.equal(true);
    expect(reply.length).to.be.below(message.length);
  });

  rule("5.1: one for another name is passed on, signature and all", async (server) => {
    await expectBitExact(server, ask("Signed.Example", { records: [tsig("m".repeat(32))] }));
  });
});
