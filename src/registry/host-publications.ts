/** What the publisher is told of hosts, and which entries are answered with ClusterIPs because of it. */

import { type ObjectKey, objectKey } from "../mesh/objects.ts";
import type { Problem } from "../mesh/problem.ts";
import type { Publishing } from "../mesh/publication.ts";
import type { HostRecord, HostVariant } from "../table/host-record.ts";
import { FAMILIES } from "../wire/ip-address.ts";
import type { CompileSources } from "./compile-host.ts";
import type { HostPlan } from "./host-plan.ts";
import type { HostState } from "./host-state.ts";
import { type PublicationSources, publicationOf } from "./publication.ts";

export class HostPublications {
  /** Undefined: nothing is published. */
  readonly #publishing: Publishing | undefined;
  /** Of each entry with any, how many of its hosts are answered with a ClusterIP. */
  readonly #answeredHosts = new Map<ObjectKey, number>();

  constructor(publishing: Publishing | undefined) {
    this.#publishing = publishing;
  }

  /** What has become of each publication. */
  get states(): CompileSources["publishing"] {
    return this.#publishing ?? NOT_PUBLISHING;
  }

  /** Tells what of the host is to be published now, and what no more. */
  tell(state: HostState, sources: PublicationSources): void {
    const publishing = this.#publishing;
    const before = state.publications;
    if (publishing === undefined) return;
    const answers = state.answers.filter(({ choice }) => choice.kind === "published");
    if (answers.length === 0 && before.length === 0) return;
    const publications = answers.map(({ winners, published }) => publicationOf(winners, published, sources));
    state.publications = publications.map(({ key }) => key);
    for (const each of publications) publishing.change(each.key, each);
    for (const key of before) if (!state.publications.includes(key)) publishing.change(key, undefined);
  }

  /** The host was compiled. Returns the entries that more, or fewer, of their hosts are answered for by ClusterIP. */
  note(state: HostState, record: HostRecord | undefined): readonly ObjectKey[] {
    const before = state.publishedEntries;
    const after = publishedEntries(state, record);
    if (before.length === 0 && after.length === 0) return NO_ENTRIES;
    state.publishedEntries = after;
    const changed = [
      ...after.filter((key) => !before.includes(key)),
      ...before.filter((key) => !after.includes(key)),
    ];
    for (const key of changed) {
      const count = (this.#answeredHosts.get(key) ?? 0) + (after.includes(key) ? 1 : -1);
      if (count === 0) this.#answeredHosts.delete(key);
      else this.#answeredHosts.set(key, count);
    }
    return changed;
  }

  /** Whether all of the entry's `hosts` are answered with ClusterIPs. */
  isPublished(entry: ObjectKey, hosts: readonly HostPlan[]): boolean {
    return (this.#answeredHosts.get(entry) ?? 0) >= hosts.length;
  }
}

/** A Service leads each port on to where it belongs: where there is one, ports that differ are no problem. */
export function withoutMismatch(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter(({ code }) => code !== "PortMismatch");
}

/** The entries whose host is answered with a ClusterIP, if there are any. */
function publishedEntries({ answers }: HostState, record: HostRecord | undefined): readonly ObjectKey[] {
  if (!answers.some(({ choice }) => choice.kind === "published")) return NO_ENTRIES;
  const isPublished = ({ source, answers: families }: HostVariant) =>
    source === "published" && FAMILIES.some((family) => families[family].kind === "addresses");
  if (!record?.views.some(({ variants }) => variants.some(isPublished))) return NO_ENTRIES;
  return answers
    .filter(({ choice }) => choice.kind === "published")
    .flatMap(({ winners }) => winners.map(({ entry }) => objectKey(entry.ref)));
}

const NO_ENTRIES: readonly ObjectKey[] = [];
const NOT_PUBLISHING: CompileSources["publishing"] = {
  stateOf: () => ({ kind: "refused", reason: "nothing is published" }),
};
