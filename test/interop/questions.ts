/** The questions: one class of them after the other, again and again, each with a name of its own. */

import { Draw } from "./draw.ts";
import type { Transport } from "./exchange.ts";
import { FLAGS, OPTIONS, TYPES, typeText } from "./numbers.ts";
import {
  message,
  type Name,
  nameOctets,
  nameOf,
  opt,
  option,
  question,
  record,
  uint16,
  uint32,
} from "./octets.ts";
import { nameText } from "./read-message.ts";

export interface Question {
  /** The class, by which differences are explained; with ` again` where an earlier question is asked once more. */
  readonly kind: string;
  readonly text: string;
  readonly transport: Transport;
  readonly message: Buffer;
}

export interface Questions {
  readonly first: readonly Question[];
  /** To be asked when `first` has been answered: the same as other clients may ask it. */
  readonly again: readonly Question[];
}

/** Part of the questions that is asked a second time. */
const AGAIN_SHARE = 0.25;

/** Every kind of question that there is. */
export function kinds(): string[] {
  return [...Object.keys(KINDS), ...AGAIN.map(repeatOf)];
}

export function questions(count: number, seed: number): Questions {
  const draw = new Draw(seed);
  const names = Object.keys(KINDS);
  const again = Math.floor(count * AGAIN_SHARE);
  const specs = Array.from({ length: count - again }, (_, index) => {
    const kind = names[index % names.length]!;
    return { kind, spec: specOf(kind, index, draw) };
  });
  const repeatable = specs.filter(({ kind }) => AGAIN.includes(kind));
  const repeated = Array.from({ length: again }, (_, index) => repeatable[index % repeatable.length]!);
  return {
    first: specs.map(({ kind, spec }) => questionOf(kind, spec)),
    again: repeated.map(({ kind, spec }) => questionOf(repeatOf(kind), askedAnew(spec, draw))),
  };
}

interface Edns {
  readonly size: number;
  readonly version?: number;
  readonly flags?: number;
  readonly options?: readonly Buffer[];
}

interface Spec {
  readonly id: number;
  readonly name: Name;
  readonly type: number;
  readonly class: number;
  readonly opcode: number;
  readonly flags: number;
  readonly edns: Edns | null;
  readonly transport: Transport;
  /** Records before OPT, by section. */
  readonly answers: readonly Buffer[];
  readonly additionals: readonly Buffer[];
  /** Changes the finished message. */
  readonly mend: (octets: Buffer) => Buffer;
}

type Change = Partial<Spec> & {
  /** The first label: which reply the upstream gives. */
  readonly label?: string;
};

/** The answer shows the message that has come to the upstream. */
const ECHO = { label: "echo", type: TYPES["TXT"]! };
const PLAIN_EDNS: Edns = { size: 1_232 };
const CLIENT_COOKIE = option(OPTIONS.COOKIE, Buffer.from("0123456789abcdef", "hex"));
const addressRecord = record({
  owner: nameOctets(nameOf("extra.example")),
  type: 1,
  data: Buffer.from([192, 0, 2, 9]),
});

function ofType(type: string): () => Change {
  return () => ({ type: TYPES[type]! });
}

function labelled(...labels: readonly string[]): (draw: Draw) => Change {
  return (draw) => ({ label: draw.of(labels) });
}

function texts(...labels: readonly string[]): (draw: Draw) => Change {
  return (draw) => ({ label: draw.of(labels), type: TYPES["TXT"]! });
}

function withOption(code: number, data?: Buffer, more: Change = {}): () => Change {
  return () => ({ edns: { size: 1_232, options: [option(code, data)] }, ...more });
}

