/** Every class of hostile message, octet by octet, with the reaction that it must have. */

import { header, name, octets, opt, option, type Part, pointer, record, uint16 } from "../wire/octets.ts";

const RD = 0x0100;
/** Type A, class IN. */
const TAIL = [0, 1, 0, 1];

export type Reaction =
  | { readonly kind: "drop"; readonly reason: string }
  /** An error reply that is not longer than the message. */
  | { readonly kind: "error"; readonly rcode: "FORMERR" | "NOTIMP" | "REFUSED" }
  /** Relayed octet for octet. */
  | { readonly kind: "forward" }
  /** An answer of our own with so many records. */
  | { readonly kind: "answer"; readonly count: number }
  /** Whatever the octets happen to say: an error or nothing. */
  | { readonly kind: "noise" };

const FORMERR: Reaction = { kind: "error", rcode: "FORMERR" };
const NOTIMP: Reaction = { kind: "error", rcode: "NOTIMP" };
const FORWARD: Reaction = { kind: "forward" };

function asked(...question: readonly Part[]): Uint8Array {
  return octets(header(RD, [1, 0, 0, 0]), ...question);
}

function withOpt(...additionals: readonly Uint8Array[]): Uint8Array {
  return octets(header(RD, [1, 0, 0, additionals.length]), name("own.example"), TAIL, ...additionals);
}

/** Labels of one question as they are; the root is added. */
function labels(...texts: readonly string[]): Uint8Array {
  return asked(...texts.flatMap((text) => [text.length, text]), 0, TAIL);
}

function counts(...four: readonly number[]): Uint8Array {
  return octets(header(RD, four), name("own.example"), TAIL);
}

function opcodes(): [string, Uint8Array, Reaction][] {
  return [1, 2, 3, 4, 5, 6, 15].flatMap((opcode) =>
    [0, 0x07f0, 0x000f].map((flags): [string, Uint8Array, Reaction] => [
      `opcode ${opcode} with flags ${flags.toString(16)}`,
      octets(header((opcode << 11) | flags, [1, 0, 0, 0]), name("own.example"), TAIL),
      NOTIMP,
    ]),
  );
}

const LONG_CHAIN = octets(
  ...Array.from({ length: 300 }, (_, index) => pointer(index === 0 ? 16 : 14 + 2 * (index - 1))),
);

