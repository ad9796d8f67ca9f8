/** Whether a reply is what the story expects, and what every reply must be, whatever the story says. */

import { EdnsOption, HeaderFlag, RecordType } from "../../src/wire/constants.ts";
import { decodeMessage, type Message } from "../../src/wire/message.ts";
import { isWithin } from "./measures.ts";
import { recordTypeName } from "./record-types.ts";
import { answerText, decodeOrThrow, extendedErrorOf, rcodeName } from "./reply-text.ts";
import type { AskedMessage } from "./scripted-zone.ts";
import { isEqualButForId } from "./sight-faults.ts";
import type { Expectation } from "./story.ts";

/** One query and what came of it. */
export interface Exchange {
  readonly transport: "udp" | "tcp";
  readonly query: Uint8Array;
  readonly reply: Uint8Array;
  readonly waitedMs: number;
  /** What went upstream on its behalf. */
  readonly forwarded: readonly AskedMessage[];
}

/** What is wrong, a line each; none: all is well. */
export function faultsOf(exchange: Exchange, expected: Expectation): readonly string[] {
  if (expected.unreadable === true) return [...unreadableFaults(exchange)];
  const reply = decodeOrThrow(exchange.reply);
  const faults = [...formFaults(exchange, reply)];
  const expect = (isMet: boolean, what: string, came: unknown) => {
    if (!isMet)
      faults.push(`expected ${what}, came ${typeof came === "string" ? came : JSON.stringify(came)}`);
  };
  const { answers, answersAmong, answerCount, ttl, aa, truncated, waitedMs, forwarded } = expected;
  const texts = reply.answers.map(answerText);

  expect(rcodeName(reply) === expected.rcode, expected.rcode, rcodeName(reply));
  if (answers !== undefined) {
    const isSame = JSON.stringify([...texts].sort()) === JSON.stringify([...answers].sort());
    expect(isSame, `the answers ${list(answers)} in any order`, list(texts));
  }
  if (answersAmong !== undefined) {
    const isDistinct = new Set(texts).size === texts.length;
    const isAmong = texts.every((text) => answersAmong.includes(text));
    expect(isDistinct && isAmong, `answers among ${list(answersAmong)}, none twice`, list(texts));
  }
  if (answerCount !== undefined) {
    expect(isWithin(answerCount, texts.length), `${answerCount.text} answers`, texts.length);
  }
  if (ttl !== undefined) {
    const isRight = texts.length > 0 && reply.answers.every(({ ttlSeconds }) => isWithin(ttl, ttlSeconds));
    const came = reply.answers.map(({ ttlSeconds }) => ttlSeconds);
    expect(isRight, `the TTL ${ttl.text} in every answer`, came);
  }
  faults.push(...soaFaults(reply, expected));
  if (aa !== undefined) expect(hasFlag(reply, "AA") === aa, `AA=${Number(aa)}`, `AA=${Number(!aa)}`);
  if (truncated !== undefined) {
    expect(hasFlag(reply, "TC") === truncated, `TC=${Number(truncated)}`, `TC=${Number(!truncated)}`);
  }
  faults.push(...extendedErrorFaults(reply, expected));
  if (waitedMs !== undefined) {
    expect(isWithin(waitedMs, exchange.waitedMs), `the reply after ${waitedMs.text} ms`, exchange.waitedMs);
  }
  if (forwarded !== undefined) {
    const { length } = exchange.forwarded;
    expect(isWithin(forwarded, length), `${forwarded.text} messages forwarded upstream`, length);
  }
  faults.push(...keepaliveFaults(reply, expected));
  if (expected.relayed === true) faults.push(...relayFaults(exchange));
  return faults;
}

function* soaFaults(reply: Message, { soa, soaTtl }: Expectation): Iterable<string> {
  const found = reply.authorities.find(({ data }) => data.kind === "SOA");
  const count = reply.authorities.length;
  if (soa === "none" && count > 0) yield `expected no authority, came ${count} records`;
  if (soa === undefined && soaTtl === undefined) return;
  if (soa === "none") return;
  if (found?.data.kind !== "SOA" || count !== 1) {
    yield `expected one SOA in the authority section, came ${count} records`;
    return;
  }
  if (soa !== undefined && found.name.toLowerCase() !== soa)
    yield `expected the SOA of ${soa}, came ${found.name}`;
  if (soaTtl === undefined) return;
  // RFC 2308, section 5: the smaller of the two counts, ours are equal.
  const ttls = [found.ttlSeconds, found.data.minimumSeconds];
  if (!ttls.every((each) => isWithin(soaTtl, each))) {
    yield `expected the SOA's TTL and MINIMUM ${soaTtl.text}, came ${ttls.join(" and ")}`;
  }
}

