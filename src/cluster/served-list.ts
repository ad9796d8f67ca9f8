/** LIST of a resource in the version that the server has: its group is asked for the versions. */

import type { Clock } from "../runtime.ts";
import type { ApiClient, ApiResource } from "./api-client.ts";
import { ApiFault, faultOfResponse, toFault } from "./api-fault.ts";
import { type Listed, type ListOptions, listResource } from "./list.ts";
import { withStallLimit } from "./stall-limit.ts";

export interface ServedList<T> extends Listed<T> {
  /** Under which it is served; its query is the selector, if there is one. */
  readonly path: string;
}

/**
 * Lists under the path where it was last served, else under the first that is. Throws ApiFault; "missing": it is
 * served in no version that we can read.
 */
export async function listServed<T>(
  options: ListOptions<T>,
  resource: ApiResource,
  knownPath: string | undefined,
): Promise<ServedList<T>> {
  let missing: unknown;
  const tryPath = async (path: string): Promise<ServedList<T> | undefined> => {
    try {
      return { path, ...(await listResource(options, path)) };
    } catch (error) {
      if (toFault(error).code !== "missing") throw error;
      missing = error;
      return undefined;
    }
  };
  const known = knownPath === undefined ? undefined : await tryPath(knownPath);
  if (known !== undefined) return known;
  for (const path of await servedPaths(options.client, resource, options.signal, options.clock)) {
    const listed = await tryPath(path);
    if (listed !== undefined) return listed;
  }
  throw missing;
}

/**
 * Paths to try, the dearest version first; a group serves a version as soon as any of its resources has it, so
 * the first path may still be missing. Throws ApiFault; "missing": we can read no version of the group.
 */
async function servedPaths(
  client: ApiClient,
  resource: ApiResource,
  signal: AbortSignal,
  clock: Clock,
): Promise<readonly string[]> {
  const { group, versions } = resource;
  const rest = pathWithin(resource);
  if (group === "") return versions.map((version) => `/api/${version}/${rest}`);
  const served = await servedVersions(client, group, signal, clock);
  const paths = versions
    .filter((version) => served === undefined || served.has(version))
    .map((version) => `/apis/${group}/${version}/${rest}`);
  if (paths.length === 0) throw new ApiFault("missing", `${group} is served in no version of ${versions}`);
  return paths;
}

/** With the selector as its query, if there is one. */
function pathWithin({ plural, namespace, labelSelector }: ApiResource): string {
  const path = namespace === undefined ? plural : `namespaces/${encodeURIComponent(namespace)}/${plural}`;
  return labelSelector === undefined ? path : `${path}?${new URLSearchParams({ labelSelector })}`;
}

/** Undefined: nobody tells us. */
function servedVersions(
  client: ApiClient,
  group: string,
  signal: AbortSignal,
  clock: Clock,
): Promise<ReadonlySet<string> | undefined> {
  return withStallLimit(clock, STALL_MS, signal, async (askSignal, noteProgress) => {
    const response = await client.get(`/apis/${group}`, askSignal);
    if (response.status !== 200) {
      const fault = await faultOfResponse(response, clock.wallMs());
      // What stands between us and the API server may let through no more than what we list.
      if (fault.code === "denied" || fault.code === "missing") return undefined;
      throw fault;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) {
      noteProgress();
      chunks.push(chunk);
    }
    return readVersions(Buffer.concat(chunks).toString("utf8"));
  });
}

function readVersions(text: string): ReadonlySet<string> {
  try {
    const group = JSON.parse(text) as { readonly versions: readonly { readonly version: string }[] };
    return new Set(group.versions.map(({ version }) => version));
  } catch {
    throw new ApiFault("broken", "the list of a group's versions cannot be read");
  }
}

const STALL_MS = 30_000;
