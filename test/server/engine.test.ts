/** Stories of the engine: the table changes, time passes, upstream answers; no sockets. */

import { expect } from "chai";
import fc from "fast-check";
import type { Client } from "../../src/runtime.ts";
import { DROPPED, LATER } from "../../src/server/engine.ts";
import type { FamilyAnswer, HostChange } from "../../src/table/host-record.ts";
import { ExtendedError, HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { encodeMessage } from "../../src/wire/message.ts";
import { addresses, hostName, ip, record, remove, set, touch } from "../table/samples.ts";
import {
  addressesOf,
  decoded,
  ENGINE_SETTINGS,
  extendedErrorOf,
  FakeClient,
  PLAIN_EDNS,
  question,
  rcodeOf,
  Stage,
  upstreamReply,
} from "./fixtures.ts";

const EMPTY: FamilyAnswer = { kind: "empty" };
const V4 = addresses("192.0.2.1");
const V6 = addresses("2001:db8::1");
const CAA = 257;

function pendingUntil(untilMs: number): FamilyAnswer {
  return { kind: "pending", untilMs };
}

function soaOf(message: {
  readonly authorities: readonly { readonly type: number; readonly name: string }[];
}): string[] {
  return message.authorities.filter(({ type }) => type === RecordType.SOA).map(({ name }) => name);
}

describe("engine: own hosts", () => {
  it("answers at once and counts the answer by its source", () => {
    const stage = Stage.synced(
      ...set(
        record("static.example", V4),
        record("vip.example", V4, EMPTY, { source: "virtual" }),
        record("stale.example", {
          kind: "addresses",
          addresses: [ip("192.0.2.9")],
          ttlSeconds: 30,
          isStale: true,
        }),
      ),
    );
    expect(addressesOf(stage.answer(question("static.example", "A")))).to.deep.equal(["192.0.2.1"]);
    stage.answer(question("vip.example", "A"));
    stage.answer(question("vip.example", "AAAA"), new FakeClient("tcp"));
    stage.answer(question("stale.example", "A"));
    expect(stage.metric("responses_total", "NOERROR", "static")).to.equal(1);
    expect(stage.metric("responses_total", "NOERROR", "virtual")).to.equal(1);
    expect(stage.metric("responses_total", "NOERROR", "negative")).to.equal(1);
    expect(stage.metric("responses_total", "NOERROR", "stale")).to.equal(1);
    expect(stage.metric("requests_total", "udp", "A")).to.equal(3);
    expect(stage.metric("requests_total", "tcp", "AAAA")).to.equal(1);
    expect(stage.metric("request_duration_seconds", "static")).to.equal(1);
    expect(stage.forwarder.asked).to.deep.equal([]);
  });

  it("answers NODATA with the serial of the table, which every delta moves", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const serial = () => {
      const { data } = stage.answer(question("own.example", "AAAA")).authorities[0]!;
      return data.kind === "SOA" ? data.serial : null;
    };
    expect(serial()).to.equal(1);
    stage.apply(...set(record("other.example", V4)));
    expect(serial()).to.equal(2);
  });

  it("counts a reply that was cut", () => {
    const many = addresses(...Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`).sort());
    const stage = Stage.synced(...set(record("own.example", many)));
    stage.answer(question("own.example", "A"));
    stage.answer(question("own.example", "A"), new FakeClient("tcp"));
    stage.answer(question("own.example", "AAAA"));
    expect(stage.metric("truncated_total")).to.equal(1);
  });

  it("forwards from the tick in which a host is deleted, and answers from that in which it comes", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    stage.apply(...remove("own.example"));
    expect(stage.ask(question("own.example", "A"))).to.equal(null);
    expect(stage.forwarder.asked.length).to.equal(1);
    stage.apply(...set(record("own.example", addresses("192.0.2.5"))));
    expect(addressesOf(stage.answer(question("own.example", "A")))).to.deep.equal(["192.0.2.5"]);
  });

  it("lets the TTL follow a touch", () => {
    const stage = new Stage();
    const nowMs = stage.clock.nowMs();
    const a: FamilyAnswer = {
      kind: "addresses",
      addresses: [ip("192.0.2.1")],
      ttlSeconds: 30,
      expiresAtMs: nowMs + 10_000,
      isStale: false,
    };
    stage.apply(...set(record("own.example", a)));
    const ttl = () => stage.answer(question("own.example", "A")).answers[0]!.ttlSeconds;
    expect(ttl()).to.equal(10);
    stage.clock.advance(3000);
    expect(ttl()).to.equal(7);
    stage.apply(touch("own.example", "A", nowMs + 28_000));
    expect(ttl()).to.equal(25);
  });

  it("explains a failure with the record's own error", () => {
    const failed: FamilyAnswer = {
      kind: "failed",
      error: ExtendedError.NETWORK_ERROR,
      text: "connection refused: ü",
    };
    const stage = Stage.synced(...set(record("own.example", failed, failed)));
    const reply = stage.answer(question("own.example", "A", { edns: {} }));
    expect(rcodeOf(reply)).to.equal(Rcode.SERVFAIL);
    expect(extendedErrorOf(reply)).to.deep.equal([23, "connection refused: ü"]);
    expect(stage.answer(question("own.example", "A")).edns).to.equal(undefined);
    expect(stage.metric("responses_total", "SERVFAIL", "error")).to.equal(2);
  });

  it("answers a signed query NOTAUTH and a newer EDNS version BADVERS", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const badVersion = stage.answer(question("own.example", "A", { edns: { version: 1 } }));
    expect(badVersion.edns).to.deep.equal({ ...PLAIN_EDNS, extendedRcode: 1 });
    expect(stage.metric("responses_total", "BADVERS", "error")).to.equal(1);
    stage.ask(question("fwd.example", "A", { edns: { version: 1 } }));
    expect(stage.forwarder.asked.length).to.equal(1);
  });
});

describe("engine: who it is", () => {
  const IDENTITY = { id: "pod-a", version: "1.2.3" };
  const NSID = { code: 3, data: new Uint8Array() };
  const KEEPALIVE = { code: 11, data: new Uint8Array() };
  const stageWith = (...changes: readonly HostChange[]) => {
    const stage = new Stage({ identity: IDENTITY });
    stage.apply(...changes);
    stage.engine.setSynced();
    return stage;
  };
  const chaos = (name: string) => question(name, "TXT", { class: RecordClass.CH });

  it("tells in class CH what it is called and which version it has", () => {
    const stage = stageWith();
    for (const [name, text] of [
      ["id.server", "pod-a"],
      ["VERSION.bind", "1.2.3"],
    ] as const) {
      const reply = stage.answer(chaos(name));
      expect(reply.answers).to.deep.equal([
        {
          name,
          type: RecordType.TXT,
          class: RecordClass.CH,
          ttlSeconds: 0,
          data: { kind: "TXT", strings: [text] },
        },
      ]);
      expect(reply.flags & HeaderFlag.AA).to.equal(HeaderFlag.AA);
    }
    expect(stage.metric("responses_total", "NOERROR", "static")).to.equal(2);
  });

  it("forgets it with the setting", () => {
    const stage = stageWith(...set(record("own.example", V4)));
    stage.engine.updateSettings(ENGINE_SETTINGS);
    expect(stage.ask(chaos("id.server"))).to.equal(null);
    expect(stage.forwarder.asked.length).to.equal(1);
    expect(stage.answer(question("own.example", "A", { edns: { options: [NSID] } })).edns).to.deep.equal(
      PLAIN_EDNS,
    );
  });

  it("puts its name into the answers for clients that ask by NSID, and room is left for it", () => {
    const many = Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`);
    const stage = stageWith(...set(record("own.example", addresses(...many), { kind: "empty" })));
    for (const type of ["A", "AAAA"] as const) {
      const message = question("own.example", type, { edns: { size: 512, options: [NSID] } });
      const length = stage.engine.handle(message, message.length, new FakeClient());
      expect(length).to.be.within(1, 512);
      const { edns } = decoded(stage.engine.reply.slice(0, length));
      expect(edns?.options).to.deep.equal([{ code: 3, data: new TextEncoder().encode("pod-a") }]);
    }
    const plain = stage.answer(question("own.example", "A", { edns: { options: [] } }));
    expect(plain.edns?.options).to.deep.equal([]);
  });

  it("tells over TCP, and only there, how long a connection may be idle", () => {
    const stage = stageWith(...set(record("own.example", V4)));
    const message = question("own.example", "A", { edns: { options: [KEEPALIVE] } });
    const timeout = [{ code: 11, data: Uint8Array.of(0, 100) }];
    expect(stage.answer(message, new FakeClient("tcp")).edns?.options).to.deep.equal(timeout);
    expect(stage.answer(message, new FakeClient("udp")).edns?.options).to.deep.equal([]);
    expect(
      stage.answer(question("own.example", "A", { edns: {} }), new FakeClient("tcp")).edns,
    ).to.deep.equal(PLAIN_EDNS);
  });

  it("puts its own idle time in the place of upstream's, and changes nothing else of a relayed reply", () => {
    const stage = stageWith();
    const upstreams = { ...PLAIN_EDNS, dnssecOk: true, size: 4096 };
    const ede = { code: 15, data: Uint8Array.of(0, 22, 0x68) };
    const relayed = (asked: readonly { code: number; data: Uint8Array }[], transport: "udp" | "tcp") => {
      const client = new FakeClient(transport);
      stage.ask(question("fwd.example", "TXT", { edns: { options: asked } }), client);
      const options = [{ code: 11, data: Uint8Array.of(0xff, 0xff) }, ede];
      stage.forwarder.reply({ rcode: Rcode.REFUSED, edns: { ...upstreams, options } });
      return client.replies[0]!.edns;
    };
    expect(relayed([KEEPALIVE], "tcp")).to.deep.equal({
      ...upstreams,
      options: [ede, { code: 11, data: Uint8Array.of(0, 100) }],
    });
    for (const [asked, transport] of [
      [[KEEPALIVE], "udp"],
      [[NSID], "tcp"],
    ] as const) {
      expect(relayed(asked, transport)?.options.map(({ code }) => code)).to.deep.equal([11, 15]);
    }
  });

  it("relays as it is what has no OPT record at its end", () => {
    const stage = stageWith();
    const sent: Uint8Array[] = [];
    const client: Client = {
      transport: "tcp",
      address: "192.0.2.1",
      port: 1,
      send: (message, length) => sent.push(message.slice(0, length)),
    };
    const ask = question("fwd.example", "TXT", { edns: { options: [KEEPALIVE] } });
    const withOpt = upstreamReply(ask, { edns: PLAIN_EDNS });
    for (const reply of [
      upstreamReply(ask, {}),
      Uint8Array.from([...withOpt, 0]),
      withOpt.subarray(0, withOpt.length - 1),
      withOpt.subarray(0, 12),
    ]) {
      stage.ask(ask, client);
      stage.forwarder.asked.at(-1)!.client.send(reply, reply.length);
      expect(sent.at(-1)).to.deep.equal(Uint8Array.from(reply));
    }
    expect(stage.faults).to.deep.equal([]);
  });
});

