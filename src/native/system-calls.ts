/**
 * The system calls of the batching back end, through a foreign-function interface: the only file that knows how
 * the kernel lays out its structures (Linux on x64 and arm64), and the only one that hands it addresses. Memory that
 * the kernel reads and writes is mapped, never V8's, so no collector moves or frees it. Every call returns what
 * the kernel returns, or the error number below zero.
 */

import { endianness } from "node:os";
import { copyOctets, copyOf } from "../wire/copy-octets.ts";

/** Why the back end cannot be had on this machine. */
export class NativeUnavailableError extends Error {
  override readonly name = "NativeUnavailableError";
}

export const Errno = {
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EINVAL: 22,
  EMFILE: 24,
  EMSGSIZE: 90,
  ENOBUFS: 105,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_MEMINFO = 55;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const MSG_CTRUNC = 0x08;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLL_CLOEXEC = 0x80000;
const EFD_CLOEXEC_NONBLOCK = 0x80800;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;

/** struct mmsghdr: a msghdr and the length of the message. */
const Mmsghdr = {
  NAME: 0,
  NAMELEN: 8,
  IOV: 16,
  IOVLEN: 24,
  CONTROL: 32,
  CONTROLLEN: 40,
  FLAGS: 48,
  LEN: 56,
  OCTETS: 64,
};
const Iovec = { BASE: 0, LEN: 8, OCTETS: 16 };
const SockaddrIn = { FAMILY: 0, PORT: 2, ADDRESS: 4, OCTETS: 16 };
const SockaddrIn6 = { FAMILY: 0, PORT: 2, ADDRESS: 8, SCOPE: 24, OCTETS: 28 };
const Cmsghdr = { LEN: 0, LEVEL: 8, TYPE: 12, DATA: 16 };
/** struct in_pktinfo: the interface, the local address, the address in the header. */
const InPktinfo = { IFINDEX: 0, LOCAL: 4, OCTETS: 12 };
const In6Pktinfo = { LOCAL: 0, IFINDEX: 16, OCTETS: 20 };
/** Packed on x64 alone. */
const EpollEvent = process.arch === "x64" ? { DATA: 4, OCTETS: 12 } : { DATA: 8, OCTETS: 16 };
/** Of the nine numbers of SO_MEMINFO. */
const SK_MEMINFO_DROPS = 8;

/** Room for either kind of address, and for either kind of control message. */
const NAME_OCTETS = 32;
const CONTROL_OCTETS = 64;
/**
 * No datagram is longer than 65,535 octets; a little more, so that the messages of a batch do not all begin at the
 * same place of the processor's cache.
 */
const MESSAGE_OCTETS = 65_536 + 192;
const MESSAGE_ALIGNMENT = 64;

export const MAX_BATCH = 64;
const MAX_EVENTS = 128;
/** A reply waits no longer than this for room in the socket's send buffer. */
const SEND_TIMEOUT_US = 20_000;

type Call = (...args: number[]) => number;

/** The address and port of the other side, and which of our addresses it asked. */
export interface DatagramEnds {
  port: number;
  /** Network order read as a number: one word for IPv4, four for IPv6. */
  remote0: number;
  remote1: number;
  remote2: number;
  remote3: number;
  /** The interface of a link-local address. */
  scope: number;
  /** The same of our own address, where `hasLocal`. */
  local0: number;
  local1: number;
  local2: number;
  local3: number;
  hasLocal: boolean;
}

/** Loads the calls and tries them; throws a `NativeUnavailableError` where they are not to be had. */
export async function loadSystemCalls(): Promise<SystemCalls> {
  const { platform, arch } = process;
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64") || endianness() !== "LE") {
    throw new NativeUnavailableError(`not on ${platform} ${arch}`);
  }
  try {
    const { default: koffi } = await import("koffi");
    return new SystemCalls(koffi);
  } catch (error) {
    throw new NativeUnavailableError(error instanceof Error ? firstLine(error.message) : String(error));
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}

/** The part of koffi that is used. */
type ForeignFunctions = Pick<typeof import("koffi"), "load" | "errno" | "view" | "struct" | "array">;

export class SystemCalls {
  readonly #ffi: ForeignFunctions;
  readonly #errno: () => number;
  readonly #calls: Readonly<Record<CallName, Call>>;

  constructor(ffi: ForeignFunctions) {
    this.#ffi = ffi;
    this.#errno = ffi.errno;
    checkSizes(ffi);
    const libc = ffi.load(null);
    this.#calls = Object.fromEntries(
      Object.entries(SIGNATURES).map(([name, signature]) => [name, libc.func(signature) as Call]),
    ) as Record<CallName, Call>;
  }

  /** Maps memory that only `mappedMemory` can see; it stays until the process ends. Returns its address. */
  map(octets: number): number {
    return this.#calls.mmap(0, octets, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
  }

  /** `address`, `octets`: of `map`, which another thread may have called. */
  mappedMemory(address: number, octets: number): MappedMemory {
    return new MappedMemory(address, this.#ffi.view(BigInt(address), octets));
  }

  receiveBatch(memory: MappedMemory): ReceiveBatch {
    return new ReceiveBatch(memory, (at, count, fd) => {
      const received = this.#calls.recvmmsg(fd, at, count, MSG_DONTWAIT, 0);
      return received === -1 ? -this.#errno() : received;
    });
  }

  sendBatch(memory: MappedMemory, fd: number, isIpv6: boolean): SendBatch {
    return new SendBatch(memory, isIpv6, (at, count) => {
      const sent = this.#calls.sendmmsg(fd, at, count, 0);
      return sent === -1 ? -this.#errno() : sent;
    });
  }

  readyEvents(memory: MappedMemory, epollFd: number): ReadyEvents {
    return new ReadyEvents(memory, (at, timeoutMs) => {
      const count = this.#calls.epoll_wait(epollFd, at, MAX_EVENTS, timeoutMs);
      return count === -1 ? -this.#errno() : count;
    });
  }

  /**
   * Asks for short turns on a processor, in exchange for more of them: where threads compete, the scheduler (EEVDF,
   * Linux 6.12 and later) then lets one that wakes up run soon. For the calling thread; 0, or a negative error number.
   */
  shortenSlice(memory: MappedMemory, nanoseconds: number): number {
    const { view, scratch, address } = memory;
    const at = address + scratch;
    const { get, set } = SCHED_ATTR_CALLS[process.arch as keyof typeof SCHED_ATTR_CALLS];
    // What the thread has (its niceness, above all) stays.
    const known = this.#result(this.#calls.syscall(get, 0, at, SchedAttr.OCTETS, 0));
    if (known < 0 || view.getUint32(scratch + SchedAttr.POLICY, true) !== SCHED_OTHER) return known;
    view.setUint32(scratch + SchedAttr.SIZE, SchedAttr.OCTETS, true);
    view.setBigUint64(scratch + SchedAttr.FLAGS, 0n, true);
    view.setBigUint64(scratch + SchedAttr.RUNTIME, BigInt(nanoseconds), true);
    return this.#result(this.#calls.syscall(set, 0, at, 0, 0));
  }

  createEpoll(): number {
    return this.#result(this.#calls.epoll_create1(EPOLL_CLOEXEC));
  }

  /** From now on `ReadyEvents` tells `token` when there is something to read. A closed descriptor leaves by itself. */
  watch(memory: MappedMemory, epollFd: number, fd: number, token: number): number {
    const { view, scratch } = memory;
    view.setUint32(scratch, EPOLLIN, true);
    view.setInt32(scratch + EpollEvent.DATA, token, true);
    return this.#result(this.#calls.epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, memory.address + scratch));
  }

  unwatch(memory: MappedMemory, epollFd: number, fd: number): number {
    return this.#result(this.#calls.epoll_ctl(epollFd, EPOLL_CTL_DEL, fd, memory.address + memory.scratch));
  }

  createEvent(): number {
    return this.#result(this.#calls.eventfd(0, EFD_CLOEXEC_NONBLOCK));
  }

  /** `memory`: of the calling thread, as in every call that takes it. */
  signalEvent(memory: MappedMemory, fd: number): void {
    memory.view.setBigUint64(memory.scratch, 1n, true);
    this.#calls.write(fd, memory.address + memory.scratch, 8);
  }

  takeEvent(memory: MappedMemory, fd: number): void {
    this.#calls.read(fd, memory.address + memory.scratch, 8);
  }

  close(fd: number): void {
    this.#calls.close(fd);
  }

  /**
   * A socket that is bound to the address. A wildcard's tells which address was asked, so that the reply leaves
   * from there. IPv6 sockets take no IPv4.
   */
  listenUdp(
    memory: MappedMemory,
    octets: Uint8Array,
    port: number,
    { isWildcard, reusePort, receiveBufferOctets }: ListenOptions,
  ): number {
    const isIpv6 = octets.length === 16;
    const fd = this.#socket(isIpv6);
    if (fd < 0) return fd;
    const set = (level: number, option: number, value: number) =>
      this.#setOption(memory, fd, level, option, [value]);
    let failed = isIpv6 ? set(IPPROTO_IPV6, IPV6_V6ONLY, 1) : 0;
    if (failed === 0 && reusePort) failed = set(SOL_SOCKET, SO_REUSEPORT, 1);
    if (failed === 0 && isWildcard)
      failed = isIpv6 ? set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set(IPPROTO_IP, IP_PKTINFO, 1);
    if (failed === 0) failed = this.#setSendTimeout(memory, fd);
    // The kernel cuts it to its own limit.
    set(SOL_SOCKET, SO_RCVBUF, receiveBufferOctets);
    if (failed === 0) {
      const length = memory.writeAddress(memory.scratch, octets, port);
      failed = this.#result(this.#calls.bind(fd, memory.address + memory.scratch, length));
    }
    if (failed === 0) return fd;
    this.#calls.close(fd);
    return failed;
  }

  /** The port that a bound socket has; below 0: an error. */
  portOf(memory: MappedMemory, fd: number): number {
    const { view, scratch, address } = memory;
    const lengthAt = scratch + NAME_OCTETS;
    view.setInt32(lengthAt, NAME_OCTETS, true);
    const failed = this.#result(this.#calls.getsockname(fd, address + scratch, address + lengthAt));
    return failed < 0 ? failed : view.getUint16(scratch + SockaddrIn.PORT);
  }

  /** A socket with a fresh source port that hears the address alone, and learns when its port is closed. */
  connectUdp(memory: MappedMemory, octets: Uint8Array, port: number): number {
    const fd = this.#socket(octets.length === 16);
    if (fd < 0) return fd;
    const length = memory.writeAddress(memory.scratch, octets, port);
    const failed = this.#result(this.#calls.connect(fd, memory.address + memory.scratch, length));
    if (failed === 0) return fd;
    this.#calls.close(fd);
    return failed;
  }

  /** Sends one datagram over a connected socket, if there is room. */
  send(memory: MappedMemory, fd: number, message: Uint8Array): number {
    const { bytes, message: at } = memory;
    if (message.length > MESSAGE_OCTETS) return -Errno.EMSGSIZE;
    copyOctets(message, 0, message.length, bytes, at);
    const sent = this.#calls.send(fd, memory.address + at, message.length, MSG_DONTWAIT);
    return sent === -1 ? -this.#errno() : sent;
  }

  /** Datagrams that the kernel threw away because the socket's buffer was full; modulo 2^32. */
  droppedBy(memory: MappedMemory, fd: number): number {
    const { view, scratch, address } = memory;
    const valuesAt = scratch + 8;
    view.setInt32(scratch, (SK_MEMINFO_DROPS + 1) * 4, true);
    const failed = this.#result(
      this.#calls.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, address + valuesAt, address + scratch),
    );
    return failed < 0 ? 0 : view.getUint32(valuesAt + SK_MEMINFO_DROPS * 4, true);
  }

  #socket(isIpv6: boolean): number {
    return this.#result(this.#calls.socket(isIpv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }

  #setSendTimeout(memory: MappedMemory, fd: number): number {
    // struct timeval: seconds and microseconds, 8 octets each.
    return this.#setOption(memory, fd, SOL_SOCKET, SO_SNDTIMEO, [0, 0, SEND_TIMEOUT_US, 0]);
  }

  #setOption(
    memory: MappedMemory,
    fd: number,
    level: number,
    option: number,
    words: readonly number[],
  ): number {
    const { view, scratch, address } = memory;
    words.forEach((word, index) => {
      view.setInt32(scratch + index * 4, word, true);
    });
    return this.#result(this.#calls.setsockopt(fd, level, option, address + scratch, words.length * 4));
  }

  /** The error number is read before any other call can change it. */
  #result(returned: number): number {
    return returned === -1 ? -this.#errno() : returned;
  }
}

