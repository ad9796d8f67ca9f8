/** The step that reads a name as a host with a search suffix behind it: which readings there are, and why not. */

import type { Namespace } from "../mesh/objects.ts";
import type { HostStanding } from "../registry/host-standing.ts";
import { Action, SuffixAnswer } from "../server/decision.ts";
import { bareLabelCount, endsWith, Reading, readingCount } from "../server/search-suffix.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import type { HostName } from "../wire/host-name.ts";
import { labelsOf, wildcardsAbove } from "./candidates.ts";
import { claimText, step } from "./claim-text.ts";
import type { Step } from "./explanation.ts";
import type { Judgement } from "./judgement.ts";

/** None where no reading leads to a host that somebody claims. */
export function suffixSteps(judgement: Judgement): readonly Step[] {
  const { question, settings, match } = judgement;
  const { suffixes } = settings;
  const first = endsWith(question.query, suffixes.domain) ? Reading.NAMESPACE : Reading.FIRST_EXTRA;
  const texts: string[] = [];
  for (let reading = first; reading < readingCount(suffixes); reading += 1) {
    const bareLabels = bareLabelCount(question.query, suffixes, reading);
    if (bareLabels <= 0) continue;
    const text = readingText(reading, bareLabels, judgement);
    if (text !== undefined) texts.push(text);
    if (match === "suffix" && bareLabels === judgement.decision.bareLabels) break;
  }
  return texts.length === 0 ? [] : [step("search suffix", texts.join(" "), match === "suffix")];
}

function readingText(reading: number, bareLabels: number, judgement: Judgement): string | undefined {
  const { question, asking, match, decision, standingOf, refused } = judgement;
  const { name } = question;
  const bare = labelsOf(name, 0, bareLabels);
  const suffix = labelsOf(name, bareLabels);
  const label = reading === Reading.NAMESPACE ? labelsOf(name, bareLabels, bareLabels + 1) : undefined;
  const own = asking.client.namespace ?? undefined;
  const namespace = label !== undefined && asking.asker.mayTellNamespace ? label : own;
  const hosts = [bare, ...wildcardsAbove(bare)];
  const standings = hosts.flatMap((host) => standingOf(host, namespace) ?? []);
  const claims = hosts.flatMap((host) => claimText(host, standingOf(host, namespace), refused) ?? []);
  if (claims.length === 0) return undefined;
  const read = `Read as ${bare} with the search suffix ${suffix}:`;
  if (match === "suffix" && bareLabels === decision.bareLabels)
    return `${read} ${claims.join(" ")} ${outcomeText(judgement)}`;
  if (label !== undefined && asking.asker.isPod && label !== own)
    return `${read} that is the suffix of the namespace ${label}, and the client is in ${own}, so it is not read so.`;
  return `${read} ${claims.join(" ")} ${whyNotRead(bare, namespace, standings, judgement)}`.trimEnd();
}

function outcomeText({ action, lastAction, bare }: Judgement): string {
  const first =
    action === Action.UPSTREAM_FIRST
      ? "Kubernetes could mean the name, so upstream is asked first, and only its NXDOMAIN lets the host answer. "
      : "Kubernetes cannot mean the name. ";
  return lastAction === Action.NXDOMAIN
    ? `${first}With a suffix the host is denied (suffixAnswer is nxdomain), so that the client asks for ${bare} itself.`
    : `${first}The answer begins with a CNAME to ${bare}.`;
}

function whyNotRead(
  bare: HostName,
  namespace: Namespace | undefined,
  standings: readonly HostStanding[],
  judgement: Judgement,
): string {
  if (standings.every(({ winners }) => winners.length === 0)) return "";
  switch (suffixAnswerFor(namespace, judgement)) {
    case SuffixAnswer.FORWARD:
      return "Hosts with a suffix are forwarded (suffixAnswer is forward).";
    case SuffixAnswer.NXDOMAIN:
      return `Kubernetes could mean the name, or ${bare} itself would be forwarded, so it is left to upstream.`;
    default:
      return `${bare} itself would be forwarded, so it is not read so.`;
  }
}

function suffixAnswerFor(namespace: Namespace | undefined, { knowledge, settings }: Judgement): number {
  const octets = Buffer.from(namespace ?? "");
  const id = knowledge.clients.namespaceId(octets, 0, octets.length);
  return (id === NOT_FOUND ? 0 : knowledge.clients.suffixAnswerOf(id)) || settings.suffixAnswer;
}
