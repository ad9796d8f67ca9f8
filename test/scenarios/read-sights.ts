/** What upstream must have seen, and what must have been counted. */

import { readDurationMs, readRange } from "./measures.ts";
import { readRecordType } from "./record-types.ts";
import type { SeriesCount, Sight, SightExpectation } from "./story.ts";
import { Fields, isMapping, oneOf, readBoolean, readList, readMap, StoryError } from "./story-error.ts";

/** By `NAME TYPE`: a count alone, or several expectations. */
export function readSights(value: unknown, where: string): readonly Sight[] {
  return [...readMap((each) => each)(value, where)].map(([key, each]) => {
    const [name = "", type, ...rest] = key.split(" ");
    const at = `${where}, ${key}`;
    if (type === undefined || rest.length > 0) throw new StoryError(at, '"NAME TYPE" is expected');
    const { overUdp = {}, overTcp = {}, ...both } = isMapping(each) ? each : { count: each };
    if (!isMapping(overUdp) || !isMapping(overTcp)) {
      throw new StoryError(at, "overUdp and overTcp are mappings of expectations");
    }
    return {
      name: name.toLowerCase(),
      type: readRecordType(type, where),
      udp: readSight({ ...both, ...overUdp }, at),
      tcp: readSight({ ...both, ...overTcp }, at),
    };
  });
}

function readSight(value: unknown, where: string): SightExpectation {
  const fields = new Fields(value, where);
  const sight: SightExpectation = {
    count: fields.take("count", readRange),
    at: fields.take("at", readList(readDurationMs)),
    to: fields.take(
      "to",
      readList((each, at) => readRange(each, at).min),
    ),
    over: fields.take("over", readList(oneOf(["udp", "tcp"]))),
    freshIds: fields.take("freshIds", readBoolean),
    freshPorts: fields.take("freshPorts", readBoolean),
    asSent: fields.take("asSent", readBoolean),
    options: fields.take(
      "options",
      readList((each, at) => readRange(each, at).min),
    ),
  };
  fields.end();
  return sight;
}

/** By `series label-value ...`. */
export function readCounted(value: unknown, where: string): readonly SeriesCount[] {
  return [...readMap(readRange)(value, where)].map(([key, range]) => {
    const [series = "", ...labels] = key.split(" ");
    return { series, labels, range };
  });
}