export interface ListenOptions {
  readonly isWildcard: boolean;
  readonly reusePort: boolean;
  readonly receiveBufferOctets: number;
}

/** Numbers of sched_getattr and sched_setattr, which the C library has no functions for. */
const SCHED_ATTR_CALLS = { x64: { get: 315, set: 314 }, arm64: { get: 275, set: 274 } } as const;
const SCHED_OTHER = 0;
/** struct sched_attr, as of its first version. */
const SchedAttr = { SIZE: 0, POLICY: 4, FLAGS: 8, RUNTIME: 24, OCTETS: 48 } as const;

/** Addresses are passed as numbers: they are below 2^53, and cost no object. */
const SIGNATURES = {
  mmap: "int64_t mmap(int64_t address, size_t length, int protection, int flags, int fd, int64_t offset)",
  socket: "int socket(int family, int type, int protocol)",
  setsockopt: "int setsockopt(int fd, int level, int option, int64_t value, uint32_t length)",
  getsockopt: "int getsockopt(int fd, int level, int option, int64_t value, int64_t length)",
  bind: "int bind(int fd, int64_t name, uint32_t length)",
  connect: "int connect(int fd, int64_t name, uint32_t length)",
  getsockname: "int getsockname(int fd, int64_t name, int64_t length)",
  recvmmsg: "int recvmmsg(int fd, int64_t messages, uint32_t count, int flags, int64_t timeout)",
  sendmmsg: "int sendmmsg(int fd, int64_t messages, uint32_t count, int flags)",
  send: "int64_t send(int fd, int64_t octets, size_t length, int flags)",
  epoll_create1: "int epoll_create1(int flags)",
  epoll_ctl: "int epoll_ctl(int epoll, int operation, int fd, int64_t event)",
  epoll_wait: "int epoll_wait(int epoll, int64_t events, int count, int timeout)",
  eventfd: "int eventfd(uint32_t value, int flags)",
  read: "int64_t read(int fd, int64_t octets, size_t length)",
  write: "int64_t write(int fd, int64_t octets, size_t length)",
  close: "int close(int fd)",
  syscall: "long syscall(long number, int64_t first, int64_t second, int64_t third, int64_t fourth)",
} as const;
type CallName = keyof typeof SIGNATURES;

