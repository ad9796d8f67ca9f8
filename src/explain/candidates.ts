/** Which hosts can have a say in the answer to a name. */

import { type HostName, isWildcard } from "../wire/host-name.ts";

/**
 * Every run of the name's labels as a host, and the wildcards above them: the name itself, the bare host before a
 * search suffix, the host behind `_port._proto` or `_why`. More than are looked up, and far fewer than there are.
 */
export function candidateHosts(name: HostName): ReadonlySet<HostName> {
  const labels = name.split(".");
  const hosts = new Set<HostName>();
  for (let from = 0; from < labels.length; from += 1) {
    for (let end = from + 1; end <= labels.length; end += 1) {
      const run = labels.slice(from, end).join(".") as HostName;
      hosts.add(run);
      if (from > 0 && !isWildcard(run)) hosts.add(`*.${run}` as HostName);
    }
  }
  return hosts;
}

/** The wildcards that the name would match, the most specific first. */
export function wildcardsAbove(name: HostName): readonly HostName[] {
  const labels = name.split(".");
  if (labels.some((label) => label.startsWith("_"))) return [];
  return labels.slice(1).map((_, at) => `*.${labels.slice(at + 1).join(".")}` as HostName);
}

/** The name's labels from the first to before the second number. */
export function labelsOf(name: HostName, from: number, end?: number): HostName {
  return name.split(".").slice(from, end).join(".") as HostName;
}
