/** A registry with made-up entries, all of them compiled and all names resolved. */

import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { FamilyResolutions } from "../../src/mesh/resolution.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { Clock } from "../../src/runtime.ts";
import type { TableDelta } from "../../src/table/host-record.ts";
import { type ReadDocument, readManifest } from "../../src/watcher/manifest-file.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../../test/support/arbitrary-objects.ts";
import { manifest } from "../load/manifests.ts";

export function filledStore(entries: number): MeshStore {
  const store = new MeshStore();
  for (let index = 0; index < entries; index += 1) put(store, readManifest(manifest(index), "yaml", []));
  return store;
}

export function put(store: MeshStore, documents: readonly ReadDocument[]): void {
  for (const { entries } of documents) {
    for (const { parsed } of entries)
      if (parsed.value !== undefined) store.put(parsed.ref.kind, parsed.value, 0);
  }
  store.flush();
}

export function compileStore(store: MeshStore, clock: Clock, emit: (delta: TableDelta) => void): Registry {
  const address = parseIpAddress("198.51.100.7");
  if (address === null) throw new Error("not an address");
  const resolved: FamilyResolutions = {
    A: { state: "fresh", addresses: [address], expiresAtMs: 30_000 },
    AAAA: { state: "denied", by: "nodata" },
  };
  return new Registry({
    store,
    settings: DEFAULT_SETTINGS,
    problems: new ProblemBook(() => clock.wallMs()),
    clock,
    resolutions: () => resolved,
    wanted: { want() {}, unwant() {} },
    emit,
  });
}
