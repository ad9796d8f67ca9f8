/**
 * A zone as the stand-in serves it: lines of `name TTL TYPE value` into records, and a question into what a
 * resolver that knows these names and no others would answer. Pure.
 */

import { HeaderFlag, Rcode, RecordClass, RecordType } from "../wire/constants.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { familyOf, parseIpAddress } from "../wire/ip-address.ts";
import type { Message, ResourceRecord } from "../wire/message.ts";

/** Records by lower-cased name without a dot at the end. */
export type Zone = ReadonlyMap<string, readonly ResourceRecord[]>;

/** A line that cannot be read, from 1, and why. */
export interface ZoneFault {
  readonly line: number;
  readonly reason: string;
}

/** Reads the whole text, or says what is wrong with every line that is. */
export function parseZone(text: string): Zone | { readonly faults: readonly ZoneFault[] } {
  const zone = new Map<string, ResourceRecord[]>();
  const faults: ZoneFault[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line
      .replace(/[;#].*$/, "")
      .trim()
      .split(/\s+/);
    if (words[0] === "") continue;
    const record = parseRecord(words);
    if (typeof record === "string") {
      faults.push({ line: index + 1, reason: record });
      continue;
    }
    const others = zone.get(record.name) ?? [];
    // RFC 1034 3.6.2: a CNAME stands alone.
    const hasAlias = [record, ...others].some((each) => each.type === RecordType.CNAME);
    if (hasAlias && others.length > 0) {
      faults.push({ line: index + 1, reason: `${record.name} has a CNAME record and another` });
    }
    zone.set(record.name, [...others, record]);
  }
  return faults.length > 0 ? { faults } : zone;
}

/** The reply of a resolver to a message that was read; undefined: to be dropped. */
export function answerFromZone(zone: Zone, query: Message): Message | undefined {
  // Answering a response makes reflection loops.
  if ((query.flags & HeaderFlag.QR) !== 0) return undefined;
  const [question] = query.questions;
  if ((query.flags & HeaderFlag.OPCODE) !== 0) return reply(query, Rcode.NOTIMP);
  if (question === undefined || query.questions.length > 1) return reply(query, Rcode.FORMERR);
  // RFC 6891 6.1.3: a version that we do not speak.
  if (query.edns !== undefined && query.edns.version > 0) return reply(query, Rcode.BADVERS);
  if (question.class !== RecordClass.IN) return reply(query, Rcode.REFUSED);

  const answers: ResourceRecord[] = [];
  let name = question.name.toLowerCase();
  // As often as there can be another name: a circle of aliases ends.
  for (let step = 0; step < MOST_ALIASES; step += 1) {
    const records = zone.get(name);
    if (records === undefined) {
      return reply(query, hasNamesBelow(zone, name) ? Rcode.NOERROR : Rcode.NXDOMAIN, answers);
    }
    const wanted = records.filter((each) => each.type === question.type || question.type === RecordType.ANY);
    // The owner is spelled as it was asked (RFC 1034 4.3.3 leaves it open, clients that mix case look at it).
    answers.push(...wanted.map((each) => (step === 0 ? { ...each, name: question.name } : each)));
    const alias = records[0]!;
    if (wanted.length > 0 || alias.data.kind !== "name") return reply(query, Rcode.NOERROR, answers);
    answers.push(step === 0 ? { ...alias, name: question.name } : alias);
    name = alias.data.name;
  }
  return reply(query, Rcode.SERVFAIL);
}

/** Chains of CNAME records are followed this far. */
const MOST_ALIASES = 8;
/** RFC 2308 5: how long a denial may be kept; short, so that an edited zone is soon believed. */
const NEGATIVE_TTL_SECONDS = 5;
const OUR_UDP_OCTETS = 1232;
const MAX_TTL_SECONDS = 2 ** 31 - 1;

function reply(query: Message, rcode: number, answers: readonly ResourceRecord[] = []): Message {
  const isDenied = rcode === Rcode.NXDOMAIN || rcode === Rcode.NOERROR;
  const isEmpty = !answers.some((each) => each.type === query.questions[0]?.type);
  const isAny = query.questions[0]?.type === RecordType.ANY && answers.length > 0;
  return {
    id: query.id,
    flags: HeaderFlag.QR | HeaderFlag.RA | (query.flags & COPIED_FLAGS) | (rcode & HeaderFlag.RCODE),
    questions: query.questions,
    answers,
    authorities: isDenied && isEmpty && !isAny ? [SOA] : [],
    additionals: [],
    ...(query.edns && {
      edns: {
        size: OUR_UDP_OCTETS,
        version: 0,
        dnssecOk: query.edns.dnssecOk,
        extendedRcode: rcode >> 4,
        options: [],
      },
    }),
  };
}

const COPIED_FLAGS = HeaderFlag.OPCODE | HeaderFlag.RD | HeaderFlag.CD;

/** Stands for whichever zone denies a name. */
const SOA: ResourceRecord = {
  name: ".",
  type: RecordType.SOA,
  class: RecordClass.IN,
  ttlSeconds: NEGATIVE_TTL_SECONDS,
  data: {
    kind: "SOA",
    mname: "stand-in.invalid",
    rname: "hostmaster.stand-in.invalid",
    serial: 1,
    refreshSeconds: 3600,
    retrySeconds: 600,
    expireSeconds: 86_400,
    minimumSeconds: NEGATIVE_TTL_SECONDS,
  },
};

/** RFC 8020: a name below which others are is there, if without records. */
function hasNamesBelow(zone: Zone, name: string): boolean {
  const end = `.${name}`;
  for (const other of zone.keys()) if (other.endsWith(end)) return true;
  return name === ".";
}

/** The record, or what is wrong with the line. */
function parseRecord(words: readonly string[]): ResourceRecord | string {
  const [nameText, ttlText, typeText, value, ...rest] = words;
  if (nameText === undefined || ttlText === undefined || typeText === undefined || value === undefined) {
    return "a line is: name TTL TYPE value";
  }
  if (rest.length > 0) return `there is more behind the value: ${rest.join(" ")}`;
  const name = parseHostName(nameText);
  if (!isHostName(name)) return `the name ${nameText} ${name.fault}`;
  const ttlSeconds = Number(ttlText);
  if (!/^\d+$/.test(ttlText) || ttlSeconds > MAX_TTL_SECONDS) {
    return `the TTL ${ttlText} is not a number of seconds from 0 to ${MAX_TTL_SECONDS}`;
  }
  const common = { name, class: RecordClass.IN, ttlSeconds };
  const type = typeText.toUpperCase();
  if (type === "CNAME") {
    const target = parseHostName(value);
    if (!isHostName(target)) return `the target ${value} ${target.fault}`;
    return { ...common, type: RecordType.CNAME, data: { kind: "name", name: target } };
  }
  if (type !== "A" && type !== "AAAA") return `the type ${typeText} is none of A, AAAA, CNAME`;
  const address = parseIpAddress(value);
  if (address === null || familyOf(address) !== type) {
    return `${value} is no IPv${type === "A" ? 4 : 6} address, which ${type} takes`;
  }
  return { ...common, type: RecordType[type], data: { kind: type, address } };
}