describe("engine: what is rejected", () => {
  it("drops what has no ID and what is a response", () => {
    const stage = Stage.synced();
    for (const length of [0, 1, 11]) {
      expect(stage.engine.handle(new Uint8Array(length), length, new FakeClient())).to.equal(DROPPED);
    }
    const response = question("own.example", "A", { flags: HeaderFlag.QR });
    expect(stage.engine.handle(response, response.length, new FakeClient())).to.equal(DROPPED);
    expect(stage.metric("dropped_total", "short")).to.equal(3);
    expect(stage.metric("dropped_total", "response")).to.equal(1);
    expect(stage.metric("responses_total", "FORMERR", "error")).to.equal(0);
  });

  it("answers malformed messages, opcodes and zone transfers with their RCODE", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const cases: readonly [string, Uint8Array, Rcode][] = [
      ["no question", header(0), Rcode.FORMERR],
      ["counts of 65535", new Uint8Array(12).fill(0xff, 4), Rcode.FORMERR],
      ["class NONE", question("own.example", "A", { class: RecordClass.NONE }), Rcode.FORMERR],
      ["NOTIFY", question("own.example", "SOA", { flags: 4 << 11 }), Rcode.NOTIMP],
      ["UPDATE", header(5 << 11), Rcode.NOTIMP],
      ["AXFR", question("own.example", "AXFR"), Rcode.REFUSED],
      ["IXFR", question("fwd.example", "IXFR"), Rcode.REFUSED],
    ];
    for (const [what, message, rcode] of cases) {
      const reply = stage.answer(message);
      expect(rcodeOf(reply), what).to.equal(rcode);
    }
    expect(stage.forwarder.asked).to.deep.equal([]);
    expect(stage.metric("responses_total", "FORMERR", "error")).to.equal(3);
    expect(extendedErrorOf(stage.answer(question("own.example", "AXFR", { edns: {} })))).to.deep.equal([
      ExtendedError.PROHIBITED,
      "",
    ]);
  });

  it("survives any octets: an answer, a forward or a drop, and no fault (property)", () => {
    const stage = Stage.synced(...set(record("own.example", V4), record("*.a", V4)));
    const anyOctets = fc.uint8Array({ maxLength: 300 });
    const mutated = fc
      .tuple(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), fc.nat(60))
      .map(([edits, cut]) => {
        const message = question("own.example", "A", { edns: {} });
        for (const [at, octet] of edits) message[at % message.length] = octet;
        return message.subarray(0, message.length - (cut % message.length));
      });
    fc.assert(
      fc.property(
        fc.oneof(anyOctets, mutated),
        fc.constantFrom("udp" as const, "tcp" as const),
        (octets, transport) => {
          const asked = stage.forwarder.asked.length;
          const length = stage.engine.handle(octets, octets.length, new FakeClient(transport));
          if (length > 0) decoded(stage.engine.reply.slice(0, length));
          else expect(stage.forwarder.asked.length - asked).to.equal(length === LATER ? 1 : 0);
          expect(stage.faults).to.deep.equal([]);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("answers SERVFAIL where the program fails, says so once and goes on", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const fault = new Error("a fault");
    stage.forwarder.forward = () => {
      throw fault;
    };
    expect(rcodeOf(stage.answer(question("fwd.example", "A")))).to.equal(Rcode.SERVFAIL);
    expect(rcodeOf(stage.answer(question("fwd.example", "A")))).to.equal(Rcode.SERVFAIL);
    expect(stage.faults).to.deep.equal([fault]);
    expect(addressesOf(stage.answer(question("own.example", "A")))).to.deep.equal(["192.0.2.1"]);
    expect(stage.metric("in_flight")).to.equal(0);
  });
});

describe("engine: forwarding", () => {
  it("passes the client's own octets on and upstream's back, and counts both", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const client = new FakeClient();
    const asked = question("fwd.EXAMPLE", "MX", {
      flags: HeaderFlag.RD | HeaderFlag.Z,
      edns: { size: 1400 },
    });
    expect(stage.ask(asked, client)).to.equal(null);
    expect(stage.forwarder.asked[0]!.message).to.deep.equal(asked);
    expect(stage.forwarder.asked[0]!.client.address).to.equal(client.address);
    expect(stage.metric("in_flight")).to.equal(1);
    stage.clock.advance(300);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
    expect(stage.metric("in_flight")).to.equal(0);
    expect(stage.metric("responses_total", "NXDOMAIN", "forward")).to.equal(1);
    // 0.3 s lies in the eleventh bucket: above 0.256 s.
    const at = stage.series.at("request_duration_seconds", "forward");
    expect(stage.series.values[at + 11]).to.equal(1);
  });

  it("sends and counts one reply, whatever the forwarder does", () => {
    const stage = Stage.synced();
    const client = new FakeClient();
    stage.ask(question("fwd.example", "A"), client);
    stage.forwarder.reply({});
    stage.forwarder.reply({});
    expect(client.replies.length).to.equal(1);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("hands out what the cache answers at once", () => {
    const stage = Stage.synced();
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    expect(rcodeOf(stage.answer(question("fwd.example", "A")))).to.equal(Rcode.NXDOMAIN);
    expect(stage.metric("responses_total", "NXDOMAIN", "cache")).to.equal(1);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("tells the forwarder to forget a host that became ours, once", () => {
    const stage = Stage.synced();
    stage.apply(...set(record("own.example", V4), record("*.wild.example", V4)));
    expect(stage.forwarder.forgotten).to.deep.equal(["\x03own\x07example\0", "*\x04wild\x07example\0"]);
    stage.apply(...set(record("own.example", addresses("192.0.2.3"))), ...remove("*.wild.example"));
    expect(stage.forwarder.forgotten.length).to.equal(2);
    stage.apply(...set(record("*.wild.example", V4)));
    expect(stage.forwarder.forgotten.length).to.equal(3);
  });
});

describe("engine: other types of an own host", () => {
  for (const rcode of [Rcode.NXDOMAIN, Rcode.SERVFAIL, Rcode.REFUSED]) {
    it(`makes NODATA of RCODE ${rcode} from upstream`, () => {
      const stage = Stage.synced(...set(record("*.own.example", V4)));
      const client = new FakeClient();
      const asked = question("Mail.Own.Example", "MX", { id: 77, edns: { dnssecOk: true } });
      stage.ask(asked, client);
      expect(stage.forwarder.asked[0]!.message).to.deep.equal(asked);
      // Another query in between must not get into it.
      stage.answer(question("else.own.example", "A", { id: 78 }));
      stage.forwarder.reply({ rcode });
      const [reply] = client.replies;
      expect(reply!.id).to.equal(77);
      expect(rcodeOf(reply!)).to.equal(Rcode.NOERROR);
      expect(reply!.questions[0]!.name).to.equal("Mail.Own.Example");
      expect(soaOf(reply!)).to.deep.equal(["Own.Example"]);
      expect(reply!.edns?.dnssecOk).to.equal(true);
      expect(stage.metric("responses_total", "NOERROR", "negative")).to.equal(1);
    });
  }

  it("relays what upstream has, NODATA of its own included", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const client = new FakeClient();
    stage.ask(question("own.example", "TXT"), client);
    const data = { kind: "TXT", strings: ["v=spf1 -all"] } as const;
    const answers = [
      { name: "own.example", type: RecordType.TXT, class: RecordClass.IN, ttlSeconds: 60, data },
    ];
    stage.forwarder.reply({ answers });
    stage.ask(question("own.example", CAA), client);
    stage.forwarder.reply({});
    expect(client.replies.map(({ answers }) => answers.length)).to.deep.equal([1, 0]);
    expect(stage.metric("responses_total", "NOERROR", "forward")).to.equal(2);
  });

  it("makes NODATA of a denial in the cache as well", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    const reply = stage.answer(question("own.example", "TXT"));
    expect(rcodeOf(reply)).to.equal(Rcode.NOERROR);
    expect(soaOf(reply)).to.deep.equal(["own.example"]);
    expect(stage.metric("responses_total", "NOERROR", "negative")).to.equal(1);
    expect(stage.metric("responses_total", "NOERROR", "cache")).to.equal(0);
  });

  it("believes upstream's denial once the host is not ours any more", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const client = new FakeClient();
    stage.ask(question("own.example", "TXT"), client);
    stage.apply(...remove("own.example"));
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
  });

  it("keeps its own copy of the question: a listener's buffer is used again", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const client = new FakeClient();
    const buffer = Buffer.from(question("own.example", "TXT", { id: 7 }));
    stage.engine.handle(buffer, buffer.length, client);
    buffer.fill(0xff);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect([client.replies[0]!.id, ...soaOf(client.replies[0]!)]).to.deep.equal([7, "own.example"]);
  });

  it("keeps two replies apart when one comes while the other is asked for", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    const first = new FakeClient();
    stage.ask(question("own.example", "TXT", { id: 1 }), first);
    stage.forwarder.cached = (message) => {
      const { client, message: asked } = stage.forwarder.asked[0]!;
      const denial = upstreamReply(asked, { rcode: Rcode.SERVFAIL });
      client.send(denial, denial.length);
      return upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    };
    const second = stage.answer(question("own.example", "MX", { id: 2 }));
    expect([first.replies[0]!.id, second.id]).to.deep.equal([1, 2]);
    expect([first.replies[0]!.questions[0]!.type, second.questions[0]!.type]).to.deep.equal([16, 15]);
  });
});

