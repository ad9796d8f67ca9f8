import { expect } from "chai";
import fc from "fast-check";
import { TcpFrames } from "../../src/forwarder/tcp-frames.ts";

describe("TcpFrames", () => {
  it("finds the same messages however the stream is cut", () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(messages, cuts, (sent, lengths) => {
        const stream = Buffer.concat(
          sent.flatMap((message) => [Buffer.from([message.length >> 8, message.length & 255]), message]),
        );
        const received: Uint8Array[] = [];
        const frames = new TcpFrames((message) => received.push(message));
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const length = lengths[turn % lengths.length]!;
          frames.push(stream.subarray(at, at + length));
          at += length;
        }
        expect(received.map((message) => [...message])).to.deep.equal(sent.map((message) => [...message]));
      }),
    );
  });

  it("takes single octets and a message of the greatest length", () => {
    const received: Uint8Array[] = [];
    const frames = new TcpFrames((message) => received.push(message));
    for (const octet of [0, 2, 7, 8]) frames.push(Uint8Array.of(octet));
    frames.push(Uint8Array.of(0xff, 0xff));
    frames.push(new Uint8Array(65_534));
    expect(received).to.have.length(1);
    frames.push(Uint8Array.of(9));
    expect([...received[0]!]).to.deep.equal([7, 8]);
    expect(received[1]).to.have.length(65_535);
    expect(received[1]!.at(-1)).to.equal(9);
  });

  it("passes an empty message on, and goes on behind it", () => {
    const received: number[] = [];
    const frames = new TcpFrames((message) => received.push(message.length));
    frames.push(Uint8Array.of(0, 0, 0, 1, 5));
    expect(received).to.deep.equal([0, 1]);
  });
});
