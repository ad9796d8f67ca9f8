/** The comparison in short, against the upstream alone, and whether it notices what it is there for. */

import { join } from "node:path";
import { expect } from "chai";
import { compare } from "./compare.ts";
import { type Explanation, explain, readExplanations } from "./explanations.ts";
import { interop } from "./interop.ts";
import { FLAGS } from "./numbers.ts";
import { message, nameOctets, nameOf, opt, option, pointerTo, question, record } from "./octets.ts";
import { kinds, questions } from "./questions.ts";

const LIST = join(import.meta.dirname, "differences.yaml");
const QUESTIONS = 200;
const BIT_EXACT = { isBitExact: true, ageSeconds: 0 };
const CACHED = { isBitExact: false, ageSeconds: 8 };

interface ReplyFields {
  readonly flags?: number;
  readonly name?: string;
  readonly owner?: Buffer;
  readonly addresses?: readonly number[];
  readonly ttl?: number;
  readonly edns?: Buffer | null;
}

function reply(fields: ReplyFields = {}): Buffer {
  const {
    flags = 0x8180,
    name = "www.example.org",
    addresses = [1, 2],
    ttl = 300,
    edns = opt({ size: 1_400 }),
  } = fields;
  const owner = fields.owner ?? pointerTo(12);
  return message({
    id: 7,
    flags,
    questions: [question(nameOf(name), 1, 1)],
    answers: addresses.map((last) => record({ owner, type: 1, ttl, data: Buffer.from([192, 0, 2, last]) })),
    additionals: edns === null ? [] : [edns],
  });
}

function fieldsOf(one: Buffer | null, other: Buffer | null, tolerance = BIT_EXACT): string[] {
  return compare(one, other, tolerance).map(({ field }) => field);
}

describe("interop", () => {
  it(`${QUESTIONS} questions: the replies are the upstream's, but for differences that the list explains`, async () => {
    const explanations = readExplanations(LIST);
    const outcome = await interop(QUESTIONS, 1, [], explanations);
    const unlisted = outcome.differences
      .filter(({ explanation }) => explanation === null)
      .map(({ question: { kind, text }, field, ours, theirs }) => ({ kind, text, field, ours, theirs }));
    expect(unlisted).to.deep.equal([]);
    expect(outcome.questionCount).to.equal(QUESTIONS);
    expect(outcome.compared).to.deep.equal(["upstream"]);
    // Replies from the cache differ in the size that OPT tells: the comparison has seen real replies.
    expect(
      outcome.differences.some(({ field, question }) => field === "edns size" && question.kind === "a again"),
    ).to.equal(true);
  }).timeout(240_000);

  it("the same seed gives the same questions, of every kind; another seed gives others", () => {
    const octets = (seed: number) => questions(2_000, seed).first.map((each) => each.message.toString("hex"));
    expect(octets(1)).to.deep.equal(octets(1));
    expect(octets(1)).to.not.deep.equal(octets(2));
    const { first, again } = questions(2_000, 1);
    expect(first.length + again.length).to.equal(2_000);
    expect([...new Set([...first, ...again].map(({ kind }) => kind))].sort()).to.deep.equal(kinds().sort());
    const short = questions(QUESTIONS, 1);
    const shortKinds = new Set([...short.first, ...short.again].map(({ kind }) => kind));
    expect(kinds().filter((kind) => !shortKinds.has(kind))).to.deep.equal([]);
  });

  it("sees every field that a forwarder can change", () => {
    const base = reply();
    const otherId = Buffer.from(base);
    otherId.writeUInt16BE(8, 0);
    expect(fieldsOf(base, otherId)).to.deep.equal([]);
    const changed: [string, Buffer | null][] = [
      ["reply", null],
      ["form", base.subarray(0, -1)],
      ["rcode", reply({ flags: 0x8183 })],
      ["rcode", reply({ edns: opt({ size: 1_400, extendedRcode: 1 }) })],
      ["opcode", reply({ flags: 0x8980 })],
      ...Object.entries(FLAGS).map(([name, bit]): [string, Buffer] => [name, reply({ flags: 0x8180 ^ bit })]),
      ["question", reply({ name: "ww2.example.org" })],
      ["answer", reply({ addresses: [1] })],
      ["answer data", reply({ addresses: [1, 3] })],
      ["answer order", reply({ addresses: [2, 1] })],
      ["answer ttl", reply({ ttl: 299 })],
      ["answer spelling", reply({ owner: nameOctets(nameOf("WWW.example.org")) })],
      ["edns", reply({ edns: null })],
      ["edns size", reply({ edns: opt({ size: 1_232 }) })],
      ["edns flags", reply({ edns: opt({ size: 1_400, flags: 0x8000 }) })],
      ["edns version", reply({ edns: opt({ size: 1_400, version: 1 }) })],
      ["edns options", reply({ edns: opt({ size: 1_400, options: [option(3)] }) })],
      ["octets behind", Buffer.concat([base, Buffer.from([0])])],
      ["size", reply({ owner: nameOctets(nameOf("www.example.org")) })],
    ];
    for (const [field, octets] of changed) expect(fieldsOf(base, octets), field).to.include(field);
    const spelled = fieldsOf(base, reply({ name: "WWW.example.org" }));
    expect(spelled).to.deep.equal(["question spelling", "answer spelling"]);
  });

  it("lets TTLs fall on the way through a cache, but not rise from 0 or fall to it", () => {
    expect(fieldsOf(reply({ ttl: 298 }), reply(), CACHED)).to.deep.equal([]);
    expect(fieldsOf(reply({ ttl: 280 }), reply(), CACHED)).to.deep.equal(["answer ttl"]);
    expect(fieldsOf(reply({ ttl: 0 }), reply({ ttl: 3 }), CACHED)).to.deep.equal(["answer ttl"]);
  });

  it("sees octets that differ where no field does", () => {
    const question1 = nameOctets(nameOf("www.example.org"));
    const viaPointer = reply({ owner: pointerTo(12) });
    const viaOther = reply({ owner: pointerTo(12) });
    // The second record's owner points to the first record's, which points to the question.
    const firstOwner = 12 + question1.length + 4;
    viaOther.writeUInt16BE(0xc000 | firstOwner, firstOwner + 16);
    expect(fieldsOf(viaPointer, viaOther)).to.deep.equal(["octets"]);
    expect(fieldsOf(viaPointer, viaOther, CACHED)).to.deep.equal([]);
  });

  it("explains what the list says and nothing else", () => {
    const list = readExplanations(LIST);
    const difference = { field: "RA", ours: "1", theirs: "0" };
    const against = (peer: string, kind: string, values = difference): Explanation | undefined =>
      explain(list, peer, kind, values);
    expect(against("unbound", "opcode dso")).to.not.equal(undefined);
    expect(against("unbound", "a")).to.equal(undefined);
    expect(against("upstream", "opcode dso")).to.equal(undefined);
    expect(against("unbound", "opcode dso", { ...difference, theirs: "1" })).to.equal(undefined);
    expect(against("unbound", "opcode dso", { ...difference, field: "AA" })).to.equal(undefined);
  });

  it("the list names kinds that there are, and gives a reason for each entry", () => {
    const known = kinds();
    for (const { questions: patterns, why, text } of readExplanations(LIST)) {
      for (const pattern of patterns)
        expect(
          known.some((kind) => pattern.test(kind)),
          text,
        ).to.equal(true);
      expect(why, text).to.match(/RFC \d{4} \d|^The |^Unbound's |^A malformed /);
    }
  });
});
