/** A query of a story, and what is expected of its reply. */

import { HeaderFlag, Rcode, RecordClass } from "../../src/wire/constants.ts";
import { readRange } from "./measures.ts";
import { readRecordType } from "./record-types.ts";
import type { Expectation, Expectations, QuestionFields, Step } from "./story.ts";
import {
  Fields,
  isMapping,
  oneOf,
  readBoolean,
  readList,
  readMap,
  readText,
  StoryError,
} from "./story-error.ts";

/** The question is the value of `query`. */
export function readQuery(fields: Fields): Step {
  const asked = fields.take("query", readText) ?? "";
  const [name = "", type, ...rest] = asked.split(" ");
  if (type === undefined || rest.length > 0) {
    throw new StoryError(fields.where, `query: "NAME TYPE" is expected, not "${asked}"`);
  }
  const flag = (key: string, mask: number, isUsual = false) =>
    (fields.take(key, readBoolean) ?? isUsual) ? mask : 0;
  const { RD, CD, AD, AA, Z } = HeaderFlag;
  const question: QuestionFields = {
    name,
    type: readRecordType(type, fields.where),
    class: RecordClass[fields.take("class", oneOf(CLASSES)) ?? "IN"],
    flags: flag("rd", RD, true) | flag("cd", CD) | flag("ad", AD) | flag("aa", AA) | flag("z", Z),
    edns: fields.take("edns", readEdns),
    trailing: fields.take("trailing", readOctets) ?? new Uint8Array(),
  };
  const times = fields.take("times", (value, where) => readRange(value, where).min) ?? 1;
  const client = fields.take("client", (value, where) => readRange(value, where).min) ?? 1;
  const pending = fields.take("pending", readText);
  const expect = fields.take("expect", readExpectations);
  fields.end();
  if ((pending === undefined) === (expect === undefined)) {
    throw new StoryError(fields.where, "a query has either expect or pending");
  }
  if (pending !== undefined && times !== 1) throw new StoryError(fields.where, "times: not with pending");
  return { kind: "query", question, times, client, pending, expect: expect ?? NOTHING_EXPECTED };
}

/** Hexadecimal digits, in quotes; "" for none. */
function readOctets(value: unknown, where: string): Uint8Array {
  if (typeof value !== "string" || !/^([0-9a-fA-F]{2})*$/.test(value)) {
    throw new StoryError(where, `expected octets such as "00ff", found ${JSON.stringify(value)}`);
  }
  return new Uint8Array(Buffer.from(value, "hex"));
}

const CLASSES = ["IN", "CH", "ANY"] as const;
const USUAL_EDNS = { size: 1232, dnssecOk: false, version: 0, options: [] };

function readEdns(value: unknown, where: string): QuestionFields["edns"] {
  if (value === true) return USUAL_EDNS;
  const fields = new Fields(value, where);
  const number = (each: unknown, at: string) => readRange(each, at).min;
  const edns = {
    size: fields.take("size", number) ?? USUAL_EDNS.size,
    dnssecOk: fields.take("do", readBoolean) ?? false,
    version: fields.take("version", number) ?? 0,
    options: [...(fields.take("options", readMap(readOctets)) ?? [])].map(([code, data]) => ({
      code: number(code, where),
      data,
    })),
  };
  fields.end();
  return edns;
}

export function readExpectations(value: unknown, where: string): Expectations {
  if (!isMapping(value)) throw new StoryError(where, "expected a mapping");
  const { overUdp = {}, overTcp = {}, ...both } = value;
  if (!isMapping(overUdp) || !isMapping(overTcp)) {
    throw new StoryError(where, "overUdp and overTcp are mappings of expectations");
  }
  return {
    udp: readExpectation({ ...both, ...overUdp }, where),
    tcp: readExpectation({ ...both, ...overTcp }, where),
  };
}

function readExpectation(value: unknown, where: string): Expectation {
  const fields = new Fields(value, where);
  const texts = readList(readText);
  const expectation: Expectation = {
    rcode: fields.take("rcode", oneOf(RCODES)) ?? "NOERROR",
    answers: fields.take("answers", texts),
    answersAmong: fields.take("answersAmong", texts),
    answerCount: fields.take("answerCount", readRange),
    firstAnswers: fields.take("firstAnswers", texts),
    ttl: fields.take("ttl", readRange),
    soa: fields.take("soa", readText),
    soaTtl: fields.take("soaTtl", readRange),
    aa: fields.take("aa", readBoolean),
    truncated: fields.take("truncated", readBoolean),
    ede: fields.take("ede", (each, at) => (each === "none" ? "none" : readRange(each, at))),
    edeText: fields.take("edeText", readText),
    waitedMs: fields.take("waitedMs", readRange),
    forwarded: fields.take("forwarded", readRange),
    relayed: fields.take("relayed", readBoolean),
    unreadable: fields.take("unreadable", readBoolean),
    keepaliveMs: fields.take("keepaliveMs", (each, at) => (each === "none" ? "none" : readRange(each, at))),
  };
  fields.end();
  return expectation;
}

const RCODES = Object.keys(Rcode);
export const NOTHING_EXPECTED = readExpectations({}, "");
