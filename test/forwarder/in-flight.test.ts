import { expect } from "chai";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, ONE, TestClient, TWO, withoutProbes } from "./fixture.ts";
import { a, extendedError, question, read, replyTo } from "./messages.ts";

const TO_ONE = "198.51.100.1:53";
const TO_TWO = "198.51.100.2:53";
const RESENDS_MS = [300, 700, 1_100, 1_500, 2_200, 3_000, 3_800];

const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const idOf = (sent: Sent) => (sent.message[0]! << 8) | sent.message[1]!;
const named = (index: number) => question(`h${index}.example.org`);

describe("a query on its way", () => {
  it("goes upstream octet for octet but for its ID, and the reply comes back the same way", () => {
    const { ask, upstreams, clock } = makeFixture();
    const message = question("MiXed.example.org", {
      type: 4711,
      flags: 0x0570,
      edns: { options: [0, 100, 0, 1, 9] },
    });
    const client = ask(message);
    const [sent] = upstreams.sent;
    expect([...sent!.message.subarray(2)]).to.deep.equal([...message.subarray(2)]);
    const reply = Uint8Array.from([...good(sent!), 1, 2, 3]);
    sent!.reply(reply);
    clock.advance(0);
    expect([...client.reply]).to.deep.equal([0x12, 0x34, ...reply.subarray(2)]);
  });

  it("is sent again at fixed times, each time with another ID from another port, and fails at 4.5 s", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    const startMs = clock.nowMs();
    const message = question("www.example.org", { edns: {} });
    const client = ask(message);
    clock.advance(4_499);
    expect(client.replies).to.have.length(0);
    const sendings = withoutProbes(upstreams.sent);
    expect(sendings.map(({ atMs }) => atMs - startMs)).to.deep.equal([0, ...RESENDS_MS]);
    expect(new Set(sendings.map(({ port }) => port)).size).to.equal(8);
    expect(new Set(sendings.map(idOf)).size).to.be.at.least(7);
    for (const sent of sendings) {
      expect([...sent.message.subarray(2)]).to.deep.equal([...message.subarray(2)]);
    }
    clock.advance(1);
    const failure = read(client.reply);
    expect([failure.id, failure.rcode, failure.name]).to.deep.equal([0x1234, 2, "www.example.org"]);
    expect(failure.flags).to.equal(0x8182);
    expect(extendedError(failure)).to.equal(22);
    expect(count("upstream_resends_total")).to.equal(7);
    expect(count("upstream_failures_total", TO_ONE, "timeout")).to.equal(1);
  });

  it("tells a client without EDNS of its failure without an OPT record", () => {
    const { ask, clock } = makeFixture();
    const client = ask(question("www.example.org", { flags: 0x0110 }));
    clock.advance(4_500);
    expect(read(client.reply).flags).to.equal(0x8192);
    expect(read(client.reply).counts).to.deep.equal([1, 0, 0, 0]);
  });

  it("is answered by the reply to any of its sendings, once", () => {
    for (let answered = 0; answered < 8; answered += 1) {
      const { ask, upstreams, clock } = makeFixture({ upstreams: [ONE] });
      const client = ask(question("www.example.org"));
      clock.advance(4_000);
      const sendings = withoutProbes(upstreams.sent);
      sendings[answered]!.reply(good(sendings[answered]!));
      for (const sent of sendings) sent.reply(good(sent), 1);
      clock.advance(10_000);
      expect(read(client.reply).rcode).to.equal(0);
      expect(withoutProbes(upstreams.sent)).to.have.length(8);
    }
  });

  it("is not sent again once it is answered", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 299);
    ask(question("www.example.org"));
    clock.advance(10_000);
    expect(upstreams.sent).to.have.length(1);
  });

  it("ignores what is no reply to it, counts it by reason, and takes the true one 80 ms later", () => {
    const forgeries: readonly (readonly [string, (reply: Uint8Array) => Uint8Array])[] = [
      ["id", (reply) => reply.with(1, reply[1]! ^ 1)],
      ["question", (reply) => reply.with(13, 0x78)],
      ["question", (reply) => reply.with(reply.indexOf(0, 12) + 2, 28)],
      ["question", (reply) => reply.with(reply.indexOf(0, 12) + 4, 3)],
      ["question_count", (reply) => reply.with(5, 0)],
      ["question_count", (reply) => reply.with(5, 2)],
      ["not_response", (reply) => reply.with(2, reply[2]! & 0x7f)],
      ["short", (reply) => reply.subarray(0, 4)],
      ["short", () => new Uint8Array(0)],
      ["question", (reply) => reply.subarray(0, 20)],
    ];
    for (const [reason, forge] of forgeries) {
      const { ask, upstreams, clock, count } = makeFixture();
      upstreams.script = (sent) => {
        for (let times = 0; times < 3; times += 1)
          sent.reply(forge(replyTo(sent.message, { answers: [a(66)] })));
        sent.reply(good(sent), 80);
      };
      const client = ask(question("www.example.org"));
      clock.advance(79);
      expect(client.replies).to.have.length(0);
      clock.advance(1);
      expect([...read(client.reply).records[0]!.data]).to.deep.equal([192, 0, 2, 1]);
      expect(count("upstream_mismatch_total", reason)).to.equal(3);
      expect(upstreams.sent).to.have.length(1);
    }
  });

  it("does not count a reply that comes late as a forged one", () => {
    const { ask, upstreams, clock, series, count } = makeFixture();
    ask(question("www.example.org"));
    clock.advance(300);
    const [first, second] = upstreams.sent;
    second!.reply(good(second!));
    first!.reply(good(first!), 100);
    clock.advance(200);
    for (const reason of ["short", "not_response", "id", "question_count", "question"]) {
      expect(count("upstream_mismatch_total", reason)).to.equal(0);
    }
    const duration = series.at("upstream_request_duration_seconds", TO_ONE);
    expect([...series.values.subarray(duration, duration + 16)].reduce((sum, value) => sum + value)).to.equal(
      2,
    );
  });
});

