/** What the tests of the server share: fixed dice, a forwarder that only notes, and messages. */

import { expect } from "chai";
import type { ConfigurableForwarder } from "../../src/forwarder/forwarder.ts";
import type { Client, Random, Transport } from "../../src/runtime.ts";
import { SharedSeries } from "../../src/series.ts";
import { Engine, type EngineSettings } from "../../src/server/engine.ts";
import { QUERY_SERIES, QueryMetrics } from "../../src/server/metrics.ts";
import {
  type ClientChange,
  ClientIndex,
  type ClientRecord,
  type NamespaceFacts,
  packClientDelta,
} from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import type { HostChange } from "../../src/table/host-record.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { HeaderFlag, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { decodeMessage, type Edns, encodeMessage, type Message } from "../../src/wire/message.ts";
import type { Query } from "../../src/wire/query.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { hostName, ip, NOWHERE } from "../table/samples.ts";

/** Gives the same numbers again and again. */
export function fixedRandom(...fractions: readonly number[]): Random {
  let at = 0;
  return {
    fraction: () => fractions[at++ % fractions.length] ?? 0,
    uint16: () => (at++ * 40503) & 0xffff,
  };
}

/** Notes what it is asked; answers when the test says so. */
export class FakeForwarder implements ConfigurableForwarder {
  readonly asked: { readonly message: Uint8Array; readonly client: Client }[] = [];
  readonly forgotten: string[] = [];
  /** What the cache answers: the whole reply to a query, or null. */
  cached: ((message: Uint8Array, query: Query) => Uint8Array) | null = null;

  forward(message: Uint8Array, query: Query, client: Client, reply: Uint8Array): number {
    this.asked.push({ message: new Uint8Array(message.subarray(0, query.length)), client });
    if (this.cached === null) return 0;
    const cached = this.cached(message, query);
    reply.set(cached);
    return cached.length;
  }

  /** Replies to the question asked last. */
  reply(fields: Partial<Message> & { readonly rcode?: number }): void {
    const { message, client } = this.asked.at(-1)!;
    const reply = upstreamReply(message, fields);
    client.send(reply, reply.length);
  }

  forget(name: Uint8Array, isWildcard: boolean): void {
    this.forgotten.push((isWildcard ? "*" : "") + Buffer.from(name).toString("latin1"));
  }

  update(): void {}

  noteLoop(): void {}

  noteRefused(): void {}

  async close(): Promise<void> {}
}

export function upstreamReply(
  query: Uint8Array,
  fields: Partial<Message> & { readonly rcode?: number },
): Uint8Array {
  const asked = decoded(query);
  const { rcode, ...rest } = fields;
  return encodeMessage({
    id: asked.id,
    flags: HeaderFlag.QR | HeaderFlag.RA | HeaderFlag.RD | (rcode ?? 0),
    questions: asked.questions,
    answers: [],
    authorities: [],
    additionals: [],
    ...rest,
  });
}

export class FakeClient implements Client {
  readonly transport: Transport;
  readonly address: string;
  readonly port = 5353;
  readonly replies: Message[] = [];

  constructor(transport: Transport = "udp", address = "192.0.2.200") {
    this.transport = transport;
    this.address = address;
  }

  send(message: Uint8Array, length: number): void {
    this.replies.push(decoded(message.slice(0, length)));
  }
}

export interface QuestionFields {
  readonly id?: number;
  readonly flags?: number;
  readonly class?: number;
  readonly edns?: Partial<Edns>;
}

export const PLAIN_EDNS: Edns = { size: 1232, version: 0, dnssecOk: false, extendedRcode: 0, options: [] };

export function question(
  name: string,
  type: keyof typeof RecordType | number,
  fields: QuestionFields = {},
): Uint8Array {
  const { edns } = fields;
  return encodeMessage({
    id: fields.id ?? 0x1234,
    flags: fields.flags ?? HeaderFlag.RD,
    questions: [
      {
        name,
        type: typeof type === "number" ? type : RecordType[type],
        class: fields.class ?? RecordClass.IN,
      },
    ],
    answers: [],
    authorities: [],
    additionals: [],
    ...(edns && { edns: { ...PLAIN_EDNS, ...edns } }),
  });
}

export function decoded(octets: Uint8Array): Message {
  const message = decodeMessage(octets);
  if ("fault" in message) throw new Error(`the message ${message.fault}`);
  return message;
}

/** The low four bits of the RCODE. */
export function rcodeOf(message: Message): number {
  return message.flags & HeaderFlag.RCODE;
}

/** The addresses in the answer section, in order. */
export function addressesOf(message: Message): string[] {
  return message.answers.map(({ data }) => {
    if (data.kind !== "A" && data.kind !== "AAAA") throw new Error(`an answer of kind ${data.kind}`);
    return data.address;
  });
}

