import { expect } from "chai";
import { failed, host, makeWorld, type World } from "./scripted-upstream.ts";

describe("a refresher that begins with what another kept", () => {
  const worlds: World[] = [];

  function world(): World {
    const made = makeWorld();
    worlds.push(made);
    return made;
  }

  afterEach(async () => {
    for (const { refresher } of worlds.splice(0)) await refresher.close();
  });

  async function keptOf(...names: readonly string[]) {
    const before = world();
    for (const name of names) before.refresher.want(host(name), "default");
    await before.elapse(100);
    return before.refresher.kept();
  }

  it("knows the names at once, tells nobody, and looks them up", async () => {
    const kept = await keptOf("a.example", "b.example");
    expect(kept.map(({ name }) => name)).to.deep.equal(["a.example", "b.example"]);
    const { refresher, upstream, events, addressesOf, elapse } = world();
    refresher.recall(kept);
    refresher.want(host("a.example"), "default");
    expect(addressesOf("a.example")).to.deep.equal(["198.51.100.1"]);
    expect(refresher.resolution(host("a.example"))?.AAAA).to.deep.equal({ state: "denied", by: "nodata" });
    expect(refresher.resolution(host("b.example"))).to.equal(undefined);
    expect(upstream.calls.map(({ name, family }) => `${name} ${family}`)).to.deep.equal([
      "a.example A",
      "a.example AAAA",
    ]);
    await elapse(100);
    // The same addresses as before: they only live longer.
    expect(events).to.deep.equal(["touched A a.example"]);
  });

  it("leaves no timer behind", async () => {
    const { refresher, clock } = world();
    refresher.recall(await keptOf("a.example"));
    expect(clock.timers).to.equal(1);
    await refresher.close();
    expect(clock.timers).to.equal(0);
  });

  it("keeps the addresses while upstream fails", async () => {
    const kept = await keptOf("a.example");
    const { refresher, upstream, addressesOf, elapse, state } = world();
    upstream.script = () => ({ afterMs: 20, result: failed("servfail") });
    refresher.recall(kept);
    refresher.want(host("a.example"), "default");
    await elapse(120_000, 1000);
    expect(state("a.example")).to.equal("stale");
    expect(addressesOf("a.example")).to.deep.equal(["198.51.100.1"]);
  });

  it("knows nothing any more of a name that is wanted a second time, or a minute later", async () => {
    const kept = await keptOf("a.example", "b.example");
    const { refresher, elapse, state } = world();
    refresher.recall(kept);
    refresher.want(host("a.example"), "default");
    refresher.unwant(host("a.example"), "default");
    refresher.want(host("a.example"), "default");
    expect(state("a.example")).to.equal("pending");
    await elapse(60_000, 1000);
    refresher.want(host("b.example"), "default");
    expect(state("b.example")).to.equal("pending");
  });
});