describe("two upstreams", () => {
  const both = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };

  it("take turns when a query is sent again", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    ask(question("www.example.org"));
    clock.advance(4_400);
    expect(withoutProbes(upstreams.sent).map(({ to }) => to)).to.deep.equal(
      Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? TO_ONE : TO_TWO)),
    );
  });

  it("are asked by their round trip: the faster one gets nearly all", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    upstreams.script = (sent) => sent.reply(good(sent), sent.to === TO_ONE ? 40 : 2);
    for (let index = 0; index < 500; index += 1) {
      ask(named(index));
      clock.advance(50);
    }
    expect(upstreams.sentTo(TO_TWO).length).to.be.above(480);
    expect(upstreams.sentTo(TO_ONE).length).to.be.within(1, 20);
  });

  it("take over from each other when the faster one slows down", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    const delayMs = new Map([
      [TO_ONE, 5],
      [TO_TWO, 20],
    ]);
    upstreams.script = (sent) => sent.reply(good(sent), delayMs.get(sent.to));
    const askMany = (start: number) => {
      for (let index = start; index < start + 100; index += 1) {
        ask(named(index));
        clock.advance(200);
      }
      return upstreams.sent.splice(0);
    };
    askMany(0);
    expect(askMany(100).filter(({ to }) => to === TO_ONE).length).to.be.above(95);
    delayMs.set(TO_ONE, 100);
    askMany(200);
    expect(askMany(300).filter(({ to }) => to === TO_TWO).length).to.be.above(95);
  });

  for (const [rcode, reason] of [
    [2, "servfail"],
    [5, "refused"],
  ] as const) {
    it(`help each other out: ${reason} of one is not passed on before the other was asked`, () => {
      const { ask, upstreams, clock, count } = makeFixture(both);
      upstreams.script = (sent) =>
        sent.reply(sent.to === TO_ONE ? replyTo(sent.message, { rcode }) : good(sent), 5);
      const client = ask(question("www.example.org"));
      clock.advance(10);
      expect(read(client.reply).rcode).to.equal(0);
      expect(count("upstream_failures_total", TO_ONE, reason)).to.equal(1);
      expect(count("upstream_resends_total")).to.equal(0);
    });

    it(`are believed when both say ${reason}: the last reply is relayed`, () => {
      const { ask, upstreams, clock } = makeFixture(both);
      upstreams.script = (sent) =>
        sent.reply(replyTo(sent.message, { rcode, flags: sent.to === TO_ONE ? 0x8180 : 0x8580 }), 5);
      const client = ask(question("www.example.org"));
      clock.advance(10);
      expect(read(client.reply).flags).to.equal(0x8580 | rcode);
      expect(upstreams.sent).to.have.length(2);
    });
  }

  it("leave the SERVFAIL of one to be relayed at the deadline when the other stays silent", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    upstreams.script = (sent) => {
      if (sent.to === TO_ONE) sent.reply(replyTo(sent.message, { rcode: 2, flags: 0x8590 }), 5);
    };
    const client = ask(question("www.example.org"));
    clock.advance(4_499);
    expect(client.replies).to.have.length(0);
    expect(upstreams.sentTo(TO_ONE)).to.have.length(1);
    clock.advance(1);
    expect(read(client.reply).flags).to.equal(0x8592);
  });

  it("fail over at once when one refuses the connection", () => {
    const { ask, upstreams, clock, count } = makeFixture(both);
    upstreams.script = (sent) => (sent.to === TO_ONE ? sent.fail("ECONNREFUSED") : sent.reply(good(sent), 1));
    const clients = Array.from({ length: 40 }, (_, index) => ask(named(index)));
    clock.advance(1);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
    expect(count("upstream_up", TO_ONE)).to.equal(0);
    expect(count("upstream_up", TO_TWO)).to.equal(1);
    const before = upstreams.sentTo(TO_ONE).length;
    for (let index = 100; index < 200; index += 1) ask(named(index));
    expect(upstreams.sentTo(TO_ONE)).to.have.length(before);
  });

  it("fail over with all that waits for one, when one of its sockets is refused", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    upstreams.script = (sent) => {
      if (sent.to === TO_TWO) sent.reply(good(sent), 1);
      else if (upstreams.sent.length === 1) sent.fail("ECONNREFUSED", 5);
    };
    const clients = Array.from({ length: 40 }, (_, index) => ask(named(index)));
    clock.advance(6);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
  });

  it("are not asked for more while one of them is still expected to reply", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    const client = ask(named(1));
    clock.advance(300);
    const [first, second] = upstreams.sent;
    first!.reply(replyTo(first!.message, { rcode: 2 }));
    clock.advance(50);
    expect(upstreams.sent).to.have.length(2);
    second!.reply(good(second!));
    clock.advance(0);
    expect(read(client.reply).rcode).to.equal(0);
  });

  it("serve 10,000 queries without a failure while one of them is silent", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    upstreams.script = (sent) => {
      if (sent.to === TO_TWO) sent.reply(good(sent), 1);
    };
    const startMs = clock.nowMs();
    const slow: number[] = [];
    let answered = 0;
    for (let index = 0; index < 10_000; index += 1) {
      const client = new TestClient();
      const askedAtMs = clock.nowMs();
      client.onReply = (reply) => {
        if ((reply[3]! & 15) === 0) answered += 1;
        if (clock.nowMs() - askedAtMs > 5) slow.push(askedAtMs - startMs);
      };
      ask(named(index), client);
      if (index % 4 === 3) clock.advance(1);
    }
    clock.advance(5_000);
    expect(answered).to.equal(10_000);
    const later = slow.filter((atMs) => atMs > 1_000);
    expect(later.length).to.be.below(40);
    expect(slow.filter((atMs) => atMs > 2_300)).to.deep.equal([]);
  });

  it("split by the cluster domain", () => {
    const { ask, upstreams } = makeFixture({ upstreams: [ONE], clusterUpstreams: [TWO] });
    for (const name of ["kubernetes.default.svc.CLUSTER.local", "cluster.local"]) ask(question(name));
    for (const name of ["www.example.org", "xcluster.local", "a\x07cluster.local", "."]) ask(question(name));
    expect(upstreams.sent.map(({ to }) => to)).to.deep.equal([
      TO_TWO,
      TO_TWO,
      TO_ONE,
      TO_ONE,
      TO_ONE,
      TO_ONE,
    ]);
  });
});

