/** Claims on hosts, in words. */

import type { Namespace } from "../mesh/objects.ts";
import type { HostStanding, RefusedClaim } from "../registry/host-standing.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Step } from "./explanation.ts";

/** What the claims on a host come to for clients of the namespace; undefined: nobody claims it. */
export function claimText(
  host: HostName,
  standing: HostStanding | undefined,
  refused: readonly RefusedClaim[],
): string | undefined {
  const ofHost = refused.filter((each) => each.host === host);
  if (standing === undefined && ofHost.length === 0) return undefined;
  const sentences = ofHost.map(
    ({ object, reason }) => `${entryName(object)} may not claim ${host}: ${reason}.`,
  );
  if (standing !== undefined) sentences.unshift(standingText(standing));
  return sentences.join(" ");
}

export function entryName({
  namespace,
  name,
}: {
  readonly namespace: Namespace;
  readonly name: string;
}): string {
  return `ServiceEntry ${namespace}/${name}`;
}

/** Of any number, the first few: a host may have an entry in every namespace. */
const MAX_REASONS = 5;

function standingText({ host, winners, isSeen, losers }: HostStanding): string {
  if (winners.length > 0) {
    const names = winners.map(({ object }) => entryName(object)).join(" and ");
    return `${host} is answered for this client by ${names}.`;
  }
  const reasons = losers.slice(0, MAX_REASONS).map(({ object, reason }) => `${entryName(object)}: ${reason}`);
  const more = losers.length > MAX_REASONS ? `; and ${losers.length - MAX_REASONS} more` : "";
  const what = isSeen
    ? `The client sees ${host}, but nothing of it is for it`
    : `No entry answers ${host} for this client`;
  return `${what} (${reasons.join("; ")}${more}).`;
}

/** Of the steps that look for a host. */
export function step(title: string, text: string, isSettled: boolean): Step {
  return { title, text, result: isSettled ? "settled" : "next" };
}
