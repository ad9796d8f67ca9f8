/** From all that is known of a host to its record: each answer compiled once, then put together view by view. */

import { isDeepStrictEqual } from "node:util";
import type { Namespace } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import type { Publishing } from "../mesh/publication.ts";
import { assertNever, type MonotonicMs } from "../runtime.ts";
import { CLIENT_CLASSES, type HostRecord, type HostVariant, type HostView } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { type Answer, type AnsweredView, homeOf } from "./answers.ts";
import { byClass } from "./by-class.ts";
import { type Compiled, compilePublished, compileReal, compileVirtual } from "./compile.ts";
import type { GatherInput } from "./gather.ts";
import { conditionsOf } from "./host-condition.ts";
import type { HostPlan } from "./host-plan.ts";
import type { AnswerCondition, HostState } from "./host-state.ts";
import { isDelegated } from "./policy.ts";
import { hostPorts } from "./ports.ts";
import type { PublishVerdict } from "./publish-verdict.ts";
import type { RegistrySettings } from "./settings.ts";
import { countLosers } from "./views.ts";
import { type WhyInput, whyText } from "./why.ts";

export interface CompileSources extends Pick<GatherInput, "resolutions" | "workloadsOf"> {
  readonly publishing: Pick<Publishing, "stateOf">;
  readonly settings: RegistrySettings;
  readonly nowMs: MonotonicMs;
  /** Whether a name is not resolved because the namespace has too many. */
  readonly isExcluded: (namespace: Namespace, name: HostName) => boolean;
  /** Who says how the entry's hosts are answered. */
  readonly modeFrom: (plan: HostPlan) => WhyInput["modeFrom"];
}

export interface CompiledHost {
  /** Undefined: nobody is answered. */
  readonly record: HostRecord | undefined;
  readonly problems: readonly Problem[];
  readonly conditions: readonly AnswerCondition[];
  readonly pendingUntilMs: ReadonlyMap<Namespace, MonotonicMs>;
}

export function compileHost(state: HostState, sources: CompileSources): CompiledHost {
  const { host, answers, views } = state;
  const { settings, nowMs } = sources;
  let pendingUntilMs: Map<Namespace, MonotonicMs> | undefined;
  const problems: Problem[] = [];
  const compiled = answers.map((answer) => {
    const home = homeOf(answer);
    const isPublished = answer.choice.kind === "published";
    // No Namespace is called so.
    const waiting = isPublished ? `${home}/published` : home;
    const timeoutMs = isPublished ? PUBLISH_TIMEOUT_MS : settings.pendingTimeoutMs;
    const untilMs = state.pendingUntilMs.get(waiting) ?? nowMs + timeoutMs;
    const ofAnswer = compileAnswer(host, answer, untilMs, sources);
    if (ofAnswer.isPending) pendingUntilMs = (pendingUntilMs ?? new Map()).set(waiting, untilMs);
    for (const each of ofAnswer.problems) problems.push(each);
    return ofAnswer;
  });
  const [first] = views;
  const record = first && {
    host,
    isDelegated: isDelegated(host, settings.expandSuffixes),
    isFallback: first.merged[0]!.isFallback,
    views: views.map((view) => compileView(view, compiled, state, sources)),
  };
  const conditions = conditionsOf(answers, compiled);
  return { record, problems, conditions, pendingUntilMs: pendingUntilMs ?? NEVER_PENDING };
}

function compileAnswer(
  host: HostName,
  answer: Answer,
  pendingUntilMs: MonotonicMs,
  sources: CompileSources,
): Compiled {
  const { winners, choice, parts, verdict } = answer;
  const { settings, resolutions, workloadsOf, isExcluded, publishing } = sources;
  switch (choice.kind) {
    case "virtual":
      return compileVirtual(winners, choice.addresses, settings);
    case "real": {
      const compiled = compileReal(
        {
          host,
          parts,
          resolutions,
          workloadsOf,
          isExcluded: (name) => isExcluded(homeOf({ winners }), name),
          pendingUntilMs,
        },
        settings,
      );
      if (verdict.kind !== "refused") return compiled;
      return { ...compiled, problems: [...compiled.problems, notPublished(winners[0]!, verdict)] };
    }
    case "published": {
      const oldest = winners[0]!;
      const { ref, uid } = oldest.entry;
      const state = publishing.stateOf(ref, uid, host);
      if (state.kind !== "refused") return compilePublished(winners, state, pendingUntilMs, settings);
      const real = compileAnswer(host, { ...answer, choice: { kind: "real" } }, pendingUntilMs, sources);
      return {
        ...real,
        problems: [...real.problems, notPublished(oldest, { code: "PublishRefused", ...state })],
      };
    }
    default:
      return assertNever(choice);
  }
}