describe("an upstream's health", () => {
  it("ends by ECONNREFUSED: SERVFAIL at once, with the network error told, and nothing but probes", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED", 1);
    const first = ask(question("www.example.org", { edns: {} }));
    clock.advance(1);
    expect(extendedError(read(first.reply))).to.equal(23);
    const second = ask(question("other.example.org", { edns: {} }));
    expect(read(second.reply).rcode).to.equal(2);
    expect(extendedError(read(second.reply))).to.equal(23);
    expect(upstreams.sent).to.have.length(1);
    clock.advance(3_500);
    const probes = upstreams.sent.slice(1);
    expect(probes).to.have.length(3);
    for (const { message } of probes) {
      expect([...message.subarray(2)]).to.deep.equal([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
    }
  });

  it("ends after 8 sends and 2 s without a reply; who waits, waits until the deadline, but is not sent again", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    const waiting = Array.from({ length: 8 }, (_, index) => ask(named(index)));
    clock.advance(1_900);
    ask(named(9));
    expect(count("upstream_up", TO_ONE)).to.equal(1);
    clock.advance(400);
    expect(count("upstream_up", TO_ONE)).to.equal(0);
    const sent = upstreams.sent.length;
    const refused = ask(question("late.example.org", { edns: {} }));
    expect(extendedError(read(refused.reply))).to.equal(22);
    clock.advance(600);
    expect(upstreams.sent).to.have.length(sent);
    for (const client of waiting) expect(client.replies).to.have.length(0);
    clock.advance(1_700);
    for (const client of waiting) expect(read(client.reply).rcode).to.equal(2);
  });

  it("ends with the deadline of a single query, all of whose sendings were lost", () => {
    const { ask, upstreams, clock } = makeFixture();
    const first = ask(named(1));
    clock.advance(4_500);
    expect(read(first.reply).rcode).to.equal(2);
    const sent = upstreams.sent.length;
    expect(read(ask(named(2)).reply).rcode).to.equal(2);
    expect(upstreams.sent).to.have.length(sent);
  });

  it("does not end by the silence about one name, be it asked for by many: a probe shows that it lives", () => {
    for (const clients of [1, 30]) {
      const { ask, upstreams, clock, count } = makeFixture();
      upstreams.script = (sent) => {
        if (withoutProbes([sent]).length === 0) sent.reply(replyTo(sent.message, { rcode: 2 }), 20);
      };
      const waiting = Array.from({ length: clients }, (_, index) => ask(named(index)));
      clock.advance(4_500);
      for (const client of waiting) expect(read(client.reply).rcode).to.equal(2);
      expect(count("upstream_up", TO_ONE)).to.equal(1);
      expect(upstreams.sent.length - withoutProbes(upstreams.sent).length).to.be.within(1, 4);
      upstreams.script = (sent) => sent.reply(good(sent), 1);
      const next = ask(question("other.example.org"));
      clock.advance(1);
      expect(read(next.reply).records).to.have.length(1);
    }
  });

  it("does not end by few sends, or by a short silence", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 2_000);
    const clients = Array.from({ length: 50 }, (_, index) => {
      clock.advance(20);
      return ask(named(index));
    });
    clock.advance(2_050);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
    expect(count("upstream_up", TO_ONE)).to.equal(1);
  });

  for (const rcode of [0, 2, 5]) {
    it(`begins again with the reply to a probe, RCODE ${rcode}`, () => {
      const { ask, upstreams, clock, count } = makeFixture();
      upstreams.script = (sent) => sent.fail("ECONNREFUSED");
      ask(named(1));
      clock.advance(500);
      upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode }), 10);
      clock.advance(509);
      expect(count("upstream_up", TO_ONE)).to.equal(0);
      clock.advance(1);
      expect(count("upstream_up", TO_ONE)).to.equal(1);
      upstreams.script = (sent) => sent.reply(good(sent), 1);
      const client = ask(named(2));
      clock.advance(1);
      expect(read(client.reply).records).to.have.length(1);
      const sent = upstreams.sent.length;
      clock.advance(10_000);
      expect(upstreams.sent).to.have.length(sent);
    });
  }

  it("begins again with a reply that comes late", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    const clients = Array.from({ length: 8 }, (_, index) => ask(named(index)));
    clock.advance(2_500);
    expect(count("upstream_up", TO_ONE)).to.equal(0);
    const [first] = upstreams.sent;
    first!.reply(good(first!));
    clock.advance(0);
    expect(count("upstream_up", TO_ONE)).to.equal(1);
    expect(clients.filter(({ replies }) => replies.length === 1)).to.have.length(1);
  });

  it("begins again without repeating the probes that had no reply", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED");
    ask(question("www.example.org"));
    clock.advance(1);
    upstreams.script = () => {};
    clock.advance(4_500);
    expect(upstreams.sent).to.have.length(1 + 4);
    upstreams.sent.at(-1)!.reply(replyTo(upstreams.sent.at(-1)!.message, {}));
    clock.advance(10_000);
    expect(upstreams.sent).to.have.length(1 + 4);
  });

  it("is not ended by what was sent long ago: a question over TCP each minute that it leaves alone", () => {
    const { ask, upstreams, clock } = makeFixture({ upstreams: [ONE] });
    upstreams.script = (sent) => sent.transport === "udp" && sent.reply(good(sent), 1);
    for (let index = 0; index < 20; index += 1) {
      ask(question(`tcp${index}.example.org`), new TestClient("tcp"));
      clock.advance(60_000);
    }
    const clients = Array.from({ length: 10 }, (_, index) => ask(named(index)));
    clock.advance(1);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
  });

  it("does not begin again with a forged reply to a probe", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED");
    ask(named(1));
    clock.advance(1);
    upstreams.script = (sent) => sent.reply(replyTo(question("example.org", { id: idOf(sent) })));
    clock.advance(3_000);
    expect(count("upstream_up", TO_ONE)).to.equal(0);
  });

  it("outlasts another fault of the network: the query is sent again in time", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.fail("EHOSTUNREACH");
    const client = ask(question("www.example.org", { edns: {} }));
    clock.advance(200);
    expect(upstreams.sent).to.have.length(1);
    upstreams.script = (sent) => sent.reply(good(sent));
    clock.advance(100);
    expect(read(client.reply).rcode).to.equal(0);
    upstreams.script = (sent) => sent.fail("ENETUNREACH");
    const failed = ask(question("other.example.org", { edns: {} }));
    clock.advance(4_500);
    expect(extendedError(read(failed.reply))).to.equal(23);
  });
});

