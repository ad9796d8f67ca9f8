/** Whether a datagram comes from one of our own listeners, so that nobody makes us answer ourselves. */

import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Clock, Timer } from "../runtime.ts";
import type { BatchClient } from "./batch-client.ts";
import type { BatchSocket } from "./batch-sockets.ts";

/** Addresses come and go with interfaces. */
const INTERFACES_EVERY_MS = 10_000;
/** Of IPv4: every address under 127.0.0.0/8 is this machine's, though only one of them is told. */
const LOOPBACK_OCTET = 127;

export class OwnAddresses {
  readonly #sockets: readonly BatchSocket[];
  readonly #clock: Clock;
  readonly #localAddresses: () => readonly string[];
  readonly #ports: ReadonlySet<number>;
  /** Of this machine, where a wildcard stands for them. */
  #local: ReadonlySet<string> = new Set();
  #timer: Timer | null = null;

  constructor(
    sockets: readonly BatchSocket[],
    clock: Clock,
    localAddresses: () => readonly string[] = addressesOfInterfaces,
  ) {
    this.#sockets = sockets;
    this.#clock = clock;
    this.#localAddresses = localAddresses;
    this.#ports = new Set(sockets.map(({ port }) => port));
    if (sockets.some(({ isWildcard }) => isWildcard)) this.#follow();
  }

  has(client: BatchClient): boolean {
    return this.#ports.has(client.port) && this.#isListener(client);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Not for every query: only for those from one of our port numbers. */
  #isListener(client: BatchClient): boolean {
    const { address, port } = client;
    const ofFamily = client.socket.isIpv6;
    const isLoopback = !ofFamily && client.remote0 >>> 24 === LOOPBACK_OCTET;
    return this.#sockets.some(
      (socket) =>
        socket.port === port &&
        socket.isIpv6 === ofFamily &&
        (socket.isWildcard ? isLoopback || this.#local.has(address) : socket.address === address),
    );
  }

  #follow(): void {
    try {
      this.#local = new Set(this.#localAddresses());
    } catch {
      // The system did not tell its addresses; those that were known serve on.
    }
    this.#timer = this.#clock.setTimer(INTERFACES_EVERY_MS, () => this.#follow());
  }
}

/** IPv6 link-local ones with the number of their interface, as a datagram's sender has it. */
function addressesOfInterfaces(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address, scopeid }) =>
      scopeid !== undefined && scopeid !== 0 && isIPv6(address) ? `${address}%${scopeid}` : address,
    ),
  );
}
