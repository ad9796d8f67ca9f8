import { expect } from "chai";
import fc from "fast-check";
import { type PendingQuery, Waiter } from "../../src/forwarder/pending-query.ts";
import { WaitingClients } from "../../src/forwarder/waiting-clients.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, TestClient } from "./fixture.ts";
import { a, extendedError, question, read, replyTo } from "./messages.ts";

const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const named = (index: number | string) => question(`h${index}.example.org`, { edns: {} });
const from = (address: string, transport: "udp" | "tcp" = "udp") => new TestClient(transport, address);
const prefixes = (...texts: string[]) => texts.map((text) => parseIpPrefix(text)!);

describe("over the bound of all clients", () => {
  it("the newest query of the heaviest client gives way, and is told so", () => {
    const { ask, upstreams, clock, count } = makeFixture({ maxInFlight: 20 });
    const heavy = Array.from({ length: 15 }, (_, index) => ask(named(index), from("10.0.0.1")));
    const others = Array.from({ length: 5 }, (_, index) => ask(named(100 + index), from(`10.0.1.${index}`)));
    const late = Array.from({ length: 3 }, (_, index) => ask(named(200 + index), from(`10.0.2.${index}`)));
    expect(heavy.map(({ replies }) => replies.length)).to.deep.equal([...Array(12).fill(0), 1, 1, 1]);
    for (const client of heavy.slice(12)) {
      expect(read(client.reply).flags).to.equal(0x8182);
      expect(extendedError(read(client.reply))).to.equal(0);
    }
    for (const client of [...others, ...late]) expect(client.replies).to.have.length(0);
    expect(count("upstream_rejected_total", "overload")).to.equal(3);
    for (const sent of upstreams.sent) sent.reply(good(sent));
    clock.advance(1);
    for (const client of [...heavy.slice(0, 12), ...others, ...late])
      expect(read(client.reply).rcode).to.equal(0);
    for (const client of heavy.slice(12)) expect(client.replies, "no second reply").to.have.length(1);
  });

  it("the one that comes gives way, if its client is the heaviest or none is heavier", () => {
    const { ask } = makeFixture({ maxInFlight: 4 });
    for (let index = 0; index < 3; index += 1) ask(named(index), from("10.0.0.1"));
    ask(named(4), from("10.0.0.2"));
    expect(read(ask(named(5), from("10.0.0.1")).reply).rcode).to.equal(2);
    const even = makeFixture({ maxInFlight: 4 });
    for (let index = 0; index < 4; index += 1) even.ask(named(index), from(`10.0.0.${index}`));
    expect(read(even.ask(named(9), from("10.0.0.9")).reply).rcode).to.equal(2);
  });

  it("a query that nobody waits for any more is not sent again; one that others share goes on", () => {
    const { ask, upstreams, clock } = makeFixture({ maxInFlight: 4 });
    ask(named("shared"), from("10.0.0.2"));
    for (const name of [1, 2, "shared"]) ask(named(name), from("10.0.0.1"));
    for (const index of [3, 4]) ask(named(index), from(`10.0.0.${index}`));
    clock.advance(4_400);
    const names = upstreams.sent.map(({ message }) => read(message).name);
    expect(names.filter((name) => name === "h2.example.org")).to.have.length(1);
    expect(names.filter((name) => name === "hshared.example.org")).to.have.length.above(3);
  });

  it("is kept through a flood from thousands of addresses, and the light client is served", () => {
    const { ask, upstreams, clock, count } = makeFixture({ maxInFlight: 512 });
    let answered = 0;
    for (let index = 0; index < 20_000; index += 1) {
      ask(named(index), from(`10.${index % 16}.0.1`));
      if (index % 1_000 !== 999) continue;
      const light = from("192.0.2.1");
      light.onReply = (reply) => {
        if ((reply[3]! & 15) === 0) answered += 1;
      };
      ask(named(`light${index}`), light);
      upstreams.sent.at(-1)!.reply(good(upstreams.sent.at(-1)!));
      clock.advance(1);
    }
    expect(answered).to.equal(20);
    expect(count("upstream_rejected_total", "overload")).to.be.above(10_000);
  });
});