describe("too many queries", () => {
  it("of one client: TC=1 over UDP, SERVFAIL over TCP, no larger than the question; others go on", () => {
    const { ask, upstreams, clock, count } = makeFixture({ maxInFlightPerClient: 10 });
    upstreams.script = (sent) => sent.reply(good(sent), 100);
    for (let index = 0; index < 10; index += 1) ask(named(index));
    const message = question("more.example.org", { edns: {} });
    const more = ask(message);
    expect(read(more.reply).flags).to.equal(0x8380);
    expect(more.reply.length).to.equal(message.length);
    expect(read(ask(message, new TestClient("tcp")).reply).rcode).to.equal(2);
    expect(ask(named(50), new TestClient("udp", "10.0.0.2")).replies).to.have.length(0);
    expect(count("upstream_rejected_total", "client")).to.equal(2);
    clock.advance(100);
    expect(ask(named(51)).replies).to.have.length(0);
  });

  it("in all: SERVFAIL, until others have been answered", () => {
    const { ask, upstreams, clock, count } = makeFixture({ maxInFlight: 20 });
    upstreams.script = (sent) => sent.reply(good(sent), 100);
    for (let index = 0; index < 20; index += 1) ask(named(index), new TestClient("udp", `10.0.1.${index}`));
    const more = ask(named(99), new TestClient("udp", "10.0.2.1"));
    expect(read(more.reply).flags).to.equal(0x8182);
    expect(count("upstream_rejected_total", "overload")).to.equal(1);
    clock.advance(100);
    expect(ask(named(98), new TestClient("udp", "10.0.2.1")).replies).to.have.length(0);
  });

  it("count when they wait for an equal one as well, and hits of the cache do not", () => {
    const { ask, upstreams, clock } = makeFixture({ maxInFlightPerClient: 3 });
    upstreams.script = (sent) => sent.reply(good(sent));
    ask(named(1));
    clock.advance(0);
    upstreams.script = () => {};
    for (let index = 0; index < 3; index += 1) ask(named(2));
    expect(read(ask(named(2)).reply).isTruncated).to.equal(true);
    expect(read(ask(named(1)).reply).isTruncated).to.equal(false);
    clock.advance(4_500);
    clock.advance(2_000);
    upstreams.script = (sent) => sent.reply(good(sent));
    clock.advance(2_000);
    expect(ask(named(3)).replies).to.have.length(0);
  });
});

