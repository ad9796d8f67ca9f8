/** Messages as a story's reader sees them: for expectations and for the report of one that failed. */

import { assertNever } from "../../src/runtime.ts";
import { EdnsOption, HeaderFlag, Rcode } from "../../src/wire/constants.ts";
import { decodeMessage, type Message, type RecordData, type ResourceRecord } from "../../src/wire/message.ts";
import { recordTypeName } from "./record-types.ts";

export function decodeOrThrow(octets: Uint8Array): Message {
  const message = decodeMessage(octets);
  if ("fault" in message) throw new Error(`a message on the way ${message.fault}`);
  return message;
}

/** With the upper bits of the OPT record. */
export function rcodeName({ flags, edns }: Message): string {
  const rcode = (flags & HeaderFlag.RCODE) | ((edns?.extendedRcode ?? 0) << 4);
  return Object.entries(Rcode).find(([, number]) => number === rcode)?.[0] ?? `RCODE${rcode}`;
}

/** INFO-CODE and text of the Extended DNS Error (RFC 8914, section 2), if there is one. */
export function extendedErrorOf({
  edns,
}: Message): { readonly code: number; readonly text: string } | undefined {
  const option = edns?.options.find(({ code }) => code === EdnsOption.EDE);
  if (option === undefined) return undefined;
  const data = Buffer.from(option.data);
  return { code: data.readUInt16BE(0), text: data.toString("utf8", 2) };
}

/** An address alone, every other record with its type: `CNAME a.example`. */
export function answerText({ type, data }: ResourceRecord): string {
  return data.kind === "A" || data.kind === "AAAA"
    ? data.address
    : `${recordTypeName(type)} ${dataText(data)}`;
}

/** The whole message in a few lines. */
export function messageText(message: Message): string {
  const flags = (["AA", "TC", "RD", "RA", "AD", "CD"] as const).filter(
    (flag) => (message.flags & HeaderFlag[flag]) !== 0,
  );
  const error = extendedErrorOf(message);
  const { edns } = message;
  const lines = [
    `${rcodeName(message)}, flags ${flags.join(" ")}${edns === undefined ? "" : `, EDNS size ${edns.size}`}`,
    ...message.questions.map(({ name, type }) => `question: ${name} ${recordTypeName(type)}`),
    ...message.answers.map((each) => `answer: ${recordText(each)}`),
    ...message.authorities.map((each) => `authority: ${recordText(each)}`),
    ...(error === undefined ? [] : [`extended error: ${error.code} ${error.text}`]),
  ];
  return lines.map((line) => `    ${line}`).join("\n");
}

function recordText({ name, type, ttlSeconds, data }: ResourceRecord): string {
  return `${name} ${ttlSeconds} ${recordTypeName(type)} ${dataText(data)}`;
}

function dataText(data: RecordData): string {
  switch (data.kind) {
    case "A":
    case "AAAA":
      return data.address;
    case "name":
      return data.name;
    case "SOA":
      return `${data.mname} ${data.rname} ${data.serial} ... ${data.minimumSeconds}`;
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    case "MX":
      return `${data.preference} ${data.exchange}`;
    case "HINFO":
      return `${data.cpu} ${data.os}`.trim();
    case "TXT":
      return data.strings.join(" ");
    case "raw":
      return Buffer.from(data.octets).toString("hex");
    default:
      return assertNever(data);
  }
}