/** The layouts above against those that the foreign-function interface computes from the types. */
function checkSizes({ struct, array }: ForeignFunctions): void {
  const msghdr = struct({
    name: "int64_t",
    namelen: "uint32_t",
    iov: "int64_t",
    iovlen: "size_t",
    control: "int64_t",
    controllen: "size_t",
    flags: "int",
  });
  const mmsghdr = struct({ header: msghdr, len: "uint32_t" });
  const iovec = struct({ base: "int64_t", len: "size_t" });
  const cmsghdr = struct({ len: "size_t", level: "int", type: "int" });
  const sockaddrIn6 = struct({
    family: "uint16_t",
    port: "uint16_t",
    flow: "uint32_t",
    address: array("uint8_t", 16),
    scope: "uint32_t",
  });
  const facts: readonly (readonly [string, number | undefined, number])[] = [
    ["mmsghdr", mmsghdr.size, Mmsghdr.OCTETS],
    ["mmsghdr.msg_len", mmsghdr.members?.["len"]?.offset, Mmsghdr.LEN],
    ["msghdr.msg_controllen", msghdr.members?.["controllen"]?.offset, Mmsghdr.CONTROLLEN],
    ["msghdr.msg_flags", msghdr.members?.["flags"]?.offset, Mmsghdr.FLAGS],
    ["iovec", iovec.size, Iovec.OCTETS],
    ["cmsghdr", cmsghdr.size, Cmsghdr.DATA],
    ["sockaddr_in6", sockaddrIn6.size, SockaddrIn6.OCTETS],
  ];
  for (const [name, actual, expected] of facts) {
    if (actual !== expected)
      throw new NativeUnavailableError(`${name} has ${actual} octets here, not ${expected}`);
  }
}

