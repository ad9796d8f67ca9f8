/** Replies of type SRV, PTR and TXT, and the option that ends a connection. */

import { expect } from "chai";
import type { FamilyAnswer, HostPort } from "../../src/table/host-record.ts";
import { localityMarks } from "../../src/table/locality-marks.ts";
import { PortTransport } from "../../src/table/packed-record.ts";
import { EdnsOption, HeaderFlag, RecordClass, RecordType } from "../../src/wire/constants.ts";
import type { Edns } from "../../src/wire/message.ts";
import { addresses, hostName, NOWHERE, record, resolved } from "../table/samples.ts";
import { PLAIN_EDNS, question } from "./fixtures.ts";
import { NOW_MS, portOf, type Reply, type SceneFields, scene, take } from "./reply-fixture.ts";

function srv(
  targets: HostPort["targets"],
  {
    a,
    aaaa,
    name = "_http._tcp.api.example.com",
    host = "api.example.com",
    marks = null,
    edns,
    fields,
    ...sceneFields
  }: SceneFields & {
    readonly a?: FamilyAnswer;
    readonly aaaa?: FamilyAnswer;
    readonly name?: string;
    readonly host?: string;
    readonly marks?: Uint32Array | null;
    readonly edns?: Partial<Edns>;
    readonly fields?: Parameters<typeof record>[3];
  } = {},
): Reply {
  const ports: readonly HostPort[] = [{ name: "http", transport: "tcp", targets }];
  const asked = question(name, "SRV", edns === undefined ? {} : { edns });
  const set = scene(record(host, a, aaaa, fields, { ports }), asked, sceneFields);
  const { writer, message, query, transport, table, variant } = set;
  const port = portOf(set, "http", PortTransport.tcp);
  const labels = query.labelCount - 2;
  return take(
    writer,
    writer.writeSrv(message, query, transport, table, variant, port, labels, NOW_MS, marks),
  );
}

const OWN = { port: 8080, target: null, weight: 3 };