describe("engine: first addresses", () => {
  it("holds a query until they come", () => {
    const stage = new Stage();
    const untilMs = stage.clock.nowMs() + 2500;
    stage.apply(...set(record("own.example", pendingUntil(untilMs), pendingUntil(untilMs))));
    const a = new FakeClient();
    const aaaa = new FakeClient();
    expect(stage.ask(question("own.example", "A"), a)).to.equal(null);
    expect(stage.ask(question("own.example", "AAAA"), aaaa)).to.equal(null);
    expect(stage.metric("in_flight")).to.equal(2);
    stage.clock.advance(40);
    stage.apply(...set(record("own.example", V4, pendingUntil(untilMs))));
    expect(a.replies.map(addressesOf)).to.deep.equal([["192.0.2.1"]]);
    expect(aaaa.replies).to.deep.equal([]);
    stage.apply(...set(record("own.example", V4, EMPTY)));
    expect(aaaa.replies.map(soaOf)).to.deep.equal([["own.example"]]);
    expect(stage.metric("in_flight")).to.equal(0);
    expect(stage.clock.timers).to.equal(0);
  });

  it("holds its own copy of the message: a listener's buffer is used again", () => {
    const stage = new Stage();
    const untilMs = stage.clock.nowMs() + 2500;
    stage.apply(...set(record("own.example", pendingUntil(untilMs), EMPTY)));
    const client = new FakeClient();
    const buffer = Buffer.from(question("own.example", "A", { id: 7 }));
    expect(stage.engine.handle(buffer, buffer.length, client)).to.equal(LATER);
    buffer.fill(0xff);
    stage.apply(...set(record("own.example", V4)));
    expect(client.replies.map(({ id }) => id)).to.deep.equal([7]);
    expect(client.replies.map(addressesOf)).to.deep.equal([["192.0.2.1"]]);
  });

  it("answers at the moment the record gives, NODATA beside another family, else SERVFAIL", () => {
    const stage = new Stage();
    const untilMs = stage.clock.nowMs() + 1200;
    stage.apply(
      ...set(
        record("none.example", pendingUntil(untilMs), pendingUntil(untilMs)),
        record("half.example", V4, pendingUntil(untilMs)),
      ),
    );
    const none = new FakeClient();
    const half = new FakeClient();
    stage.ask(question("none.example", "A", { edns: {} }), none);
    stage.ask(question("half.example", "AAAA"), half);
    stage.clock.advance(1199);
    expect([none.replies.length, half.replies.length]).to.deep.equal([0, 0]);
    stage.clock.advance(1);
    expect(none.replies.map(rcodeOf)).to.deep.equal([Rcode.SERVFAIL]);
    expect(extendedErrorOf(none.replies[0]!)![0]).to.equal(ExtendedError.NOT_READY);
    expect(half.replies.map(rcodeOf)).to.deep.equal([Rcode.NOERROR]);
    expect(half.replies.map(soaOf)).to.deep.equal([["half.example"]]);
    // The dead name cost its first client the wait, and costs the next one nothing.
    expect(rcodeOf(stage.answer(question("none.example", "A")))).to.equal(Rcode.SERVFAIL);
  });

  it("holds no query longer than the time-out, however far off the record's moment", () => {
    const stage = new Stage();
    const untilMs = stage.clock.nowMs() + 60_000;
    stage.apply(...set(record("own.example", pendingUntil(untilMs), EMPTY)));
    const client = new FakeClient();
    stage.ask(question("own.example", "A"), client);
    stage.clock.advance(2000);
    // A change that brings nothing must not begin the wait anew.
    stage.apply(...set(record("own.example", pendingUntil(untilMs + 5000), EMPTY)));
    stage.clock.advance(499);
    expect(client.replies).to.deep.equal([]);
    stage.clock.advance(1);
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.SERVFAIL]);
  });

  it("releases the waiters of a wildcard host, and forwards them when the host is deleted", () => {
    const stage = new Stage();
    const untilMs = stage.clock.nowMs() + 2500;
    stage.apply(...set(record("*.own.example", pendingUntil(untilMs), EMPTY)));
    stage.engine.setSynced();
    const client = new FakeClient();
    stage.ask(question("a.own.example", "A"), client);
    stage.ask(question("b.own.example", "A"), client);
    stage.apply(...remove("*.own.example"));
    expect(stage.forwarder.asked.length).to.equal(2);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
  });

  it("answers SERVFAIL at once when too many wait, of one host or in all", () => {
    const stage = new Stage({}, 70);
    const untilMs = stage.clock.nowMs() + 2500;
    const pending = pendingUntil(untilMs);
    stage.apply(...set(record("a.example", pending, pending), record("b.example", pending, V6)));
    for (let id = 0; id < 64; id += 1) expect(stage.ask(question("a.example", "A", { id }))).to.equal(null);
    const refused = stage.answer(question("a.example", "A", { edns: {} }));
    expect(rcodeOf(refused)).to.equal(Rcode.SERVFAIL);
    expect(extendedErrorOf(refused)![0]).to.equal(ExtendedError.NOT_READY);
    for (let id = 0; id < 6; id += 1) expect(stage.ask(question("b.example", "A", { id }))).to.equal(null);
    // Its other family has addresses: no SERVFAIL even now.
    const over = stage.answer(question("b.example", "A"));
    expect([rcodeOf(over), soaOf(over)]).to.deep.equal([Rcode.NOERROR, ["b.example"]]);
    expect(stage.metric("in_flight")).to.equal(70);
  });
});

