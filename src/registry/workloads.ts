/**
 * Pods and WorkloadEntries as the registry takes them: those that are not excluded, with the Nodes that they run on,
 * as of the last changes told.
 */

import { isClientPod } from "../mesh/client-pod.ts";
import type { NodeObject, ObjectKey, WorkloadEntry } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import { isExcluded } from "./exclude.ts";
import { Selection, type SelectionContext, type Workload } from "./selection.ts";
import type { RegistrySettings } from "./settings.ts";

/** What has become another with a workload. */
export interface WorkloadChange {
  /** Hosts whose selection is another now. */
  readonly hosts: ReadonlySet<HostName>;
  /** Host names of the workload, which proxies resolve. */
  readonly namesBefore: readonly HostName[];
  readonly namesAfter: readonly HostName[];
}

export class Workloads {
  readonly selection: Selection;
  readonly #nodes = new Map<string, NodeObject>();
  readonly #entries = new Map<ObjectKey, WorkloadEntry>();
  #excludeSelectors: RegistrySettings["excludeSelectors"];

  constructor(
    excludeSelectors: RegistrySettings["excludeSelectors"],
    context: Omit<SelectionContext, "nodeOf">,
  ) {
    this.#excludeSelectors = excludeSelectors;
    this.selection = new Selection({ ...context, nodeOf: (name) => this.#nodes.get(name) });
  }

  /** Returns what is another because of that. */
  exclude(selectors: RegistrySettings["excludeSelectors"]): readonly WorkloadChange[] {
    const before = this.#excludeSelectors;
    this.#excludeSelectors = selectors;
    return [...this.#entries.values()].map((entry) =>
      this.#change(isExcluded(entry, before) ? undefined : entry, this.#taken(entry)),
    );
  }

  changeEntry(key: ObjectKey, after: WorkloadEntry | undefined): WorkloadChange {
    const before = this.#entries.get(key);
    if (after === undefined) this.#entries.delete(key);
    else this.#entries.set(key, after);
    return this.#change(before && this.#taken(before), after && this.#taken(after));
  }

  changePod(before: Workload | undefined, after: Workload | undefined): WorkloadChange {
    return this.#change(selectable(before), selectable(after));
  }

  /** Returns the hosts that select a pod on the node, if it stands somewhere else now. */
  changeNode(name: string, after: NodeObject | undefined): ReadonlySet<HostName> {
    const before = this.#nodes.get(name);
    if (after === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, after);
    const isMoved =
      before?.region !== after?.region || before?.zone !== after?.zone || before?.subzone !== after?.subzone;
    return isMoved
      ? this.selection.invalidate((workload) => "nodeName" in workload && workload.nodeName === name)
      : NO_HOSTS;
  }

  #taken(entry: WorkloadEntry): WorkloadEntry | undefined {
    return isExcluded(entry, this.#excludeSelectors) ? undefined : entry;
  }

  #change(before: Workload | undefined, after: Workload | undefined): WorkloadChange {
    if (before === after) return NO_CHANGE;
    const hosts = this.selection.change(before, after);
    return { hosts, namesBefore: namesOf(before), namesAfter: namesOf(after) };
  }
}

/** All pods of the cluster may be there for being clients: those are not kept here a second time. */
function selectable(pod: Workload | undefined): Workload | undefined {
  return pod === undefined || isClientPod(pod) ? undefined : pod;
}

const NO_HOSTS: ReadonlySet<HostName> = new Set();
const NO_CHANGE: WorkloadChange = { hosts: NO_HOSTS, namesBefore: [], namesAfter: [] };

function namesOf(workload: Workload | undefined): readonly HostName[] {
  if (workload === undefined || !("endpoint" in workload)) return [];
  const { address } = workload.endpoint;
  return address.kind === "name" ? [address.name] : [];
}