/** Mapped memory as one thread sees it; parts of it are handed out once and for all. */
export class MappedMemory {
  readonly address: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** For the arguments of one call. */
  readonly scratch: number;
  /** For one message that is sent by itself. */
  readonly message: number;
  #used = 0;

  constructor(address: number, buffer: ArrayBuffer) {
    this.address = address;
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.scratch = this.take(256);
    this.message = this.take(MESSAGE_OCTETS);
  }

  /** Where the part begins; throws a RangeError when there is no room. */
  take(octets: number): number {
    const at = this.#used;
    this.#used += Math.ceil(octets / MESSAGE_ALIGNMENT) * MESSAGE_ALIGNMENT;
    if (this.#used > this.buffer.byteLength) throw new RangeError("the mapped memory is too small");
    return at;
  }

  /** Returns the length of the structure. `octets`: 4 or 16. */
  writeAddress(at: number, octets: Uint8Array, port: number): number {
    const isIpv6 = octets.length === 16;
    const length = isIpv6 ? SockaddrIn6.OCTETS : SockaddrIn.OCTETS;
    this.bytes.fill(0, at, at + length);
    this.view.setUint16(at + SockaddrIn.FAMILY, isIpv6 ? AF_INET6 : AF_INET, true);
    this.view.setUint16(at + SockaddrIn.PORT, port);
    this.bytes.set(octets, at + (isIpv6 ? SockaddrIn6.ADDRESS : SockaddrIn.ADDRESS));
    return length;
  }
}

/** What the parts of one thread need, with `sendBatches` of them. */
export function mappedOctets(sendBatches: number): number {
  const batch = MAX_BATCH * (Mmsghdr.OCTETS + Iovec.OCTETS + NAME_OCTETS + CONTROL_OCTETS + MESSAGE_OCTETS);
  return (sendBatches + 1) * (batch + 256) + 2 * MESSAGE_OCTETS;
}

/** Where the structures of `MAX_BATCH` messages are. */
class Batch {
  readonly headers: number;
  readonly names: number;
  readonly controls: number;
  readonly iovecs: number;
  readonly messages: number;
  readonly view: DataView;

