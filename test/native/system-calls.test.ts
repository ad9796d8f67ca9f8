/** The system calls by themselves, over loopback. */

import { expect } from "chai";
import koffi from "koffi";
import { openBatchBackEnd } from "../../src/native/batch-back-end.ts";
import { openBatchSockets } from "../../src/native/batch-sockets.ts";
import { chooseBackEnd } from "../../src/native/choose-back-end.ts";
import { testSystemCalls } from "../../src/native/self-test.ts";
import {
  type DatagramEnds,
  type MappedMemory,
  mappedOctets,
  NativeUnavailableError,
  SystemCalls,
} from "../../src/native/system-calls.ts";
import { LOOPBACK_ENDS, LOOPBACK_OCTETS, LOOPBACK_WORD, withSystemCalls } from "./fixtures.ts";

const LOOPBACK = LOOPBACK_OCTETS;
const BROADCAST_WORD = -1;
const LOOPBACK6 = new Uint8Array(16).fill(1, 15);
const ENDS = LOOPBACK_ENDS;
const ECONNREFUSED = -111;
const EADDRINUSE = -98;

describe("system calls", () => {
  withSystemCalls((calls) => {
    const descriptors: number[] = [];
    afterEach(() => {
      for (const each of descriptors.splice(0)) calls().close(each);
    });

    function memory(): MappedMemory {
      const octets = mappedOctets(2);
      return calls().mappedMemory(calls().map(octets), octets);
    }

    function bound(
      at: MappedMemory,
      octets = LOOPBACK,
      { isWildcard = false, receiveBufferOctets = 1 << 20, port = 0 } = {},
    ): { readonly fd: number; readonly port: number } {
      const options = { isWildcard, reusePort: false, receiveBufferOctets };
      const fd = calls().listenUdp(at, octets, port, options);
      expect(fd).to.be.greaterThan(0);
      descriptors.push(fd);
      return { fd, port: calls().portOf(at, fd) };
    }

    it("skips what cannot be sent, counts it and sends all the rest in order", () => {
      const at = memory();
      const to = bound(at);
      const from = bound(at);
      const sends = calls().sendBatch(at, from.fd, false);
      const receives = calls().receiveBatch(at);
      for (const [index, ends] of [
        { ...ENDS, port: to.port },
        { ...ENDS, port: 0 },
        { ...ENDS, port: to.port },
        { ...ENDS, port: to.port, remote0: BROADCAST_WORD },
        { ...ENDS, port: to.port },
        { ...ENDS, port: to.port },
      ].entries())
        sends.put(ends, Uint8Array.of(index), 1);
      expect(sends.flush()).to.equal(2);
      expect(sends.count).to.equal(0);
      expect(receives.receive(to.fd, 64)).to.equal(4);
      expect([0, 1, 2, 3].map((index) => receives.octets(index)[0])).to.deep.equal([0, 2, 4, 5]);
      // All of them: the last one of a batch is skipped as well.
      sends.put({ ...ENDS, port: 0 }, Uint8Array.of(1), 1);
      expect(sends.flush()).to.equal(1);
    });

    it("gives every message its whole room again, whatever came before it", () => {
      const at = memory();
      const receives = calls().receiveBatch(at);
      const any = bound(at, new Uint8Array(4), { isWildcard: true });
      const one = bound(at);
      const six = bound(at, LOOPBACK6);
      const sends = calls().sendBatch(at, one.fd, false);
      const sixSends = calls().sendBatch(at, six.fd, true);
      const told: DatagramEnds = { ...ENDS };
      const long = new Uint8Array(30_000).map((_, index) => index);

      sends.put({ ...ENDS, port: any.port, remote0: LOOPBACK_WORD + 4 }, long, 0);
      sends.put({ ...ENDS, port: any.port, remote0: LOOPBACK_WORD + 4 }, long, 3);
      sends.flush();
      expect(receives.receive(any.fd, 64)).to.equal(2);
      expect([receives.length(0), receives.length(1)]).to.deep.equal([0, 3]);
      receives.readEnds(1, told);
      expect([told.port, told.remote0, told.hasLocal, told.local0]).to.deep.equal([
        one.port,
        LOOPBACK_WORD,
        true,
        LOOPBACK_WORD + 4,
      ]);

      // The same place now holds an IPv6 address and a longer message.
      sixSends.put({ ...ENDS, port: six.port, remote0: 0, remote3: 1 }, long, long.length);
      sixSends.flush();
      expect(receives.receive(six.fd, 64)).to.equal(1);
      expect(receives.length(0)).to.equal(long.length);
      expect(Buffer.from(receives.octets(0).subarray(0, long.length)).equals(Buffer.from(long))).to.equal(
        true,
      );
      receives.readEnds(0, told);
      expect([told.port, told.remote0, told.remote3]).to.deep.equal([six.port, 0, 1]);

      // The socket of one address tells no local one; what the wildcard's told there is not taken for it.
      sends.put({ ...ENDS, port: one.port }, long, 5);
      sends.flush();
      expect(receives.receive(one.fd, 64)).to.equal(1);
      receives.readEnds(0, told);
      expect([told.port, told.remote0, told.hasLocal]).to.deep.equal([one.port, LOOPBACK_WORD, false]);
      expect(receives.receive(one.fd, 64)).to.equal(-11);
    });

    it("hears that an upstream's port is closed", () => {
      const at = memory();
      const closed = bound(at);
      calls().close(closed.fd);
      descriptors.pop();
      const fd = calls().connectUdp(at, LOOPBACK, closed.port);
      descriptors.push(fd);
      expect(calls().send(at, fd, Uint8Array.of(1))).to.equal(1);
      const receives = calls().receiveBatch(at);
      expect(receives.receive(fd, 16)).to.equal(ECONNREFUSED);
      expect(calls().send(at, fd, Uint8Array.of(1))).to.equal(1);
      expect(calls().send(at, fd, Uint8Array.of(1))).to.equal(ECONNREFUSED);
    });

    it("tells how many datagrams found no room", () => {
      const at = memory();
      const to = bound(at, LOOPBACK, { receiveBufferOctets: 1 });
      const from = bound(at);
      const sends = calls().sendBatch(at, from.fd, false);
      const receives = calls().receiveBatch(at);
      const sent = 64;
      for (let index = 0; index < sent; index += 1)
        sends.put({ ...ENDS, port: to.port }, new Uint8Array(500), 500);
      expect(sends.flush()).to.equal(0);
      const received = receives.receive(to.fd, 64);
      expect(received).to.be.within(1, sent - 1);
      expect(calls().droppedBy(at, to.fd)).to.equal(sent - received);
    });

    it("returns the error's own number, and leaves no descriptor behind", () => {
      const at = memory();
      const taken = bound(at);
      const options = { isWildcard: false, reusePort: false, receiveBufferOctets: 1 << 16 };
      const next = calls().createEvent();
      calls().close(next);
      expect(calls().listenUdp(at, LOOPBACK, taken.port, options)).to.equal(EADDRINUSE);
      const again = calls().createEvent();
      descriptors.push(again);
      expect(again).to.equal(next);
    });

    it("sends what a signal has interrupted", () => {
      const at = memory();
      const to = bound(at);
      const sends = interrupted("sendmmsg").sendBatch(at, to.fd, false);
      for (let index = 0; index < 3; index += 1)
        sends.put({ ...ENDS, port: to.port }, Uint8Array.of(index), 1);
      expect(sends.flush()).to.equal(0);
      expect(calls().receiveBatch(at).receive(to.fd, 64)).to.equal(3);
    });

    it("waits once, not for each message, when there is no room to send", () => {
      const at = memory();
      const to = bound(at);
      let calls = 0;
      const full = withLibc("sendmmsg", () => () => {
        calls += 1;
        return -1;
      });
      const sends = new SystemCalls({ ...full, errno: () => 11 } as typeof koffi).sendBatch(at, to.fd, false);
      for (let index = 0; index < 3; index += 1)
        sends.put({ ...ENDS, port: to.port }, Uint8Array.of(index), 1);
      expect([sends.flush(), sends.count, calls]).to.deep.equal([3, 0, 1]);
    });

    it("takes a wait that a signal has interrupted for an empty turn", async () => {
      const broken = interrupted("epoll_wait");
      const sockets = openBatchSockets(broken, [{ address: "127.0.0.1", port: 0, isDefault: false }], false);
      const backEnd = await openBatchBackEnd({ handles: sockets.handles, calls: broken, sliceMs: 1 });
      for (let turns = 0; turns < 3; turns += 1) {
        await new Promise<void>((resolve) => {
          backEnd.clock.setTimer(2, resolve);
        });
      }
      await backEnd.close();
      await sockets.close();
    });

    it("hands out no memory that is not there", () => {
      const small = calls().mappedMemory(calls().map(mappedOctets(0)), mappedOctets(0));
      calls().receiveBatch(small);
      expect(() => calls().receiveBatch(small)).to.throw(RangeError);
    });
  });
});

