/** How long one step takes, in a process that does nothing else. */

import { median } from "../support/statistics.ts";

const ROUNDS = 21;
/** In each round, so that one lasts long enough to be timed. */
const LEAST_STEPS = 400;
/** Until the code is compiled. */
const WARM_UP_MS = 200;

/** The median of 21 rounds that each go through all inputs. */
export function nanoseconds<Input>(inputs: readonly Input[], step: (input: Input) => boolean): number {
  const repeats = Math.ceil(LEAST_STEPS / inputs.length);
  const round = () => {
    const startMs = performance.now();
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const input of inputs) if (!step(input)) throw new Error("unexpected result");
    }
    return ((performance.now() - startMs) * 1e6) / (repeats * inputs.length);
  };
  for (const endMs = performance.now() + WARM_UP_MS; performance.now() < endMs; ) round();
  return median(Array.from({ length: ROUNDS }, round));
}
