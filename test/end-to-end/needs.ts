/** What these tests need of the machine, and the word about what it has not. */

import type { Suite } from "mocha";
import { whyNoNetwork } from "../support/network-namespaces.ts";

/** For a whole file of tests to begin and end within, however busy the machine is. */
export const SUITE_PATIENCE_MS = 240_000;

/** At the start of `before`: skips the suite where it cannot run, and says why. */
export function needNetwork(context: Mocha.Context, ...reasons: readonly (string | undefined)[]): void {
  const reason = [whyNoNetwork(), ...reasons].find((each) => each !== undefined);
  if (reason === undefined) return;
  say(`skipped: ${titleOf(context.test?.parent)}: ${reason}`);
  context.skip();
}

/** Once, however many suites find it. */
export function say(line: string): void {
  if (said.has(line)) return;
  said.add(line);
  process.stdout.write(`\n  ${line}\n`);
}

const said = new Set<string>();

function titleOf(suite: Suite | undefined): string {
  return suite?.fullTitle() ?? "";
}
