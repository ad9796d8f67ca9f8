/**
 * What TXT of `_why.<host>` says to a client that sees the host: who answers it and from what. It names nothing
 * that the view's clients do not see: of the entries that lost only how many there are. No addresses, so that it
 * changes with objects only, not with every reply from upstream.
 */

import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import { assertNever } from "../runtime.ts";
import { CLIENT_CLASSES, type ClientClass, type HostView } from "../table/host-record.ts";
import { type HostName, isWildcard } from "../wire/host-name.ts";
import type { HostPlan } from "./host-plan.ts";

export interface WhyInput {
  readonly host: HostName;
  /** The merged entries that answer, oldest first; not empty. */
  readonly winners: readonly HostPlan[];
  /** Other entries that claim the host. */
  readonly loserCount: number;
  readonly mode: AnswerMode;
  readonly modeFrom: "entry" | "namespace" | "setting";
  readonly view: Pick<HostView, "visibleTo" | "variants" | "choices">;
  /** What upstream is asked. */
  readonly names: readonly HostName[];
  /** Ports that lead elsewhere, a sentence each without a full stop. */
  readonly portNotes: readonly string[];
}

/** ASCII, at most 1000 characters. */
export function whyText(input: WhyInput): string {
  const { host, winners, loserCount, mode, modeFrom, view, names, portNotes } = input;
  const entries = winners.map(({ entry }) => `${entry.ref.namespace}/${entry.ref.name}`);
  const match = isWildcard(host) ? `the wildcard ${host}` : host;
  const parts = [
    `${match} is answered by ServiceEntry ${listed(entries)} (resolution ${winners[0]?.entry.resolution})`,
    `visible to ${visibility(view.visibleTo)}`,
    `mode ${mode} by ${MODE_SOURCES[modeFrom]}`,
    ...sourceTexts(view),
    ...(names.length === 0 ? [] : [`upstream is asked for ${listed(names)}`]),
    ...portNotes,
    ...(loserCount === 0 ? [] : [`${loserCount} other ${loserCount === 1 ? "entry" : "entries"} lost`]),
  ];
  return cut(parts.join("; "));
}

/** TXT is a small answer, and each host carries its own. */
const MAX_TEXT_CHARACTERS = 1000;
/** Of entries and of names: the rest is counted. */
const MAX_LISTED = 5;

const MODE_SOURCES = {
  entry: "annotation",
  namespace: "its Namespace's annotation",
  setting: "setting",
} as const satisfies Record<WhyInput["modeFrom"], string>;

const CLASS_WORDS: Readonly<Record<ClientClass, string>> = {
  unknown: "unknown clients",
  outside: "pods outside the mesh",
  sidecar: "pods with a sidecar",
  redirectedIpv4: "IPv4 mesh pods",
  redirectedIpv6: "IPv6 mesh pods",
  redirectedDual: "dual-stack mesh pods",
};

/** Which clients get what; one part where all get the same. */
function sourceTexts({ variants, choices }: WhyInput["view"]): readonly string[] {
  const classes = Map.groupBy(CLIENT_CLASSES, (each) => sourceText(variants[choices[each] ?? -1]));
  if (classes.size === 1) return [...classes.keys()];
  return [...classes].map(([text, of]) => `${of.map((each) => CLASS_WORDS[each]).join(", ")}: ${text}`);
}

function sourceText(variant: HostView["variants"][number] | undefined): string {
  if (variant === undefined) return "forwarded";
  if (variant.isPass) return "forwarded, because upstream denies the host";
  const { source, distribution } = variant;
  const near = distribution === undefined ? "" : `, nearest first by ${distribution}`;
  switch (source) {
    case "virtual":
      return "virtual addresses";
    case "static":
      return `the endpoints' addresses${near}`;
    case "workload":
      return `the selected workloads' addresses${near}`;
    case "resolved":
      return `addresses from upstream${near}`;
    case "published":
      return "the ClusterIP of the Service that publishes the host";
    default:
      return assertNever(source);
  }
}

function visibility(visibleTo: HostView["visibleTo"]): string {
  if (visibleTo === "all") return "all namespaces";
  return visibleTo.size === 1 ? "this namespace" : "this namespace and others";
}

function listed(names: readonly (HostName | Namespace)[]): string {
  const more = names.length > MAX_LISTED ? [`${names.length - MAX_LISTED} more`] : [];
  return [...names.slice(0, MAX_LISTED), ...more].join(", ");
}

function cut(text: string): string {
  const ascii = text.replace(/[^\x20-\x7e]/g, "?");
  return ascii.length <= MAX_TEXT_CHARACTERS ? ascii : `${ascii.slice(0, MAX_TEXT_CHARACTERS - 3)}...`;
}
