/**
 * Whole DNS messages as values (RFC 1035 4.1, RFC 6891), for tools and tests. The path of a query never comes
 * here: it reads offsets (`read-query.ts`, `read-reply.ts`).
 */

import { readUint16, readUint32 } from "./append.ts";
import { HEADER_OCTETS, QUESTION_FIXED_OCTETS, RECORD_FIXED_OCTETS, RecordType } from "./constants.ts";
import { type Edns, ednsFromRecord, ednsToRecord } from "./edns.ts";
import { MessageWriter } from "./message-writer.ts";
import { nameToText } from "./name.ts";
import { type ResourceRecord, readRecordData, writeRecordData } from "./record-data.ts";
import { expandName, skipName } from "./skip-name.ts";

export type { Edns, EdnsOptionValue } from "./edns.ts";
export type { RecordData, ResourceRecord } from "./record-data.ts";

export interface Message {
  readonly id: number;
  /** The header's second 16-bit word: QR, opcode, flags and the low four bits of the RCODE (`HeaderFlag`). */
  readonly flags: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: Edns;
}

export interface Question {
  /** Presentation text (`name.ts`): no dot at the end, the root is `.`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/**
 * The message's octets, names compressed. Throws a RangeError for a name that is none, a number that its field
 * cannot hold, data that does not belong to the record's type, or more than 65535 octets.
 */
export function encodeMessage(message: Message): Uint8Array {
  const { questions, answers, authorities, edns } = message;
  // OPT before the others: a TSIG record must be the last of all (RFC 8945 5.1).
  const additionals = [...(edns === undefined ? [] : [ednsToRecord(edns)]), ...message.additionals];
  const writer = new MessageWriter();
  writer.uint16(message.id);
  writer.uint16(message.flags);
  for (const section of [questions, answers, authorities, additionals]) writer.uint16(section.length);
  for (const question of questions) writeQuestion(writer, question);
  for (const record of [...answers, ...authorities, ...additionals]) writeRecord(writer, record);
  return writer.finish();
}

/**
 * Reads any octets: a message, or what is wrong with them, as the end of a sentence about the message. RDATA that
 * is not well-formed for its type is kept raw. Octets behind the last counted record are not kept, nor are flags
 * of the OPT record other than DO.
 */
export function decodeMessage(octets: Uint8Array): Message | { readonly fault: string } {
  if (octets.length < HEADER_OCTETS) return { fault: `has ${octets.length} octets, fewer than a header` };
  const reader: Reader = { octets, at: HEADER_OCTETS };
  const questions = readMany(reader, readUint16(octets, 4), readQuestion);
  if (questions === null) return { fault: "has fewer well-formed questions than it counts" };
  const answers = readMany(reader, readUint16(octets, 6), readRecord);
  const authorities = answers && readMany(reader, readUint16(octets, 8), readRecord);
  const additionals = authorities && readMany(reader, readUint16(octets, 10), readRecord);
  if (answers === null || authorities === null || additionals === null) {
    return { fault: "has fewer well-formed records than it counts" };
  }
  if (answers.some(isOpt) || authorities.some(isOpt)) {
    return { fault: "has an OPT record outside the additional section" };
  }
  const [opt, second] = additionals.filter(isOpt);
  if (second !== undefined) return { fault: "has more than one OPT record" };
  const edns = opt && ednsFromRecord(opt);
  if (edns === null) return { fault: "has an OPT record that is not well-formed" };
  return {
    id: readUint16(octets, 0),
    flags: readUint16(octets, 2),
    questions,
    answers,
    authorities,
    additionals: additionals.filter((record) => !isOpt(record)),
    ...(edns && { edns }),
  };
}

/** A position in a message that is being read; `at` is left anywhere after a fault. */
interface Reader {
  readonly octets: Uint8Array;
  at: number;
}

/** Null as soon as one element is not well-formed: a count alone costs nothing. */
function readMany<T>(reader: Reader, count: number, readOne: (reader: Reader) => T | null): T[] | null {
  const elements: T[] = [];
  for (let index = 0; index < count; index += 1) {
    const element = readOne(reader);
    if (element === null) return null;
    elements.push(element);
  }
  return elements;
}

function readQuestion(reader: Reader): Question | null {
  const { octets, at } = reader;
  const tail = skipName(octets, at, octets.length);
  if (tail === -1 || tail + QUESTION_FIXED_OCTETS > octets.length) return null;
  reader.at = tail + QUESTION_FIXED_OCTETS;
  const name = nameToText(expandName(octets, at));
  return { name, type: readUint16(octets, tail), class: readUint16(octets, tail + 2) };
}

function readRecord(reader: Reader): ResourceRecord | null {
  const { octets, at } = reader;
  const head = skipName(octets, at, octets.length);
  if (head === -1 || head + RECORD_FIXED_OCTETS > octets.length) return null;
  const rdata = head + RECORD_FIXED_OCTETS;
  const end = rdata + readUint16(octets, head + 8);
  if (end > octets.length) return null;
  reader.at = end;
  const type = readUint16(octets, head);
  const recordClass = readUint16(octets, head + 2);
  return {
    name: nameToText(expandName(octets, at)),
    type,
    class: recordClass,
    ttlSeconds: readUint32(octets, head + 4),
    data: readRecordData(octets, rdata, end, type, recordClass),
  };
}

function writeQuestion(writer: MessageWriter, question: Question): void {
  writer.name(question.name, true);
  writer.uint16(question.type);
  writer.uint16(question.class);
}

function writeRecord(writer: MessageWriter, record: ResourceRecord): void {
  writer.name(record.name, true);
  writer.uint16(record.type);
  writer.uint16(record.class);
  writer.uint32(record.ttlSeconds);
  writer.lengthPrefixed(() => writeRecordData(writer, record.type, record.class, record.data));
}

function isOpt(record: ResourceRecord): boolean {
  return record.type === RecordType.OPT;
}