const KINDS: Readonly<Record<string, (draw: Draw) => Change>> = {
  a: () => ({}),
  aaaa: ofType("AAAA"),
  ns: ofType("NS"),
  cname: ofType("CNAME"),
  soa: ofType("SOA"),
  ptr: ofType("PTR"),
  hinfo: ofType("HINFO"),
  mx: ofType("MX"),
  txt: ofType("TXT"),
  srv: ofType("SRV"),
  naptr: ofType("NAPTR"),
  ds: ofType("DS"),
  sshfp: ofType("SSHFP"),
  dnskey: ofType("DNSKEY"),
  rrsig: ofType("RRSIG"),
  nsec: ofType("NSEC"),
  tlsa: ofType("TLSA"),
  svcb: ofType("SVCB"),
  https: ofType("HTTPS"),
  caa: ofType("CAA"),
  any: ofType("ANY"),
  "unknown type": (draw) => ({ type: draw.of([666, 4_242, 65_280, 65_534]) }),
  "opaque data": (draw) => ({ type: 65_400, label: draw.of(["opaque-0", "opaque-1", "opaque-300"]) }),
  "meta type": (draw) => ({ type: draw.of([128, 200, 248]) }),

  chain: labelled("chain-1", "chain-2", "chain-5"),
  "long chain": labelled("chain-16"),
  "chain to nothing": labelled("dangling"),
  "chain to no data": labelled("ending"),
  "circle of chains": labelled("circle"),
  nxdomain: labelled("nx"),
  "nxdomain without soa": labelled("nxbare"),
  "nxdomain of short life": labelled("nxshort"),
  "no data": (draw) => ({ label: "nodata", type: draw.of([1, 28, 15]) }),
  "no data without soa": labelled("nodatabare"),
  referral: labelled("referral"),
  servfail: labelled("rcode-2"),
  refused: labelled("rcode-5"),
  notimp: labelled("rcode-4"),
  formerr: labelled("rcode-1"),
  yxdomain: labelled("rcode-6"),
  "unassigned rcode": labelled("rcode-12"),
  "extended rcode": () => ({ label: "rcode-23", edns: PLAIN_EDNS }),

  "ttl 0": labelled("ttl-0"),
  "ttl with top bit": labelled("ttl-2147483649", "ttl-4294967295"),
  "longest ttl": labelled("ttl-2147483647"),
  "ttls that differ": labelled("ttls"),
  "text of some length": () => ({
    label: "large-2-longer",
    type: TYPES["TXT"]!,
    edns: { size: 1_232, flags: 0x8000 },
  }),
  "large answer": texts("large-8", "large-19", "large-100"),
  "answer too large for others": () => ({
    label: "large-4",
    type: TYPES["TXT"]!,
    transport: "udp",
    edns: { size: 4_096 },
  }),
  "large answer over tcp": () => ({ label: "large-60", type: TYPES["TXT"]!, transport: "tcp" }),
  "larger than asked for": () => ({ label: "oversize", type: TYPES["TXT"]!, transport: "udp", edns: null }),
  "cut answer": () => ({ label: "cut", transport: "udp" }),
  "reply with aa": labelled("flags-0400"),
  "reply with ad": labelled("flags-0020"),
  "reply with z": labelled("flags-0040"),
  "reply without ra": labelled("flags-0080"),
  "reply without rd": labelled("flags-0100"),
  "record twice": labelled("twins"),
  "owner in lower case": labelled("lowered"),
  "question in lower case": labelled("lowquestion"),
  "compressed data": (draw) => ({ label: "pointer", type: draw.of([2, 5, 12, 15]) }),
  "all sections": labelled("glue"),
  "octets behind the reply": labelled("tail"),
  "record of another name": labelled("foreign"),
  "address of five octets": labelled("misfit"),
  "reply with a loop": labelled("selfpointer"),
  "reply that lacks records": labelled("overcount"),
  "reply with extended error": () => ({ label: "ede", edns: PLAIN_EDNS }),
  "reply without opt": () => ({ label: "noopt", edns: PLAIN_EDNS }),
  "reply with opt unasked": () => ({ label: "uncalledopt", edns: null }),
  "what arrives": texts("echo"),

  "no rd": () => ({ flags: 0 }),
  "query with ad": () => ({ flags: FLAGS.RD | FLAGS.AD }),
  "query with cd": () => ({ flags: FLAGS.RD | FLAGS.CD }),
  "query with z": () => ({ ...ECHO, flags: FLAGS.RD | FLAGS.Z }),
  "query with aa": () => ({ ...ECHO, flags: FLAGS.RD | FLAGS.AA }),
  "query with ra": () => ({ ...ECHO, flags: FLAGS.RD | FLAGS.RA }),
  "query with tc": () => ({ ...ECHO, flags: FLAGS.RD | FLAGS.TC }),
  "query with an rcode": () => ({ ...ECHO, flags: FLAGS.RD | 3 }),
  "class ch": () => ({ class: 3, type: TYPES["TXT"]! }),
  "class hs": () => ({ class: 4 }),
  "class any": () => ({ class: 255 }),
  "class none": () => ({ class: 254 }),
  "class 0": () => ({ class: 0 }),
  "unknown class": () => ({ class: 4_242 }),
  "opcode iquery": () => ({ opcode: 1 }),
  "opcode status": () => ({ opcode: 2 }),
  "opcode notify": () => ({ opcode: 4, type: TYPES["SOA"]! }),
  "opcode update": () => ({ opcode: 5, type: TYPES["SOA"]! }),
  "opcode dso": () => ({ opcode: 6 }),
  "unassigned opcode": (draw) => ({ opcode: draw.of([3, 7, 15]) }),
  axfr: () => ({ type: TYPES["AXFR"]!, transport: "tcp" }),
  ixfr: () => ({ type: TYPES["IXFR"]!, transport: "udp" }),
  "type 0": () => ({ type: 0 }),
  "type opt": () => ({ type: TYPES["OPT"]! }),
  "type tsig": () => ({ type: TYPES["TSIG"]! }),
  "no question": () => ({
    mend: (octets) => Buffer.concat([octets.subarray(0, 4), Buffer.alloc(8)]),
    edns: null,
  }),
  "two questions": () => ({
    edns: null,
    mend: (octets) => {
      octets.writeUInt16BE(2, 4);
      return Buffer.concat([octets, octets.subarray(12)]);
    },
  }),

  "edns of any size": (draw) => ({ edns: { size: draw.of([0, 100, 511, 512, 1_400, 4_096, 65_535]) } }),
  "dnssec ok": () => ({ edns: { size: 1_232, flags: 0x8000 } }),
  "edns flags": () => ({ ...ECHO, edns: { size: 1_232, flags: 0x4321 } }),
  "edns version 1": () => ({ edns: { size: 1_232, version: 1 } }),
  "edns version 1 with options": () => ({ edns: { size: 1_232, version: 1, options: [option(100)] } }),
  nsid: withOption(OPTIONS.NSID),
  cookie: () => ({ edns: { size: 1_232, options: [CLIENT_COOKIE] } }),
  "cookie of no length": withOption(OPTIONS.COOKIE, Buffer.alloc(7)),
  "client subnet": withOption(OPTIONS.ECS, Buffer.from("00011800c00002", "hex")),
  expire: withOption(OPTIONS.EXPIRE),
  padding: withOption(OPTIONS.PADDING, Buffer.alloc(64), ECHO),
  "keepalive over udp": withOption(OPTIONS.KEEPALIVE, undefined, { ...ECHO, transport: "udp" }),
  "keepalive over tcp": withOption(OPTIONS.KEEPALIVE, undefined, { ...ECHO, transport: "tcp" }),
  "unknown option": (draw) => ({
    ...ECHO,
    edns: { size: 1_232, options: [option(65_001, draw.octets(20))] },
  }),
  "many options": () => ({
    ...ECHO,
    edns: { size: 4_096, options: Array.from({ length: 200 }, (_, at) => option(30_000 + at)) },
  }),
  "two opt": () => ({ additionals: [opt({ size: 512 })], edns: PLAIN_EDNS }),
  "opt of another owner": () => ({
    edns: null,
    additionals: [
      record({ owner: nameOctets(nameOf("a")), type: 41, class: 512, ttl: 0, data: Buffer.alloc(0) }),
    ],
  }),
  "octets behind the query": (draw) => ({
    ...ECHO,
    mend: (octets) => Buffer.concat([octets, draw.octets(9)]),
  }),
  "query with an answer": () => ({ ...ECHO, answers: [addressRecord] }),
  "query with an additional record": () => ({ ...ECHO, additionals: [addressRecord] }),
  signed: () => ({ ...ECHO, additionals: [tsig()] }),
  "what arrives of options": (draw) => ({
    label: "echo",
    type: TYPES["TXT"]!,
    edns: { size: 1_232, flags: 0x8000, options: [option(65_001, draw.octets(5)), CLIENT_COOKIE] },
  }),

  // Of a type that was not asked before, since there is no other root.
  root: (draw) => ({ name: [], type: 1_000 + draw.below(60_000) }),
  "label of 63 octets": (draw) => ({ label: `x${draw.below(1e9)}`.padEnd(63, "y") }),
  "name of 255 octets": (draw) => ({ name: [61, 63, 63, 63].map((length) => letters(draw, length)) }),
  "name of 127 labels": (draw) => ({ name: Array.from({ length: 127 }, () => letters(draw, 1)) }),
  "any octets in labels": (draw) => ({
    name: [draw.octets(20), draw.octets(5), ...nameOf("interop.example")],
  }),
  "dot in a label": (draw) => ({
    name: [Buffer.from(`a.b\\${draw.below(1e9)}`), ...nameOf("interop.example")],
  }),
  asterisk: (draw) => ({ name: [Buffer.from("*"), letters(draw, 12), ...nameOf("interop.example")] }),
  "cluster name": (draw) => ({ name: [letters(draw, 12), ...nameOf("default.svc.cluster.local")] }),
  "special use name": (draw) => ({
    name: [letters(draw, 12), Buffer.from(draw.of(["test", "invalid", "onion", "localhost"]))],
  }),
};

