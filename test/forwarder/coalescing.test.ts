import { expect } from "chai";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, TestClient } from "./fixture.ts";
import { a, nameOctets, question, read, replyTo } from "./messages.ts";

const NAME = "www.example.org";
const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });

describe("equal queries", () => {
  it("share one query upstream; each client gets its own ID and spelling back", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    const spellings = ["www.EXAMPLE.org", "WWW.example.org", "www.EXAMPLE.org", "www.example.ORG"];
    const clients = spellings.map((name, index) => ask(question(name, { id: 100 + index })));
    expect(upstreams.sent).to.have.length(1);
    const [sent] = upstreams.sent;
    sent!.reply(good(sent!), 5);
    clock.advance(5);
    for (const [index, client] of clients.entries()) {
      const message = question(spellings[index]!, { id: 100 + index });
      expect([...client.reply]).to.deep.equal([...replyTo(message, { answers: [a(1)] })]);
    }
    expect(count("cache_coalesced_total")).to.equal(3);
  });

  it("leave the spelling of upstream's reply to the client whose spelling was sent", () => {
    const { ask, upstreams, clock } = makeFixture();
    const first = ask(question("WWW.example.org"));
    const second = ask(question("www.EXAMPLE.org"));
    const third = ask(question("WWW.example.org"));
    const [sent] = upstreams.sent;
    const lowered = good(sent!);
    lowered.set(nameOctets(NAME), 12);
    sent!.reply(lowered);
    clock.advance(0);
    expect(read(first.reply).name).to.equal(NAME);
    expect(read(second.reply).name).to.equal("www.EXAMPLE.org");
    expect(read(third.reply).name).to.equal(NAME);
  });

  it("are equal in every other octet, and came over the same transport", () => {
    const { ask, upstreams, count } = makeFixture();
    const base = question(NAME, { edns: { options: [0, 100, 0, 2, 0x41, 0x42] } });
    const different = [
      base,
      question(NAME, { edns: { options: [0, 100, 0, 2, 0x61, 0x42] } }),
      question(NAME, { edns: { size: 1233, options: [0, 100, 0, 2, 0x41, 0x42] } }),
      question(NAME, { flags: 0x0110, edns: { options: [0, 100, 0, 2, 0x41, 0x42] } }),
      question(NAME, { type: 28, edns: { options: [0, 100, 0, 2, 0x41, 0x42] } }),
      question("wwx.example.org", { edns: { options: [0, 100, 0, 2, 0x41, 0x42] } }),
      question(`a${NAME.slice(1)}`, { edns: { options: [0, 100, 0, 2, 0x41, 0x42] } }),
      Uint8Array.from([...base, 0]),
      question(NAME),
    ];
    for (const message of different) ask(message);
    expect(upstreams.sent).to.have.length(different.length);
    ask(base, new TestClient("tcp"));
    expect(upstreams.sent).to.have.length(different.length + 1);
    expect(count("cache_coalesced_total")).to.equal(0);
    for (const message of different) ask(message.with(1, 0x77));
    ask(base, new TestClient("tcp"));
    expect(upstreams.sent).to.have.length(different.length + 1);
    expect(count("cache_coalesced_total")).to.equal(different.length + 1);
  });

  it("are asked again after the reply to the first", () => {
    const { ask, upstreams, clock } = makeFixture({ cacheOctets: 0 });
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    for (let times = 1; times <= 3; times += 1) {
      ask(question(NAME));
      clock.advance(1);
      expect(upstreams.sent).to.have.length(times);
    }
  });

  it("all hear of a failure, in their own spelling", () => {
    const { ask, clock } = makeFixture();
    const clients = ["a.EXAMPLE.org", "A.example.org"].map((name) => ask(question(name)));
    clock.advance(4_500);
    expect(clients.map((client) => read(client.reply).name)).to.deep.equal([
      "a.EXAMPLE.org",
      "A.example.org",
    ]);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(2);
  });

  it("are not joined when they are signed: the signature covers the spelling", () => {
    const { ask, upstreams } = makeFixture();
    const signed = (name: string) =>
      Uint8Array.from([...question(name).with(11, 1), 0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]);
    ask(signed(NAME));
    ask(signed(NAME));
    expect(upstreams.sent).to.have.length(2);
  });
});
