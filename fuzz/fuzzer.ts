/** Mutates corpus entries and gives them to a target: no crash, and no input that takes longer than it may. */

import { readFileSync } from "node:fs";
import type { Target } from "./targets.ts";

export interface Finding {
  readonly target: string;
  readonly input: Uint8Array;
  readonly what: string;
}

export interface Report {
  readonly runs: number;
  readonly slowestMs: number;
  /** The first one; null: none. */
  readonly finding: Finding | null;
}

/** On a machine that does nothing else. */
export const MAX_INPUT_MS = 5;
/** What is slow by the machine's doing is not slow again and again. */
const REPEATS = 7;
const MAX_INPUT_OCTETS = 65_535;
const MAX_MUTATIONS = 8;
const INTERESTING = [0, 1, 11, 12, 41, 63, 64, 127, 128, 192, 250, 254, 255];

/** The corpus of a target: a line of words and hexadecimal octets for each input; `#` begins a remark. */
export function readCorpus(target: Target): readonly Uint8Array[] {
  const path = new URL(`corpus/${target.name}.txt`, import.meta.url);
  const lines = readFileSync(path, "utf8").split("\n");
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => new Uint8Array(Buffer.from(line.slice(line.lastIndexOf(" ") + 1), "hex")));
}

/** Runs the corpus as it is, then mutations of it until the time is up. `seed` fixes them. */
export function fuzz(
  target: Target,
  corpus: readonly Uint8Array[],
  milliseconds: number,
  seed: number,
  maxInputMs = MAX_INPUT_MS,
): Report {
  const dice = new Dice(seed);
  const endsAtMs = performance.now() + milliseconds;
  let slowestMs = 0;
  let runs = 0;
  for (; runs < corpus.length || performance.now() < endsAtMs; runs += 1) {
    const input = runs < corpus.length ? corpus[runs]! : mutate(corpus, dice);
    const tried = tryInput(target, input, maxInputMs);
    if (typeof tried === "string") {
      return { runs: runs + 1, slowestMs, finding: { target: target.name, input, what: tried } };
    }
    slowestMs = Math.max(slowestMs, tried);
  }
  return { runs, slowestMs, finding: null };
}

/** How many milliseconds the target took, or what is wrong. */
function tryInput(target: Target, input: Uint8Array, maxInputMs: number): number | string {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS && bestMs > maxInputMs; repeat += 1) {
    const startMs = performance.now();
    try {
      target.run(input);
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return bestMs > maxInputMs ? `took ${bestMs.toFixed(1)} ms` : bestMs;
}

function mutate(corpus: readonly Uint8Array[], dice: Dice): Uint8Array {
  let octets = Buffer.from(corpus[dice.below(corpus.length)] ?? []);
  for (let count = 1 + dice.below(MAX_MUTATIONS); count > 0; count -= 1) {
    const at = dice.below(octets.length + 1);
    const [before, behind] = [octets.subarray(0, at), octets.subarray(at)];
    switch (dice.below(6)) {
      case 0:
        if (behind.length > 0) behind[0] = dice.below(256);
        break;
      case 1:
        if (behind.length > 0) behind[0] = INTERESTING[dice.below(INTERESTING.length)]!;
        break;
      case 2:
        octets = Buffer.concat([before, behind.subarray(dice.below(behind.length + 1))]);
        break;
      case 3: {
        const inserted = Buffer.from(Array.from({ length: 1 + dice.below(8) }, () => dice.below(256)));
        octets = Buffer.concat([before, inserted, behind]);
        break;
      }
      case 4:
        // A part once more, maybe many times.
        octets = Buffer.concat([before, ...Array<Buffer>(1 + dice.below(20)).fill(behind), behind]);
        break;
      default: {
        const other = corpus[dice.below(corpus.length)] ?? octets;
        octets = Buffer.concat([before, other.subarray(dice.below(other.length + 1))]);
      }
    }
    octets = octets.subarray(0, MAX_INPUT_OCTETS);
  }
  return new Uint8Array(octets);
}

/** Repeatable chance: xorshift of 32 bits. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}
