/** The upstreams of a story on loopback sockets, and the strangers that forge their replies. */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { assertNever } from "../../src/runtime.ts";
import { type Received, ScriptedUpstream } from "../support/scripted-upstream.ts";
import { type FrontParts, withId } from "./front.ts";
import type { PacketsOnTheWay } from "./packets-on-the-way.ts";
import type { Deed } from "./upstream-script.ts";

/** Asks our server what upstream was asked. */
export type HandBack = (query: Uint8Array, onReply: (reply: Uint8Array) => void) => void;

export class StoryUpstreams {
  readonly #parts: FrontParts;
  readonly #onTheWay: PacketsOnTheWay;
  readonly #handBack: HandBack;
  /** Number 1 is the first. */
  readonly #upstreams: ScriptedUpstream[] = [];
  readonly #ports: number[] = [];
  readonly #closed = new Set<number>();
  readonly #strangers = new Map<string, UdpSocket>();

  constructor(parts: FrontParts, onTheWay: PacketsOnTheWay, handBack: HandBack) {
    this.#parts = parts;
    this.#onTheWay = onTheWay;
    this.#handBack = handBack;
  }

  /** In the order of their numbers. */
  get addresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#ports.map((port) => ({ address: "127.0.0.1", port }));
  }

  /** Counted from 1; NaN: none of ours. */
  numberOf(text: string): number {
    const index = this.#ports.findIndex((port) => text === `127.0.0.1:${port}`);
    return index === -1 ? Number.NaN : index + 1;
  }

  async open(): Promise<void> {
    const { other, cluster } = this.#parts.upstreams;
    for (let number = 1; number <= other + cluster; number += 1) {
      const upstream = new ScriptedUpstream((received) => this.#receive(received, number));
      this.#upstreams.push(upstream);
      await upstream.start();
      this.#ports.push(upstream.address.port);
    }
  }

  /** Those that the script closes stop to listen, their connections end; the others listen again. */
  async follow(): Promise<void> {
    for (const [index, upstream] of this.#upstreams.entries()) {
      const isClosed = this.#parts.script.isClosed(index + 1);
      if (isClosed === this.#closed.has(index)) continue;
      if (isClosed) {
        this.#closed.add(index);
        this.#onTheWay.endConnections(this.#ports[index]!);
        await upstream.stop();
      } else {
        this.#closed.delete(index);
        await upstream.start(this.#ports[index]);
      }
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#strangers.values()) await closeSocket(socket);
    for (const upstream of this.#upstreams) await upstream.stop();
  }

  #receive(received: Received, upstream: number): void {
    const { clock, script } = this.#parts;
    const { message, transport, port } = received;
    this.#onTheWay.arrived(message);
    const deeds = script.receive(message, { upstream, transport, port, atMs: clock.nowMs() });
    for (const deed of deeds) this.#carryOut(deed, received, upstream);
  }

  #carryOut(deed: Deed, received: Received, upstream: number): void {
    const { clock } = this.#parts;
    const { message } = received;
    switch (deed.kind) {
      case "reply":
        clock.setTimer(deed.delayMs, () => {
          if (deed.from === "upstream") this.#reply(received, deed.octets);
          else if (received.transport === "udp") this.#forge(deed.octets, deed.from, received.port, upstream);
        });
        return;
      case "hangUp":
        if (received.transport === "udp") return;
        clock.setTimer(deed.delayMs, () => {
          this.#onTheWay.hangsUp(message);
          received.hangUp();
        });
        return;
      case "handBack":
        this.#handBack(message, (reply) => this.#reply(received, withId(reply, message.readUInt16BE(0))));
        return;
      default:
        assertNever(deed);
    }
  }

  #reply(received: Received, octets: Uint8Array): void {
    this.#onTheWay.replied(octets, received.message);
    received.reply(octets);
  }

  /** The system must not let it through, so nobody waits for its arrival. */
  #forge(octets: Uint8Array, from: "port" | "address", to: number, upstream: number): void {
    const key = from === "port" ? "port" : `address ${upstream}`;
    let stranger = this.#strangers.get(key);
    if (stranger === undefined) {
      stranger = createSocket("udp4");
      if (from === "port") stranger.bind(0, "127.0.0.1");
      else stranger.bind(this.#ports[upstream - 1], "127.0.0.2");
      this.#strangers.set(key, stranger);
    }
    stranger.send(octets, to, "127.0.0.1");
  }
}

export function closeSocket(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