export const HOSTILE: readonly (readonly [title: string, message: Uint8Array, reaction: Reaction])[] = [
  ["no octet", octets(), { kind: "drop", reason: "short" }],
  ["1 octet", octets(7), { kind: "drop", reason: "short" }],
  ["11 octets", new Uint8Array(11), { kind: "drop", reason: "short" }],
  ["a response", octets(header(0x8180, [1, 0, 0, 0]), name("own.example"), TAIL), drop("response")],
  ["a response with an answer", counts(1, 1, 0, 0).with(2, 0x80), drop("response")],
  ["12 octets of 0xFF", new Uint8Array(12).fill(0xff), drop("response")],

  ["QDCOUNT 0", octets(header(RD, [0, 0, 0, 0])), FORMERR],
  ["QDCOUNT 2", counts(2, 0, 0, 0), FORMERR],
  ["QDCOUNT 65535", counts(65535, 0, 0, 0), FORMERR],
  ["all counts 65535 in 12 octets", octets(header(RD, [65535, 65535, 65535, 65535])), FORMERR],
  ["ANCOUNT 1 and nothing there", counts(1, 1, 0, 0), FORMERR],
  ["NSCOUNT 65535 and nothing there", counts(1, 0, 65535, 0), FORMERR],
  ["ARCOUNT 2 and one there", octets(header(RD, [1, 0, 0, 2]), name("own.example"), TAIL, opt()), FORMERR],

  ["QNAME a pointer to itself", asked(pointer(12), TAIL), FORMERR],
  ["QNAME a cycle of two pointers", asked(pointer(14), pointer(12), TAIL), FORMERR],
  ["QNAME a pointer forwards", asked(pointer(20), TAIL, name("own.example"), TAIL), FORMERR],
  ["QNAME a pointer past the end", asked(pointer(4000), TAIL), FORMERR],
  ["QNAME a pointer into the header", asked(pointer(4), TAIL), FORMERR],
  ["QNAME half a pointer", asked(0xc0), FORMERR],
  ["QNAME a label and a pointer back to it", asked(3, "own", pointer(12), TAIL), FORMERR],
  ["QNAME a long chain of pointers", asked(LONG_CHAIN, TAIL), FORMERR],
  ["label type 0x40", asked(0x40, "a".repeat(64), 0, TAIL), FORMERR],
  ["label type 0x80", asked(0x80, "a".repeat(128), 0, TAIL), FORMERR],
  ["a label of 64 octets", asked(64, "a".repeat(64), 0, TAIL), FORMERR],
  [
    "a name of 256 octets",
    labels(...["a", "b", "c"].map((each) => each.repeat(63)), "d".repeat(62)),
    FORMERR,
  ],
  ["no root label", asked(3, "own", 7, "example"), FORMERR],
  ["a label past the end", asked(3, "own", 60, "example"), FORMERR],
  ["no type", asked(name("own.example")), FORMERR],
  ["half a type", asked(name("own.example"), 0), FORMERR],
  ["no class", asked(name("own.example"), 0, 1), FORMERR],
  ["type 0", asked(name("own.example"), 0, 0, 0, 1), FORMERR],
  ["type OPT", asked(name("own.example"), 0, 41, 0, 1), FORMERR],
  ["type TSIG", asked(name("own.example"), 0, 250, 0, 1), FORMERR],
  ["two OPT records", withOpt(opt(), opt()), FORMERR],
  ["an OPT record of another owner", withOpt(opt({ owner: name("a") })), FORMERR],
  ["an OPT record as answer", moved(6), FORMERR],
  ["an OPT record as authority", moved(8), FORMERR],
  ["RDLENGTH longer than the message", withOpt(opt({ rdataLength: 4000 })), FORMERR],
  ["RDLENGTH of another record too long", withOpt(octets(0, 0, 16, 0, 1, 0, 0, 0, 0, 0xff, 0xff)), FORMERR],
  [
    "RDLENGTH shorter than the option",
    withOpt(opt({ rdata: option(100, octets("abcd")), rdataLength: 6 })),
    FORMERR,
  ],
  ["half an option header", withOpt(opt({ rdata: octets(0, 100, 0) })), FORMERR],
  ["an option longer than RDATA", withOpt(opt({ rdata: option(100, octets("a"), 200) })), FORMERR],
  ["an owner that points into the header", withOpt(record(pointer(2), 16, 0, octets())), FORMERR],
  ["an owner that points forwards", withOpt(record(pointer(60), 16, 0, octets())), FORMERR],

  ...opcodes(),
  ["AXFR", asked(name("own.example"), 0, 252, 0, 1), { kind: "error", rcode: "REFUSED" }],
  ["IXFR", asked(name("fwd.example"), 0, 251, 0, 1), { kind: "error", rcode: "REFUSED" }],

  ["octets 0 in a label", labels("\0\0", "example"), FORWARD],
  ["octets 0xFF in a label", labels("\xff\xff\xff", "example"), FORWARD],
  ["a dot in a label", labels("own.example"), FORWARD],
  ["a dot in a label of an own name's length", labels("own.exa", "mple"), FORWARD],
  ["a newline in a label", labels("own\nexample", "x"), FORWARD],
  ["invalid UTF-8", labels("\xc3\x28\xa0\xa1", "example"), FORWARD],
  ["__proto__", labels("__proto__"), FORWARD],
  ["constructor", labels("constructor"), FORWARD],
  ["toString below an own name", labels("toString", "own", "example"), FORWARD],
  [
    "hasOwnProperty below a wildcard",
    labels("hasOwnProperty", "wild", "example"),
    { kind: "answer", count: 1 },
  ],
  ["a literal * below a wildcard", labels("*", "wild", "example"), { kind: "answer", count: 1 }],
  ["a literal *", labels("*", "example"), FORWARD],
  ["the root", asked(0, 0, 2, 0, 1), FORWARD],
  ["127 labels", labels(...Array.from({ length: 127 }, () => "a")), FORWARD],
  [
    "a name of 255 octets",
    labels(...["a", "b", "c"].map((each) => each.repeat(63)), "d".repeat(61)),
    FORWARD,
  ],
  ["an RCODE in the query, own", counts(1, 0, 0, 0).with(3, 0x0f), { kind: "answer", count: 1 }],
  ["an RCODE in the query, forwarded", labels("rcode", "example").with(3, 0x05), FORWARD],
  ["trailing octets, own", octets(counts(1, 0, 0, 0), "junk"), { kind: "answer", count: 1 }],
  ["trailing octets, forwarded", octets(labels("junk", "example"), "junk", 0, 0xff), FORWARD],
  ["HTTP", octets("GET / HTTP/1.1\r\nHost: own.example\r\n\r\n"), { kind: "noise" }],
  [
    "TLS",
    octets(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, "0123456789abcdef0123456789abcdef"),
    { kind: "noise" },
  ],
  [
    "SIP",
    octets("OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2\r\n\r\n"),
    { kind: "noise" },
  ],
  [
    "a message of the largest datagram",
    octets(counts(1, 0, 0, 0), "x".repeat(65000)),
    { kind: "answer", count: 1 },
  ],
];

function drop(reason: string): Reaction {
  return { kind: "drop", reason };
}

/** An OPT record counted in the section whose count lies there. */
function moved(countAt: number): Uint8Array {
  const message = withOpt(opt());
  return message.with(11, 0).with(countAt + 1, 1);
}

/** Gives a message an ID; the 16 bits at its beginning, if it has them. */
export function withId(message: Uint8Array, id: number): Buffer {
  const copy = Buffer.from(message);
  for (const [at, octet] of uint16(id).entries()) if (at < copy.length) copy[at] = octet;
  return copy;
}
