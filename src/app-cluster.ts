/**
 * The cluster as the program's source of objects and as what it writes to. A module of its own, which is loaded
 * where there is a cluster, and after the first answers if those come from a snapshot.
 */

import { ClusterAccessError, connectCluster, findClusterAccess } from "./cluster/connection.ts";
import { type ClusterWriterOptions, ClusterWriters } from "./cluster-writers.ts";
import type { Settings } from "./config/settings.ts";
import { needSettings, publishNeedSettings } from "./part-settings.ts";
import { type Closeable, systemRandom } from "./runtime.ts";
import { ClusterSource, type ClusterSourceOptions } from "./watcher/cluster-source.ts";

export interface AppClusterOptions
  extends Omit<ClusterSourceOptions, "client" | "settings" | "publishing" | "random">,
    Pick<ClusterWriterOptions, "store" | "counts" | "hosts"> {
  readonly settings: Settings;
  readonly isSynced: () => boolean;
  /** From the change of a published host to its being written. */
  readonly observeWritten: (milliseconds: number) => void;
}

/** Neither runs yet; the client is closed after them. */
export interface AppCluster {
  readonly client: Closeable;
  readonly source: ClusterSource;
  readonly writers: ClusterWriters;
}

/** Rejects with a ClusterAccessError where there is no way into a cluster. */
export async function openCluster(options: AppClusterOptions): Promise<AppCluster> {
  const { settings, store, problems, logger, counts, hosts, isSynced, observeWritten } = options;
  const access = findClusterAccess(process.env);
  if (access === undefined) throw new ClusterAccessError(NO_CLUSTER);
  const client = await connectCluster(access);
  const source = new ClusterSource({
    ...options,
    random: systemRandom,
    client,
    settings: needSettings(settings),
    publishing: publishNeedSettings(settings),
  });
  const writers = new ClusterWriters({
    client,
    store,
    counts,
    logger,
    reporter: settings.reporter,
    conditions: settings.conditions,
    hosts,
    publishing: {
      problems,
      isComplete: () => isSynced() && source.missing().length === 0,
      mayDelete: () => source.isConnected("ServiceEntry") && source.isConnected("Namespace"),
      virtualRanges: settings.virtualRanges ?? [],
      onWritten: observeWritten,
    },
  });
  return { client, source, writers };
}

const NO_CLUSTER =
  "source kubernetes: there is no cluster to be found, neither by KUBECONFIG nor as a pod's service account nor in " +
  "~/.kube/config. Set KUBECONFIG, or serve a file or folder of manifests with --source PATH.";