/** Asked a second time: kinds whose replies caches may keep. */
const AGAIN: readonly string[] = [
  "a",
  "aaaa",
  "mx",
  "txt",
  "srv",
  "https",
  "unknown type",
  "opaque data",
  "chain",
  "chain to nothing",
  "chain to no data",
  "nxdomain",
  "nxdomain without soa",
  "no data",
  "no data without soa",
  "ttl 0",
  "ttl with top bit",
  "longest ttl",
  "ttls that differ",
  "text of some length",
  "large answer",
  "answer too large for others",
  "cut answer",
  "reply with aa",
  "reply with ad",
  "reply with z",
  "reply without ra",
  "all sections",
  "record twice",
  "owner in lower case",
  "question in lower case",
  "compressed data",
  "octets behind the reply",
  "record of another name",
  "address of five octets",
  "reply with extended error",
  "reply without opt",
  "reply with opt unasked",
  "query with ad",
  "query with cd",
  "dnssec ok",
  "cookie",
  "no rd",
  "servfail",
  "refused",
  "any",
  "class ch",
  "referral",
];

function specOf(kind: string, index: number, draw: Draw): Spec {
  const { label = "plain", ...change } = KINDS[kind]!(draw);
  const name = change.name ?? [Buffer.from(label), Buffer.from(`n${index}`), ...nameOf("interop.example")];
  return {
    id: draw.below(65_536),
    type: 1,
    class: 1,
    opcode: 0,
    flags: FLAGS.RD,
    edns: draw.of([null, PLAIN_EDNS, { size: 4_096 }, { size: 1_232, flags: 0x8000 }]),
    transport: draw.of(["udp", "udp", "udp", "tcp"]),
    answers: [],
    additionals: [],
    mend: (octets) => octets,
    ...change,
    name: draw.below(2) === 0 ? name : respelled(name, draw),
  };
}

