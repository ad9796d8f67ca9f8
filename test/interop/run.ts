/** `npm run interop`: prints how our replies differ from others'; fails at a difference that has no explanation. */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { readExplanations } from "./explanations.ts";
import { type Difference, interop, type Outcome } from "./interop.ts";
import { PEERS } from "./servers.ts";

const DEFAULT_QUESTIONS = "2000";
const DEFAULT_SEED = "1";
/** Of a value, in the output. */
const MAX_CHARACTERS = 160;
/** Of one kind of unlisted difference. */
const MAX_EXAMPLES = 3;

const { values } = parseArgs({
  options: {
    questions: { type: "string", default: DEFAULT_QUESTIONS },
    seed: { type: "string", default: DEFAULT_SEED },
  },
});
// Children end with this process, whatever ends it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const explanations = readExplanations(join(import.meta.dirname, "differences.yaml"));
const outcome = await interop(wholeNumber("questions"), wholeNumber("seed"), PEERS, explanations);
print(outcome);
process.exitCode = outcome.differences.some(({ explanation }) => explanation === null) ? 1 : 0;

function wholeNumber(name: keyof typeof values): number {
  const number = Number(values[name]);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} must be a number above 0`);
  return number;
}

function print({ questionCount, compared, missing, differences, unseen }: Outcome): void {
  say(`${questionCount} questions, seed ${values.seed}`);
  for (const against of compared) {
    const found = differences.filter((difference) => difference.against === against);
    const differing = new Set(found.map(({ question }) => question)).size;
    const unlisted = found.filter(({ explanation }) => explanation === null).length;
    say(
      `${against}: ${questionCount - differing} replies the same, ${differing} differ, ` +
        `in ${found.length} fields: ${found.length - unlisted} explained, ${unlisted} not`,
    );
  }
  for (const [name, reason] of missing) say(`${name}: not asked: ${reason}`);
  for (const { text } of unseen) say(`listed, but not seen: ${text}`);
  for (const group of grouped(differences.filter(({ explanation }) => explanation === null)))
    printGroup(group);
}

/** By server, kind of question and field. */
function grouped(differences: readonly Difference[]): Difference[][] {
  const keyOf = ({ against, question, field }: Difference) => `${against}: ${question.kind}: ${field}`;
  const groups = Map.groupBy(differences, keyOf);
  return [...groups.keys()].sort().map((key) => groups.get(key)!);
}

function printGroup(group: readonly Difference[]): void {
  const { against, question, field } = group[0]!;
  say(`not explained, ${group.length} times: ${against}: ${question.kind}: ${field}`);
  for (const each of group.slice(0, MAX_EXAMPLES)) {
    say(`  ${short(each.question.text)}\n    ours:   ${short(each.ours)}\n    theirs: ${short(each.theirs)}`);
  }
}

function short(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}...`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
