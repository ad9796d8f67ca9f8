/**
 * What the upstream answers: a function of the message and the transport alone. The first label of the name says
 * which reply is wanted (`plain` where it says nothing known), the second makes the name a new one.
 */

import type { Transport } from "./exchange.ts";
import { FLAGS, OPTIONS, RCODES, TYPES } from "./numbers.ts";
import {
  message,
  type Name,
  nameOctets,
  nameOf,
  opt,
  option,
  pointerTo,
  record,
  uint16,
  uint32,
} from "./octets.ts";
import { type ReadMessage, type ReadOpt, readMessage } from "./read-message.ts";

/** Null: silence. */
export function answer(octets: Buffer, transport: Transport): Buffer | null {
  if (octets.length < 12 || (octets.readUInt16BE(2) & FLAGS.QR) !== 0) return null;
  const query = readMessage(octets);
  const asked = query?.questions[0];
  if (query === null || asked === undefined || query.questions.length !== 1 || query.opts.length > 1) {
    const id = octets.readUInt16BE(0);
    return message({ id, flags: FLAGS.QR | FLAGS.RA | (octets.readUInt16BE(2) & 0x7900) | 1, questions: [] });
  }
  const parts = new Parts(octets, query, transport);
  const edns = query.opts[0];
  if (edns !== undefined && edns.version > 0) {
    return parts.reply({ rcode: RCODES["BADVERS"]! });
  }
  if (NEVER_ASKED_FOR.includes(asked.type)) return parts.reply({ rcode: RCODES["FORMERR"]! });
  const [first, ...arguments_] = (asked.name[0]?.toString("latin1").toLowerCase() ?? "").split("-");
  return (RECIPES[first ?? ""] ?? plain)(parts, arguments_);
}

/** The zone of the servers' names. */
const ZONE = nameOf("interop.example");
/** What is answered to types that no record is of. */
const STANDS_FOR: Readonly<Record<number, number>> = {
  [TYPES["ANY"]!]: TYPES["A"]!,
  [TYPES["AXFR"]!]: TYPES["SOA"]!,
  [TYPES["IXFR"]!]: TYPES["SOA"]!,
};
/** Where the question's name begins. */
const QUESTION_AT = 12;
const OUR_EDNS_SIZE = 1_400;

/** RFC 6895 3.1, RFC 6891 6.1.1, RFC 8945 4.2. */
const NEVER_ASKED_FOR: readonly number[] = [0, TYPES["OPT"]!, TYPES["TSIG"]!];

interface ReplyFields {
  readonly flags?: number;
  /** All twelve bits. */
  readonly rcode?: number;
  readonly answers?: readonly Buffer[];
  readonly authorities?: readonly Buffer[];
  readonly additionals?: readonly Buffer[];
  readonly options?: readonly Buffer[];
  /** An OPT record: as the query has one unless given. */
  readonly hasOpt?: boolean;
  /** Octets behind the last record. */
  readonly tail?: Buffer;
  /** The question as echoed. */
  readonly question?: Buffer;
  /** Whether it goes out over UDP whatever its size. */
  readonly isNeverCut?: boolean;
}

class Parts {
  readonly octets: Buffer;
  readonly name: Name;
  readonly type: number;
  readonly class: number;
  readonly question: Buffer;
  readonly #query: ReadMessage;
  readonly transport: Transport;

  constructor(octets: Buffer, query: ReadMessage, transport: Transport) {
    const asked = query.questions[0]!;
    this.octets = octets;
    this.name = asked.name;
    this.type = asked.type;
    this.class = asked.class;
    this.question = octets.subarray(QUESTION_AT, QUESTION_AT + nameOctets(asked.name).length + 4);
    this.#query = query;
    this.transport = transport;
  }

  /** A number that is the name's own; the same for all names of a chain, which differ in the first label. */
  get seed(): number {
    let sum = 0;
    for (const octet of Buffer.concat(this.name.length > 1 ? this.name.slice(1) : this.name))
      sum = (sum * 31 + (octet | 0x20)) >>> 0;
    return sum;
  }

  record(type: number, data: Buffer, ttl?: number, owner: Buffer = pointerTo(QUESTION_AT)): Buffer {
    return record({ owner, type: STANDS_FOR[type] ?? type, class: this.class, ttl: ttl ?? 300, data });
  }

  /** The question's name with another first label, compressed. */
  sibling(label: string): Buffer {
    const rest = QUESTION_AT + 1 + (this.name[0]?.length ?? 0);
    return nameOctets([Buffer.from(label)], pointerTo(rest));
  }