describe("SRV replies", () => {
  it("name the host and give its addresses of both families along", () => {
    const reply = srv([OWN], {
      a: resolved(NOW_MS + 20_000, "192.0.2.1"),
      aaaa: addresses("2001:db8::1", "2001:db8::2"),
      name: "_HTTP._tcp.Api.example.com",
      edns: { size: 1232 },
    });
    expect(reply.answers).to.deep.equal([
      {
        name: "_HTTP._tcp.Api.example.com",
        type: RecordType.SRV,
        class: RecordClass.IN,
        ttlSeconds: 20,
        data: { kind: "SRV", priority: 0, weight: 3, port: 8080, target: "api.example.com" },
      },
    ]);
    expect(reply.additionals.map(({ name, ttlSeconds, data }) => [name, ttlSeconds, data])).to.deep.equal([
      ["Api.example.com", 20, { kind: "A", address: "192.0.2.1" }],
      ["Api.example.com", 30, { kind: "AAAA", address: "2001:db8::1" }],
      ["Api.example.com", 30, { kind: "AAAA", address: "2001:db8::2" }],
    ]);
    expect(reply.edns).to.deep.equal(PLAIN_EDNS);
    expect(reply.flags & HeaderFlag.AA).to.equal(HeaderFlag.AA);
  });

  it("name the concrete host where a wildcard answers", () => {
    const reply = srv([OWN], { host: "*.example.com", name: "_http._tcp.x.y.example.com" });
    const { data } = reply.answers[0]!;
    expect(data.kind === "SRV" && data.target).to.equal("x.y.example.com");
    expect(reply.additionals[0]!.name).to.equal("x.y.example.com");
  });

  it("give no addresses along where the targets are other names", () => {
    const b = { port: 1, target: hostName("b.example.com"), weight: 0 };
    const reply = srv([b, { ...b, target: hostName("c.example.org"), port: 65_535 }]);
    expect(
      reply.answers.map(({ data }) => (data.kind === "SRV" ? [data.port, data.target] : null)),
    ).to.deep.equal([
      [1, "b.example.com"],
      [65_535, "c.example.org"],
    ]);
    expect(reply.additionals).to.deep.equal([]);
    expect(srv([b, OWN]).additionals.length).to.equal(1);
  });

  it("hold for the negative TTL, without addresses, where the host has none, and without AA if it lacks that", () => {
    const fields = { negativeTtlSeconds: 6, isAuthoritative: false };
    const reply = srv([OWN], { a: { kind: "empty" }, fields });
    expect([reply.answers[0]!.ttlSeconds, reply.additionals, reply.flags & HeaderFlag.AA]).to.deep.equal([
      6,
      [],
      0,
    ]);
  });

  it("leave out, without TC, a family that does not fit whole, but not the other", () => {
    const a = addresses(...Array.from({ length: 40 }, (_, index) => `192.0.2.${index}`));
    const reply = srv([OWN], { a, aaaa: addresses("2001:db8::1") });
    expect([reply.isTruncated, reply.answers.length]).to.deep.equal([false, 1]);
    expect(reply.additionals.map(({ type }) => type)).to.deep.equal([RecordType.AAAA]);
    const tcp = srv([OWN], { a, aaaa: addresses("2001:db8::1"), transport: "tcp" });
    expect(tcp.additionals.length).to.equal(41);
  });

  it("are cut to whole records, without addresses", () => {
    const targets = Array.from({ length: 60 }, (_, port) => ({ ...OWN, port }));
    const reply = srv(targets, { edns: { size: 1232 } });
    expect([reply.isTruncated, reply.additionals]).to.deep.equal([true, []]);
    // Each is 12 + 6 + 17 octets.
    expect(reply.length).to.be.within(1232 - 34, 1232);
    expect(reply.answers.length).to.equal(Math.floor((1232 - 11 - 12 - 32) / 35));
    expect(srv(targets, { transport: "tcp" }).answers.length).to.equal(60);
  });

  it("do not depend on the reply before", () => {
    const ports: readonly HostPort[] = [
      { name: "http", transport: "tcp", targets: [OWN, { ...OWN, port: 9 }] },
      { name: "db", transport: "tcp", targets: [{ ...OWN, target: hostName("b.example.com") }] },
    ];
    const host = record("a.example", undefined, undefined, {}, { ports });
    const set = scene(host, question("_db._tcp.a.example", "SRV"));
    const counts = ["http", "db", "http"].map((name) => {
      const { writer, message, query, table, variant } = set;
      const port = portOf(set, name, PortTransport.tcp);
      const length = writer.writeSrv(message, query, "udp", table, variant, port, 2, NOW_MS, null);
      const reply = take(writer, length);
      return [reply.answers.length, reply.additionals.length];
    });
    expect(counts).to.deep.equal([
      [2, 1],
      [1, 0],
      [2, 1],
    ]);
  });

  it("never exceed a TCP message", () => {
    const target = hostName([..."wxyz"].map((letter) => letter.repeat(61)).join("."));
    const targets = Array.from({ length: 256 }, (_, port) => ({ port, target, weight: 0 }));
    for (const length of [1, 37, 38, 39, 63]) {
      const options = [{ code: EdnsOption.KEEPALIVE, data: new Uint8Array() }];
      const name = `_http._tcp.${"h".repeat(length)}.${"i".repeat(length)}`;
      const reply = srv(targets, {
        name,
        host: name.slice(11),
        transport: "tcp",
        edns: { size: 512, options },
      });
      expect([reply.isTruncated, reply.edns!.options.length]).to.deep.equal([true, 1]);
      expect(reply.length).to.be.within(65_535 - 266, 65_535);
    }
  });

  it("give the client's nearest addresses along", () => {
    const localities = ["z1", "z2"].map((zone) => ({ ...NOWHERE, region: "r", zone }));
    const a = { ...addresses("192.0.2.1", "192.0.2.2"), localities } as FamilyAnswer;
    const fields = { distribution: "PreferClose" as const };
    const near = srv([OWN], { a, fields, marks: localityMarks(localities[1]!) });
    expect(near.additionals.map(({ data }) => data)).to.deep.equal([{ kind: "A", address: "192.0.2.2" }]);
    expect(srv([OWN], { a, fields }).additionals.length).to.equal(2);
  });
});