function repeatOf(kind: string): string {
  return `${kind} again`;
}

/** The same question as another client may ask it, over the same transport: ours has a cache for each. */
function askedAnew(spec: Spec, draw: Draw): Spec {
  return {
    ...spec,
    id: draw.below(65_536),
    name: respelled(spec.name, draw),
    edns:
      spec.edns === null && draw.below(3) === 0 ? null : { ...spec.edns, size: draw.of([512, 1_232, 4_096]) },
  };
}

function questionOf(kind: string, spec: Spec): Question {
  const { id, name, type, edns, transport, answers, additionals, mend } = spec;
  const octets = message({
    id,
    flags: (spec.opcode << 11) | spec.flags,
    questions: [question(name, type, spec.class)],
    answers,
    additionals: edns === null ? additionals : [...additionals, opt(edns)],
  });
  const ednsText = edns === null ? "no edns" : `edns ${edns.size}${edns.flags === 0x8000 ? " do" : ""}`;
  const text = `${nameText(name)} ${typeText(type)}, ${transport}, ${ednsText}`;
  return { kind, text, transport, message: mend(octets) };
}

/** The same name, each letter in upper or lower case. */
function respelled(name: Name, draw: Draw): Name {
  return name.map((label) =>
    Buffer.from(
      label.map((octet) =>
        (octet >= 65 && octet <= 90) || (octet >= 97 && octet <= 122)
          ? octet ^ (draw.below(2) * 0x20)
          : octet,
      ),
    ),
  );
}

function letters(draw: Draw, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => 97 + draw.below(26)));
}

/** RFC 8945 4.2: signed with a key that nobody has. */
function tsig(): Buffer {
  const data = Buffer.concat([
    nameOctets(nameOf("hmac-sha256")),
    uint16(0),
    uint32(1_700_000_000),
    uint16(300),
    uint16(32),
    Buffer.alloc(32, 1),
    uint16(0),
    uint16(0),
    uint16(0),
  ]);
  return record({ owner: nameOctets(nameOf("key.example")), type: 250, class: 255, ttl: 0, data });
}
