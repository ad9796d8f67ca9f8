/** What the way from a manifest to a packed delta costs. */

import type { TableDelta } from "../../src/table/host-record.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { readManifest } from "../../src/watcher/manifest-file.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FORMS, manifest } from "../load/manifests.ts";
import { median } from "../support/statistics.ts";
import { compileStore, filledStore, put } from "./compiled-table.ts";
import { nanoseconds } from "./nanoseconds.ts";

const ENTRIES = 10_000;
const ROUNDS = 7;
const SAMPLES = 100;
/** Longer than changes are gathered. */
const BETWEEN_CHANGES_MS = 100;

export function measureRegistry(): Map<string, readonly string[]> {
  const texts = Array.from({ length: SAMPLES }, (_, index) => manifest(index));
  const readNs = nanoseconds(texts, (text) => readManifest(text, "yaml", []).length > 0);
  const store = filledStore(ENTRIES);
  const compileMs: number[] = [];
  const packMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = performance.now();
    const registry = compileStore(store, new FakeClock(), () => {});
    const compiledMs = performance.now();
    packDelta(registry.snapshot());
    compileMs.push(compiledMs - startMs);
    packMs.push(performance.now() - compiledMs);
    registry.close();
  }
  return new Map([
    ["read one manifest (us)", [(readNs / 1000).toFixed(0)]],
    [`compile ${ENTRIES.toLocaleString("en")} entries (ms)`, [median(compileMs).toFixed(0)]],
    ["pack their delta (ms)", [median(packMs).toFixed(1)]],
    ["compile and pack one changed entry (us)", [(measureChange() / 1000).toFixed(0)]],
  ]);
}

/** Among all the others; nanoseconds. */
function measureChange(): number {
  const store = filledStore(ENTRIES);
  const clock = new FakeClock();
  const emitted: TableDelta[] = [];
  const registry = compileStore(store, clock, (delta) => emitted.push(delta));
  const editions = Array.from({ length: SAMPLES }, (_, index) =>
    [1, 2].map((edition) => readManifest(manifest(index * FORMS, edition), "yaml", [])),
  );
  let turn = 0;
  const result = nanoseconds(editions, (edition) => {
    clock.advance(BETWEEN_CHANGES_MS);
    emitted.length = 0;
    put(store, edition[turn++ % (2 * SAMPLES) < SAMPLES ? 0 : 1]!);
    return emitted.length === 1 && packDelta(emitted[0]!).length > 0;
  });
  registry.close();
  return result;
}