describe("PTR replies", () => {
  it("say the host, for as long as the record says", () => {
    const reverse = "7.2.0.192.in-addr.arpa";
    const empty = { kind: "empty" } as const;
    const host = record(
      reverse,
      empty,
      empty,
      { negativeTtlSeconds: 30 },
      { pointer: hostName("a.example") },
    );
    const { writer, message, query, table, view, variant } = scene(host, question(reverse, "PTR"));
    const reply = take(writer, writer.writePointer(message, query, "udp", table, variant, view));
    expect(reply.answers).to.deep.equal([
      {
        name: reverse,
        type: RecordType.PTR,
        class: RecordClass.IN,
        ttlSeconds: 30,
        data: { kind: "name", name: "a.example" },
      },
    ]);
    expect(reply.flags & HeaderFlag.AA).to.equal(HeaderFlag.AA);
  });
});

describe("TXT replies", () => {
  const write = (text: Uint8Array, size?: number, transport: "udp" | "tcp" = "udp"): Reply => {
    const asked = question("_why.a.example", "TXT", size === undefined ? {} : { edns: { size } });
    const { writer, message, query } = scene(record("a.example"), asked);
    return take(writer, writer.writeText(message, query, transport, 3, text));
  };

  it("have the text in character strings of 255 octets, one at least", () => {
    for (const length of [0, 1, 255, 256, 510, 511, 1000]) {
      const text = Uint8Array.from({ length }, (_, index) => index);
      const reply = write(text, 1232);
      const { data, ttlSeconds } = reply.answers[0]!;
      if (data.kind !== "TXT") throw new Error("no TXT");
      expect(ttlSeconds).to.equal(3);
      expect(Buffer.from(data.strings.join(""), "latin1")).to.deep.equal(Buffer.from(text));
      expect(data.strings.length).to.equal(Math.max(1, Math.ceil(length / 255)));
      for (const string of data.strings.slice(0, -1)) expect(string.length).to.equal(255);
    }
  });

  it("are empty and cut where the text does not fit, whole over TCP", () => {
    const text = new Uint8Array(1000).fill(0x61);
    expect([write(text).answers.length, write(text).isTruncated]).to.deep.equal([0, true]);
    expect([write(text, 600).isTruncated, write(text, 600).edns]).to.deep.equal([true, PLAIN_EDNS]);
    expect([write(text, 0, "tcp").answers.length, write(text, 0, "tcp").isTruncated]).to.deep.equal([
      1,
      false,
    ]);
  });
});

describe("replies while the server ends", () => {
  const KEEPALIVE = [{ code: EdnsOption.KEEPALIVE, data: new Uint8Array([0, 0]) }];
  const answered = (transport: "udp" | "tcp", edns: object | null, isEnding: boolean): Reply => {
    const a = addresses(...Array.from({ length: 256 }, (_, index) => `192.0.2.${index}`));
    const asked = question("a.example", "A", edns === null ? {} : { edns });
    const { writer, message, query, table, variant } = scene(record("a.example", a), asked);
    writer.isEnding = isEnding;
    return take(writer, writer.writeAddresses(message, query, transport, table, variant, 0, NOW_MS, null));
  };

  it("tell every client with EDNS over TCP to close its connection, be it asking or not", () => {
    expect(answered("tcp", {}, true).edns!.options).to.deep.equal(KEEPALIVE);
    const asking = { options: [{ code: EdnsOption.KEEPALIVE, data: new Uint8Array() }] };
    expect(answered("tcp", asking, true).edns!.options).to.deep.equal(KEEPALIVE);
    expect(answered("tcp", asking, false).edns!.options).to.deep.equal([
      { code: EdnsOption.KEEPALIVE, data: new Uint8Array([0, 100]) },
    ]);
    expect(answered("tcp", {}, false).edns!.options).to.deep.equal([]);
    expect(answered("tcp", null, true).edns).to.equal(undefined);
    expect(answered("udp", {}, true).edns!.options).to.deep.equal([]);
  });
});
