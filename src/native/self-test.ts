/**
 * Whether the system calls do here what the back end expects of them: one datagram from a socket to itself, with all
 * that is read and written on its way. A kernel, a sandbox or a C library of another kind is found out at start.
 */

import { getSystemErrorName } from "node:util";
import type { DatagramEnds } from "./system-calls.ts";
import { mappedOctets, NativeUnavailableError, type SystemCalls } from "./system-calls.ts";

const LOOPBACK = 0x7f000001;
const ANYWHERE = new Uint8Array(4);
const TOKEN = 0x5eed;
/** Loopback delivers at once; a machine that is busy may be later. */
const WITHIN_MS = 500;
const MESSAGE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7);

/** Throws a `NativeUnavailableError` that says what went wrong. */
export function testSystemCalls(calls: SystemCalls): void {
  const octets = mappedOctets(1);
  const memory = calls.mappedMemory(calls.map(octets), octets);
  const descriptors: number[] = [];
  const opened = (call: string, result: number): number => {
    if (result < 0) throw new NativeUnavailableError(`${call} failed with ${getSystemErrorName(result)}`);
    return result;
  };
  const open = (call: string, result: number): number => {
    descriptors.push(opened(call, result));
    return result;
  };
  try {
    const options = { isWildcard: true, reusePort: false, receiveBufferOctets: octets };
    const socket = open("bind", calls.listenUdp(memory, ANYWHERE, 0, options));
    const port = opened("getsockname", calls.portOf(memory, socket));
    const epoll = open("epoll_create1", calls.createEpoll());
    opened("epoll_ctl", calls.watch(memory, epoll, socket, TOKEN));
    const sends = calls.sendBatch(memory, socket, false);
    const ends: DatagramEnds = { ...NO_ENDS, port, remote0: LOOPBACK, local0: LOOPBACK + 1, hasLocal: true };
    sends.put(ends, MESSAGE, MESSAGE.length);
    sends.put(ends, MESSAGE, 0);
    if (sends.flush() > 0) throw new NativeUnavailableError("sendmmsg did not send");
    const events = calls.readyEvents(memory, epoll);
    if (opened("epoll_wait", events.wait(WITHIN_MS)) !== 1 || events.token(0) !== TOKEN)
      throw new NativeUnavailableError("epoll_wait does not tell of the datagram");
    const receives = calls.receiveBatch(memory);
    const count = opened("recvmmsg", receives.receive(socket, 2));
    const told: DatagramEnds = { ...NO_ENDS };
    receives.readEnds(0, told);
    const text = receives.octets(0).slice(0, receives.length(0)).join();
    const isRight =
      count === 2 &&
      text === MESSAGE.join() &&
      receives.length(1) === 0 &&
      told.port === port &&
      told.remote0 === LOOPBACK + 1 &&
      told.hasLocal &&
      told.local0 === LOOPBACK;
    if (!isRight) throw new NativeUnavailableError("recvmmsg does not tell of the datagram what it should");
  } finally {
    for (const descriptor of descriptors) calls.close(descriptor);
  }
}

const NO_ENDS: DatagramEnds = {
  port: 0,
  remote0: 0,
  remote1: 0,
  remote2: 0,
  remote3: 0,
  scope: 0,
  local0: 0,
  local1: 0,
  local2: 0,
  local3: 0,
  hasLocal: false,
};
