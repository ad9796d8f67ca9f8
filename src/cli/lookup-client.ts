/**
 * What the client that `lookup` asks about gets, beside what this machine got: the DNS question itself is always
 * answered to the machine that asks.
 */

import { parseIpAddress } from "../wire/ip-address.ts";
import { fieldsOf, listOf, type RawFields, textOf } from "./check/raw.ts";
import type { LookupReply } from "./lookup-reply.ts";

/** One type, as `/api/explain` says it. */
export interface ClientAnswer {
  readonly type: string;
  /** The server's word: `answer`, `nodata`, `forward` ... */
  readonly decision: string;
  readonly addresses: readonly string[];
  /** Whether this machine got the same; null: upstream decides, and may say another thing to each. */
  readonly isSame: boolean | null;
}

export function clientAnswers(
  explanations: readonly RawFields[],
  replies: readonly LookupReply[],
): readonly ClientAnswer[] {
  return explanations.map((each) => {
    const type = textOf(each["type"]) ?? "";
    const decision = textOf(each["decision"]) ?? "";
    const addresses = listOf(each["addresses"]).flatMap((row) => textOf(fieldsOf(row)?.["address"]) ?? []);
    const reply = replies.find((one) => one.type === type);
    return { type, decision, addresses, isSame: isSame(decision, addresses, reply) };
  });
}

/** Lines below the answer; each ends with a newline. `who`: such as `the pod shop/web`. */
export function clientText(who: string, answers: readonly ClientAnswer[]): string {
  const width = Math.max(...answers.map(({ type }) => type.length));
  const lines = answers.map(({ type, ...answer }) => `  ${type.padEnd(width)}  ${answerText(answer)}\n`);
  const head = answers.some((each) => each.isSame === false)
    ? "gets something else than this machine got above"
    : answers.every((each) => each.isSame === true)
      ? "gets the same as this machine"
      : "gets";
  return `\n${who[0]!.toUpperCase()}${who.slice(1)} ${head}:\n${lines.join("")}`;
}

function answerText({ decision, addresses }: Omit<ClientAnswer, "type">): string {
  const listed = addresses.join(", ");
  switch (decision) {
    case "answer":
      return listed === "" ? "records without an address" : listed;
    case "nodata":
      return "no records of this type (NODATA)";
    case "hold":
      return "nothing before the first lookup of its addresses ends";
    case "upstream-first":
      return `upstream's word; where that is NXDOMAIN: ${listed === "" ? "no records of this type" : listed}`;
    case "forward":
    case "forward-else-nodata":
    case "short-form":
      return "upstream's word";
    default:
      return decision.toUpperCase();
  }
}

function isSame(
  decision: string,
  addresses: readonly string[],
  reply: LookupReply | undefined,
): boolean | null {
  if (reply === undefined || reply.status === null) return null;
  switch (decision) {
    case "answer": {
      if (addresses.length === 0) return null;
      const got = reply.answers.filter(({ type }) => type === reply.type).map(({ data }) => data);
      return keyOf(got) === keyOf(addresses);
    }
    case "nodata":
    case "nxdomain":
    case "servfail":
      return reply.status === decision.toUpperCase();
    case "refuse":
      return reply.status === "REFUSED";
    default:
      return null;
  }
}

/** Equal for the same addresses in whatever order and writing. */
function keyOf(addresses: readonly string[]): string {
  return [...new Set(addresses.map((each) => parseIpAddress(each) ?? each))].sort().join(" ");
}
