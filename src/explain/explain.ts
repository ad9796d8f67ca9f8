/**
 * Why a question is answered as it is: the server's own `decide`, run in the control plane over the records of those
 * hosts that can have a say, and what the registry knows of them. No second table is kept, and nothing is changed.
 */

import type { MeshState } from "../mesh/mesh-store.ts";
import { PROBLEMS, type Problem, type ProblemBook } from "../mesh/problem.ts";
import type { Clients } from "../registry/clients.ts";
import type { StandingAddress } from "../registry/host-standing.ts";
import type { Registry } from "../registry/registry.ts";
import type { Clock, Random } from "../runtime.ts";
import type { AskerSettings } from "../server/asker.ts";
import { Action, type DecideSettingsAsText, decideSettings } from "../server/decision.ts";
import { NearestAddresses } from "../server/reply-nearest.ts";
import { FamilyIndex } from "../table/packed-record.ts";
import { FAMILIES, type Family, familyOf, type IpAddress } from "../wire/ip-address.ts";
import { answerSteps } from "./answer-steps.ts";
import { askingClient } from "./asking-client.ts";
import { wildcardsAbove } from "./candidates.ts";
import { decisionWord } from "./decision-word.ts";
import {
  type ExplainedAddress,
  type ExplainedLoser,
  type ExplainedProblem,
  type Explanation,
  rfc3339,
} from "./explanation.ts";
import { type Judgement, judgeQuestion } from "./judgement.ts";
import { lookupSteps } from "./lookup-steps.ts";
import { type ExplainQuestion, type Fault, readQuestion } from "./question.ts";

export type { ExplainQuestion, Explanation, Fault };

export interface ExplainParts {
  readonly registry: Pick<Registry, "recordsOf" | "standing" | "refusedClaims">;
  readonly clients: Pick<Clients, "part" | "podsAt" | "isNode">;
  readonly store: MeshState;
  readonly problems: Pick<ProblemBook, "all">;
  readonly clock: Clock;
  readonly random: Random;
  /** The data plane's present ones. */
  readonly settings: () => ExplainSettings;
  /** Whether every entry has been read. */
  readonly isSynced: () => boolean;
}

export interface ExplainSettings extends DecideSettingsAsText, AskerSettings {
  /** Names that are not ours are refused. */
  readonly refuse: boolean;
}

/** The fault says which part of the question cannot be read. */
export type Explain = (question: ExplainQuestion) => Explanation | Fault;

export function createExplain(parts: ExplainParts): Explain {
  return (asked) => {
    const question = readQuestion(asked);
    if ("fault" in question) return question;
    const { registry, clients, store, clock, random } = parts;
    const settings = parts.settings();
    const nowMs = clock.nowMs();
    const asking = askingClient(question, { clients, store, settings, nowMs });
    if ("fault" in asking) return asking;
    const judgement = judgeQuestion(question, asking, {
      registry,
      settings: decideSettings(settings, parts.isSynced(), false),
      random,
      nowMs,
    });
    return explanation(judgement, settings, parts);
  };
}

function explanation(
  judgement: Judgement,
  { refuse }: ExplainSettings,
  { problems, clock }: ExplainParts,
): Explanation {
  const { question, asking, viewer, match, record, standing } = judgement;
  const word = decisionWord(judgement.action, refuse);
  const addresses = word === "refuse" ? [] : answeredAddresses(judgement);
  const losers = losersOf(judgement);
  const winners = standing?.winners.map(({ object }) => object) ?? [];
  const reported = reportedOf(judgement, addresses, problems);
  const portNotes = standing === undefined ? [] : portNotesOf(standing.portNotes, reported);
  return {
    name: question.name,
    type: question.type,
    namespace: viewer.namespace ?? null,
    client: asking.client,
    match,
    host: record?.host ?? null,
    decision: word,
    mode: standing?.mode?.mode ?? null,
    modeReason: standing?.mode?.reason ?? null,
    object: winners[0] ?? null,
    losers,
    addresses: addresses.map((address) => addressJson(address, judgement, clock)),
    steps: [
      { title: "client", text: asking.text },
      ...lookupSteps(judgement),
      ...answerSteps(judgement, portNotes, addresses.length, word, clock),
    ],
    problems: reported.map(({ problem, sinceMs }) => problemJson(problem, sinceMs)),
  };
}

