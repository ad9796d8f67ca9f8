/** The steps after a host was found, or none: who answers it, in which mode, with what, and what is done in the end. */

import type { HostStanding, StandingName } from "../registry/host-standing.ts";
import type { Clock } from "../runtime.ts";
import { Action } from "../server/decision.ts";
import type { HostVariant } from "../table/host-record.ts";
import { RecordType } from "../wire/constants.ts";
import { FAMILIES, type Family } from "../wire/ip-address.ts";
import { entryName } from "./claim-text.ts";
import { type DecisionWord, rfc3339, type Step } from "./explanation.ts";
import type { Judgement } from "./judgement.ts";

/** `portNotes`: where DNS cannot do what the entry's ports say; sentences without a full stop. `answered`: how many addresses go out. */
export function answerSteps(
  judgement: Judgement,
  portNotes: readonly string[],
  answered: number,
  word: DecisionWord,
  clock: Clock,
): readonly Step[] {
  const { standing } = judgement;
  const steps: Step[] = [];
  if (standing !== undefined) {
    if (standing.winners.length > 0) steps.push({ title: "entry", text: entryText(standing) });
    if (standing.mode !== null)
      steps.push({ title: "answer mode", text: `${standing.mode.mode}, ${standing.mode.reason}.` });
    if (standing.names.length > 0) steps.push({ title: "upstream names", text: namesText(standing.names) });
  }
  const near = nearText(judgement, answered);
  if (near !== undefined) steps.push({ title: "locality", text: near });
  if (portNotes.length > 0) steps.push({ title: "ports", text: `${portNotes.join(". ")}. ${PORTS_REMEDY}` });
  steps.push({ title: "decision", text: decisionText(judgement, answered, word, clock) });
  return steps;
}

const PORTS_REMEDY =
  "DNS gives addresses and cannot remap ports: clients must use the endpoint's port, or go through a mesh.";

/** A host may have hundreds of names. */
const MAX_NAMES = 8;

function entryText({ winners, losers }: HostStanding): string {
  const [first, ...merged] = winners;
  const others = merged.map(({ object }) => entryName(object)).join(", ");
  const lost = losers.map(({ object, reason }) => `${entryName(object)}: ${reason}`);
  return [
    `${entryName(first!.object)} (resolution ${first!.resolution}) answers.`,
    ...(merged.length === 0
      ? []
      : [`Merged with it, of the same namespace and with equal ports: ${others}.`]),
    ...(lost.length === 0 ? [] : [`Not answered from: ${lost.join("; ")}.`]),
  ].join(" ");
}

function namesText(names: readonly StandingName[]): string {
  const texts = names.slice(0, MAX_NAMES).map(({ name, family, state, nextRefreshMs, lastError }) => {
    const error = lastError === null ? "" : `; ${lastError.message} since ${rfc3339(lastError.sinceMs)}`;
    const next = nextRefreshMs === null ? "being asked now" : `next refresh ${rfc3339(nextRefreshMs)}`;
    return `${name} ${family}: ${STATE_TEXTS[state]}${error}, ${next}.`;
  });
  const more = names.length > MAX_NAMES ? ` And ${names.length - MAX_NAMES} more.` : "";
  return `${texts.join(" ")}${more}`;
}

const STATE_TEXTS: Readonly<Record<StandingName["state"], string>> = {
  pending: "no reply yet",
  fresh: "resolved",
  stale: "last good addresses, because refreshes fail",
  denied: "upstream says that there is none",
  failed: "not resolved",
};

function nearText({ variant, asking, decision }: Judgement, answered: number): string | undefined {
  const { distribution } = variant ?? {};
  if (variant === undefined || distribution === undefined) return undefined;
  const family: Family = decision.family === 0 ? "A" : "AAAA";
  const all = addressCount(variant, family);
  if (asking.asker.locality === null)
    return `The traffic distribution is ${distribution}, but where the client is is not known, so all addresses are answered.`;
  return `The traffic distribution is ${distribution}: of ${all} addresses the ${answered} nearest to the client are answered.`;
}

function decisionText(judgement: Judgement, answered: number, word: DecisionWord, clock: Clock): string {
  const { action, lastAction } = judgement;
  if (word === "refuse") {
    const why =
      action === Action.FORWARD ? forwardReason(judgement) : "the cluster's own DNS servers are asked first.";
    return `REFUSED, because what is not ours is not forwarded (the setting refuse): ${why}`;
  }
  if (action !== Action.UPSTREAM_FIRST) return actionText(judgement, action, answered, clock);
  const then = actionText(judgement, lastAction, answered, clock);
  return `Upstream is asked first, and what it says is relayed. Where it says NXDOMAIN: ${then}`;
}