describe("source ports and IDs (RFC 5452 9.2)", () => {
  const spread = (sent: readonly Sent[]) => {
    const uses = new Map<number, number>();
    for (const { port } of sent) uses.set(port, (uses.get(port) ?? 0) + 1);
    return { ports: uses.size, most: Math.max(...uses.values()) };
  };

  it("are spread over 10,000 queries: one after the other, and 300 at a time", () => {
    for (const atOnce of [1, 300]) {
      const { ask, upstreams, clock } = makeFixture({ maxInFlightPerClient: 1_000 });
      upstreams.script = (sent) => sent.reply(good(sent), 1);
      for (let index = 0; index < 10_000; index += 1) {
        ask(named(index));
        if (index % atOnce === 0) clock.advance(1);
      }
      const { ports, most } = spread(upstreams.sent);
      expect(ports).to.be.at.least(1_024);
      expect(most).to.be.at.most(100);
      expect(upstreams.mostOpenUdpSockets).to.be.at.most(64);
      const ids = upstreams.sent.map(idOf);
      // 10,000 draws of 65,536 leave some 9,270 different ones.
      expect(new Set(ids).size).to.be.within(9_100, 9_450);
      const rising = ids.filter((id, index) => index > 0 && id === ids[index - 1]! + 1).length;
      expect(rising).to.be.below(10);
    }
  });

  it("stay within bounds when upstream is silent and thousands wait", () => {
    const { ask, upstreams, clock } = makeFixture({ maxInFlightPerClient: 5_000, upstreams: [ONE, TWO] });
    for (let index = 0; index < 4_000; index += 1) ask(named(index));
    clock.advance(2_000);
    expect(upstreams.sent.length).to.be.above(9_000);
    expect(spread(upstreams.sent).most).to.be.at.most(100);
    expect(upstreams.mostOpenUdpSockets).to.be.at.most(64);
    clock.advance(10_000);
    expect(upstreams.openUdpSockets).to.be.at.most(16);
  });

  it("are taken by chance from several, none of which is kept for long", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    for (let index = 0; index < 40; index += 1) {
      ask(named(index));
      clock.advance(2);
    }
    const ports = upstreams.sent.map(({ port }) => port);
    expect(new Set(ports.slice(8, 16)).size).to.be.above(1);
    clock.advance(11_000);
    ask(named(100));
    clock.advance(2);
    expect(ports).to.not.include(upstreams.sent.at(-1)!.port);
    expect(upstreams.openUdpSockets).to.be.at.most(4);
  });

  it("differ among the queries that wait at one port, even if chance repeats itself", () => {
    let draws = 0;
    const random = { fraction: () => 0, uint16: () => (draws++ >> 3) & 0xffff };
    const { ask, upstreams } = makeFixture({ random });
    for (let index = 0; index < 100; index += 1) ask(named(index));
    const pairs = upstreams.sent.map((sent) => `${sent.port} ${idOf(sent)}`);
    expect(new Set(pairs).size).to.equal(100);
  });

  it("need few sockets where few files may be open", () => {
    const { clock, upstreams, forwarder, ask } = makeFixture({ maxInFlightPerClient: 5_000 });
    Object.assign(upstreams, { maxUdpSockets: 3 });
    forwarder.update({ upstreams: [TWO], clusterUpstreams: [TWO] });
    upstreams.script = (sent) => sent.reply(good(sent), 20);
    let answered = 0;
    for (let index = 0; index < 500; index += 1) {
      const client = new TestClient();
      client.onReply = (reply) => {
        if ((reply[3]! & 15) === 0) answered += 1;
      };
      ask(named(index), client);
      if (index % 100 === 0) clock.advance(20);
    }
    clock.advance(1_000);
    expect(answered).to.equal(500);
    expect(upstreams.mostOpenUdpSockets).to.be.at.most(3);
  });
});

