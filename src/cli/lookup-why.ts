/** The why of `lookup`: what a running server's `/api/explain` says of the same questions, on one screen. */

import type { ProblemCode } from "../mesh/problem.ts";
import { ApiError, askApi } from "./api.ts";
import { askProblems, type ProblemRow } from "./api-rows.ts";
import { fieldsOf, listOf, type RawFields, textOf } from "./check/raw.ts";
import { durationText } from "./formats.ts";
import { clientAnswers, clientText } from "./lookup-client.ts";
import type { LookupReply } from "./lookup-reply.ts";
import { printable } from "./printable.ts";

/** For whom the questions are explained: a pod, or any client of a namespace; neither: a client that nobody knows. */
export interface WhyClient {
  readonly namespace: string | undefined;
  /** `namespace/name`. */
  readonly pod: string | undefined;
}

export type Why =
  /** As the server said it, one for each type; `unread`: what may claim the host, if it is claimed by nobody. */
  | { readonly explanations: readonly RawFields[]; readonly unread: readonly ProblemRow[] }
  /** Whole sentences. */
  | { readonly failure: string };

export async function askWhy(
  base: URL,
  host: string,
  types: readonly number[],
  client: WhyClient,
): Promise<Why> {
  try {
    const explanations = await Promise.all(
      types.map(async (type) => {
        const said = await askApi(base, "/api/explain", {
          query: { name: host, type: `${type}`, ...client },
        });
        const explanation = fieldsOf(said);
        if (explanation === undefined) throw new ApiError(`What answers at ${base.origin} explains nothing.`);
        return explanation;
      }),
    );
    const isClaimed = explanations.some((each) => textOf(each["host"]) !== undefined);
    return { explanations, unread: isClaimed ? [] : await askUnread(base) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { failure: error.message };
  }
}

/** Fields of `-o json` beside the answer. */
export function whyJson(why: Why, replies: readonly LookupReply[]): object {
  return "failure" in why
    ? { why: null, whyFailure: why.failure, clientAnswers: null }
    : {
        why: why.explanations,
        whyFailure: null,
        clientAnswers: clientAnswers(why.explanations, replies),
      };
}

/** Lines to print below the answer, which is `replies`; each ends with a newline. `wallMs`: now. */
export function whyText(
  why: Why,
  { namespace, pod }: WhyClient,
  replies: readonly LookupReply[],
  wallMs: number,
): string {
  if ("failure" in why) return `\nWhy: not known. ${printable(why.failure)}\n`;
  const [first, ...others] = why.explanations;
  if (first === undefined) return "";
  const rows = stepsOf(first);
  for (const other of others) {
    const decision = stepsOf(other).at(-1);
    if (decision !== undefined) rows.push([`for ${text(other["type"])}`, decision[1]]);
  }
  rows.push(["next", nextText(why.explanations, wallMs)], ...problemsOf(first), ...unreadRows(why.unread));
  const width = Math.max(...rows.map(([title]) => title.length));
  const known =
    pod !== undefined
      ? `the pod ${pod}`
      : namespace !== undefined
        ? `a client of the namespace ${namespace}`
        : undefined;
  const who = known ?? "a client that is no known pod";
  const lines = rows.map(([title, said]) => `  ${title.padEnd(width)}  ${said}`);
  const gets = known === undefined ? "" : clientText(known, clientAnswers(why.explanations, replies));
  const reasons = `\nWhy ${text(first["type"])} is answered as it is to ${who}:\n${lines.join("\n")}\n`;
  return printable(`${gets}${reasons}`, "\n");
}

type Row = readonly [title: string, text: string];

/** The rest is on the status page. */
const MAX_PROBLEMS = 5;

function stepsOf(explanation: RawFields): Row[] {
  return fieldsIn(explanation["steps"]).map((each): Row => [text(each["title"]), text(each["text"])]);
}

/** When the first of the addresses is asked for again. */
function nextText(explanations: readonly RawFields[], wallMs: number): string {
  const refreshes = explanations
    .flatMap((each) => fieldsIn(each["addresses"]))
    .map((each) => ({ atMs: Date.parse(text(each["nextRefresh"])), target: text(each["target"]) }))
    .filter(({ atMs }) => !Number.isNaN(atMs))
    .sort((one, other) => one.atMs - other.atMs);
  const [first] = refreshes;
  if (first === undefined) return "No address of the answer is refreshed by time.";
  const when = `in ${durationText(first.atMs - wallMs)} (${new Date(first.atMs).toISOString()})`;
  return `Upstream is asked for ${first.target} again ${when}.`;
}

function problemsOf(explanation: RawFields): readonly Row[] {
  const problems = fieldsIn(explanation["problems"]);
  const rows = problems
    .slice(0, MAX_PROBLEMS)
    .map(
      (each): Row => [
        text(each["severity"]),
        `${text(each["code"])}: ${text(each["message"])} ${text(each["remedy"])}`,
      ],
    );
  const more = problems.length - MAX_PROBLEMS;
  return more > 0 ? [...rows, ["problems", `And ${more} more; see serviceentry-dns problems.`]] : rows;
}

/** It adds to an explanation: without it there is one nonetheless. */
async function askUnread(base: URL): Promise<readonly ProblemRow[]> {
  try {
    return (await askProblems(base)).filter(({ code }) => HIDING.has(code));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return [];
  }
}

/** Codes of problems because of which an object's hosts are not known. */
const HIDING: ReadonlySet<string> = new Set<ProblemCode>([
  "SyntaxError",
  "FileUnreadable",
  "ShapeInvalid",
  "ResourceMissing",
  "AccessDenied",
  "ObjectUnreadable",
]);
const MAX_UNREAD = 3;

/** An entry with a mistake claims nothing: who looks for its host should hear of it. */
function unreadRows(unread: readonly ProblemRow[]): readonly Row[] {
  if (unread.length === 0) return [];
  const named = unread.slice(0, MAX_UNREAD).map(({ code, object: { kind, namespace, name }, path }) => {
    const where = [kind, [namespace, name].filter((each) => each !== "").join("/")].join(" ").trim();
    return `${where} (${code}${path === "" ? "" : `, ${path}`})`;
  });
  const more = unread.length > MAX_UNREAD ? ` and ${unread.length - MAX_UNREAD} more` : "";
  return [["not read", `May claim the host: ${named.join("; ")}${more}. See serviceentry-dns problems.`]];
}

function fieldsIn(value: unknown): readonly RawFields[] {
  return listOf(value)
    .map(fieldsOf)
    .filter((each) => each !== undefined);
}

function text(value: unknown): string {
  return textOf(value) ?? "";
}
