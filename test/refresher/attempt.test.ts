import { expect } from "chai";
import { Attempt, type AttemptEnd } from "../../src/refresher/attempt.ts";
import type { UpstreamServer } from "../../src/refresher/lookup.ts";
import { UpstreamOrder } from "../../src/refresher/upstream-order.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  addresses,
  failed,
  host,
  NXDOMAIN,
  ONE,
  type Script,
  ScriptedUpstream,
  settle,
  THREE,
  TWO,
} from "./scripted-upstream.ts";

const GOOD = addresses(["198.51.100.1"]);

/** What happened to one attempt until it ended, or for ten seconds. */
async function attempt(servers: readonly UpstreamServer[], script: Script) {
  const clock = new FakeClock();
  const upstream = new ScriptedUpstream(clock);
  upstream.script = script;
  const startMs = clock.nowMs();
  const silent = new Set<UpstreamServer>();
  const ends: (AttemptEnd & { readonly afterMs: number })[] = [];
  new Attempt({
    name: host("a.example"),
    family: "A",
    servers,
    lookup: upstream.lookup,
    clock,
    onSilent: (server) => silent.add(server),
    onEnd: (end) => ends.push({ ...end, afterMs: clock.nowMs() - startMs }),
  });
  for (let step = 0; step < 1000; step += 1) {
    await settle();
    clock.advance(10);
  }
  expect(ends).to.have.length(1);
  expect(clock.timers).to.equal(0);
  const asked = upstream.calls.map(({ server, atMs }) => [server, atMs - startMs]);
  return { ...ends[0]!, asked, silent: [...silent], calls: upstream.calls };
}

/** By server: the delay and the reply; a server that is not named stays silent. */
const by =
  (...replies: readonly [UpstreamServer, number, AttemptEnd["result"]][]): Script =>
  ({ server }) => {
    const reply = replies.find(([of]) => of === server);
    return reply && { afterMs: reply[1], result: reply[2] };
  };

describe("one attempt", () => {
  it("asks the first server, and no other when it answers in time", async () => {
    const { asked, result, server, afterMs, silent } = await attempt([ONE, TWO], by([ONE, 690, GOOD]));
    expect({ asked, result, server, silent }).to.deep.equal({
      asked: [[ONE, 0]],
      result: GOOD,
      server: ONE,
      silent: [],
    });
    expect(afterMs).to.equal(690);
  });

  it("asks another one after 0.7 s of silence; the first good reply wins", async () => {
    const won = await attempt([ONE, TWO], by([ONE, 900, GOOD], [TWO, 100, NXDOMAIN]));
    expect(won).to.deep.include({ result: NXDOMAIN, server: TWO, afterMs: 800, silent: [ONE] });
    expect(won.asked).to.deep.equal([
      [ONE, 0],
      [TWO, 700],
    ]);
    const lost = await attempt([ONE, TWO], by([ONE, 900, GOOD], [TWO, 300, NXDOMAIN]));
    expect(lost).to.deep.include({ result: GOOD, server: ONE, afterMs: 900 });
    expect(lost.calls.every(({ isAborted }) => isAborted)).to.equal(true);
  });

  it("asks the only server again after 0.7 s, once", async () => {
    let calls = 0;
    const lost = await attempt([ONE], () => {
      calls += 1;
      return calls === 1 ? undefined : { afterMs: 30, result: GOOD };
    });
    expect(lost).to.deep.include({ result: GOOD, afterMs: 730 });
    const dead = await attempt([ONE], by());
    expect(dead.asked).to.deep.equal([
      [ONE, 0],
      [ONE, 700],
    ]);
  });

  it("accepts a reply for 4.5 s, then gives up", async () => {
    const late = await attempt([ONE], by([ONE, 4490, GOOD]));
    expect(late).to.deep.include({ result: GOOD, afterMs: 4490 });
    const tooLate = await attempt([ONE], by([ONE, 4510, GOOD]));
    expect(tooLate).to.deep.include({ result: failed("timeout"), afterMs: 4500, silent: [ONE] });
  });

  it("comes to every server, one each 0.7 s", async () => {
    const { asked } = await attempt([ONE, TWO, THREE], by());
    expect(asked).to.deep.equal([
      [ONE, 0],
      [TWO, 700],
      [THREE, 1400],
    ]);
  });

  for (const failure of ["servfail", "refused", "network"] as const) {
    it(`asks the next server at once when one says ${failure}`, async () => {
      const { asked, result, afterMs, silent } = await attempt(
        [ONE, TWO, THREE],
        by([ONE, 10, failed(failure)], [TWO, 10, failed(failure)], [THREE, 10, GOOD]),
      );
      expect(asked).to.deep.equal([
        [ONE, 0],
        [TWO, 10],
        [THREE, 20],
      ]);
      expect({ result, afterMs }).to.deep.equal({ result: GOOD, afterMs: 30 });
      expect(silent).to.deep.equal(failure === "network" ? [ONE, TWO] : []);
    });
  }

  it("ends as soon as all have failed, with what the first one said", async () => {
    const two = await attempt([ONE, TWO], by([ONE, 10, failed("refused")], [TWO, 10, failed("servfail")]));
    expect(two).to.deep.include({ result: failed("refused"), server: ONE, afterMs: 20 });
    const one = await attempt([ONE], by([ONE, 10, failed("servfail")]));
    expect(one).to.deep.include({ result: failed("servfail"), afterMs: 10 });
    expect(one.asked).to.have.length(1);
  });

  it("waits for a silent server while another has failed, and then reports what was said", async () => {
    const end = await attempt([ONE, TWO], by([TWO, 10, failed("servfail")]));
    expect(end).to.deep.include({ result: failed("servfail"), server: TWO, afterMs: 4500 });
    const rescued = await attempt([ONE, TWO], by([ONE, 4000, GOOD], [TWO, 10, failed("servfail")]));
    expect(rescued).to.deep.include({ result: GOOD, server: ONE, afterMs: 4000 });
  });

  it("reports a failure rather than a timeout that came before it", async () => {
    const end = await attempt([ONE, TWO], by([ONE, 600, failed("timeout")], [TWO, 10, failed("refused")]));
    expect(end).to.deep.include({ result: failed("refused"), server: TWO, afterMs: 610 });
  });

  it("says nothing once it is cancelled", async () => {
    const clock = new FakeClock();
    const upstream = new ScriptedUpstream(clock);
    const ends: AttemptEnd[] = [];
    const cancelled = new Attempt({
      name: host("a.example"),
      family: "A",
      servers: [ONE],
      lookup: upstream.lookup,
      clock,
      onSilent: () => expect.fail("silent"),
      onEnd: (end) => ends.push(end),
    });
    cancelled.cancel();
    clock.advance(10_000);
    await settle();
    expect(ends).to.deep.equal([]);
    expect(upstream.calls.map(({ isAborted }) => isAborted)).to.deep.equal([true]);
  });
});

describe("UpstreamOrder", () => {
  it("moves a silent first server behind the others, and heeds late reports about others not", () => {
    const order = new UpstreamOrder([ONE, TWO, THREE]);
    order.demote(TWO);
    expect(order.current()).to.deep.equal([ONE, TWO, THREE]);
    order.demote(ONE);
    order.demote(ONE);
    expect(order.current()).to.deep.equal([TWO, THREE, ONE]);
    order.demote(TWO);
    order.demote(THREE);
    expect(order.current()).to.deep.equal([ONE, TWO, THREE]);
  });
});
