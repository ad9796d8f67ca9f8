/** Many questions, some at once, with a progress bar. */

import type { Progress } from "../progress.ts";

/** Questions that wait at once. */
const IN_FLIGHT = 32;

/** Answers in the order of `items`. Rejects with the first error, after which nothing more is begun. */
export async function inParallel<T, R>(
  items: readonly T[],
  ask: (item: T) => Promise<R>,
  progress: Progress,
): Promise<readonly R[]> {
  const answers = new Array<R>(items.length);
  let next = 0;
  let done = 0;
  let hasFailed = false;
  const work = async () => {
    while (next < items.length && !hasFailed) {
      const at = next;
      next += 1;
      try {
        answers[at] = await ask(items[at]!);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
      done += 1;
      progress.update(done, items.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  } finally {
    progress.end();
  }
  return answers;
}
