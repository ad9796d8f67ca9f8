/**
 * What a story's upstream says: one zone for the refresher's lookups and for forwarded messages, changed by the
 * story as it goes on, that remembers what it was asked.
 */

import type { Lookup, LookupResult } from "../../src/refresher/lookup.ts";
import type { Clock } from "../../src/runtime.ts";
import { HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import type { IpAddress } from "../../src/wire/ip-address.ts";
import { encodeMessage, type Message, type ResourceRecord } from "../../src/wire/message.ts";
import { decodeOrThrow } from "./reply-text.ts";
import { type Denial, USUAL_DELAY_MS, USUAL_SOA, type ZoneLine } from "./zone-line.ts";

/** A question that reached upstream. */
export type Asked = { readonly by: "refresher"; readonly name: string; readonly type: number } | AskedMessage;

/** A message of the forwarder's. */
export interface AskedMessage extends Arrival {
  readonly by: "forwarder";
  /** Lower case. */
  readonly name: string;
  readonly type: number;
  readonly message: Uint8Array;
  /** The true reply; undefined: none was sent. */
  readonly reply: Uint8Array | undefined;
}

/** How a message came. */
export interface Arrival {
  /** Counted from 1. */
  readonly upstream: number;
  readonly transport: "udp" | "tcp";
  /** The forwarder's source port. */
  readonly port: number;
  readonly atMs: number;
}

interface Name {
  delayMs: number;
  readonly records: ResourceRecord[];
  readonly faults: Map<number | undefined, Denial>;
}

const MOST_ALIASES = 8;

export class ScriptedZone {
  readonly asked: Asked[] = [];
  readonly #names = new Map<string, Name>();
  #everything: { readonly denial: Denial; readonly delayMs: number } | undefined;

  /** What is said of each name replaces all that was said of it before. */
  change(lines: readonly ZoneLine[]): void {
    for (const { name } of lines) this.#names.delete(name);
    for (const { name, delayMs, says } of lines) {
      if (name !== "*") this.#add(name, delayMs, says);
      else this.#everything = says.kind === "fault" ? { denial: says.denial, delayMs } : undefined;
    }
  }

  #add(name: string, delayMs: number, says: ZoneLine["says"]): void {
    const known: Name = this.#names.get(name) ?? { delayMs, records: [], faults: new Map() };
    this.#names.set(name, known);
    known.delayMs = Math.max(known.delayMs, delayMs);
    if (says.kind === "record") known.records.push(says.record);
    if (says.kind === "fault") known.faults.set(says.type, says.denial);
  }

  /** The refresher's way to ask. */
  lookup(clock: Clock): Lookup {
    return (name, family) =>
      new Promise((resolve) => {
        this.asked.push({ by: "refresher", name, type: RecordType[family] });
        const answer = this.#answer(name, RecordType[family]);
        if (answer === "silent") return;
        clock.setTimer(answer.delayMs, () => resolve(lookupResult(answer, RecordType[family])));
      });
  }

  /** The reply to a forwarded message; undefined: silence. */
  reply(octets: Uint8Array): { readonly octets: Uint8Array; readonly delayMs: number } | undefined {
    const query = decodeOrThrow(octets);
    const { name, type } = query.questions[0] ?? { name: ".", type: RecordType.NS };
    const answer = this.#answer(name.toLowerCase(), type);
    if (answer === "silent") return undefined;
    return { octets: encodeMessage(replyMessage(query, answer, type)), delayMs: answer.delayMs };
  }

  #answer(name: string, type: number): Answer | "silent" {
    const answers: ResourceRecord[] = [];
    const first = this.#names.get(name);
    const delayMs = this.#everything?.delayMs ?? first?.delayMs ?? USUAL_DELAY_MS;
    let owner = name;
    for (let step = 0; step <= MOST_ALIASES; step += 1) {
      const known = this.#names.get(owner);
      const denial = this.#everything?.denial ?? known?.faults.get(type) ?? known?.faults.get(undefined);
      if (denial !== undefined) {
        const { fault, soa } = denial;
        if (fault === "silent") return "silent";
        return { rcode: fault === "NODATA" ? Rcode.NOERROR : Rcode[fault], answers, soa, delayMs };
      }
      const soa = USUAL_SOA;
      if (known === undefined) return { rcode: Rcode.NXDOMAIN, answers, soa, delayMs };
      const wanted = known.records.filter((each) => each.type === type || type === RecordType.ANY);
      answers.push(...wanted);
      const alias = known.records.find((each) => each.type === RecordType.CNAME);
      if (wanted.length > 0 || alias?.data.kind !== "name")
        return { rcode: Rcode.NOERROR, answers, soa, delayMs };
      answers.push(alias);
      owner = alias.data.name;
    }
    return { rcode: Rcode.SERVFAIL, answers: [], soa: null, delayMs };
  }
}

interface Answer {
  readonly rcode: number;
  readonly answers: readonly ResourceRecord[];
  /** Of a denial. */
  readonly soa: Denial["soa"];
  readonly delayMs: number;
}

function lookupResult({ rcode, answers }: Answer, type: number): LookupResult {
  if (rcode === Rcode.SERVFAIL) return { kind: "failed", failure: "servfail" };
  if (rcode === Rcode.REFUSED) return { kind: "failed", failure: "refused" };
  if (rcode === Rcode.NXDOMAIN) return { kind: "denied", by: "nxdomain" };
  const addresses = answers
    .filter((each) => each.type === type)
    .map(({ data }) => ("address" in data ? data.address : undefined))
    .filter((each): each is IpAddress => each !== undefined)
    .sort();
  if (addresses.length === 0) return { kind: "denied", by: "nodata" };
  const ttlSeconds = Math.min(...answers.map((each) => each.ttlSeconds));
  return { kind: "addresses", addresses, ttlSeconds };
}

/** The root's, for whichever zone denies a name. */
function soaRecord({ ttlSeconds, minimumSeconds }: NonNullable<Denial["soa"]>): ResourceRecord {
  return {
    name: ".",
    type: RecordType.SOA,
    class: RecordClass.IN,
    ttlSeconds,
    data: {
      kind: "SOA",
      mname: "upstream.invalid",
      rname: "hostmaster.upstream.invalid",
      serial: 1,
      refreshSeconds: 3600,
      retrySeconds: 600,
      expireSeconds: 86_400,
      minimumSeconds,
    },
  };
}

function replyMessage(query: Message, { rcode, answers, soa }: Answer, type: number): Message {
  const isEmpty = !answers.some((each) => each.type === type || type === RecordType.ANY);
  const isDenial = isEmpty && (rcode === Rcode.NOERROR || rcode === Rcode.NXDOMAIN);
  const copied = query.flags & (HeaderFlag.OPCODE | HeaderFlag.RD | HeaderFlag.CD);
  return {
    id: query.id,
    flags: HeaderFlag.QR | HeaderFlag.RA | copied | rcode,
    questions: query.questions,
    answers,
    authorities: isDenial && soa !== null ? [soaRecord(soa)] : [],
    additionals: [],
    ...(query.edns && { edns: { ...query.edns, size: 1232, extendedRcode: 0, options: [] } }),
  };
}