/** `compiled`: the host's answers, in their order. */
function compileView(
  view: AnsweredView,
  compiled: readonly Compiled[],
  state: HostState,
  sources: CompileSources,
): HostView {
  const { visibleTo, merged, choices } = view;
  const { settings, workloadsOf } = sources;
  const variants: HostVariant[] = [];
  /** What the view's clients get, each once, and where it stands among the variants. */
  const answers: Answer[] = [];
  const places: number[] = [];
  const placeOf = (answer: Answer | null): number | null => {
    if (answer === null) return null;
    const known = answers.indexOf(answer);
    if (known !== -1) return places[known]!;
    const place = placeIn(variants, compiled[state.answers.indexOf(answer)]!.variant);
    answers.push(answer);
    places.push(place);
    return place;
  };
  const chosen = shared(byClass((client) => placeOf(choices[client])));
  const isPublished = variants.some(({ source }) => source === "published");
  // Who asks for ports stands outside of a mesh, and so before the Service.
  const isReal = !isPublished && answers.some(({ choice }) => choice.kind !== "virtual");
  const { network } = settings;
  const ports = hostPorts(merged, isReal ? { kind: "real", network, workloadsOf } : { kind: "virtual" });
  // Copies take no more room than they need; each host has them.
  const bare = {
    visibleTo,
    variants: variants.slice(),
    choices: chosen,
    ports: ports.length === 0 ? NO_PORTS : ports.slice(),
  };
  if (!settings.explainTxt) return bare;
  return { ...bare, why: explain(state, view, bare, answers, compiled, sources) };
}

/** Until a host is published nothing else is answered, for its ports are others; clients that are told so ask again. */
const PUBLISH_TIMEOUT_MS = 1000;

function notPublished(
  { host, entry }: HostPlan,
  { code, reason }: Pick<Extract<PublishVerdict, { kind: "refused" }>, "code" | "reason">,
): Problem {
  return problem(code, entry.ref, "spec.hosts", `Host ${host} is not published: ${reason}.`);
}

const NO_PORTS: HostView["ports"] = [];
const NEVER_PENDING: ReadonlyMap<Namespace, MonotonicMs> = new Map();

/** Every host has some choices, and there are but a few different ones. */
const CHOICES = new Map<number, HostView["choices"]>();
/** As a view has at most 6 variants, none is number 7. */
const NONE_CHOSEN = 7;

function shared(choices: HostView["choices"]): HostView["choices"] {
  let key = 0;
  for (const client of CLIENT_CLASSES) key = key * (NONE_CHOSEN + 1) + (choices[client] ?? NONE_CHOSEN);
  const known = CHOICES.get(key);
  if (known === undefined) CHOICES.set(key, choices);
  return known ?? choices;
}

/** Different answers may come to the same. */
function placeIn(variants: HostVariant[], variant: HostVariant): number {
  const known = variants.findIndex((each) => isDeepStrictEqual(each, variant));
  return known === -1 ? variants.push(variant) - 1 : known;
}

function explain(
  { host, candidates, answers: all }: HostState,
  view: AnsweredView,
  compiledView: HostView,
  answers: readonly Answer[],
  compiled: readonly Compiled[],
  { modeFrom }: CompileSources,
): string {
  const winners = view.merged;
  const real = answers.filter(({ choice }) => choice.kind === "real");
  const names = real.flatMap(({ parts }) => parts.flatMap((part) => part.names.map(({ name }) => name)));
  const ofEntries = real.flatMap((answer) => answer.winners.flatMap(({ portNotes }) => portNotes));
  const ofWorkloads = real
    .flatMap((answer) => compiled[all.indexOf(answer)]!.problems)
    .filter(({ code }) => code === "PortMismatch")
    .map(({ message }) => message.replace(/\.$/, ""));
  return whyText({
    host,
    winners,
    loserCount: countLosers(candidates, view),
    mode: answers[0]!.mode,
    modeFrom: modeFrom(winners[0]!),
    view: compiledView,
    names: [...new Set(names)],
    portNotes: [...new Set([...ofEntries, ...ofWorkloads])],
  });
}
