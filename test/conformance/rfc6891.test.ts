/** RFC 6891: EDNS. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, opt, option, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, frame, rcodeOf } from "./fixture.ts";

const PLAIN = { size: 1232, version: 0, dnssecOk: false, extendedRcode: 0, options: [] };

const FAULTY: Readonly<Record<string, () => Buffer>> = {
  "two OPT records": () => ask("own.example", { records: [opt()], opt: opt() }),
  "an owner that is not the root": () => ask("own.example", { opt: opt({ owner: [1, 0x61, 0] }) }),
  "OPT in the answer section": () => moved(6),
  "OPT in the authority section": () => moved(8),
  "an option longer than RDATA": () =>
    ask("own.example", { opt: opt({ rdata: option(100, octets("a"), 2) }) }),
  "half an option": () => ask("own.example", { opt: opt({ rdata: octets(0, 100, 0) }) }),
};

/** OPT counted in another section. */
function moved(countAt: number, name = "own.example"): Buffer {
  const message = ask(name, { opt: opt() });
  message.writeUInt16BE(0, 10);
  message.writeUInt16BE(1, countAt);
  return message;
}

function renamed(message: Buffer): Buffer {
  return Buffer.from(message.toString("latin1").replace("\x03own\x07", "\x03fwd\x07"), "latin1");
}

conformance("RFC 6891: EDNS", (rule) => {
  rule(
    "6.1.1: an own answer has OPT if and only if the query has: version 0, size 1232, no option",
    async (server) => {
      for (const [host, type] of [
        ["own.example", 1],
        ["own.example", 28],
        ["none.example", 255],
        ["many.example", 1],
      ] as const) {
        const withOpt = ask(host, { type, opt: opt({ size: 4096, rdata: option(65001, octets("ab")) }) });
        expect(decoded(await server.udp(withOpt)).edns).to.deep.equal(PLAIN);
        expect(decoded(await server.tcp(withOpt)).edns).to.deep.equal(PLAIN);
        expect(decoded(await server.udp(ask(host, { type }))).edns).to.equal(undefined);
      }
    },
  );

  rule("6.1.1: OPT passes through untouched on both ways", async (server) => {
    const rdata = octets(option(65001, octets("ab")), option(5, octets()));
    await expectBitExact(server, ask("Opt.Example", { opt: opt({ size: 4096, flags: 0x8001, rdata }) }));
  });

  rule("6.1.3: version 1 of an own name is BADVERS with OPT version 0", async (server) => {
    const { flags, answers, edns } = decoded(
      await server.udp(ask("own.example", { opt: opt({ version: 1 }) })),
    );
    expect([flags & 15, answers.length]).to.deep.equal([0, 0]);
    expect(edns).to.deep.equal({ ...PLAIN, extendedRcode: 1 });
  });

  rule("6.1.3: version 1 of another name is upstream's to judge", async (server) => {
    await expectBitExact(server, ask("Version.Example", { opt: opt({ version: 1 }) }));
  });

  rule(
    "6.1.2: an unknown option, and 200 empty ones in 844 octets, are ignored and not echoed",
    async (server) => {
      const many = octets(...Array.from({ length: 200 }, () => option(65002, octets())));
      for (const rdata of [option(100, octets()), option(100, octets("data")), many]) {
        const { answers, edns } = decoded(await server.udp(ask("own.example", { opt: opt({ rdata }) })));
        expect(answers.length).to.equal(1);
        expect(edns).to.deep.equal(PLAIN);
      }
    },
  );

  rule("6.1.2: the same are forwarded as they are, and so is a query of 4,000 octets", async (server) => {
    for (const count of [1, 200, 985]) {
      const rdata = octets(...Array.from({ length: count }, () => option(65002, octets())));
      await expectBitExact(server, ask("Many-Options.Example", { opt: opt({ rdata }) }));
    }
  });

  rule(
    "6.1.1: an OPT record that is not as it must be is FORMERR with OPT, for every name",
    async (server) => {
      for (const [title, make] of Object.entries(FAULTY)) {
        for (const message of [make(), renamed(make())]) {
          const reply = await server.udp(message);
          expect(rcodeOf(reply), title).to.equal(1);
          expect(decoded(reply).edns, title).to.deep.equal(PLAIN);
          expect(reply.length, title).to.be.at.most(message.length);
        }
      }
      expect(server.upstream.received).to.deep.equal([]);
    },
  );

  rule("6.2.3: sizes below 512 count as 512", async (server) => {
    for (const size of [0, 100, 511, 512]) {
      const reply = await server.udp(ask("many.example", { opt: opt({ size }) }));
      expect(reply.length).to.equal(30 + 29 * 16 + 11);
      expect(reply.readUInt16BE(6)).to.equal(29);
    }
  });

  rule("6.2.3: they are relayed as they are", async (server) => {
    for (const size of [0, 100, 511])
      await expectBitExact(server, ask("Size.Example", { opt: opt({ size }) }));
  });

  rule("6.1.1: OPT may stand before other additional records, which do not come back", async (server) => {
    const other = record(0, 65280, 0, octets("x"));
    const message = ask("own.example", { records: [opt()], opt: other });
    const reply = await server.udp(message);
    expect(decoded(reply).edns).to.deep.equal(PLAIN);
    expect(reply.readUInt16BE(10)).to.equal(1);
    const peer = await server.connect();
    peer.socket.write(frame(message));
    expect(decoded((await peer.gets(1))[0]!).edns).to.deep.equal(PLAIN);
  });
});
