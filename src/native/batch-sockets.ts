/**
 * The sockets of one batching thread, made by the control plane: they outlive the thread, and its successor goes on
 * with them and with what has come meanwhile. Also how the control plane wakes the thread.
 */

import { getSystemErrorName } from "node:util";
import type { Closeable } from "../runtime.ts";
import {
  type BoundAddress,
  isCovered,
  isDispensable,
  isWildcardAddress,
  type ListenAddress,
  ListenError,
} from "../server/listen-address.ts";
import { ipAddressOctets, parseIpAddress } from "../wire/ip-address.ts";
import { DescriptorLedger } from "./descriptor-ledger.ts";
import { Errno, type MappedMemory, mappedOctets, type SystemCalls } from "./system-calls.ts";

/** A burst of small queries for a tenth of a second; the kernel cuts it to its own limit. */
const RECEIVE_BUFFER_OCTETS = 4 * 1024 * 1024;

export interface BatchSocket {
  readonly fd: number;
  readonly address: string;
  readonly port: number;
  readonly isIpv6: boolean;
  readonly isWildcard: boolean;
}

/** What the thread is given; can be cloned. */
export interface BatchHandles {
  readonly sockets: readonly BatchSocket[];
  readonly wakeFd: number;
  readonly memoryAddress: number;
  readonly memoryOctets: number;
  readonly ledger: SharedArrayBuffer;
}

/** Binds all of `listen`, or closes again and throws a `ListenError`. */
export function openBatchSockets(
  calls: SystemCalls,
  listen: readonly ListenAddress[],
  reusePort: boolean,
): BatchSockets {
  const sockets = new BatchSockets(calls);
  try {
    sockets.open(listen, reusePort);
  } catch (error) {
    sockets.close();
    throw error;
  }
  return sockets;
}

export class BatchSockets implements Closeable {
  readonly #calls: SystemCalls;
  /** Of the thread that opens. */
  readonly #memory: MappedMemory;
  readonly #sockets: BatchSocket[] = [];
  readonly #ledger = new DescriptorLedger();
  readonly #wakeFd: number;
  #handles: BatchHandles | null = null;
  #isClosed = false;
  /** Default addresses that this machine does not have. */
  readonly warnings: ListenError[] = [];

  constructor(calls: SystemCalls) {
    this.#calls = calls;
    const octets = mappedOctets(0);
    this.#memory = calls.mappedMemory(calls.map(octets), octets);
    this.#wakeFd = calls.createEvent();
    if (this.#wakeFd < 0) throw new Error(`eventfd failed: ${getSystemErrorName(this.#wakeFd)}`);
  }

  /** As they were asked for, with the port that the system chose. */
  get addresses(): readonly BoundAddress[] {
    return this.#sockets.map(({ address, port }) => ({ transport: "udp", address, port }));
  }

  get handles(): BatchHandles {
    if (this.#handles !== null) return this.#handles;
    const memoryOctets = mappedOctets(this.#sockets.length);
    this.#handles = {
      sockets: this.#sockets,
      wakeFd: this.#wakeFd,
      memoryAddress: this.#calls.map(memoryOctets),
      memoryOctets,
      ledger: this.#ledger.buffer,
    };
    return this.#handles;
  }

  open(listen: readonly ListenAddress[], reusePort: boolean): void {
    for (const asked of listen) {
      if (isCovered(asked, listen)) continue;
      const failed = this.#openOne(asked, reusePort);
      if (failed === null) continue;
      if (!isDispensable(asked, failed)) throw failed;
      this.warnings.push(failed);
    }
  }

  #openOne({ address, port }: ListenAddress, reusePort: boolean): ListenError | null {
    const parsed = parseIpAddress(address);
    const fail = (result: number) => new ListenError(getSystemErrorName(result), "udp", address, port);
    if (parsed === null) return fail(-Errno.EINVAL);
    const octets = ipAddressOctets(parsed);
    const isWildcard = isWildcardAddress(address);
    const fd = this.#calls.listenUdp(this.#memory, octets, port, {
      isWildcard,
      reusePort,
      receiveBufferOctets: RECEIVE_BUFFER_OCTETS,
    });
    if (fd < 0) return fail(fd);
    const bound = this.#calls.portOf(this.#memory, fd);
    this.#sockets.push({ fd, address, port: bound, isIpv6: octets.length === 16, isWildcard });
    return null;
  }

  /** The thread gives its event loop a turn, and with it the messages that were posted before. */
  wake(): void {
    if (!this.#isClosed) this.#calls.signalEvent(this.#memory, this.#wakeFd);
  }

  /** The thread has ended: closes what it has left open. */
  reclaim(): void {
    for (const fd of this.#ledger.takeAll()) this.#calls.close(fd);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.reclaim();
    for (const { fd } of this.#sockets) this.#calls.close(fd);
    this.#calls.close(this.#wakeFd);
  }
}
