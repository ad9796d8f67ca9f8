/** What `decide` says, in one word. */

import { Action } from "../server/decision.ts";
import type { DecisionWord } from "./explanation.ts";

/** `refuses`: names that are not ours are refused, not forwarded. */
export function decisionWord(action: Action, refuses: boolean): DecisionWord {
  const word = WORDS[action];
  const isNotOurs = word === "forward" || word === "upstream-first" || word === "short-form";
  return isNotOurs && refuses ? "refuse" : word;
}

const WORDS: Readonly<Record<Action, DecisionWord>> = {
  [Action.FORWARD]: "forward",
  [Action.RESCUE]: "forward-else-nodata",
  [Action.ANSWER]: "answer",
  [Action.EMPTY]: "nodata",
  [Action.HOLD]: "hold",
  [Action.FAIL]: "servfail",
  [Action.HINFO]: "answer",
  [Action.BADVERS]: "badvers",
  [Action.NOTAUTH]: "notauth",
  [Action.FORMERR]: "formerr",
  [Action.IDENTITY]: "answer",
  [Action.UPSTREAM_FIRST]: "upstream-first",
  [Action.SHORT_FORM]: "short-form",
  [Action.SERVICE]: "answer",
  [Action.POINTER]: "answer",
  [Action.WHY]: "answer",
  [Action.NXDOMAIN]: "nxdomain",
};
