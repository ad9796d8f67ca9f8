/** RFC 6895: opcodes and classes. */

import { expect } from "chai";
import { header, octets, question } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, RD, rcodeOf } from "./fixture.ts";

const OPCODES = { IQUERY: 1, STATUS: 2, unassigned: 3, NOTIFY: 4, UPDATE: 5, DSO: 6, last: 15 } as const;
const NOTIMP = 4;

conformance("RFC 6895: opcodes and classes", (rule) => {
  rule("2.2: every opcode but QUERY is NOTIMP, for every name, with any flags and counts", async (server) => {
    for (const [title, opcode] of Object.entries(OPCODES)) {
      for (const name of ["own.example", "fwd.example"]) {
        for (const flags of [0, RD, 0x0400, 0x07ff]) {
          for (const counts of [
            [1, 0, 0, 0],
            [0, 0, 0, 0],
            [1, 1, 0, 0],
          ]) {
            const message = octets(header((opcode << 11) | flags, counts), question(name, 6));
            const reply = await server.udp(message);
            expect(rcodeOf(reply), title).to.equal(NOTIMP);
            expect(flagsOf(reply) & 0x7800, title).to.equal(opcode << 11);
            expect(reply.length, title).to.be.at.most(message.length);
          }
        }
      }
    }
    expect(server.upstream.received).to.deep.equal([]);
  });

  rule("3.2: an own name in another class is upstream's, in class ANY it is ours", async (server) => {
    for (const other of [3, 4, 2, 4242]) await expectBitExact(server, ask("own.example", { class: other }));
    const reply = await server.udp(ask("own.example", { class: 255 }));
    expect(reply.readUInt16BE(6)).to.equal(1);
  });

  rule("3.2: an own name of class 0 or NONE is FORMERR", async (server) => {
    for (const none of [0, 254]) {
      expect(rcodeOf(await server.udp(ask("own.example", { class: none })))).to.equal(1);
    }
  });

  rule("3.2: any class of other names is relayed as it is", async (server) => {
    for (const each of [0, 3, 254, 255, 65535])
      await expectBitExact(server, ask("Class.Example", { class: each }));
  });

  rule("3.1: types that are never asked for, 0, OPT and TSIG, are FORMERR for every name", async (server) => {
    for (const name of ["own.example", "fwd.example"]) {
      for (const type of [0, 41, 250]) expect(rcodeOf(await server.udp(ask(name, { type })))).to.equal(1);
    }
  });
});
