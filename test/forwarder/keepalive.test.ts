/** RFC 7828: the option is hop by hop; nothing else of a message changes. */

import { expect } from "chai";
import fc from "fast-check";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, TestClient } from "./fixture.ts";
import { a, question, read, replyTo } from "./messages.ts";

const KEEPALIVE = [0, 11, 0, 0];
const KEEPALIVE_OF_UPSTREAM = [0, 11, 0, 2, 0x0b, 0xb8];
const OTHER = [0, 100, 0, 3, 7, 8, 9];
const name = "www.example.org";
const tcp = () => new TestClient("tcp");

function relayed(options: readonly number[], reply: (sent: Sent) => Uint8Array, client = tcp()) {
  const { ask, upstreams, clock } = makeFixture();
  upstreams.script = (sent) => sent.reply(reply(sent));
  const message = question(name, { edns: { options } });
  ask(message, client);
  clock.advance(1);
  return { message, sent: upstreams.sent[0]!.message, reply: client.reply };
}

const plain = (sent: Sent) => replyTo(sent.message, { answers: [a(1)], opt: [] });

describe("RFC 7828 TCP keepalive", () => {
  it("is not passed on over TCP; all other options are, octet for octet", () => {
    for (const options of [
      [...KEEPALIVE, ...OTHER],
      [...OTHER, ...KEEPALIVE],
      [...KEEPALIVE, ...OTHER, ...KEEPALIVE],
      KEEPALIVE,
    ]) {
      const { sent } = relayed(options, plain);
      const kept = options.length === KEEPALIVE.length ? [] : OTHER;
      expect([...sent.subarray(2)]).to.deep.equal([
        ...question(name, { edns: { options: kept } }).subarray(2),
      ]);
    }
  });

  it("keeps what stands behind the OPT record", () => {
    const { ask, upstreams } = makeFixture();
    const trailing = [1, 2, 3, 4, 5];
    ask(Uint8Array.from([...question(name, { edns: { options: KEEPALIVE } }), ...trailing]), tcp());
    expect([...upstreams.sent[0]!.message.subarray(2)]).to.deep.equal([
      ...question(name, { edns: {} }).subarray(2),
      ...trailing,
    ]);
  });

  it("of upstream is not passed on to the client, whether the client sent one or not", () => {
    for (const options of [KEEPALIVE, OTHER, []]) {
      const { reply, message } = relayed(options, (sent) =>
        replyTo(sent.message, { answers: [a(1)], opt: [...OTHER, ...KEEPALIVE_OF_UPSTREAM] }),
      );
      expect([...reply]).to.deep.equal([...replyTo(message, { answers: [a(1)], opt: OTHER })]);
    }
  });

  it("is an option like any other over UDP, where it means nothing", () => {
    const client = new TestClient();
    const { message, sent, reply } = relayed(
      KEEPALIVE,
      (each) => replyTo(each.message, { answers: [a(1)], opt: KEEPALIVE_OF_UPSTREAM }),
      client,
    );
    expect([...sent.subarray(2)]).to.deep.equal([...message.subarray(2)]);
    expect(read(reply).opt?.data).to.deep.equal(Buffer.from(KEEPALIVE_OF_UPSTREAM));
  });

  it("shares the reply among clients with and without it, and keeps another version as it is", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.reply(plain(sent), 5);
    const clients = [KEEPALIVE, []].map((options) => ask(question(name, { edns: { options } }), tcp()));
    expect(upstreams.sent).to.have.length(1);
    clock.advance(5);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
    const later = question("v1.example.org", { edns: { options: KEEPALIVE } });
    // Behind root, type and size: the extended RCODE, then the version.
    later[later.length - KEEPALIVE.length - 5] = 1;
    ask(later, tcp());
    expect([...upstreams.sent[1]!.message.subarray(2)]).to.deep.equal([...later.subarray(2)]);
  });

  it("leaves replies of any octets as they are when there is nothing to take out", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ minLength: 6, maxLength: 6 }),
        (rest, counts) => {
          const { reply, message } = relayed(OTHER, (sent) => {
            const octets = Uint8Array.from([...sent.message.subarray(0, sent.message.length - 18), ...rest]);
            octets.set([0x81, 0x80, 0, 1, ...counts], 2);
            return octets;
          });
          expect(reply.length).to.equal(message.length - 18 + rest.length);
          expect([...reply.subarray(-rest.length || reply.length)]).to.deep.equal([...rest]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