describe("over the bound of one client", () => {
  it("a trusted forwarder goes on, and does not give way to others", () => {
    const options = {
      maxInFlight: 20,
      maxInFlightPerClient: 3,
      trustedForwarders: prefixes("10.9.0.0/16", "fd00::7"),
    };
    const { ask, count } = makeFixture(options);
    const trusted = Array.from({ length: 10 }, (_, index) => ask(named(index), from("10.9.1.2")));
    const sixth = ask(named("v6"), from("fd00::7"));
    for (const client of [...trusted, sixth]) expect(client.replies).to.have.length(0);
    for (let index = 0; index < 3; index += 1) ask(named(20 + index), from("10.8.0.1"));
    expect(read(ask(named(30), from("10.8.0.1")).reply).isTruncated).to.equal(true);
    for (let index = 0; index < 6; index += 1) ask(named(40 + index), from(`10.7.0.${index}`));
    const displacing = ask(named(50), from("10.6.0.1"));
    expect(displacing.replies).to.have.length(0);
    for (const client of trusted) expect(client.replies).to.have.length(0);
    expect(count("upstream_rejected_total", "client")).to.equal(1);
    expect(count("upstream_rejected_total", "overload")).to.equal(1);
  });

  it("counts octets as well: 64 KiB messages over TCP do not fill the memory", () => {
    const { ask, count } = makeFixture();
    const big = (index: number) => Uint8Array.from([...named(index), ...Array(60_000).fill(7)]);
    const clients = Array.from({ length: 30 }, (_, index) => ask(big(index), from("10.0.0.1", "tcp")));
    const rejected = clients.filter(({ replies }) => replies.length > 0);
    expect(rejected.length).to.equal(30 - 17);
    for (const client of rejected) {
      expect([read(client.reply).rcode, extendedError(read(client.reply))]).to.deep.equal([2, 0]);
    }
    expect(count("upstream_rejected_total", "client")).to.equal(13);
    expect(ask(named(99), from("10.0.0.2")).replies).to.have.length(0);
  });

  it("and the octets of all clients are bounded", () => {
    const { ask, count } = makeFixture();
    const big = (index: number) => Uint8Array.from([...named(index), ...Array(60_000).fill(7)]);
    for (let index = 0; index < 400; index += 1) ask(big(index), from(`10.0.0.${index % 40}`, "tcp"));
    expect(count("upstream_rejected_total", "overload")).to.be.within(100, 130);
  });
});

describe("a rate limit", () => {
  it("lets a second's worth pass at once, then as many per second; TC=1 over UDP", () => {
    const { ask, upstreams, clock, count } = makeFixture({ rateLimit: 10, maxInFlightPerClient: 1_000 });
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    const pass = (times: number, address = "10.0.0.1") =>
      Array.from({ length: times }, (_, index) =>
        ask(named(`${clock.nowMs()}-${index}`), from(address)),
      ).filter(({ replies }) => replies.length === 0).length;
    expect(pass(15)).to.equal(10);
    clock.advance(100);
    expect(pass(5)).to.equal(1);
    clock.advance(60_000);
    expect(pass(15)).to.equal(10);
    expect(pass(15, "10.0.0.2")).to.equal(10);
    const over = ask(named(1), from("10.0.0.1"));
    expect(read(over.reply).isTruncated).to.equal(true);
    expect(read(ask(named(1), from("10.0.0.1", "tcp")).reply).rcode).to.equal(2);
    expect(count("upstream_rejected_total", "rate")).to.equal(5 + 4 + 5 + 5 + 2);
  });

  it("is off by default, can be changed, and does not hold for trusted forwarders", () => {
    const { ask, forwarder } = makeFixture({ trustedForwarders: prefixes("10.9.0.0/16") });
    const isAdmitted = (address: string, times: number) =>
      Array.from({ length: times }, (_, index) => ask(named(index), from(address))).every(
        ({ replies }) => replies.length === 0,
      );
    expect(isAdmitted("10.0.0.1", 200)).to.equal(true);
    forwarder.update({ rateLimit: 5 });
    expect(isAdmitted("10.0.0.2", 6)).to.equal(false);
    expect(isAdmitted("10.9.0.2", 200)).to.equal(true);
    forwarder.update({ rateLimit: 0 });
    expect(isAdmitted("10.0.0.2", 200)).to.equal(true);
  });
});

it("the account of who waits is right after any sequence of comings and goings", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5), fc.nat(50)), { maxLength: 200 }), (steps) => {
      const clients = new WaitingClients((address) => address === "trusted");
      const model: { waiter: Waiter; octets: number }[] = [];
      for (const [isComing, at, octets] of steps) {
        if (isComing) {
          const client = new TestClient("udp", at === 5 ? "trusted" : `10.0.0.${at}`);
          const waiter = new Waiter(null as unknown as PendingQuery, client, 1, null);
          clients.add(clients.of(client), waiter, octets);
          model.push({ waiter, octets });
        } else if (model.length > 0) {
          const [gone] = model.splice(octets % model.length, 1);
          clients.remove(gone!.waiter);
          clients.remove(gone!.waiter);
        }
        expect(clients.total).to.equal(model.length);
        expect(clients.totalOctets).to.equal(model.reduce((sum, each) => sum + each.octets, 0));
        const counts = new Map<string, number>();
        for (const { waiter } of model) {
          const { address } = waiter.client;
          if (address !== "trusted") counts.set(address, (counts.get(address) ?? 0) + 1);
        }
        const heaviest = clients.heaviest();
        expect(heaviest?.count ?? 0).to.equal(Math.max(0, ...counts.values()));
        if (heaviest === null) continue;
        const own = model.filter(({ waiter }) => waiter.client.address === heaviest.address);
        expect(heaviest.newest).to.equal(own.at(-1)?.waiter);
      }
    }),
    { numRuns: 200 },
  );
});
