/** istiod's name table for one proxy: `GET 127.0.0.1:15020/debug/ndsz` beside a sidecar. */

import { fieldsOf, listOf, textOf } from "../check/raw.ts";

export interface NameTable {
  /** By host, lower case, without a dot at the end. */
  readonly hosts: ReadonlyMap<string, NameInfo>;
}

export interface NameInfo {
  readonly ips: readonly string[];
  /** `External` for ServiceEntries, `Kubernetes` for Services. */
  readonly registry: string;
}

/** Takes the table itself, and what wraps it; a fault is the end of a sentence about the file. */
export function readNameTable(text: string): NameTable | { readonly fault: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: "is no JSON" };
  }
  const table = findTable(value, 0);
  if (table === undefined) return { fault: 'has no "table" of names' };
  const hosts = new Map<string, NameInfo>();
  for (const [name, each] of Object.entries(table)) {
    const info = fieldsOf(each);
    if (info === undefined) continue;
    hosts.set(name.toLowerCase().replace(/\.$/, ""), {
      ips: listOf(info["ips"]).flatMap((ip) => textOf(ip) ?? []),
      registry: textOf(info["registry"]) ?? "",
    });
  }
  return { hosts };
}

/** `{table}`, or a dump such as `{resource: {table}}` or a list of them. */
function findTable(value: unknown, depth: number): Readonly<Record<string, unknown>> | undefined {
  if (depth > MOST_DEPTH) return undefined;
  const direct = fieldsOf(fieldsOf(value)?.["table"]);
  if (direct !== undefined) return direct;
  for (const inner of Array.isArray(value) ? value : Object.values(fieldsOf(value) ?? {})) {
    const found = typeof inner === "object" ? findTable(inner, depth + 1) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

const MOST_DEPTH = 4;
