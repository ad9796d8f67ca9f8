/** Stories out of a YAML file; anything that is not understood is an error that names file, story and step. */

import { parseAllDocuments } from "yaml";
import { HOST_CONDITIONS } from "../../src/registry/host-state.ts";
import type { UpstreamCounts } from "./front.ts";
import { readDurationMs, readRange } from "./measures.ts";
import { NOTHING_EXPECTED, readExpectations, readQuery } from "./read-query.ts";
import { readCounted, readSights } from "./read-sights.ts";
import { readRecordType } from "./record-types.ts";
import {
  type NumberedStep,
  type RawObject,
  STORY_MESHES,
  type StateExpectation,
  type StateName,
  type Step,
  type Story,
  type StoryClient,
  WAYS,
  type Way,
} from "./story.ts";
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
import { readBehaviour, readScriptLine } from "./upstream-script.ts";
import { readZoneLine } from "./zone-line.ts";

/** Every document of the text is one story. Throws a `StoryError`. */
export function readStories(text: string, file: string): readonly Story[] {
  return parseAllDocuments(text).map((document, index) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw new StoryError(file, fault.message);
    return readStory(document.toJS(), file, index + 1);
  });
}

function readStory(value: unknown, file: string, position: number): Story {
  const fields = new Fields(value, `${file}, story ${position}`);
  const title = fields.take("story", readText);
  const only = fields.take("only", readOnly);
  const settings = fields.take("settings", readSettings) ?? [];
  const isSynced = fields.take("synced", readBoolean) ?? true;
  const upstreams = fields.take("upstreams", readUpstreams) ?? { other: 1, cluster: 0 };
  const loopProbes = fields.take("loopProbes", readBoolean) ?? false;
  const noUpstreamPacket = fields.take("noUpstreamPacket", readBoolean) ?? false;
  const steps = fields.take("steps", (each) => readSteps(each, `${file}, "${title}"`));
  fields.end();
  if (title === undefined) throw new StoryError(fields.where, 'the key "story" is missing');
  if (steps === undefined) throw new StoryError(fields.where, 'the key "steps" is missing');
  return {
    file,
    title,
    settings,
    isSynced,
    ways: only?.ways ?? WAYS,
    waysReason: only?.reason ?? "",
    noUpstreamPacket,
    upstreams,
    loopProbes,
    steps,
  };
}

function readOnly(value: unknown, where: string): { ways: readonly Way[]; reason: string } {
  const fields = new Fields(value, where);
  const ways = fields.take("ways", readList(oneOf(WAYS)));
  const reason = fields.take("reason", readText);
  fields.end();
  if (ways === undefined || reason === undefined) throw new StoryError(where, "needs ways and reason");
  return { ways, reason };
}

/** So many, or `{ other: 2, cluster: 1 }`. */
function readUpstreams(value: unknown, where: string): UpstreamCounts {
  const read = (each: unknown, at: string) => readRange(each, at).min;
  if (!isMapping(value)) return { other: read(value, where), cluster: 0 };
  const fields = new Fields(value, where);
  const counts = { other: fields.take("other", read) ?? 1, cluster: fields.take("cluster", read) ?? 0 };
  fields.end();
  return counts;
}

