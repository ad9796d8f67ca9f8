/** Writes snapshots of one folder without an end, larger and larger ones, until it is killed. */

import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { writeSnapshot } from "../../src/watcher/snapshot-file.ts";
import { keptObjects } from "../../src/watcher/snapshot-objects.ts";
import { serviceEntry } from "../cluster/fixture.ts";

const folder = process.argv[2]!;
const store = new MeshStore();
for (let at = 0; at < 3000; at++) {
  const { value } = parseServiceEntry(serviceEntry(`e${at}`));
  store.put("ServiceEntry", value!, 0);
}
const objects = keptObjects(store);
const endAtMs = Date.now() + 30_000;
for (let round = 1; Date.now() < endAtMs; round++) {
  const content = {
    confirmedAtMs: Date.now(),
    objects: objects.slice(0, 1000 + (round % 20) * 100),
    names: [],
  };
  await writeSnapshot(folder, "1.0.0", content);
  process.stdout.write(`${round}\n`);
}
