/** What a server answers for a host, client namespace by client namespace, as far as /api/hosts tells it. */

import type { AddressRow, HostRow } from "../api-rows.ts";

/** One host as some clients see it. */
export interface HostView {
  readonly host: string;
  /** `*`: every client whose namespace has no view of its own. */
  readonly namespace: string;
  /** The rows that answer; empty: forwarded. */
  readonly winners: readonly HostRow[];
  readonly addresses: readonly AddressRow[];
}

/** The rows of one host as views: for everybody, and for each namespace that may see something else. */
export function viewsOf(host: string, rows: readonly HostRow[]): readonly HostView[] {
  const namespaces = new Set<string>(["*"]);
  for (const { visibleTo, namespace } of rows) {
    if (visibleTo !== "all") for (const each of visibleTo) namespaces.add(each);
    if (rows.length > 1) namespaces.add(namespace);
  }
  const all = [...namespaces].map((namespace) => viewOf(host, namespace, rows));
  const [everybody] = all;
  return all.filter((view) => view === everybody || addressesKey(view) !== addressesKey(everybody!));
}

function viewOf(host: string, namespace: string, rows: readonly HostRow[]): HostView {
  const visible = rows.filter(
    ({ visibleTo, state }) => state !== "rejected" && (visibleTo === "all" || visibleTo.includes(namespace)),
  );
  const groups = [
    visible.filter((row) => row.namespace === namespace),
    visible.filter(({ visibleTo }) => visibleTo !== "all"),
    visible,
  ];
  // Of several that are as near, the one that nobody shadows; one that is shadowed for others only answers here.
  const nearest = groups.find((group) => group.length > 0) ?? [];
  const undisputed = nearest.filter(({ shadowedBy }) => shadowedBy === null);
  const winners = undisputed.length > 0 ? undisputed : nearest.filter(({ state }) => state !== "shadowed");
  return { host, namespace, winners, addresses: winners.flatMap(({ addresses }) => addresses) };
}

function addressesKey({ winners, addresses }: HostView): string {
  const texts = addresses.map(({ address }) => address).sort();
  return `${winners.length > 0} ${texts.join(" ")}`;
}
