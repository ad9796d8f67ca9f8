/** The cache gives way when the process comes near the memory that it may have. */

import { expect } from "chai";
import { systemMemoryShare } from "../../src/forwarder/memory-watch.ts";
import { makeFixture } from "./fixture.ts";
import { a, question, read, replyTo } from "./messages.ts";

const CACHE_OCTETS = 1 << 20;
/** Beside rounding down to whole slots. */
const SLACK_OCTETS = 1024;
const CHECK_MS = 5_000;

/** A fixture whose process has this part of its memory in use. */
function using(share: number) {
  const memory = { share };
  const fixture = makeFixture({ cacheOctets: CACHE_OCTETS, memoryShare: () => memory.share });
  const { clock, upstreams, ask, count } = fixture;
  upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1, 86_400)] }));
  const lookUp = (name: string) => {
    const client = ask(question(name));
    clock.advance(0);
    expect(read(client.reply).rcode).to.equal(0);
  };
  /** Of the setting, which part the cache may take. */
  const part = () => {
    const octets = count("cache_max_bytes");
    return [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16].find(
      (each) => octets <= CACHE_OCTETS * each && octets > CACHE_OCTETS * each - SLACK_OCTETS,
    );
  };
  const entries = () => count("cache_entries", "positive");
  return { ...fixture, memory, lookUp, part, entries };
}

describe("the cache, when memory is short", () => {
  it("keeps all of its size below 80 %", () => {
    const { clock, part, entries, lookUp } = using(0.79);
    lookUp("www.example.org");
    clock.advance(60 * CHECK_MS);
    expect(part()).to.equal(1);
    expect(entries()).to.equal(1);
  });

  it("is emptied and halved at 80 %, each time that it is not enough, but never goes altogether", () => {
    const { clock, memory, part, entries, lookUp, upstreams, count } = using(0.5);
    for (let index = 0; index < 500; index += 1) lookUp(`h${index}.example.org`);
    expect(entries()).to.equal(500);
    memory.share = 0.8;
    clock.advance(CHECK_MS);
    expect([part(), entries(), count("cache_bytes")]).to.deep.equal([1 / 2, 0, 0]);
    clock.advance(CHECK_MS);
    expect(part()).to.equal(1 / 4);
    clock.advance(60 * CHECK_MS);
    expect(part()).to.equal(1 / 16);
    // It holds what fits, the others give way, and hits are hits.
    for (let index = 0; index < 500; index += 1) lookUp(`h${index}.example.org`);
    expect(entries()).to.be.within(50, 250);
    expect(count("cache_bytes")).to.be.at.most(count("cache_max_bytes"));
    const asked = upstreams.sent.length;
    lookUp("h499.example.org");
    expect(upstreams.sent).to.have.length(asked);
  });

  it("stops shrinking where it is enough, and has all of its size again after ten calm minutes", () => {
    const { clock, memory, part, entries, lookUp } = using(0.9);
    clock.advance(CHECK_MS);
    memory.share = 0.7;
    clock.advance(3_600_000);
    expect(part(), "neither short nor calm").to.equal(1 / 2);
    memory.share = 0.59;
    clock.advance(300_000);
    memory.share = 0.6;
    clock.advance(CHECK_MS);
    memory.share = 0.59;
    clock.advance(600_000 - CHECK_MS);
    expect(part(), "not ten minutes on end").to.equal(1 / 2);
    clock.advance(CHECK_MS);
    expect(part()).to.equal(1);
    lookUp("www.example.org");
    clock.advance(3_600_000);
    expect(entries(), "not emptied again").to.equal(1);
  });

  it("takes a reply to a question that was on its way, and keeps its part when the setting changes", () => {
    const { clock, memory, part, entries, upstreams, forwarder, ask, lookUp } = using(0.9);
    const { script } = upstreams;
    upstreams.script = () => {};
    clock.advance(CHECK_MS - 10);
    ask(question("www.example.org"));
    clock.advance(10);
    memory.share = 0.7;
    script(upstreams.sent[0]!);
    clock.advance(0);
    expect(entries()).to.equal(1);
    forwarder.update({ cacheOctets: CACHE_OCTETS * 2 });
    expect(part(), "half of twice as much").to.equal(1);
    upstreams.script = script;
    lookUp("www.example.org");
    expect(entries()).to.equal(1);
  });

  it("is not looked after any more once the forwarder is closed", async () => {
    const { forwarder, clock } = using(0.9);
    await forwarder.close();
    expect(clock.timers).to.equal(0);
  });

  it("what the system says is a part of a whole", () => {
    expect(systemMemoryShare()).to.be.within(0.001, 1);
  });
});