/** The answer section as text. */
export function answersOf(message: Message): string[] {
  return message.answers.map(({ name, data }) => {
    switch (data.kind) {
      case "A":
      case "AAAA":
        return `${name} ${data.kind} ${data.address}`;
      case "name":
        return `${name} CNAME ${data.name}`;
      default:
        return `${name} ${data.kind}`;
    }
  });
}

/** INFO-CODE and text of the Extended DNS Error. */
export function extendedErrorOf(message: Message): readonly [number, string] | null {
  const option = message.edns?.options.find(({ code }) => code === 15);
  if (option === undefined) return null;
  const data = Buffer.from(option.data);
  return [data.readUInt16BE(0), data.toString("utf8", 2)];
}

export const CLUSTER_DOMAIN = hostName("cluster.local");

export const ENGINE_SETTINGS: EngineSettings = {
  clusterDomain: CLUSTER_DOMAIN,
  pendingTimeoutMs: 2500,
  relayHttps: false,
  searchSuffixes: [],
  suffixAnswer: "cname",
  suffixView: true,
  shortServiceNames: true,
  explainTxt: false,
  trustedForwarders: [],
};

/** A pod at the address, as the client index is told of it. */
export function pod(address: string, namespace: string, fields: Partial<ClientRecord> = {}): ClientChange {
  return {
    address: ip(address),
    client: { namespace, clientClass: "outside", locality: NOWHERE, ...fields },
  };
}

export function namespaceFacts(name: string, fields: Partial<NamespaceFacts> = {}): NamespaceFacts {
  return { name, suffixAnswer: undefined, isDelegated: false, ...fields };
}

/** A packed delta of clients and namespaces. */
export function clientDelta(clients: readonly ClientChange[], ...namespaces: readonly NamespaceFacts[]) {
  return packClientDelta({ clients, namespaces: namespaces.map((facts) => ({ name: facts.name, facts })) });
}

export function clientIndexOf(
  clients: readonly ClientChange[],
  ...namespaces: readonly NamespaceFacts[]
): ClientIndex {
  const index = new ClientIndex();
  index.apply(clientDelta(clients, ...namespaces), 0, 100_000);
  return index;
}

/** An engine with everything around it but sockets. */
export class Stage {
  readonly clock = new FakeClock();
  readonly forwarder = new FakeForwarder();
  readonly series = new SharedSeries(QUERY_SERIES);
  readonly metrics = new QueryMetrics(this.series);
  readonly table = new FlatTable(fixedRandom(0));
  readonly clients = new ClientIndex();
  readonly faults: unknown[] = [];
  readonly engine: Engine;
  #version = 0;

  constructor(settings: Partial<EngineSettings> = {}, maxHeld = 4096) {
    const { table, clients, forwarder, metrics, clock } = this;
    this.engine = new Engine(
      {
        table,
        clients,
        forwarder,
        metrics,
        clock,
        random: fixedRandom(0),
        maxHeld,
        onFault: (error) => this.faults.push(error),
      },
      { ...ENGINE_SETTINGS, ...settings },
    );
  }

  /** One that has read every host. */
  static synced(...changes: readonly HostChange[]): Stage {
    return Stage.with({}, ...changes);
  }

  /** The same with settings. */
  static with(settings: Partial<EngineSettings>, ...changes: readonly HostChange[]): Stage {
    const stage = new Stage(settings);
    stage.apply(...changes);
    stage.engine.setSynced();
    return stage;
  }

  apply(...changes: readonly HostChange[]): void {
    this.#version += 1;
    this.engine.applyDelta(packDelta({ version: this.#version, changes }));
    this.#step();
  }

  know(clients: readonly ClientChange[], ...namespaces: readonly NamespaceFacts[]): void {
    this.engine.applyClients(clientDelta(clients, ...namespaces));
    this.#step();
  }

  #step(): void {
    for (let turns = 0; this.engine.step(); turns += 1)
      if (turns > 1000) throw new Error("a delta without end");
  }

  /** The reply that `handle` gave at once, or null. */
  ask(message: Uint8Array, client: Client = new FakeClient()): Message | null {
    const length = this.engine.handle(message, message.length, client);
    return length > 0 ? decoded(this.engine.reply.slice(0, length)) : null;
  }

  /** The same, where there must be one. */
  answer(message: Uint8Array, client: Client = new FakeClient()): Message {
    const reply = this.ask(message, client);
    if (reply === null) expect.fail("no reply at once");
    return reply;
  }

  metric(name: string, ...labels: readonly string[]): number {
    return this.series.values[this.series.at(name, ...labels)]!;
  }
}
