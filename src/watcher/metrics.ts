/** What the watched objects amount to: how many there are, how often they change, what is wrong with them. */

import { Counter, Gauge, type Registry } from "prom-client";
import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import { KINDS, type Kind } from "../mesh/objects.ts";
import { PROBLEMS, type ProblemBook, type ProblemCode } from "../mesh/problem.ts";

const EVENT_TYPES = ["added", "modified", "deleted"] as const;
type EventType = (typeof EVENT_TYPES)[number];

/** Shows the store and the book in `registry`; follows the store's changes from now on. `wallMs`: since 1970. */
export function registerWatcherMetrics(
  registry: Registry,
  store: MeshStore,
  problems: ProblemBook,
  wallMs: () => number,
): void {
  const registers = [registry];
  new Gauge({
    name: "serviceentry_dns_objects",
    help: "Objects in force, by kind.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of KINDS) this.set({ kind }, store.all(kind).size);
    },
  });
  const events = new Counter({
    name: "serviceentry_dns_events_total",
    help: "Changes of objects that the source brought.",
    labelNames: ["kind", "type"],
    registers,
  });
  for (const kind of KINDS) for (const type of EVENT_TYPES) events.inc({ kind, type }, 0);
  const lastEvent = new Gauge({
    name: "serviceentry_dns_last_event_timestamp_seconds",
    help: "When an object of the kind last changed, seconds since 1970; 0: never.",
    labelNames: ["kind"],
    registers,
  });
  for (const kind of KINDS) lastEvent.set({ kind }, 0);
  store.onChange((changes) => {
    const counts = countsByKind(changes, store);
    for (const [kind, byType] of counts) {
      for (const type of EVENT_TYPES) if (byType[type] > 0) events.inc({ kind, type }, byType[type]);
      lastEvent.set({ kind }, wallMs() / 1000);
    }
  });
  new Gauge({
    name: "serviceentry_dns_problems",
    help: "Present problems of objects, by code; /api/problems lists them with their remedies.",
    labelNames: ["reason"],
    registers,
    collect() {
      const counts = new Map(Object.keys(PROBLEMS).map((code) => [code as ProblemCode, 0]));
      for (const { problem } of problems.all()) counts.set(problem.code, (counts.get(problem.code) ?? 0) + 1);
      for (const [reason, count] of counts) this.set({ reason }, count);
    },
  });
}

/** `ageSeconds`: of the state on disk, since it was in step with the API server; undefined: there is none. */
export function registerSnapshotMetrics(registry: Registry, ageSeconds: () => number | undefined): void {
  new Gauge({
    name: "serviceentry_dns_snapshot_age_seconds",
    help: "Time since the state on disk was known to be the API server's; without a snapshot there is no series.",
    registers: [registry],
    collect() {
      this.reset();
      const age = ageSeconds();
      if (age === undefined) this.remove();
      else this.set(age);
    },
  });
}

/** First counted, then told: a hundred thousand changes of a list are few series. */
function countsByKind(
  changes: readonly MeshChange[],
  store: MeshStore,
): ReadonlyMap<Kind, Readonly<Record<EventType, number>>> {
  const counts = new Map<Kind, Record<EventType, number>>();
  for (const { kind, key, before } of changes) {
    const isThere = store.all(kind).has(key);
    if (!isThere && before === undefined) continue;
    let ofKind = counts.get(kind);
    if (ofKind === undefined) {
      ofKind = { added: 0, modified: 0, deleted: 0 };
      counts.set(kind, ofKind);
    }
    ofKind[before === undefined ? "added" : isThere ? "modified" : "deleted"] += 1;
  }
  return counts;
}
