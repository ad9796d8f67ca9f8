/** Replies to a host's name and a search suffix: a CNAME to the host, then what the host has. */

import { expect } from "chai";
import fc from "fast-check";
import type { FamilyAnswer, HostRecord } from "../../src/table/host-record.ts";
import { FamilyIndex } from "../../src/table/packed-record.ts";
import { HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { addresses, record, resolved } from "../table/samples.ts";
import { fixedRandom, PLAIN_EDNS, question, rcodeOf } from "./fixtures.ts";
import { NOW_MS, type Reply, type SceneFields, SERIAL, scene, take } from "./reply-fixture.ts";

const SUFFIX = ".team.svc.cluster.local";

function suffixed(
  host: HostRecord,
  name: string,
  write: "A" | "AAAA" | "noData" | "hinfo" | "nxdomain",
  fields: SceneFields & { readonly size?: number; readonly suffix?: string } = {},
): Reply {
  const edns = fields.size === undefined ? {} : { edns: { size: fields.size } };
  const asked = question(name + (fields.suffix ?? SUFFIX), write === "AAAA" ? "AAAA" : "A", edns);
  const { writer, message, query, transport, table, variant } = scene(host, asked, fields);
  writer.beginSuffix(name.split(".").length);
  switch (write) {
    case "A":
    case "AAAA": {
      const family = FamilyIndex[write];
      return take(
        writer,
        writer.writeAddresses(message, query, transport, table, variant, family, NOW_MS, null),
      );
    }
    case "noData":
      return take(writer, writer.writeNoData(message, query, transport, table, 0, variant, SERIAL, NOW_MS));
    case "hinfo":
      return take(writer, writer.writeHinfo(message, query, transport, table, variant));
    case "nxdomain":
      return take(writer, writer.writeNxdomain(message, query, transport, table, variant, SERIAL));
  }
}

function cname(name: string, target: string, ttlSeconds: number): unknown {
  return {
    name,
    type: RecordType.CNAME,
    class: RecordClass.IN,
    ttlSeconds,
    data: { kind: "name", name: target },
  };
}

function many(count: number): FamilyAnswer {
  return addresses(...Array.from({ length: count }, (_, index) => `10.0.${index >> 8}.${index & 255}`));
}

describe("replies behind a search suffix", () => {
  it("are these octets and no others", () => {
    const asked = question("a.b.c.ns.svc.k", "A", { id: 0xbeef });
    const { writer, message, query, table, variant } = scene(record("a.b.c"), asked);
    writer.beginSuffix(3);
    const length = writer.writeAddresses(message, query, "udp", table, variant, 0, NOW_MS, null);
    expect(Buffer.from(writer.octets.subarray(0, length)).toString("hex")).to.equal(
      "beef" +
        "8580" +
        "0001000200000000" +
        `016101620163026e7303737663016b00${"00010001"}` +
        "c00c000500010000001e0007" +
        "01610162016300" +
        // Owner: where the CNAME's target stands, 12 + 20 + 12.
        "c02c000100010000001e0004c0000201",
    );
  });

  it("begin with a CNAME to the host as the client spelled it, with the TTL of its addresses", () => {
    const host = record("api.example.com", resolved(NOW_MS + 12_000, "192.0.2.1", "192.0.2.2"));
    const reply = suffixed(host, "aPi.example.COM", "A", { random: fixedRandom(0.6) });
    expect(reply.questions[0]!.name).to.equal(`aPi.example.COM${SUFFIX}`);
    expect(reply.answers[0]).to.deep.equal(cname(`aPi.example.COM${SUFFIX}`, "aPi.example.COM", 12));
    expect(
      reply.answers.slice(1).map(({ name, ttlSeconds, data }) => [name, ttlSeconds, data]),
    ).to.deep.equal([
      ["aPi.example.COM", 12, { kind: "A", address: "192.0.2.2" }],
      ["aPi.example.COM", 12, { kind: "A", address: "192.0.2.1" }],
    ]);
    expect([reply.authorities, reply.additionals, rcodeOf(reply)]).to.deep.equal([[], [], Rcode.NOERROR]);
  });

  it("point at the concrete name where a wildcard answers", () => {
    const host = record("*.example.com", undefined, addresses("2001:db8::1"));
    const reply = suffixed(host, "x.y.example.com", "AAAA");
    expect(reply.answers.map(({ name, data }) => [name, data])).to.deep.equal([
      [`x.y.example.com${SUFFIX}`, { kind: "name", name: "x.y.example.com" }],
      ["x.y.example.com", { kind: "AAAA", address: "2001:db8::1" }],
    ]);
  });

  it("carry the CNAME beside the SOA of the host where the family is missing", () => {
    const reply = suffixed(
      record("*.example.com", undefined, undefined, { negativeTtlSeconds: 9 }),
      "x.y.example.com",
      "noData",
      { size: 1232 },
    );
    expect(reply.answers).to.deep.equal([cname(`x.y.example.com${SUFFIX}`, "x.y.example.com", 9)]);
    expect(reply.authorities.map(({ name, type, ttlSeconds }) => [name, type, ttlSeconds])).to.deep.equal([
      ["example.com", RecordType.SOA, 30],
    ]);
    expect(reply.edns).to.deep.equal(PLAIN_EDNS);
    const exact = suffixed(record("api.example.com"), "api.example.com", "noData");
    expect(exact.authorities[0]!.name).to.equal("api.example.com");
  });

  it("say NXDOMAIN with the suffix's SOA to those who cannot follow a CNAME", () => {
    const host = record("api.example.com", undefined, undefined, { negativeTtlSeconds: 4 });
    const reply = suffixed(host, "api.example.com", "nxdomain", { size: 1232 });
    expect([rcodeOf(reply), reply.answers]).to.deep.equal([Rcode.NXDOMAIN, []]);
    expect(reply.authorities.map(({ name, ttlSeconds }) => [name, ttlSeconds])).to.deep.equal([
      ["team.svc.cluster.local", 4],
    ]);
    const { data } = reply.authorities[0]!;
    expect(data.kind === "SOA" && [data.serial, data.minimumSeconds]).to.deep.equal([SERIAL, 4]);
    expect(reply.flags & HeaderFlag.AA).to.equal(HeaderFlag.AA);
  });

  it("carry the CNAME before HINFO", () => {
    const host = record("api.example.com", { kind: "empty" });
    const reply = suffixed(host, "api.example.com", "hinfo");
    expect(reply.answers[0]).to.deep.equal(cname(`api.example.com${SUFFIX}`, "api.example.com", 5));
    expect([reply.answers[1]!.name, reply.answers[1]!.type]).to.deep.equal([
      "api.example.com",
      RecordType.HINFO,
    ]);
  });

  it("are as without a suffix again after it ends", () => {
    const { writer, message, query, table, variant } = scene(record("*.local"), question("a.b.local", "A"));
    const write = () => {
      const length = writer.writeAddresses(message, query, "udp", table, variant, 0, NOW_MS, null);
      return take(writer, length).answers.map(({ name }) => name);
    };
    writer.beginSuffix(2);
    expect(write()).to.deep.equal(["a.b.local", "a.b"]);
    writer.endSuffix();
    expect(write()).to.deep.equal(["a.b.local"]);
  });

  it("are cut to whole records behind the CNAME, as many as fit (property)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }),
        fc.option(fc.integer({ min: 0, max: 4096 }), { nil: undefined }),
        fc.integer({ min: 1, max: 63 }),
        fc.integer({ min: 0, max: 2 }),
        fc.constantFrom("udp" as const, "tcp" as const),
        (count, size, length, moreLabels, transport) => {
          const labels = [..."xyz"].slice(0, moreLabels).map((letter) => letter.repeat(50));
          const name = ["h".repeat(length), ...labels].join(".");
          const fields = { transport, suffix: ".ns.svc.k", ...(size !== undefined && { size }) };
          const reply = suffixed(record(name, many(count)), name, "A", fields);
          const limit =
            transport === "tcp" ? 65535 : size === undefined ? 512 : Math.min(Math.max(size, 512), 1232);
          expect(reply.length).to.be.at.most(limit);
          expect(reply.isTruncated).to.equal(reply.answers.length < count + 1);
          expect(reply.answers[0]!.type).to.equal(RecordType.CNAME);
          for (const answer of reply.answers.slice(1)) expect(answer.name).to.equal(name);
          if (reply.isTruncated) expect(reply.length + 16).to.be.greaterThan(limit);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("go without anything, cut, where the CNAME alone would not fit", () => {
    // 12 + 254 + 4 is the question, 12 + 241 the CNAME.
    const name = [..."wxyz"].map((letter) => letter.repeat(59)).join(".");
    const fields = { suffix: ".ns.svc.k12" };
    for (const write of ["A", "noData", "hinfo"] as const) {
      const reply = suffixed(record(name), name, write, fields);
      expect([reply.answers.length, reply.authorities.length, reply.isTruncated], write).to.deep.equal([
        0,
        0,
        true,
      ]);
      const whole = suffixed(record(name), name, write, { ...fields, transport: "tcp" });
      expect([whole.answers[0]!.type, whole.isTruncated], write).to.deep.equal([RecordType.CNAME, false]);
    }
  });

  it("keep the CNAME and drop the SOA, cut, where that does not fit", () => {
    const name = [..."wxyz"].map((letter) => letter.repeat(50)).join(".");
    const reply = suffixed(record(name), name, "noData", { suffix: ".ns.svc.k" });
    expect([reply.answers.length, reply.authorities.length, reply.isTruncated]).to.deep.equal([1, 0, true]);
  });
});