  constructor(memory: MappedMemory) {
    const { view } = memory;
    this.view = view;
    this.headers = memory.take(MAX_BATCH * Mmsghdr.OCTETS);
    this.iovecs = memory.take(MAX_BATCH * Iovec.OCTETS);
    this.names = memory.take(MAX_BATCH * NAME_OCTETS);
    this.controls = memory.take(MAX_BATCH * CONTROL_OCTETS);
    this.messages = memory.take(MAX_BATCH * MESSAGE_OCTETS);
    for (let index = 0; index < MAX_BATCH; index += 1) {
      const header = this.headers + index * Mmsghdr.OCTETS;
      const pointTo = (field: number, at: number) =>
        view.setBigUint64(field, BigInt(memory.address + at), true);
      pointTo(header + Mmsghdr.NAME, this.names + index * NAME_OCTETS);
      pointTo(header + Mmsghdr.IOV, this.iovecs + index * Iovec.OCTETS);
      pointTo(header + Mmsghdr.CONTROL, this.controls + index * CONTROL_OCTETS);
      view.setBigUint64(header + Mmsghdr.IOVLEN, 1n, true);
      pointTo(this.iovecs + index * Iovec.OCTETS + Iovec.BASE, this.messages + index * MESSAGE_OCTETS);
    }
  }

  /** A size_t that is below 2^31; its upper half is zero for good. */
  setLengths(index: number, name: number, control: number, message: number): void {
    const header = this.headers + index * Mmsghdr.OCTETS;
    this.view.setInt32(header + Mmsghdr.NAMELEN, name, true);
    this.view.setInt32(header + Mmsghdr.CONTROLLEN, control, true);
    this.view.setInt32(this.iovecs + index * Iovec.OCTETS + Iovec.LEN, message, true);
  }
}

/** Datagrams as they come, up to `MAX_BATCH` in one call; any number of sockets take turns. */
export class ReceiveBatch {
  readonly #memory: MappedMemory;
  readonly #batch: Batch;
  readonly #call: (at: number, count: number, fd: number) => number;
  readonly #octets: readonly Uint8Array[];
  /** Messages that the last call received. */
  #filled = MAX_BATCH;