/** Koffi, but one function of the C library does something else. */
function withLibc(name: string, instead: (real: (...args: number[]) => number) => unknown) {
  const libc = koffi.load(null);
  const func = (signature: string) => {
    const real = libc.func(signature);
    return signature.includes(` ${name}(`) ? instead(real) : real;
  };
  return { ...koffi, load: () => ({ func }) } as unknown as typeof koffi;
}

/** The function is interrupted by a signal every other time. */
function interrupted(name: string): SystemCalls {
  let isInterrupted = false;
  let count = 0;
  const ffi = withLibc(name, (real) => (...args: number[]) => {
    count += 1;
    isInterrupted = count % 2 === 1;
    return isInterrupted ? -1 : real(...args);
  });
  return new SystemCalls({ ...ffi, errno: () => (isInterrupted ? 4 : koffi.errno()) } as typeof koffi);
}

describe("the choice of a back end", () => {
  const unavailable = () => Promise.reject(new NativeUnavailableError("Cannot find package 'koffi'"));

  it("takes dgram, and says why, where the system calls are not to be had", async () => {
    expect(await chooseBackEnd("auto", unavailable)).to.deep.equal({
      kind: "dgram",
      reason: "Cannot find package 'koffi'",
    });
    const loaded: string[] = [];
    const choice = await chooseBackEnd("dgram", () => {
      loaded.push("loaded");
      return unavailable();
    });
    expect([choice.kind, loaded]).to.deep.equal(["dgram", []]);
  });

  it("refuses to do without batches where they were asked for", async () => {
    const error = await chooseBackEnd("batch", unavailable).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(NativeUnavailableError);
  });

  it("does not hide a fault of the program", async () => {
    const fault = new TypeError("a fault");
    const error = await chooseBackEnd("auto", () => Promise.reject(fault)).catch((reason: unknown) => reason);
    expect(error).to.equal(fault);
  });

  withSystemCalls(() => {
    it("finds out a kernel that has no such call", () => {
      const sandbox = { ...withLibc("recvmmsg", () => () => -1), errno: () => 38 };
      expect(() => testSystemCalls(new SystemCalls(sandbox))).to.throw(
        NativeUnavailableError,
        "recvmmsg failed with ENOSYS",
      );
    });

    it("finds out a kernel that tells less than it should", () => {
      const silent = withLibc(
        "setsockopt",
        (real) =>
          (...args: number[]) =>
            args[2] === 8 ? 0 : real(...args),
      );
      expect(() => testSystemCalls(new SystemCalls(silent))).to.throw(NativeUnavailableError, "recvmmsg");
    });

    it("finds out structures of another size", () => {
      const struct = (definition: object) => {
        const real = koffi.struct(definition as never);
        return "header" in definition ? { ...real, size: 48 } : real;
      };
      const other = { ...koffi, struct } as unknown as typeof koffi;
      expect(() => new SystemCalls(other)).to.throw(NativeUnavailableError, "mmsghdr has 48 octets");
    });
  });
});