describe("engine: before the first sync", () => {
  it("holds unknown names and answers known ones", () => {
    const stage = new Stage();
    stage.apply(...set(record("own.example", V4)));
    const client = new FakeClient();
    expect(stage.ask(question("unknown.example", "A"), client)).to.equal(null);
    expect(stage.forwarder.asked).to.deep.equal([]);
    stage.answer(question("own.example", "A"));
    stage.clock.advance(1000);
    stage.engine.setSynced();
    expect(stage.forwarder.asked.length).to.equal(1);
    stage.forwarder.reply({});
    expect(client.replies.length).to.equal(1);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("answers a held name as soon as its host comes, exact or wildcard", () => {
    const stage = new Stage();
    const exact = new FakeClient();
    const below = new FakeClient();
    const still = new FakeClient();
    stage.ask(question("own.example", "A"), exact);
    stage.ask(question("a.wild.example", "A"), below);
    stage.ask(question("elsewhere.example", "A"), still);
    stage.apply(...set(record("own.example", V4), record("*.wild.example", V4)));
    expect([exact, below, still].map(({ replies }) => replies.length)).to.deep.equal([1, 1, 0]);
  });

  it("gives up after the pending time-out, for each query from its own arrival", () => {
    const stage = new Stage();
    const early = new FakeClient();
    const late = new FakeClient();
    stage.ask(question("unknown.example", "A", { edns: {} }), early);
    stage.clock.advance(1000);
    stage.ask(question("unknown.example", "A"), late);
    stage.clock.advance(1500);
    expect([early.replies.length, late.replies.length]).to.deep.equal([1, 0]);
    expect(rcodeOf(early.replies[0]!)).to.equal(Rcode.SERVFAIL);
    expect(extendedErrorOf(early.replies[0]!)![0]).to.equal(ExtendedError.NOT_READY);
    stage.clock.advance(1000);
    expect(late.replies.map(rcodeOf)).to.deep.equal([Rcode.SERVFAIL]);
    expect(stage.forwarder.asked).to.deep.equal([]);
  });

  it("forwards the cluster's own names at once", () => {
    const stage = new Stage();
    stage.ask(question("kubernetes.default.svc.cluster.local", "A"));
    expect(stage.forwarder.asked.length).to.equal(1);
  });
});

describe("engine: deltas and settings", () => {
  it("applies at most 20 hosts in one step and answers in between", () => {
    const stage = new Stage();
    const hosts = Array.from({ length: 49 }, (_, index) => record(`h${index}.example`, V4));
    let steps = 0;
    const sizes: number[] = [];
    const step = stage.engine.step.bind(stage.engine);
    stage.engine.step = () => {
      steps += 1;
      const isMore = step();
      sizes.push(stage.table.size);
      if (steps === 1) expect(addressesOf(stage.answer(question("h0.example", "A"))).length).to.equal(1);
      return isMore;
    };
    stage.apply(...set(...hosts));
    expect(sizes).to.deep.equal([20, 40, 49]);
    expect(stage.table.version).to.equal(1);
    expect(step()).to.equal(false);
  });

  it("follows new settings", () => {
    const stage = Stage.synced(...set(record("svc.old.domain", V4), record("svc.new.domain", V4)));
    stage.engine.updateSettings({
      ...ENGINE_SETTINGS,
      clusterDomain: hostName("new.domain"),
      pendingTimeoutMs: 100,
      relayHttps: true,
    });
    expect(stage.ask(question("svc.new.domain", "A"))).to.equal(null);
    expect(stage.ask(question("svc.old.domain", "HTTPS"))).to.equal(null);
    expect(stage.forwarder.asked.length).to.equal(2);
    const { data } = stage.answer(question("svc.old.domain", "AAAA")).authorities[0]!;
    expect(data.kind === "SOA" && data.mname).to.equal("serviceentry-dns.new.domain");
  });

  it("says when nothing waits any more", async () => {
    const stage = Stage.synced();
    await stage.engine.idle();
    stage.ask(question("fwd.example", "A"));
    let isIdle = false;
    const idle = stage.engine.idle().then(() => {
      isIdle = true;
    });
    await Promise.resolve();
    expect(isIdle).to.equal(false);
    stage.forwarder.reply({});
    await idle;
  });

  it("does not say so while a held query is only held again", async () => {
    const stage = Stage.synced();
    const untilMs = stage.clock.nowMs() + 2500;
    stage.apply(...set(record("own.example", pendingUntil(untilMs), pendingUntil(untilMs))));
    const client = new FakeClient();
    stage.ask(question("own.example", "AAAA"), client);
    let isIdle = false;
    const idle = stage.engine.idle().then(() => {
      isIdle = true;
    });
    stage.apply(...set(record("own.example", V4, pendingUntil(untilMs))));
    await Promise.resolve();
    await Promise.resolve();
    expect(isIdle).to.equal(false);
    stage.apply(...set(record("own.example", V4, EMPTY)));
    await idle;
    expect(client.replies.length).to.equal(1);
  });
});

function header(flags: number): Uint8Array {
  return encodeMessage({ id: 9, flags, questions: [], answers: [], authorities: [], additionals: [] });
}
