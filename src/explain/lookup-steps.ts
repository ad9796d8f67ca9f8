/** The steps that looked for a host, in the order of `decide`: what each looked at, and what it found for this client. */

import { Action } from "../server/decision.ts";
import { endsWith } from "../server/search-suffix.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import { RecordType } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import { labelsOf, wildcardsAbove } from "./candidates.ts";
import { claimText, step } from "./claim-text.ts";
import type { Step } from "./explanation.ts";
import type { Judgement } from "./judgement.ts";
import { suffixSteps } from "./suffix-steps.ts";

export function lookupSteps(judgement: Judgement): readonly Step[] {
  const { question, settings } = judgement;
  const steps = endsWith(question.query, settings.suffixes.domain)
    ? clusterSteps(judgement)
    : ownSteps(judgement);
  const settled = steps.findIndex(({ result }) => result === "settled");
  return settled === -1 ? steps : steps.slice(0, settled + 1);
}

function ownSteps(judgement: Judgement): readonly Step[] {
  const { question, settings, record, decision, lastAction, match } = judgement;
  const { name, query } = question;
  const isWhole = match !== "suffix" && judgement.bare === name && record !== undefined;
  const steps: Step[] = [
    step("exact host", exactText(name, judgement), isWhole && match === "exact"),
    step("wildcard hosts", wildcardText(name, judgement), isWhole && match === "wildcard"),
  ];
  if (query.type === RecordType.SRV && /^_[^.]+\._(tcp|udp)\./.test(name))
    steps.push(step("service name", serviceText(judgement), lastAction === Action.SERVICE));
  if (query.type === RecordType.TXT && name.startsWith("_why."))
    steps.push(step("explanation", whyText(judgement), lastAction === Action.WHY));
  steps.push(...suffixSteps(judgement));
  if (!settings.isSynced)
    steps.push(
      step(
        "first sync",
        "The entries are not all read yet, so nobody can say that no entry claims the name.",
        true,
      ),
    );
  if (lastAction === Action.SHORT_FORM) {
    const [service, namespace] = name.split(".");
    const text = `${name} may be short for the Service ${service} in the Namespace ${namespace}, which exists, and ${namespace} is no top-level domain.`;
    steps.push(step("short name", text, true));
  } else if (isShortLike(judgement)) {
    const text = !settings.shortServiceNames
      ? "Names like service.namespace are not completed (shortServiceNames is off)."
      : `${name} is no service.namespace: there is no such Namespace, or its name is a top-level domain.`;
    steps.push(step("short name", text, false));
  }
  if (decision.record === NOT_FOUND && steps.every(({ result }) => result !== "settled"))
    steps.push(step("not ours", "No host of an entry that this client sees has the name.", true));
  return steps;
}

function clusterSteps(judgement: Judgement): readonly Step[] {
  const { question, settings, match, action, bare, viewer } = judgement;
  const { name } = question;
  const isSettled = match === "exact";
  const domain = labelsOf(name, -settings.suffixes.domain.labels);
  const claim =
    claimText(bare, judgement.standingOf(bare, viewer.namespace), judgement.refused) ??
    `No entry claims ${bare}.`;
  const upstream =
    isSettled && action === Action.UPSTREAM_FIRST
      ? " It stands in for a Service that the cluster lacks: upstream is asked first."
      : "";
  return [
    step(
      "cluster domain",
      `The name lies in the cluster domain ${domain}, where wildcards and other entries' hosts do not count. ${match === "suffix" ? "" : claim}${upstream}`.trimEnd(),
      isSettled,
    ),
    ...suffixSteps(judgement),
    step("not ours", "The cluster's own DNS servers know the name, or nobody does.", true),
  ];
}

function exactText(name: HostName, { record, view, viewer, standingOf, refused }: Judgement): string {
  const claim = claimText(name, standingOf(name, viewer.namespace), refused);
  if (claim !== undefined) return claim;
  if (record?.host === name && view?.pointer !== undefined)
    return `The reverse name of an address that stands for ${view.pointer}.`;
  return `No entry claims the host ${name}.`;
}

function wildcardText(name: HostName, { question, viewer, standingOf, refused }: Judgement): string {
  if (question.query.hasUnderscoreLabel) return "A name with a label that begins with _ matches no wildcard.";
  const claims = wildcardsAbove(name).flatMap(
    (host) => claimText(host, standingOf(host, viewer.namespace), refused) ?? [],
  );
  return claims.length === 0 ? "No entry claims a wildcard above the name." : claims.join(" ");
}

function serviceText({ question, lastAction, viewer, standingOf, view }: Judgement): string {
  const [port, transport] = question.name.split(".");
  const host = labelsOf(question.name, 2);
  const asked = `port ${port!.slice(1)} over ${transport!.slice(1)} of ${host}`;
  if (lastAction === Action.SERVICE) return `The name asks for ${asked}, which the host has.`;
  const known = standingOf(host, viewer.namespace)?.winners.length ?? 0;
  const why =
    known === 0 && view === undefined
      ? "the client sees no such host"
      : "the host has no named port of that kind";
  return `The name asks for ${asked}; ${why}.`;
}

function whyText({ lastAction, settings, asking }: Judgement): string {
  if (lastAction === Action.WHY) return "The name asks for the explanation of a host that the client sees.";
  if (!settings.explainTxt) return "Explanations are not given by TXT (explainTxt is off).";
  if (!asking.asker.isPod) return "Explanations are given by TXT to known pods only.";
  return "The client sees no such host.";
}

function isShortLike({ question, match }: Judgement): boolean {
  const { type, labelCount } = question.query;
  const isAddress = type === RecordType.A || type === RecordType.AAAA;
  const hasForm = labelCount === 2 || (labelCount === 3 && question.name.endsWith(".svc"));
  return match === "none" && isAddress && hasForm;
}
