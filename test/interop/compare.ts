/** Two replies to one message, field by field. */

import { FLAGS, rcodeText, typeText } from "./numbers.ts";
import { type ReadMessage, type ReadRecord, readMessage } from "./read-message.ts";

export interface FieldDifference {
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

export interface Tolerance {
  /** By how many seconds a TTL may have fallen on the way through a cache. */
  readonly ageSeconds: number;
  /** Whether the octets behind the ID have to be the same ones. */
  readonly isBitExact: boolean;
}

/** Null: no reply. */
export function compare(ours: Buffer | null, theirs: Buffer | null, tolerance: Tolerance): FieldDifference[] {
  const found: FieldDifference[] = [];
  const note = (field: string, one: string | number, other: string | number) => {
    if (one !== other) found.push({ field, ours: String(one), theirs: String(other) });
  };
  note("reply", ours === null ? "none" : "yes", theirs === null ? "none" : "yes");
  if (ours === null || theirs === null) return found;
  const one = readMessage(ours);
  const other = readMessage(theirs);
  note("form", formText(one), formText(other));
  const headers = [headerOf(ours, one), headerOf(theirs, other)] as const;
  for (const [field, value] of Object.entries(headers[0])) note(field, value, headers[1][field]!);
  if (one !== null && other !== null) {
    noteQuestions(one, other, note);
    noteSection("answer", one.answers, other.answers, tolerance, note);
    noteSection("authority", one.authorities, other.authorities, tolerance, note);
    noteSection("additional", one.additionals, other.additionals, tolerance, note);
    noteEdns(one, other, note);
    note("octets behind", one.trailing, other.trailing);
  }
  // Where nothing else differs, sizes do by the compression of names.
  if (found.length === 0) {
    note("size", ours.length, theirs.length);
    const isSame = ours.subarray(2).equals(theirs.subarray(2));
    if (found.length === 0 && tolerance.isBitExact && !isSame && tolerance.ageSeconds === 0) {
      note("octets", ours.toString("hex", 2), theirs.toString("hex", 2));
    }
  }
  return found;
}

type Note = (field: string, one: string | number, other: string | number) => void;

function formText(message: ReadMessage | null): string {
  return message === null ? "broken" : "whole";
}

function headerOf(octets: Buffer, message: ReadMessage | null): Record<string, string> {
  const flags = octets.readUInt16BE(2);
  const extended = message?.opts[0]?.extendedRcode ?? 0;
  const bits = Object.entries(FLAGS).map(([name, bit]) => [name, (flags & bit) === 0 ? "0" : "1"]);
  return {
    rcode: rcodeText((extended << 4) | (flags & 15)),
    opcode: String((flags >> 11) & 15),
    ...Object.fromEntries(bits),
  };
}

function noteQuestions(one: ReadMessage, other: ReadMessage, note: Note): void {
  const [ours, theirs] = [one, other].map(({ questions }) =>
    questions
      .map(({ text, type, class: recordClass }) => `${text} ${recordClass} ${typeText(type)}`)
      .join(", "),
  );
  if (ours!.toLowerCase() === theirs!.toLowerCase()) note("question spelling", ours!, theirs!);
  else note("question", ours!, theirs!);
}

function noteSection(
  section: string,
  ours: readonly ReadRecord[],
  theirs: readonly ReadRecord[],
  { ageSeconds }: Tolerance,
  note: Note,
): void {
  const before: [string, string] = [typesText(ours), typesText(theirs)];
  if (before[0] !== before[1]) {
    note(section, ...before);
    return;
  }
  const [sortedOurs, sortedTheirs] = [sorted(ours), sorted(theirs)];
  const texts = [sortedOurs, sortedTheirs].map((records) => records.map(recordText).join("; "));
  if (texts[0] !== texts[1]) {
    note(`${section} data`, texts[0]!, texts[1]!);
    return;
  }
  note(`${section} order`, orderText(ours), orderText(theirs));
  note(`${section} spelling`, spellingText(sortedOurs), spellingText(sortedTheirs));
  if (!ttlsAgree(sortedOurs, sortedTheirs, ageSeconds)) {
    note(`${section} ttl`, ttlText(sortedOurs), ttlText(sortedTheirs));
  }
}

/** `CNAME A x2`: sorted, so that order is told apart from content. */
function typesText(records: readonly ReadRecord[]): string {
  const counts = new Map<string, number>();
  for (const { type } of records) counts.set(typeText(type), (counts.get(typeText(type)) ?? 0) + 1);
  const parts = [...counts].sort().map(([type, count]) => (count === 1 ? type : `${type} x${count}`));
  return parts.length === 0 ? "nothing" : parts.join(" ");
}

function recordText({ owner, type, class: recordClass, data }: ReadRecord): string {
  return `${owner} ${recordClass} ${typeText(type)} ${data}`.toLowerCase();
}

function sorted(records: readonly ReadRecord[]): ReadRecord[] {
  return records.toSorted((one, other) => (recordText(one) < recordText(other) ? -1 : 1));
}

/** By which place a record has among the sorted ones: owners and data may be long. */
function orderText(records: readonly ReadRecord[]): string {
  const texts = records.map(recordText);
  const places = texts.toSorted();
  return texts.map((text) => places.indexOf(text)).join(" ");
}

function spellingText(records: readonly ReadRecord[]): string {
  return records.map(({ owner, data }) => `${owner} ${data}`).join("; ");
}

function ttlText(records: readonly ReadRecord[]): string {
  return records.map(({ ttl }) => ttl).join(" ");
}

function ttlsAgree(ours: readonly ReadRecord[], theirs: readonly ReadRecord[], ageSeconds: number): boolean {
  return ours.every(({ ttl }, at) => {
    const other = theirs[at]!.ttl;
    return ttl === other || (Math.abs(ttl - other) <= ageSeconds && ttl !== 0 && other !== 0);
  });
}

function noteEdns(one: ReadMessage, other: ReadMessage, note: Note): void {
  const [ours, theirs] = [one.opts, other.opts];
  note("edns", presence(ours.length), presence(theirs.length));
  const [our, their] = [ours[0], theirs[0]];
  if (our === undefined || their === undefined) return;
  note("edns version", our.version, their.version);
  note("edns size", our.size, their.size);
  note("edns flags", our.flags.toString(16), their.flags.toString(16));
  note("edns options", optionsText(our.options), optionsText(their.options));
}

function presence(count: number): string {
  return count === 0 ? "none" : count === 1 ? "yes" : `${count} OPT records`;
}

function optionsText(options: readonly { readonly code: number; readonly data: string }[]): string {
  return options.length === 0 ? "none" : options.map(({ code, data }) => `${code}:${data}`).join(" ");
}
