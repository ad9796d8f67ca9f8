/**
 * The two questions that a short form of a service's name becomes, until both are answered: the short name as it
 * is, and the full name. What the short name has counts first.
 */

import type { Forwarder } from "../forwarder/forwarder-interface.ts";
import type { Client, Transport } from "../runtime.ts";
import { MAX_MESSAGE_OCTETS, Rcode } from "../wire/constants.ts";
import { copyOf } from "../wire/copy-octets.ts";
import { Query } from "../wire/query.ts";
import { readQuery } from "../wire/read-query.ts";
import { headerRcode } from "./metrics.ts";
import { ReplyFrame } from "./reply-frame.ts";
import type { Suffix } from "./search-suffix.ts";
import { MAX_FULL_QUESTION_OCTETS, writeFromFull, writeFullQuestion } from "./short-form.ts";

export class ShortForms {
  readonly #forwarder: Forwarder;
  readonly #fullQuery = new Query();
  readonly #fullQuestion = new Uint8Array(MAX_FULL_QUESTION_OCTETS);
  readonly #fullReply = new Uint8Array(MAX_MESSAGE_OCTETS);
  readonly #frame = new ReplyFrame();

  constructor(forwarder: Forwarder) {
    this.#forwarder = forwarder;
  }

  /**
   * Asks for the short form `query`, as it stands in `message`, and for the full name below `domain`. Above 0: the
   * octets in `reply` to send now; else one reply comes through the client, later or at once.
   */
  ask(message: Uint8Array, query: Query, domain: Suffix, client: Client, reply: Uint8Array): number {
    const forwarder = this.#forwarder;
    const copy = copyOf(message, query.length);
    const exchange = new ShortFormExchange(client, copy, domain, this.#frame);
    const length = forwarder.forward(message, query, exchange.shortName, reply);
    if (length > 0) {
      if (headerRcode(reply) === Rcode.NOERROR) return length;
      exchange.shortName.send(reply, length);
    }
    const fullLength = writeFullQuestion(query, domain, this.#fullQuestion);
    readQuery(this.#fullQuestion, fullLength, this.#fullQuery);
    const full = forwarder.forward(this.#fullQuestion, this.#fullQuery, exchange.fullName, this.#fullReply);
    if (full > 0) exchange.fullName.send(this.#fullReply, full);
    return 0;
  }
}

/** One short form's two questions. */
class ShortFormExchange {
  /** Stand for the client at the forwarder. */
  readonly shortName: Client;
  readonly fullName: Client;
  readonly #client: Client;
  /** A copy of the client's message. */
  readonly #message: Uint8Array;
  readonly #domain: Suffix;
  readonly #frame: ReplyFrame;
  /** Of the short name, one that is not NOERROR. */
  #denial: Uint8Array | null = null;
  #fullReply: Uint8Array | null = null;
  #isDone = false;

  /** `frame`: used during a call only. */
  constructor(client: Client, message: Uint8Array, domain: Suffix, frame: ReplyFrame) {
    this.#client = client;
    this.#message = message;
    this.#domain = domain;
    this.#frame = frame;
    this.shortName = new Side(client, (reply, length) => this.#takeShort(reply, length));
    this.fullName = new Side(client, (reply, length) => this.#takeFull(reply, length));
  }

  #takeShort(reply: Uint8Array, length: number): void {
    if (this.#isDone || this.#denial !== null) return;
    if (headerRcode(reply) === Rcode.NOERROR) {
      this.#isDone = true;
      this.#client.send(reply, length);
      return;
    }
    this.#denial = copyOf(reply, length);
    this.#settle();
  }

  #takeFull(reply: Uint8Array, length: number): void {
    if (this.#isDone || this.#fullReply !== null) return;
    this.#fullReply = copyOf(reply, length);
    this.#settle();
  }

  #settle(): void {
    const denial = this.#denial;
    const full = this.#fullReply;
    if (denial === null || full === null) return;
    this.#isDone = true;
    const query = new Query();
    readQuery(this.#message, this.#message.length, query);
    const { transport } = this.#client;
    const length = writeFromFull(this.#message, query, transport, this.#domain, full, this.#frame);
    if (length > 0) this.#client.send(this.#frame.octets, length);
    else this.#client.send(denial, denial.length);
  }
}

class Side implements Client {
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
  readonly send: (message: Uint8Array, length: number) => void;

  constructor(client: Client, send: (message: Uint8Array, length: number) => void) {
    this.transport = client.transport;
    this.address = client.address;
    this.port = client.port;
    this.send = send;
  }
}