  constructor(memory: MappedMemory, call: (at: number, count: number, fd: number) => number) {
    this.#memory = memory;
    this.#batch = new Batch(memory);
    this.#call = call;
    const { messages } = this.#batch;
    this.#octets = Array.from(
      { length: MAX_BATCH },
      (_, index) => new Uint8Array(memory.buffer, messages + index * MESSAGE_OCTETS, MESSAGE_OCTETS),
    );
    this.#reset();
  }

  /** How many datagrams there are now, of `count` at most; what the last call received is overwritten. */
  receive(fd: number, count: number): number {
    this.#reset();
    const received = this.#call(this.#memory.address + this.#batch.headers, count, fd);
    this.#filled = Math.max(0, received);
    return received;
  }

  /** The datagram is in the first `length(index)` octets. */
  octets(index: number): Uint8Array {
    return this.#octets[index]!;
  }

  /** The datagram's own octets, which may be kept. */
  copy(index: number, length: number): Uint8Array {
    return copyOf(this.#octets[index]!, length);
  }

  /** 0 is a datagram too; -1: its end was cut off. */
  length(index: number): number {
    const { headers, view } = this.#batch;
    const header = headers + index * Mmsghdr.OCTETS;
    if ((view.getInt32(header + Mmsghdr.FLAGS, true) & MSG_TRUNC) !== 0) return -1;
    return view.getInt32(header + Mmsghdr.LEN, true);
  }

  /** Who sent it, and which of our addresses it was sent to, if the socket tells. */
  readEnds(index: number, ends: DatagramEnds): void {
    const { headers, names, controls, view } = this.#batch;
    const name = names + index * NAME_OCTETS;
    const control = controls + index * CONTROL_OCTETS;
    ends.port = view.getUint16(name + SockaddrIn.PORT);
    const header = headers + index * Mmsghdr.OCTETS;
    const isCut = (view.getInt32(header + Mmsghdr.FLAGS, true) & MSG_CTRUNC) !== 0;
    const isTold = !isCut && view.getInt32(header + Mmsghdr.CONTROLLEN, true) > 0;
    if (view.getUint16(name + SockaddrIn.FAMILY, true) === AF_INET) {
      ends.remote0 = view.getInt32(name + SockaddrIn.ADDRESS);
      ends.hasLocal = isTold && view.getInt32(control + Cmsghdr.TYPE, true) === IP_PKTINFO;
      if (ends.hasLocal) ends.local0 = view.getInt32(control + Cmsghdr.DATA + InPktinfo.LOCAL);
      return;
    }
    ends.remote0 = view.getInt32(name + SockaddrIn6.ADDRESS);
    ends.remote1 = view.getInt32(name + SockaddrIn6.ADDRESS + 4);
    ends.remote2 = view.getInt32(name + SockaddrIn6.ADDRESS + 8);
    ends.remote3 = view.getInt32(name + SockaddrIn6.ADDRESS + 12);
    ends.scope = view.getInt32(name + SockaddrIn6.SCOPE, true);
    ends.hasLocal = isTold && view.getInt32(control + Cmsghdr.TYPE, true) === IPV6_PKTINFO;
    if (!ends.hasLocal) return;
    const local = control + Cmsghdr.DATA + In6Pktinfo.LOCAL;
    ends.local0 = view.getInt32(local);
    ends.local1 = view.getInt32(local + 4);
    ends.local2 = view.getInt32(local + 8);
    ends.local3 = view.getInt32(local + 12);
  }

  /** The kernel has written the lengths that it used over those that it may use. */
  #reset(): void {
    for (let index = 0; index < this.#filled; index += 1)
      this.#batch.setLengths(index, NAME_OCTETS, CONTROL_OCTETS, MESSAGE_OCTETS);
  }
}

/** Datagrams that leave one socket together. */
export class SendBatch {
  readonly #memory: MappedMemory;
  readonly #batch: Batch;
  readonly #isIpv6: boolean;
  readonly #call: (at: number, count: number) => number;
  count = 0;

