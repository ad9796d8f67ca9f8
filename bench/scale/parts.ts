/**
 * `node --expose-gc bench/scale/parts.ts COUNT`: so many ServiceEntries, then as many Pods, through the parts of the
 * control plane in this process, with a measurement of the heap after each. Writes them as one line of JSON.
 */

import { ListItems } from "../../src/cluster/list-items.ts";
import { toClientPod } from "../../src/mesh/client-pod.ts";
import { toKeptEntry } from "../../src/mesh/kept-entry.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { Kind, ObjectByKind } from "../../src/mesh/objects.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { sharedText } from "../../src/mesh/shared-values.ts";
import { Clients } from "../../src/registry/clients.ts";
import { Registry } from "../../src/registry/registry.ts";
import { systemClock } from "../../src/runtime.ts";
import { packClientDelta } from "../../src/table/client-delta.ts";
import { CLIENT_PODS, WATCHED } from "../../src/watcher/watched-kinds.ts";
import { DEFAULT_SETTINGS } from "../../test/support/arbitrary-objects.ts";
import type { ApiObject } from "../../test/support/scripted-api-server.ts";
import { pod, serviceEntry } from "../load/api-objects.ts";
import { sleep } from "../load/workspace.ts";
import { heapOctets } from "./forms.ts";

/** Octets for each host or pod, by part; milliseconds for each thousand. */
export interface Parts {
  readonly octets: Readonly<Record<PartName, number>>;
  readonly milliseconds: Readonly<Record<PartName, number>>;
  readonly deltaOctets: number;
  readonly clientDeltaOctets: number;
}
export type PartName = "entries" | "registry" | "pods" | "clients";

const PAGE = 500;
const CHUNK_OCTETS = 64 * 1024;
const MOST_ITEM_OCTETS = 1024 * 1024;
/** Longer than changes are gathered. */
const SETTLE_MS = 200;

/** What the objects and their octets cost so far, which is the API server's. */
let makingMs = 0;

if (import.meta.main)
  process.stdout.write(`${JSON.stringify(await measureParts(Number(process.argv[2])))}\n`);

async function measureParts(count: number): Promise<Parts> {
  const octets: Record<PartName, number> = { entries: 0, registry: 0, pods: 0, clients: 0 };
  const milliseconds: Record<PartName, number> = { entries: 0, registry: 0, pods: 0, clients: 0 };
  const clock = systemClock;
  const store = new MeshStore();
  let deltaOctets = 0;
  let clientDeltaOctets = 0;
  const registry = new Registry({
    store,
    settings: DEFAULT_SETTINGS,
    problems: new ProblemBook(clock.wallMs),
    clock,
    resolutions: () => undefined,
    wanted: { want() {}, unwant() {} },
    emit: (_delta, packed) => {
      deltaOctets += packed.length;
    },
  });
  const clients = new Clients({
    store,
    settings: { trustedForwarders: undefined, network: undefined },
    clock,
    emit: (delta) => {
      clientDeltaOctets += packClientDelta(delta).length;
    },
  });
  let before = heapOctets();
  const measure = async (part: PartName, work: () => void): Promise<void> => {
    const startMs = performance.now();
    makingMs = 0;
    work();
    milliseconds[part] = ((performance.now() - startMs - makingMs) / count) * 1000;
    await sleep(SETTLE_MS);
    const after = heapOctets();
    octets[part] = (after - before) / count;
    before = after;
  };
  const put = <K extends Kind>(kind: K, make: (index: number) => ApiObject, read: Reader<K>) => {
    const { unread } = kind === "Pod" ? CLIENT_PODS : WATCHED[kind];
    for (const object of listed(count, make, read, unread)) store.put(kind, object, clock.nowMs());
  };
  await measure("entries", () =>
    put("ServiceEntry", serviceEntry, (raw) => toKeptEntry(must(parseServiceEntry(raw).value))),
  );
  await measure("registry", () => store.flush());
  await measure("pods", () => put("Pod", pod, (raw) => toClientPod(must(parsePod(raw).value), sharedText)));
  await measure("clients", () => store.flush());
  registry.close();
  clients.close();
  return {
    octets,
    milliseconds,
    deltaOctets: deltaOctets / count,
    clientDeltaOctets: clientDeltaOctets / count,
  };
}

type Reader<K extends Kind> = (raw: unknown) => ObjectByKind[K];

/** By way of the pages of a list, in pieces as they come from a socket. */
function* listed<K extends Kind>(
  count: number,
  make: (index: number) => ApiObject,
  read: Reader<K>,
  unread: readonly string[] | undefined,
): IterableIterator<ObjectByKind[K]> {
  for (let from = 0; from < count; from += PAGE) {
    const found: ObjectByKind[K][] = [];
    const handlers = {
      onItem: (raw: unknown) => found.push(read(raw)),
      onRefused() {
        throw new Error("an object was refused");
      },
    };
    const items = new ListItems(MOST_ITEM_OCTETS, handlers, unread);
    const startMs = performance.now();
    const objects = Array.from({ length: Math.min(PAGE, count - from) }, (_, index) => make(from + index));
    const octets = Buffer.from(JSON.stringify({ metadata: { resourceVersion: "1" }, items: objects }));
    makingMs += performance.now() - startMs;
    for (let at = 0; at < octets.length; at += CHUNK_OCTETS)
      items.push(octets.subarray(at, at + CHUNK_OCTETS));
    items.end();
    yield* found;
  }
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("an object was rejected");
  return value;
}
