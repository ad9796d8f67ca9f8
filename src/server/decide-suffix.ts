/** A host with a search suffix behind it: the part of the table of cases in `decide.ts` that is about those. */

import { NOT_FOUND } from "../table/host-table.ts";
import { isDelegated } from "../table/packed-record.ts";
import type { Query } from "../wire/query.ts";
import type { Asker } from "./asker.ts";
import { decideOwn, faultOf, isAnswered } from "./decide-own.ts";
import {
  Action,
  type DecideSettings,
  type Decision,
  type Knowledge,
  type Situation,
  SuffixAnswer,
} from "./decision.ts";
import { findVisible } from "./find-host.ts";
import { NamePart } from "./name-part.ts";
import {
  bareLabelCount,
  canKubernetesMean,
  endsWith,
  LABELS_BEYOND_KUBERNETES,
  Reading,
  readingCount,
} from "./search-suffix.ts";

/** What stands before the suffix. */
const bare = new NamePart();

/** A host of ours with a search suffix behind it; null: the name cannot be read so. */
export function decideSuffixed(
  firstReading: number,
  situation: Situation,
  decision: Decision,
): Action | null {
  const { query, asker, knowledge, settings, isDenied } = situation;
  const { octets } = knowledge.table;
  const { suffixes } = settings;
  for (let reading = firstReading; reading < readingCount(suffixes); reading += 1) {
    const bareLabels = bareLabelCount(query, suffixes, reading);
    if (bareLabels <= 0) continue;
    const saysNamespace = reading === Reading.NAMESPACE;
    if (saysNamespace && asker.isPod && !isNamespaceOf(asker, query, bareLabels)) continue;
    const namespaceLabel = saysNamespace && asker.mayTellNamespace ? bareLabels : NOT_FOUND;
    // Kubernetes gives no names of so many labels: it was made of a host and a search list, ours or not.
    if (bareLabels >= LABELS_BEYOND_KUBERNETES && !query.hasUnderscoreLabel) {
      if (saysNamespace) decision.namespaceLabel = namespaceLabel;
    }
    bare.take(query, 0, bareLabels);
    if (endsWith(bare, suffixes.domain) || knowledge.table.find(bare) === NOT_FOUND) continue;
    const namespace = saidNamespace(query, namespaceLabel, asker, knowledge);
    if (!findVisible(bare, namespace, asker, knowledge, decision)) continue;
    if (!isAnswered(query, octets, decision.variant)) continue;
    const answer = suffixAnswerFor(query, namespaceLabel, asker, knowledge, settings);
    const canBeKubernetes = canKubernetesMean(
      query,
      suffixes,
      reading,
      bareLabels,
      isDelegated(octets, decision.record),
      namespaceAt(query, bareLabels - 1, knowledge) !== NOT_FOUND,
    );
    if (namespaceLabel !== NOT_FOUND && (!canBeKubernetes || isDenied)) {
      decision.namespaceLabel = namespaceLabel;
    }
    if (answer === SuffixAnswer.FORWARD) break;
    if (canBeKubernetes && answer === SuffixAnswer.NXDOMAIN) break;
    if (canBeKubernetes && !isDenied) return Action.UPSTREAM_FIRST;
    decision.bareLabels = bareLabels;
    if (answer === SuffixAnswer.NXDOMAIN) return faultOf(query) ?? Action.NXDOMAIN;
    return decideOwn(query, octets, settings, situation.nowMs, decision);
  }
  return null;
}

/** Whether the query's label of this number is the client's namespace. */
function isNamespaceOf({ namespace }: Asker, query: Query, label: number): boolean {
  const start = query.labelStarts[label]!;
  if (namespace === null || query.name[start] !== namespace.length) return false;
  for (let at = 0; at < namespace.length; at += 1) {
    if (query.name[start + 1 + at] !== namespace[at]) return false;
  }
  return true;
}

/** The namespace whose views count: what the question says at `label`, else what is known of the client. */
function saidNamespace(query: Query, label: number, asker: Asker, knowledge: Knowledge): Uint8Array | null {
  if (label === NOT_FOUND) return asker.namespace;
  const id = namespaceAt(query, label, knowledge);
  if (id !== NOT_FOUND) return knowledge.clients.namespaceOctets(id);
  const start = query.labelStarts[label]!;
  return query.name.subarray(start + 1, start + 1 + query.name[start]!);
}

function suffixAnswerFor(
  query: Query,
  label: number,
  asker: Asker,
  knowledge: Knowledge,
  settings: DecideSettings,
): number {
  const id = label === NOT_FOUND ? asker.namespaceId : namespaceAt(query, label, knowledge);
  return (id === NOT_FOUND ? 0 : knowledge.clients.suffixAnswerOf(id)) || settings.suffixAnswer;
}

/** The number of the Namespace whose name the query's label is; NOT_FOUND: there is none. */
function namespaceAt(query: Query, label: number, { clients }: Knowledge): number {
  const start = query.labelStarts[label]!;
  return clients.namespaceId(query.name, start + 1, query.name[start]!);
}