  /** Each question has a zone of its own, so that what a cache learns from one reply is not mixed into others. */
  soa(ttl = 600, minimum = 300): Buffer {
    const numbers = [2_024_010_101, 7_200, 600, 86_400, minimum].map(uint32);
    const names = [nameOctets(nameOf("ns.interop.example")), nameOctets(nameOf("admin.interop.example"))];
    const data = Buffer.concat([...names, ...numbers]);
    const zone = pointerTo(QUESTION_AT + 1 + (this.name[0]?.length ?? 0));
    return record({ owner: zone, type: TYPES["SOA"]!, ttl, data });
  }

  reply(fields: ReplyFields): Buffer {
    const { flags = 0, rcode = 0, answers = [], authorities = [], additionals = [], options = [] } = fields;
    const edns = this.#query.opts[0];
    const hasOpt = fields.hasOpt ?? edns !== undefined;
    const copied = this.#query.flags & (0x7800 | FLAGS.RD | FLAGS.CD);
    const ourOpt = opt({
      size: OUR_EDNS_SIZE,
      extendedRcode: rcode >> 4,
      flags: (edns?.flags ?? 0) & 0x8000,
      options: [...optionsFor(edns), ...options],
    });
    const header = { id: this.#query.id, flags: FLAGS.QR | FLAGS.RA | copied | (rcode & 15) };
    const questions = [fields.question ?? this.question];
    const whole = message({
      id: header.id,
      flags: header.flags ^ flags,
      questions,
      answers,
      authorities,
      additionals: hasOpt ? [...additionals, ourOpt] : additionals,
    });
    const octets = Buffer.concat([whole, fields.tail ?? Buffer.alloc(0)]);
    if (this.transport === "tcp" || fields.isNeverCut || octets.length <= Math.max(512, edns?.size ?? 512)) {
      return octets;
    }
    return message({
      ...header,
      flags: header.flags | FLAGS.TC,
      questions,
      additionals: hasOpt ? [ourOpt] : [],
    });
  }
}

function optionsFor(edns: ReadOpt | undefined): Buffer[] {
  return (edns?.options ?? []).flatMap(({ code, data }) => {
    if (code === OPTIONS.NSID) return [option(code, Buffer.from("upstream"))];
    if (code === OPTIONS.COOKIE)
      return [option(code, Buffer.concat([Buffer.from(data, "hex").subarray(0, 8), Buffer.alloc(8, 7)]))];
    if (code === OPTIONS.ECS) return [option(code, Buffer.from(data, "hex"))];
    if (code === OPTIONS.EXPIRE) return [option(code, uint32(3_600))];
    return [];
  });
}

type Recipe = (parts: Parts, arguments_: readonly string[]) => Buffer;

const RECIPES: Readonly<Record<string, Recipe>> = {
  /** `chain-3`: CNAMEs to `chain-2`, `chain-1`, `chain-0`, and that one's records. */
  chain: (parts, [length = "0"]) => {
    const answers: Buffer[] = [];
    const count = Number(length);
    let owner = pointerTo(QUESTION_AT);
    for (let left = count - 1; left >= 0; left -= 1) {
      const target = parts.sibling(`chain-${left}`);
      answers.push(parts.record(TYPES["CNAME"]!, target, 300 - left, owner));
      owner = target;
    }
    return parts.reply({
      answers: [...answers, ...dataOf(parts).map((data) => parts.record(parts.type, data, 120, owner))],
    });
  },
  dangling: (parts) => parts.reply({ rcode: 3, answers: [cname(parts, "nx")], authorities: [parts.soa()] }),
  ending: (parts) => parts.reply({ answers: [cname(parts, "nodata")], authorities: [parts.soa()] }),
  circle: (parts) => {
    const other = parts.sibling("circle-2");
    const back = parts.record(TYPES["CNAME"]!, pointerTo(QUESTION_AT), 300, other);
    return parts.reply({ answers: [parts.record(TYPES["CNAME"]!, other), back] });
  },
  nx: (parts) => parts.reply({ rcode: 3, authorities: [parts.soa()] }),
  nxbare: (parts) => parts.reply({ rcode: 3 }),
  nxshort: (parts) => parts.reply({ rcode: 3, authorities: [parts.soa(300, 20)] }),
  nodata: (parts) => parts.reply({ authorities: [parts.soa()] }),
  nodatabare: (parts) => parts.reply({}),
  referral: (parts) => {
    const data = nameOctets(nameOf("ns1.interop.example"));
    const owner = nameOctets(ZONE);
    return parts.reply({ authorities: [parts.record(TYPES["NS"]!, data, 300, owner)] });
  },
  /** `rcode-5`. */
  rcode: (parts, [rcode = "0"]) => parts.reply({ rcode: Number(rcode) }),
  ttl: (parts, [ttl = "0"]) => parts.reply({ answers: answersOf(parts, Number(ttl)) }),
  ttls: (parts) =>
    parts.reply({
      answers: dataOf(parts, 4).map((data, at) => parts.record(parts.type, data, 100 + 50 * at)),
    }),
  /** `large-9`: so many strings of 200 octets. */
  large: (parts, [count = "5"]) => parts.reply({ answers: longTexts(parts, Number(count)) }),
  oversize: (parts) => parts.reply({ answers: longTexts(parts, 4), isNeverCut: true }),
  cut: (parts) =>
    parts.reply({ flags: parts.transport === "udp" ? FLAGS.TC : 0, answers: answersOf(parts, 300) }),
  /** `flags-0400`: these bits are turned over in the reply. */
  flags: (parts, [bits = "0"]) =>
    parts.reply({ flags: Number.parseInt(bits, 16), answers: answersOf(parts, 300) }),
  twins: (parts) => {
    const [one] = answersOf(parts, 300);
    return parts.reply({ answers: [one!, one!] });
  },
  lowered: (parts) => {
    const owner = Buffer.from(nameOctets(parts.name).toString("latin1").toLowerCase(), "latin1");
    return parts.reply({ answers: dataOf(parts).map((data) => parts.record(parts.type, data, 300, owner)) });
  },
  /** The question is echoed in lower case. */
  lowquestion: (parts) => {
    const lower = Buffer.from(nameOctets(parts.name).toString("latin1").toLowerCase(), "latin1");
    const question = Buffer.concat([lower, parts.question.subarray(lower.length)]);
    return parts.reply({ question, answers: answersOf(parts, 300) });
  },
  /** RDATA ends in a pointer to the question's name. */
  pointer: (parts) => {
    const data = nameOctets(nameOf("a"), pointerTo(QUESTION_AT));
    const preference = parts.type === TYPES["MX"] ? uint16(10) : Buffer.alloc(0);
    return parts.reply({ answers: [parts.record(parts.type, Buffer.concat([preference, data]))] });
  },
  glue: (parts) => {
    const server = nameOctets(nameOf("ns1.interop.example"));
    const owner = nameOctets(ZONE);
    return parts.reply({
      answers: answersOf(parts, 300),
      authorities: [parts.record(TYPES["NS"]!, server, 300, owner)],
      additionals: [parts.record(TYPES["A"]!, Buffer.from([192, 0, 2, 53]), 300, server)],
    });
  },
  tail: (parts) => parts.reply({ answers: answersOf(parts, 300), tail: Buffer.from("behind it") }),
  foreign: (parts) => {
    const owner = nameOctets(nameOf("www.elsewhere.example"));
    const other = parts.record(TYPES["A"]!, Buffer.from([203, 0, 113, 66]), 300, owner);
    return parts.reply({ answers: [...answersOf(parts, 300), other] });
  },
  opaque: (parts, [octets = "0"]) => {
    const data = Buffer.alloc(Number(octets), parts.seed & 0xff);
    return parts.reply({ answers: [parts.record(parts.type, data)] });
  },
  /** An address of five octets. */
  misfit: (parts) => parts.reply({ answers: [parts.record(parts.type, Buffer.from([192, 0, 2, 1, 9]))] }),
  /** The owner's name points at itself. */
  selfpointer: (parts) => {
    const at = QUESTION_AT + parts.question.length;
    return parts.reply({
      answers: [parts.record(parts.type, Buffer.from([192, 0, 2, 1]), 300, pointerTo(at))],
    });
  },
  overcount: (parts) => {
    const octets = parts.reply({ answers: answersOf(parts, 300), hasOpt: false });
    octets.writeUInt16BE(octets.readUInt16BE(6) + 3, 6);
    return octets;
  },
  /** The message as it came, but for its ID. */
  echo: (parts) => {
    const octets = parts.octets.subarray(2);
    const strings = [];
    for (let at = 0; at < octets.length; at += 255) {
      const string = octets.subarray(at, at + 255);
      strings.push(Buffer.from([string.length]), string);
    }
    return parts.reply({
      answers: [parts.record(TYPES["TXT"]!, Buffer.concat(strings), 0)],
      isNeverCut: true,
    });
  },
  ede: (parts) => {
    const options = [option(OPTIONS.EDE, Buffer.concat([uint16(9), Buffer.from("no keys")]))];
    return parts.reply({ answers: answersOf(parts, 300), options });
  },
  noopt: (parts) => parts.reply({ answers: answersOf(parts, 300), hasOpt: false }),
  uncalledopt: (parts) => parts.reply({ answers: answersOf(parts, 300), hasOpt: true }),
};

function plain(parts: Parts): Buffer {
  return parts.reply({ answers: answersOf(parts, 300) });
}

function cname(parts: Parts, label: string): Buffer {
  return parts.record(TYPES["CNAME"]!, parts.sibling(label));
}

function answersOf(parts: Parts, ttl: number): Buffer[] {
  return dataOf(parts).map((data) => parts.record(parts.type, data, ttl));
}

function longTexts(parts: Parts, count: number): Buffer[] {
  return Array.from({ length: count }, (_, at) =>
    parts.record(
      TYPES["TXT"]!,
      Buffer.concat([Buffer.from([200]), Buffer.alloc(200, 0x41 + ((parts.seed + at) % 26))]),
    ),
  );
}

/** Of these a name has one (RFC 1034 3.6.2, RFC 1035 3.3.13, RFC 6672 2.4). */
const SINGLE: readonly number[] = [TYPES["CNAME"]!, TYPES["SOA"]!, TYPES["DNAME"]!];

/** RDATA of the asked type: one to three records, the same for the name each time. */
function dataOf(
  { seed, type }: Parts,
  count = SINGLE.includes(STANDS_FOR[type] ?? type) ? 1 : 1 + (seed % 3),
): Buffer[] {
  return Array.from({ length: count }, (_, at) => dataOfType(seed, STANDS_FOR[type] ?? type, at));
}

function dataOfType(seed: number, type: number, at: number): Buffer {
  const host = nameOctets(nameOf(`host${at}.interop.example`));
  switch (type) {
    case TYPES["A"]:
      return Buffer.from([192, 0, 2, (seed + at) & 0xff]);
    case TYPES["AAAA"]:
      return Buffer.concat([Buffer.from("20010db8", "hex"), Buffer.alloc(10), uint16(seed + at)]);
    case TYPES["NS"]:
    case TYPES["CNAME"]:
    case TYPES["PTR"]:
    case TYPES["DNAME"]:
      return host;
    case TYPES["MX"]:
      return Buffer.concat([uint16(10 * at), host]);
    case TYPES["SRV"]:
      return Buffer.concat([uint16(at), uint16(5), uint16(443), host]);
    case TYPES["SOA"]:
      return Buffer.concat([host, host, ...[seed, 2, 3, 4, 5].map(uint32)]);
    case TYPES["HINFO"]:
      return Buffer.from(`\u0003CPU\u0002OS`, "latin1");
    case TYPES["TXT"]: {
      const text = Buffer.from(`v=${seed} "${at}" \\ é`, "latin1");
      return Buffer.concat([Buffer.from([text.length]), text]);
    }
    case TYPES["CAA"]:
      return Buffer.from(`\u0000\u0005issueca${at}.example`, "latin1");
    case TYPES["NAPTR"]:
      return Buffer.concat([uint16(at), uint16(1), Buffer.from("\u0001u\u0003E2U\u0000", "latin1"), host]);
    case TYPES["HTTPS"]:
    case TYPES["SVCB"]:
      return Buffer.concat([uint16(1 + at), Buffer.from([0]), uint16(1), uint16(3), Buffer.from("\u0002h2")]);
    case TYPES["DS"]:
      return Buffer.concat([uint16(seed), Buffer.from([13, 2]), Buffer.alloc(32, at)]);
    case TYPES["DNSKEY"]:
      return Buffer.concat([uint16(256), Buffer.from([3, 13]), Buffer.alloc(64, at)]);
    case TYPES["RRSIG"]:
      return Buffer.concat([
        uint16(1),
        Buffer.from([13, 3]),
        ...[300, 1_900_000_000, 1_700_000_000].map(uint32),
        uint16(seed),
        nameOctets(ZONE),
        Buffer.alloc(64, at),
      ]);
    case TYPES["NSEC"]:
      return Buffer.concat([host, Buffer.from([0, 1, 0x40])]);
    case TYPES["TLSA"]:
      return Buffer.concat([Buffer.from([3, 1, 1]), Buffer.alloc(32, at)]);
    case TYPES["SSHFP"]:
      return Buffer.concat([Buffer.from([4, 2]), Buffer.alloc(32, at)]);
    default:
      return Buffer.concat([uint32(seed), Buffer.from([at])]);
  }
}
