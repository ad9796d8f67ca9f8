/** The sender of a datagram, in numbers; its address becomes a text only when somebody asks for it. */

import type { Client } from "../runtime.ts";
import type { AddressTexts } from "./address-texts.ts";
import type { DatagramEnds } from "./system-calls.ts";

/** What a client's replies go through. */
export interface ReplySocket {
  readonly isIpv6: boolean;
  readonly texts: AddressTexts;
  put(client: BatchClient, message: Uint8Array, length: number): void;
}

export class BatchClient implements Client, DatagramEnds {
  readonly transport = "udp";
  socket: ReplySocket;
  port = 0;
  remote0 = 0;
  remote1 = 0;
  remote2 = 0;
  remote3 = 0;
  scope = 0;
  local0 = 0;
  local1 = 0;
  local2 = 0;
  local3 = 0;
  hasLocal = false;

  constructor(socket: ReplySocket) {
    this.socket = socket;
  }

  get address(): string {
    return this.socket.texts.textOf(this, this.socket.isIpv6);
  }

  /** A socket of IPv6 takes no IPv4, so that none of its addresses stands for one. */
  readAddress(words: Uint32Array): 1 | 4 {
    words[0] = this.remote0;
    if (!this.socket.isIpv6) return 1;
    words[1] = this.remote1;
    words[2] = this.remote2;
    words[3] = this.remote3;
    return 4;
  }

  send(message: Uint8Array, length: number): void {
    this.socket.put(this, message, length);
  }
}