  constructor(memory: MappedMemory, isIpv6: boolean, call: (at: number, count: number) => number) {
    this.#memory = memory;
    this.#batch = new Batch(memory);
    this.#isIpv6 = isIpv6;
    this.#call = call;
    const { view, names, controls } = this.#batch;
    for (let index = 0; index < MAX_BATCH; index += 1) {
      view.setUint16(names + index * NAME_OCTETS + SockaddrIn.FAMILY, isIpv6 ? AF_INET6 : AF_INET, true);
      const control = controls + index * CONTROL_OCTETS;
      const dataOctets = isIpv6 ? In6Pktinfo.OCTETS : InPktinfo.OCTETS;
      view.setInt32(control + Cmsghdr.LEN, Cmsghdr.DATA + dataOctets, true);
      view.setInt32(control + Cmsghdr.LEVEL, isIpv6 ? IPPROTO_IPV6 : IPPROTO_IP, true);
      view.setInt32(control + Cmsghdr.TYPE, isIpv6 ? IPV6_PKTINFO : IP_PKTINFO, true);
    }
  }

  get isFull(): boolean {
    return this.count === MAX_BATCH;
  }

  /** Copies the message; it goes to the remote end of `ends`, from the local one. There must be room. */
  put(ends: DatagramEnds, message: Uint8Array, length: number): void {
    const index = this.count;
    this.count += 1;
    const { view, names, controls, messages } = this.#batch;
    const name = names + index * NAME_OCTETS;
    const control = controls + index * CONTROL_OCTETS + Cmsghdr.DATA;
    view.setUint16(name + SockaddrIn.PORT, ends.port);
    // The interface stays 0: the route decides.
    if (this.#isIpv6) {
      view.setInt32(name + SockaddrIn6.ADDRESS, ends.remote0);
      view.setInt32(name + SockaddrIn6.ADDRESS + 4, ends.remote1);
      view.setInt32(name + SockaddrIn6.ADDRESS + 8, ends.remote2);
      view.setInt32(name + SockaddrIn6.ADDRESS + 12, ends.remote3);
      view.setInt32(name + SockaddrIn6.SCOPE, ends.scope, true);
      if (ends.hasLocal) {
        view.setInt32(control + In6Pktinfo.LOCAL, ends.local0);
        view.setInt32(control + In6Pktinfo.LOCAL + 4, ends.local1);
        view.setInt32(control + In6Pktinfo.LOCAL + 8, ends.local2);
        view.setInt32(control + In6Pktinfo.LOCAL + 12, ends.local3);
      }
      // CMSG_SPACE: rounded up to 8.
      this.#batch.setLengths(index, SockaddrIn6.OCTETS, ends.hasLocal ? 40 : 0, length);
    } else {
      view.setInt32(name + SockaddrIn.ADDRESS, ends.remote0);
      if (ends.hasLocal) view.setInt32(control + InPktinfo.LOCAL, ends.local0);
      this.#batch.setLengths(index, SockaddrIn.OCTETS, ends.hasLocal ? 32 : 0, length);
    }
    copyOctets(message, 0, length, this.#memory.bytes, messages + index * MESSAGE_OCTETS);
  }

  /** Sends what was put; returns how many the kernel refused. */
  flush(): number {
    const { count } = this;
    let refused = 0;
    this.count = 0;
    for (let next = 0; next < count; ) {
      const at = this.#memory.address + this.#batch.headers + next * Mmsghdr.OCTETS;
      const sent = this.#call(at, count - next);
      if (sent > 0) {
        next += sent;
      } else if (sent === -Errno.EAGAIN) {
        // It has waited for room already; the others would each wait as long.
        return refused + count - next;
      } else if (sent !== -Errno.EINTR) {
        // It stops at the first that cannot be sent, and names the error only when that is the first of a call.
        next += 1;
        refused += 1;
      }
    }
    return refused;
  }
}

/** Which watched descriptors can be read. */
export class ReadyEvents {
  readonly #at: number;
  readonly #address: number;
  readonly #view: DataView;
  readonly #call: (at: number, timeoutMs: number) => number;

  constructor(memory: MappedMemory, call: (at: number, timeoutMs: number) => number) {
    this.#at = memory.take(MAX_EVENTS * EpollEvent.OCTETS);
    this.#address = memory.address + this.#at;
    this.#view = memory.view;
    this.#call = call;
  }

  /** Waits until there is one, and no longer than `timeoutMs`; how many there are. */
  wait(timeoutMs: number): number {
    return this.#call(this.#address, timeoutMs);
  }

  token(index: number): number {
    return this.#view.getInt32(this.#at + index * EpollEvent.OCTETS + EpollEvent.DATA, true);
  }
}
