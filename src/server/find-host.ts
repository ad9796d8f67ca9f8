/** Which host has a name, as a client sees it. */

import { type NameView, NOT_FOUND } from "../table/host-table.ts";
import { isFallback, isWildcardRecord, nameLabelCount, variantFor, viewFor } from "../table/packed-record.ts";
import type { Asker } from "./asker.ts";
import { isAnswered } from "./decide-own.ts";
import type { Decision, Knowledge, Situation } from "./decision.ts";

/**
 * Fills in record, view and variant of the host that answers the name: the exact one, else the most specific
 * wildcard, of those that the namespace sees.
 */
export function findVisible(
  name: NameView,
  namespace: Uint8Array | null,
  asker: Asker,
  { table }: Knowledge,
  decision: Decision,
): boolean {
  const { octets } = table;
  let record = table.find(name);
  while (record !== NOT_FOUND) {
    const view = viewFor(octets, record, namespace);
    if (view !== NOT_FOUND) {
      decision.record = record;
      decision.view = view;
      decision.variant = variantFor(octets, view, asker.clientClass);
      return true;
    }
    const nextLabel = isWildcardRecord(octets, record)
      ? name.labelCount - nameLabelCount(octets, record) + 1
      : 1;
    record = table.findWildcard(name, nextLabel);
  }
  return false;
}

/** The same for a host below the cluster domain that may answer where Kubernetes does not: exact names alone. */
export function findFallback(
  name: NameView,
  { query, asker, knowledge }: Situation,
  decision: Decision,
): boolean {
  const { table } = knowledge;
  const record = table.find(name);
  if (record === NOT_FOUND || isWildcardRecord(table.octets, record) || !isFallback(table.octets, record)) {
    return false;
  }
  const view = viewFor(table.octets, record, asker.namespace);
  if (view === NOT_FOUND) return false;
  decision.record = record;
  decision.view = view;
  decision.variant = variantFor(table.octets, view, asker.clientClass);
  return isAnswered(query, table.octets, decision.variant);
}
