/**
 * A cluster of any size: the tests' scripted API server as a process of its own, with as many ServiceEntries as Pods
 * over fifty namespaces. Run as a program it is that process; it does what it is told by messages and answers each.
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ScriptedApiServer } from "../../test/support/scripted-api-server.ts";
import { namespace, pod, serviceEntry } from "../load/api-objects.ts";
import { stop } from "../support/child.ts";

type Order =
  | { readonly kind: "fill"; readonly count: number }
  /** The entry is another. */
  | { readonly kind: "edit"; readonly index: number; readonly edition: number }
  /** All entries of a namespace go, one by one as the API server tells of them. */
  | { readonly kind: "drop"; readonly namespace: number; readonly count: number };

export interface Cluster {
  /** Octets of all bodies that were sent so far. */
  edit(index: number, edition: number): Promise<number>;
  /** Of the first `count` entries those of the namespace. */
  dropNamespace(namespace: number, count: number): Promise<number>;
  sentOctets(): Promise<number>;
  stop(): Promise<void>;
}

/** Entries of `apiEntryAt`; they are spread over so many namespaces. */
export const NAMESPACES = 50;
/** The first entry has an address that only clients inside the mesh take, so that pods are told apart. */
const VIRTUAL = { addresses: ["240.240.0.1"] };
const HEAP_MIB = 12_000;

/** `kubeconfig`: the file to write, with the way to it. */
export async function startCluster(count: number, kubeconfig: string): Promise<Cluster> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: [`--max-old-space-size=${HEAP_MIB}`] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const tell = async (order: Order): Promise<number> => {
    const done = once(child, "message");
    child.send(order);
    const [octets] = (await done) as [number];
    return octets;
  };
  const [text] = (await once(child, "message")) as [string];
  writeFileSync(kubeconfig, text);
  await tell({ kind: "fill", count });
  return {
    edit: (index, edition) => tell({ kind: "edit", index, edition }),
    dropNamespace: (each, entries) => tell({ kind: "drop", namespace: each, count: entries }),
    sentOctets: () => tell({ kind: "fill", count: 0 }),
    stop: () => stop(child),
  };
}

if (process.send !== undefined && import.meta.main) await serve();

async function serve(): Promise<void> {
  const server = await ScriptedApiServer.start();
  const obey = (order: Order): void => {
    switch (order.kind) {
      case "fill":
        server.lose(() => fill(server, order.count));
        return;
      case "edit":
        server.apply(entryAt(order.index, order.edition));
        return;
      case "drop":
        for (let index = order.namespace; index < order.count; index += NAMESPACES) {
          const { metadata } = serviceEntry(index);
          server.remove("ServiceEntry", metadata.namespace, metadata.name);
        }
    }
  };
  process.on("message", (order: Order) => {
    obey(order);
    process.send?.(server.sentOctets);
  });
  process.send?.(server.kubeconfig());
}

function fill(server: ScriptedApiServer, count: number): void {
  for (let index = 0; index < Math.min(count, NAMESPACES); index += 1) server.apply(namespace(index));
  for (let index = 0; index < count; index += 1) {
    server.apply(entryAt(index, 0));
    server.apply(pod(index));
  }
}

function entryAt(index: number, edition: number) {
  const entry = serviceEntry(index, edition);
  return index === 0 ? { ...entry, spec: { ...(entry["spec"] as object), ...VIRTUAL } } : entry;
}