/** Which addresses go out, now or once upstream has said NXDOMAIN: of the nearest group, in the order of the table. */
function answeredAddresses({
  lastAction,
  variant,
  decision,
  knowledge,
  asking,
}: Judgement): readonly IpAddress[] {
  const families = answeredFamilies(lastAction, decision.family);
  if (variant === undefined) return [];
  return families.flatMap((family) => {
    const answer = variant.answers[family];
    if (answer.kind !== "addresses") return [];
    const marks = asking.asker.locality;
    if (marks === null) return answer.addresses;
    const nearest = new NearestAddresses();
    const count = nearest.choose(knowledge.table.octets, decision.variant, FamilyIndex[family], marks);
    if (count === 0) return answer.addresses;
    return [...nearest.indexes.subarray(0, count)].map((at) => answer.addresses[at]!);
  });
}

/** With SRV come the addresses of both. */
function answeredFamilies(action: Action, asked: FamilyIndex): readonly Family[] {
  if (action === Action.SERVICE) return FAMILIES;
  if (action !== Action.ANSWER) return [];
  return asked === FamilyIndex.A ? ["A"] : ["AAAA"];
}

function addressJson(address: IpAddress, { variant, standing }: Judgement, clock: Clock): ExplainedAddress {
  const said: StandingAddress | undefined = standing?.addresses.find((each) => each.address === address);
  const answer = variant?.answers[familyOf(address)];
  const isStale = answer?.kind === "addresses" && answer.isStale;
  const { answeredAtMs = null, lastError = null } = said ?? {};
  return {
    address,
    source: said?.source ?? variant?.source ?? "",
    target: said?.target ?? null,
    state: said?.state ?? (isStale ? "stale" : "fresh"),
    ...(answeredAtMs === null
      ? {}
      : { age: Math.max(0, Math.floor((clock.wallMs() - answeredAtMs) / 1000)) }),
    expiresAt: rfc3339(said?.expiresAtMs ?? null),
    nextRefresh: rfc3339(said?.nextRefreshMs ?? null),
    lastError: lastError && {
      code: lastError.code,
      message: lastError.message,
      since: rfc3339(lastError.sinceMs),
    },
  };
}

/** Of the host that was found; where none was, of the hosts that would have had the name. */
function losersOf({
  standing,
  question,
  viewer,
  refused,
  standingOf,
  match,
}: Judgement): readonly ExplainedLoser[] {
  const standings =
    standing === undefined && match === "none"
      ? [question.name, ...wildcardsAbove(question.name)].flatMap(
          (host) => standingOf(host, viewer.namespace) ?? [],
        )
      : [standing].filter((each) => each !== undefined);
  const hosts = new Set(
    standing === undefined ? [question.name, ...wildcardsAbove(question.name)] : [standing.host],
  );
  const lost = standings.flatMap(({ losers }) => losers);
  const all = [...lost, ...refused.filter(({ host }) => hosts.has(host))];
  return all.map(({ object, reason }) => ({ ...object, reason }));
}

interface Reported {
  readonly problem: Problem;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** More are read on the page of problems. */
const MAX_PROBLEMS = 50;

/** Of the entries that claim the name and the workloads that answer it, but for what is said of other hosts. */
function reportedOf(
  { standing, refused, record }: Judgement,
  addresses: readonly IpAddress[],
  problems: ExplainParts["problems"],
): readonly Reported[] {
  const objects = new Set<string>();
  const note = ({
    kind,
    namespace,
    name,
  }: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  }) => objects.add(`${kind} ${namespace}/${name}`);
  for (const { object } of standing?.winners ?? []) note(object);
  for (const { object } of standing?.losers ?? []) note(object);
  for (const { object } of refused) note(object);
  for (const { address, source, target } of standing?.addresses ?? [])
    if (source === "workload" && target !== null && addresses.includes(address)) objects.add(target);
  const hosts = new Set([record?.host, ...refused.map(({ host }) => host)].map(String));
  const found: Reported[] = [];
  for (const each of problems.all()) {
    const { kind, namespace, name } = each.problem.object;
    if (!objects.has(`${kind} ${namespace}/${name}`)) continue;
    const [, about] = /^host (\S+) /i.exec(each.problem.message) ?? [];
    if (about !== undefined && !hosts.has(about)) continue;
    if (found.push(each) === MAX_PROBLEMS) break;
  }
  return found;
}

/** What the entry says of ports, and what the selected workloads say. */
function portNotesOf(notes: readonly string[], reported: readonly Reported[]): readonly string[] {
  const ofWorkloads = reported
    .filter(({ problem }) => problem.code === "PortMismatch" && problem.object.kind !== "ServiceEntry")
    .map(
      ({ problem }) =>
        `${problem.object.namespace}/${problem.object.name}: ${problem.message.replace(/\.$/, "")}`,
    );
  return [...notes, ...ofWorkloads];
}

function problemJson({ code, object, path, message }: Problem, sinceMs: number): ExplainedProblem {
  const { severity, remedy } = PROBLEMS[code];
  return { code, severity, object, path, message, remedy, since: rfc3339(sinceMs) };
}