describe("new settings", () => {
  it("bring other upstreams; what the old one was asked goes to the new one", () => {
    const { ask, upstreams, clock, forwarder } = makeFixture();
    const client = ask(question("www.example.org"));
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    forwarder.update({ upstreams: [TWO], clusterUpstreams: [TWO] });
    const second = ask(question("other.example.org"));
    clock.advance(5_000);
    expect(upstreams.sent.map(({ to }) => to)).to.deep.equal([TO_ONE, TO_TWO]);
    expect(read(second.reply).rcode).to.equal(0);
    expect(read(client.reply).rcode).to.equal(2);
  });

  it("take what is not asked any more for not up, and what shares its series for what it is", () => {
    const THREE = { address: "198.51.100.3", port: 53 };
    const { ask, upstreams, clock, forwarder, count } = makeFixture();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED", 1);
    forwarder.update({ upstreams: [TWO], clusterUpstreams: [TWO] });
    expect([count("upstream_up", TO_ONE), count("upstream_up", "other")]).to.deep.equal([0, 1]);
    ask(named(1));
    clock.advance(1);
    expect([count("upstream_up", TO_ONE), count("upstream_up", "other")], "all dead").to.deep.equal([0, 0]);
    forwarder.update({ upstreams: [TWO, THREE] });
    forwarder.update({ upstreams: [THREE], clusterUpstreams: [THREE] });
    expect(count("upstream_up", "other")).to.equal(1);
    forwarder.update({ upstreams: [ONE], clusterUpstreams: [ONE] });
    expect([count("upstream_up", TO_ONE), count("upstream_up", "other")]).to.deep.equal([1, 0]);
  });

  it("change the bounds and the cluster domain at once", () => {
    const { ask, upstreams, forwarder } = makeFixture({ upstreams: [ONE], clusterUpstreams: [TWO] });
    forwarder.update({ clusterDomain: "k8s.example", maxInFlightPerClient: 2 });
    ask(question("a.cluster.local"));
    ask(question("a.k8s.example"));
    expect(upstreams.sent.map(({ to }) => to)).to.deep.equal([TO_ONE, TO_TWO]);
    expect(read(ask(named(1)).reply).isTruncated).to.equal(true);
  });
});

it("a closed forwarder sends nothing more and has no timer", async () => {
  const { ask, upstreams, clock, forwarder } = makeFixture();
  upstreams.script = (sent) => sent.transport === "udp" && sent.fail("ECONNREFUSED", 1);
  ask(named(1));
  clock.advance(10);
  ask(named(2), new TestClient("tcp"));
  const sent = upstreams.sent.length;
  await forwarder.close();
  clock.advance(20_000);
  expect(upstreams.sent).to.have.length(sent);
  expect(clock.timers).to.equal(0);
  expect(upstreams.openUdpSockets).to.equal(0);
});