function* extendedErrorFaults(reply: Message, { ede, edeText }: Expectation): Iterable<string> {
  const found = extendedErrorOf(reply);
  const came = found === undefined ? "none" : `${found.code} "${found.text}"`;
  if (ede === "none" && found !== undefined) yield `expected no extended error, came ${came}`;
  if (ede !== undefined && ede !== "none" && (found === undefined || !isWithin(ede, found.code))) {
    yield `expected the extended error ${ede.text}, came ${came}`;
  }
  if (edeText !== undefined && found?.text.includes(edeText) !== true) {
    yield `expected an extended error that says "${edeText}", came ${came}`;
  }
}

/** RFC 7828, section 3.1: tenths of a second. */
function* keepaliveFaults({ edns }: Message, { keepaliveMs }: Expectation): Iterable<string> {
  if (keepaliveMs === undefined) return;
  const option = edns?.options.find(({ code }) => code === EdnsOption.KEEPALIVE);
  const cameMs = option && Buffer.from(option.data).readUInt16BE(0) * 100;
  const isSo =
    keepaliveMs === "none" ? cameMs === undefined : cameMs !== undefined && isWithin(keepaliveMs, cameMs);
  const what = typeof keepaliveMs === "string" ? keepaliveMs : `${keepaliveMs.text} ms`;
  if (!isSo) yield `expected the keepalive ${what}, came ${cameMs ?? "none"}`;
}

function* unreadableFaults(exchange: Exchange): Iterable<string> {
  const { query, reply } = exchange;
  if (!("fault" in decodeMessage(reply))) yield "expected a message that cannot be read, came a good one";
  if (reply[0] !== query[0] || reply[1] !== query[1]) yield "expected the ID of the query, came another";
  yield* relayFaults(exchange);
}

/** Byte for byte but for the ID, which the forwarder draws anew. */
function* relayFaults({ query, reply, forwarded }: Exchange): Iterable<string> {
  if (forwarded.length === 0) {
    yield "expected upstream's own reply, came one without upstream";
    return;
  }
  for (const { message } of forwarded) {
    if (isEqualButForId(query, message)) continue;
    yield `expected the client's message to reach upstream as it is\n    sent ${hex(query)}\n    came ${hex(message)}`;
  }
  const replies = forwarded.flatMap((each) => each.reply ?? []);
  if (!replies.some((each) => isEqualButForId(reply, each))) {
    yield `expected upstream's reply as it is\n    sent ${replies.map(hex).join(" ")}\n    came ${hex(reply)}`;
  }
}

/** What holds for every reply: that it is one to this query, and fits the client. */
function* formFaults({ transport, query, reply: octets }: Exchange, reply: Message): Iterable<string> {
  const asked = decodeOrThrow(query);
  const [question] = asked.questions;
  if (reply.id !== asked.id) yield `expected the ID ${asked.id}, came ${reply.id}`;
  if (!hasFlag(reply, "QR")) yield "expected a reply, came a query";
  if (!hasFlag(reply, "RA")) yield "expected RA=1, came RA=0";
  if (hasFlag(reply, "RD") !== hasFlag(asked, "RD")) yield "expected RD as in the query";
  if (hasFlag(reply, "CD") !== hasFlag(asked, "CD")) yield "expected CD as in the query";
  if (hasFlag(reply, "AD")) yield "expected AD=0, came AD=1";
  if (JSON.stringify(reply.questions) !== JSON.stringify(asked.questions)) {
    yield `expected the question as it was spelled, ${list(asked.questions.map(({ name }) => name))}`;
  }
  if ((reply.edns === undefined) !== (asked.edns === undefined)) {
    yield `expected ${asked.edns === undefined ? "no OPT" : "an OPT"} record, as in the query`;
  }
  if (reply.edns !== undefined && reply.edns.size !== 1232) {
    yield `expected the EDNS size 1232, came ${reply.edns.size}`;
  }
  const room = asked.edns === undefined ? 512 : Math.min(Math.max(asked.edns.size, 512), 1232);
  if (transport === "udp" && octets.length > room)
    yield `expected at most ${room} octets, came ${octets.length}`;
  // A chain begins at the name that was asked for.
  const owner = reply.answers[0]?.name;
  if (owner !== undefined && owner.toLowerCase() !== question?.name.toLowerCase()) {
    yield `expected the first answer to be about ${question?.name}, came ${owner}`;
  }
  const wrong = reply.answers.find(({ type }) => !isAnswerTo(question?.type, type));
  if (wrong !== undefined) yield `expected no ${recordTypeName(wrong.type)} record in the answer`;
}

function isAnswerTo(asked: number | undefined, type: number): boolean {
  return asked === type || asked === RecordType.ANY || type === RecordType.CNAME;
}

function hasFlag({ flags }: Message, flag: keyof typeof HeaderFlag): boolean {
  return (flags & HeaderFlag[flag]) !== 0;
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString("hex");
}

function list(texts: readonly string[]): string {
  return `[${texts.join(", ")}]`;
}
