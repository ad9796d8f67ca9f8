/** From the standing of a host's claims to what there is to compile: each answer once, whoever gets it. Pure. */

import { type AnswerMode, type Namespace, objectKey } from "../mesh/objects.ts";
import type { ClientClass } from "../table/host-record.ts";
import { type ByClass, byClass } from "./by-class.ts";
import { type Choice, chooseAnswer } from "./choice.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Linked } from "./link.ts";
import { type PublishedPart, publishedParts } from "./publication.ts";
import type { PublishVerdict } from "./publish-verdict.ts";
import { mergedOf, type View } from "./views.ts";

/** Something that some clients of a host get. */
export interface Answer {
  /** The merged entries, oldest first; not empty. */
  readonly winners: readonly HostPlan[];
  /** Of the oldest one. */
  readonly mode: AnswerMode;
  readonly choice: Exclude<Choice, { kind: "forward" }>;
  /** One per winner, else empty where the choice is virtual. */
  readonly parts: readonly Linked[];
  /** Whether the entries' real addresses are published, for clients outside the mesh. */
  readonly verdict: PublishVerdict;
  /** Where the choice is "published". */
  readonly published: readonly PublishedPart[];
}

export interface AnsweredView extends View {
  /** The entries that speak for the view, oldest first; not empty. */
  readonly merged: readonly HostPlan[];
  /** By class: which of the host's answers; null: none. */
  readonly choices: ByClass<Answer | null>;
}

export interface AnswerContext {
  readonly modeOf: (plan: HostPlan) => AnswerMode;
  readonly link: (plan: HostPlan) => Linked;
  readonly publishVerdict: (winners: readonly HostPlan[]) => PublishVerdict;
  /** Ours; undefined: endpoints of all networks are taken. */
  readonly network: () => string | undefined;
}

export interface Answers {
  /** All different. */
  readonly answers: readonly Answer[];
  readonly views: readonly AnsweredView[];
}

/** `isEndpoint`: some entry names the host as an endpoint. */
export function answersOf(views: readonly View[], isEndpoint: boolean, context: AnswerContext): Answers {
  const answers = new Map<string, Answer>();
  /** The one before: nearly always it is the same for all classes. */
  let last: Answer | undefined;
  const linked = new Map<HostPlan, Linked>();
  const linkOnce = (plan: HostPlan): Linked => {
    const part = linked.get(plan) ?? context.link(plan);
    linked.set(plan, part);
    return part;
  };

  const answerFor = (winners: readonly HostPlan[], client: ClientClass): Answer | null => {
    const oldest = winners[0];
    if (oldest === undefined) return null;
    const mode = context.modeOf(oldest);
    const chosen = chooseAnswer(winners, mode, client, isEndpoint);
    if (chosen.kind === "forward") return null;
    if (chosen.kind === "real" && last?.winners === winners && isReal(last)) return last;
    const verdict = chosen.kind === "real" ? context.publishVerdict(winners) : NOT_PUBLISHED;
    const isPublished = verdict.kind === "yes" && mode !== "resolved" && IS_OUTSIDE[client];
    const choice = isPublished ? PUBLISHED : chosen;
    const key = keyOf(winners, choice);
    let answer = answers.get(key);
    if (answer === undefined) {
      const published = isPublished ? publishedParts(winners, context.network(), context.link) : NO_PARTS;
      const parts = choice.kind === "virtual" ? NONE_LINKED : winners.map(linkOnce);
      answer = { winners, mode, choice, parts, verdict, published };
      answers.set(key, answer);
    }
    last = answer;
    return answer;
  };

  const answered = views.map((view): AnsweredView => {
    return {
      visibleTo: view.visibleTo,
      winners: view.winners,
      merged: mergedOf(view.winners),
      choices: byClass((client) => answerFor(view.winners[client], client)),
    };
  });
  return { answers: [...answers.values()].slice(), views: answered };
}

/** The namespace that an answer is from: entries of several are never merged. */
export function homeOf({ winners }: Pick<Answer, "winners">): Namespace {
  return winners[0]!.entry.ref.namespace;
}

const NOT_PUBLISHED: PublishVerdict = { kind: "no" };
const PUBLISHED = { kind: "published" } as const;
const NO_PARTS: readonly PublishedPart[] = [];
const NONE_LINKED: readonly Linked[] = [];
/** A Service's ports lead on from there for everybody, but in a mesh its own data plane does that. */
const IS_OUTSIDE: ByClass<boolean> = byClass((client) => client === "unknown" || client === "outside");

/** For every client for which real addresses are chosen. */
function isReal({ choice, verdict }: Answer): boolean {
  return choice.kind === "real" && verdict.kind !== "yes";
}

function keyOf(winners: readonly HostPlan[], choice: Answer["choice"]): string {
  const who = winners.map(({ entry }) => objectKey(entry.ref)).join();
  switch (choice.kind) {
    case "real":
      return who;
    case "published":
      return `${who} published`;
    case "virtual":
      return `${who} ${choice.addresses.join()}`;
  }
}
