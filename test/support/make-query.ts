/** Questions without a message: a `Query` as `readQuery` would fill it, from text or from raw labels. */

import { RecordClass, RecordType } from "../../src/wire/constants.ts";
import { LOWER_CASE } from "../../src/wire/name.ts";
import { QUESTION_NAME_AT, Query } from "../../src/wire/query.ts";

/** What a test may want otherwise than: type A, class IN, RD=1, no EDNS, nothing unusual. */
export type QueryFields = Partial<Omit<Query, "name" | "labelStarts" | "nameKey">>;

/** `name`: labels between dots, with or without a dot at the end; "" or "." is the root. Lower-cased here. */
export function makeQuery(name: string, fields: QueryFields = {}): Query {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  return makeRawQuery(text === "" ? [] : text.split("."), fields);
}

/** `labels`: without the root; each character is one octet, so "a.b" is one label with a dot within. */
export function makeRawQuery(labels: readonly string[], fields: QueryFields = {}): Query {
  const query = new Query();
  for (const label of labels) {
    if (label.length < 1 || label.length > 63) throw new RangeError(`a label of ${label.length} octets`);
    query.labelStarts[query.labelCount] = query.nameLength;
    query.labelCount += 1;
    query.name[query.nameLength] = label.length;
    for (let index = 0; index < label.length; index += 1) {
      query.name[query.nameLength + 1 + index] = LOWER_CASE[label.charCodeAt(index)]!;
    }
    query.nameLength += 1 + label.length;
  }
  query.name[query.nameLength] = 0;
  query.nameLength += 1;
  if (query.nameLength > 255) throw new RangeError(`a name of ${query.nameLength} octets`);
  query.hasUnderscoreLabel = labels.some((label) => label.startsWith("_"));
  query.type = RecordType.A;
  query.class = RecordClass.IN;
  query.flags = 0x0100;
  query.questionEnd = QUESTION_NAME_AT + query.nameLength + 4;
  query.length = query.questionEnd;
  query.isCacheable = true;
  return Object.assign(query, fields);
}