/** The product's own settings, as its flags. */
function readSettings(value: unknown, where: string): readonly string[] {
  if (!isMapping(value)) throw new StoryError(where, "expected a mapping");
  return Object.entries(value).map(
    ([key, each]) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}=${each}`,
  );
}

function readSteps(value: unknown, where: string): readonly NumberedStep[] {
  if (!Array.isArray(value)) throw new StoryError(where, "steps: expected a list");
  const steps = value.map((each, index) => {
    const number = `step ${index + 1}`;
    return { label: `${number} (${summary(each)})`, step: readStep(each, `${where}, ${number}`) };
  });
  checkPending(
    steps.map(({ step }) => step),
    where,
  );
  return steps;
}

/** A query that is left waiting must be come back to. */
function checkPending(steps: readonly Step[], where: string): void {
  const waiting = new Set<string>();
  for (const step of steps) {
    if (step.kind === "query" && step.pending !== undefined) {
      if (waiting.has(step.pending))
        throw new StoryError(where, `two queries are pending as "${step.pending}"`);
      waiting.add(step.pending);
    }
    if (step.kind === "answered" && !waiting.delete(step.name)) {
      throw new StoryError(where, `no query is pending as "${step.name}"`);
    }
  }
  for (const name of waiting) throw new StoryError(where, `the pending query "${name}" is never answered`);
}

function summary(value: unknown): string {
  const [entry] = isMapping(value) ? Object.entries(value) : [];
  if (entry === undefined) return JSON.stringify(value);
  const [key, first] = entry;
  const text = typeof first === "object" ? JSON.stringify(first) : String(first);
  return `${key}: ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`;
}

function readStep(value: unknown, where: string): Step {
  const fields = new Fields(value, where);
  const found = STEPS.filter(([key]) => fields.has(key));
  const [step, second] = found;
  if (step === undefined || second !== undefined) {
    const keys = STEPS.map(([key]) => key).join(", ");
    const has = isMapping(value) ? Object.keys(value).join(", ") : "nothing";
    throw new StoryError(where, `a step has exactly one of ${keys}; this one has ${has}`);
  }
  const read = step[1](fields);
  fields.end();
  return read;
}

const STEPS: readonly (readonly [string, (fields: Fields) => Step])[] = [
  ["apply", (fields) => ({ kind: "apply", sources: fields.take("apply", readList(readSource)) ?? [] })],
  [
    "edit",
    (fields) => ({
      kind: "edit",
      patches:
        fields.take(
          "edit",
          readMap((each) => each),
        ) ?? new Map(),
    }),
  ],
  ["delete", (fields) => ({ kind: "delete", objects: fields.take("delete", readList(readText)) ?? [] })],
  [
    "clients",
    (fields) => ({
      kind: "clients",
      clients: new Map(
        [...(fields.take("clients", readMap(readClient)) ?? [])].map(([number, client]) => [
          readRange(Number(number), fields.where).min,
          client,
        ]),
      ),
    }),
  ],
  [
    "upstream",
    (fields) => ({ kind: "upstream", lines: fields.take("upstream", readList(readZoneLine)) ?? [] }),
  ],
  [
    "script",
    (fields) => ({
      kind: "script",
      lines: [...(fields.take("script", readMap(readList(readBehaviour))) ?? [])].map(([key, behaviours]) =>
        readScriptLine(key, behaviours, `${fields.where}, script`),
      ),
    }),
  ],
  ["query", readQuery],
  [
    "answered",
    (fields) => ({
      kind: "answered",
      name: fields.take("answered", readText) ?? "",
      expect: fields.take("expect", readExpectations) ?? NOTHING_EXPECTED,
    }),
  ],
  ["elapse", (fields) => ({ kind: "elapse", ms: fields.take("elapse", readDurationMs) ?? 0 })],
  [
    "upstreamAsked",
    (fields) => ({
      kind: "upstreamAsked",
      counts: [...(fields.take("upstreamAsked", readMap(readRange)) ?? [])].map(([key, range]) => {
        const [name = "", type] = key.split(" ");
        const where = `${fields.where}, upstreamAsked`;
        return {
          name: name.toLowerCase(),
          type: type === undefined ? undefined : readRecordType(type, where),
          range,
        };
      }),
    }),
  ],
  [
    "upstreamSaw",
    (fields) => ({ kind: "upstreamSaw", sights: fields.take("upstreamSaw", readSights) ?? [] }),
  ],
  ["counted", (fields) => ({ kind: "counted", counts: fields.take("counted", readCounted) ?? [] })],
  [
    "loops",
    (fields) => ({
      kind: "loops",
      upstreams:
        fields.take(
          "loops",
          readList((each, where) => readRange(each, where).min),
        ) ?? [],
    }),
  ],
  [
    "problems",
    (fields) => ({ kind: "problems", expected: fields.take("problems", readList(readText)) ?? [] }),
  ],
  ["state", (fields) => ({ kind: "state", expected: fields.take("state", readMap(readState)) ?? new Map() })],
  ["settings", (fields) => ({ kind: "settings", flags: fields.take("settings", readSettings) ?? [] })],
  [
    "synced",
    (fields) => {
      if (fields.take("synced", readBoolean) !== true) throw new StoryError(fields.where, "synced: true");
      return { kind: "synced" };
    },
  ],
];

/** A namespace alone is a pod outside of any mesh; null: no pod. */
function readClient(value: unknown, where: string): StoryClient | null {
  if (value === null) return null;
  const fields = new Fields(typeof value === "string" ? { namespace: value } : value, where);
  const namespace = fields.take("namespace", readText);
  const mesh = fields.take("mesh", oneOf(STORY_MESHES)) ?? "none";
  const ips = fields.take("ips", readList(readText)) ?? [];
  const node = fields.take("node", readText) ?? "";
  fields.end();
  if (namespace === undefined) throw new StoryError(where, 'the key "namespace" is missing');
  return { namespace, mesh, ips, node };
}

function readSource(value: unknown, where: string): string | RawObject {
  return isMapping(value) ? value : readText(value, where);
}

const STATES: readonly StateName[] = [...HOST_CONDITIONS, "absent"];

function readState(value: unknown, where: string): StateExpectation {
  const readOne = oneOf(STATES);
  return isMapping(value) ? readMap(readOne)(value, where) : readOne(value, where);
}
