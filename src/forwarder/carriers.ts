/** The ways to each upstream, its UDP sockets and its TCP connection; there are none before the first sending. */

import type { Attempt, CarrierOptions } from "./pending-query.ts";
import { TcpLink } from "./tcp-link.ts";
import { UdpPool } from "./udp-pool.ts";
import type { Upstream } from "./upstream.ts";

interface Ways {
  readonly udp: UdpPool;
  readonly tcp: TcpLink;
}

export class Carriers {
  readonly #options: Omit<CarrierOptions, "upstream">;
  readonly #ways = new Map<Upstream, Ways>();

  constructor(options: Omit<CarrierOptions, "upstream">) {
    this.#options = options;
  }

  /** Sends `message` for the attempt with a fresh ID, which is written into `message`. */
  send(attempt: Attempt, message: Uint8Array): void {
    const { query, upstream } = attempt;
    const ways = this.#ways.get(upstream) ?? this.#add(upstream);
    if (query.transport === "udp") ways.udp.send(attempt, message);
    else ways.tcp.send(attempt, message);
  }

  /** The attempt, over TCP, waited in vain. */
  suspect(attempt: Attempt): void {
    this.#ways.get(attempt.upstream)?.tcp.suspect(attempt);
  }

  /** Returns the attempts that lost their socket. */
  closeUdp(upstream: Upstream): Attempt[] {
    return this.#ways.get(upstream)?.udp.closeAll() ?? [];
  }

  /** Returns the attempts that lost their socket or connection. */
  close(upstream: Upstream): Attempt[] {
    const ways = this.#ways.get(upstream);
    this.#ways.delete(upstream);
    return ways === undefined ? [] : [...ways.udp.closeAll(), ...ways.tcp.close()];
  }

  closeAll(): void {
    for (const upstream of this.#ways.keys()) this.close(upstream);
  }

  #add(upstream: Upstream): Ways {
    const options = { ...this.#options, upstream };
    const ways = { udp: new UdpPool(options), tcp: new TcpLink(options) };
    this.#ways.set(upstream, ways);
    return ways;
  }
}