function actionText(judgement: Judgement, action: Action, answered: number, clock: Clock): string {
  const { question, record, variant, view, decision, nowMs } = judgement;
  const { type } = question;
  const host = record?.host ?? question.name;
  switch (action) {
    case Action.ANSWER: {
      const authority = variant?.isAuthoritative
        ? "authoritative"
        : "not authoritative, because some are from upstream";
      return `Answered with ${answered} ${answered === 1 ? "address" : "addresses"} (${variant?.source}, ${authority}).`;
    }
    case Action.EMPTY:
      return `NODATA: ${emptyReason(judgement)}`;
    case Action.NXDOMAIN:
      return "NXDOMAIN with our SOA: with this suffix the host is denied.";
    case Action.HOLD: {
      if (record === undefined)
        return "The query waits for the first sync, and gets SERVFAIL if that takes too long.";
      const seconds = Math.max(0, (decision.untilMs - nowMs) / 1000);
      return `The first lookup of ${host} is under way: a query waits up to ${seconds.toFixed(1)} s for it.`;
    }
    case Action.FAIL:
      return `SERVFAIL: ${failureReason(variant)}. It is tried again ${nextText(judgement, clock)}.`;
    case Action.HINFO:
      return 'Answered with HINFO "RFC8482": ANY gets no list of records, and the host has no address.';
    case Action.SERVICE: {
      const names = (view?.ports ?? []).map(({ name, transport }) => `_${name}._${transport}`).join(", ");
      return `Answered with SRV: the port's number and where it is. Ports of ${host}: ${names}.`;
    }
    case Action.POINTER:
      return `Answered with PTR: the address stands for ${view?.pointer}.`;
    case Action.WHY:
      return `Answered with TXT: ${view?.why}.`;
    case Action.IDENTITY:
      return "Answered with who this server is.";
    case Action.RESCUE:
      return `Upstream is asked for ${type}; a denial, an error or silence becomes NODATA, because ${host} exists here.`;
    case Action.FORWARD:
      return `Forwarded: ${forwardReason(judgement)}`;
    case Action.SHORT_FORM:
      return "Upstream is asked for the short name and for the Service's full name at once; where the short name does not exist, the answer is a CNAME to the full one and its addresses.";
    case Action.UPSTREAM_FIRST:
      return "Upstream is asked first.";
    case Action.BADVERS:
    case Action.NOTAUTH:
    case Action.FORMERR:
      return "The message is refused as it is.";
  }
}

function emptyReason({ question, variant, decision }: Judgement): string {
  const { type, name } = question;
  const { query } = question;
  if (query.type === RecordType.HTTPS || query.type === RecordType.SVCB)
    return "the public record would lead clients past the addresses given here (relayHttps is off).";
  if (decision.bareLabels > 0 && query.type !== RecordType.A && query.type !== RecordType.AAAA)
    return "with a search suffix the CNAME to the host is all there is.";
  const other = FAMILIES.find((family) => variant !== undefined && addressCount(variant, family) > 0);
  return other === undefined
    ? `${name} exists and has no address now; NXDOMAIN would say that it does not exist.`
    : `${name} exists and has ${other} addresses but no ${type}; an error would make clients give up on both.`;
}

function failureReason(variant: HostVariant | undefined): string {
  const failed =
    variant && FAMILIES.map((family) => variant.answers[family]).find(({ kind }) => kind === "failed");
  if (failed?.kind === "failed") return failed.text;
  return variant === undefined
    ? "the entries are not read yet"
    : "the first answer from upstream is still missing";
}

function nextText({ standing }: Judgement, clock: Clock): string {
  const next = Math.min(...(standing?.names ?? []).flatMap(({ nextRefreshMs }) => nextRefreshMs ?? []));
  if (!Number.isFinite(next)) return "soon";
  const seconds = Math.max(0, Math.round((next - clock.wallMs()) / 1000));
  return `in ${seconds} s (${rfc3339(next)})`;
}

function forwardReason({ question, record, variant, standing, refused }: Judgement): string {
  if (record === undefined)
    return refused.length > 0
      ? "no entry that may claim the name answers it for this client."
      : "the name is not ours for this client.";
  if (variant === undefined) {
    const why = standing?.mode?.reason ?? "no entry has anything for it";
    return `${record.host} is seen by the client, but not for its kind: ${why}.`;
  }
  if (variant.isPass)
    return `upstream says that ${record.host}, which is resolved for itself, does not exist; so its own reply is passed on.`;
  if (question.query.dnssecOk && variant.forwardsDnssec)
    return "the client wants signatures (DO), and those of a host that is resolved for itself are upstream's.";
  return "the name is not ours for this client.";
}

export function addressCount({ answers }: HostVariant, family: Family): number {
  const answer = answers[family];
  return answer.kind === "addresses" ? answer.addresses.length : 0;
}
