/**
 * `node --expose-gc bench/scale/forms.ts FORM`: what one host costs by the form of its entry, with the names that are
 * resolved for it. Writes octets of heap for each, entry and all, as a number.
 */

import { toKeptEntry } from "../../src/mesh/kept-entry.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { LookupResult } from "../../src/refresher/lookup.ts";
import { Refresher } from "../../src/refresher/refresher.ts";
import { Registry } from "../../src/registry/registry.ts";
import { systemClock, systemRandom } from "../../src/runtime.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../../test/support/arbitrary-objects.ts";
import { sleep } from "../load/workspace.ts";

export const FORMS = ["static", "allocated", "dns"] as const;
export type Form = (typeof FORMS)[number];

const HOSTS = 20_000;
const SETTLE_MS = 2000;
const SERVERS = [{ address: "127.0.0.1", port: 53 }];

if (import.meta.main) process.stdout.write(String(await measureForm(process.argv[2] as Form)));

async function measureForm(form: Form): Promise<number> {
  const store = new MeshStore();
  const clock = systemClock;
  const ip = parseIpAddress("198.51.100.7");
  if (ip === null) throw new Error("not an address");
  const found: LookupResult = { kind: "addresses", addresses: [ip], ttlSeconds: 300 };
  const refresher = new Refresher({
    lookup: async (_name, family) => (family === "A" ? found : { kind: "denied", by: "nodata" }),
    clock,
    random: systemRandom,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    settings: {
      servers: { cluster: SERVERS, other: SERVERS },
      clusterDomain: "cluster.local",
      maxStaleMs: 3_600_000,
    },
    onChanged: (name, family) => registry.resolutionChanged(name, family),
    onTouched: (name, family, expiresAtMs) => registry.resolutionTouched(name, family, expiresAtMs),
  });
  const registry = new Registry({
    store,
    settings: DEFAULT_SETTINGS,
    problems: new ProblemBook(clock.wallMs),
    clock,
    resolutions: (name) => refresher.resolution(name),
    wanted: refresher,
    emit() {},
  });
  const before = heapOctets();
  for (let index = 0; index < HOSTS; index += 1) {
    const { value } = parseServiceEntry(entryOf(form, index));
    if (value === undefined) throw new Error("an entry was rejected");
    store.put("ServiceEntry", toKeptEntry(value), clock.nowMs());
  }
  store.flush();
  await sleep(SETTLE_MS);
  const octets = (heapOctets() - before) / HOSTS;
  registry.close();
  await refresher.close();
  return octets;
}

/** As it comes from an API server: no text of it is shared with another. */
function entryOf(form: Form, index: number): unknown {
  const host = `host-${index}.zone-${index % 100}.example.com`;
  const ip = `${(index >> 8) & 255}.${index & 255}`;
  const object = {
    metadata: {
      name: `entry-${index}`,
      namespace: `team-${index % 50}`,
      uid: `0f6b8c9e-1111-4222-8333-${String(index).padStart(12, "0")}`,
      resourceVersion: String(1000 + index),
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: {
      hosts: [host],
      ports: [{ number: 443, name: "https", protocol: "HTTPS" }],
      resolution: form === "dns" ? "DNS" : "STATIC",
      endpoints: [{ address: form === "dns" ? `origin-${index}.example.net` : `10.0.${ip}` }],
    },
    ...(form === "allocated" ? { status: { addresses: [{ value: `240.240.${ip}`, host }] } } : {}),
  };
  return JSON.parse(JSON.stringify(object));
}

/** What is in use after a collection, array buffers included. */
export function heapOctets(): number {
  if (globalThis.gc === undefined) throw new Error("start with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
