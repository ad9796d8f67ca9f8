/**
 * What the operator lets each namespace claim. Of the rules, the first whose `namespaceSelector` selects the
 * entry's Namespace decides alone; where none does, every host may be claimed, at most `defaultVisibility`
 * wide. Pure.
 *
 *   pattern           stands for
 *   `api.example.com` this host alone
 *   `*.example.com`   every name below example.com, hosts and wildcards; not example.com itself
 *   `*`               every host
 *
 * A host is refused if any name of it lies in a pattern of `deny`: the wildcard `*.example.com` would take over
 * a denied `api.example.com`. It is allowed if all its names lie in one pattern of `allow`; an empty `allow`
 * allows all.
 */

import { matches } from "../mesh/label-selector.ts";
import type { Labels, Namespace } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpPrefix } from "../wire/ip-address.ts";
import type { Visibility } from "./host-plan.ts";
import type { HostPolicyRule, RegistrySettings } from "./settings.ts";

export type PolicySettings = Pick<RegistrySettings, "hostPolicy" | "defaultVisibility">;

export type HostJudgement =
  | { readonly kind: "allowed" }
  /** `reason` goes on with a sentence that begins with the host. */
  | { readonly kind: "refused"; readonly reason: string };

/** `labels`: those of the entry's Namespace. */
export function judge(host: HostName, labels: Labels, { hostPolicy }: PolicySettings): HostJudgement {
  const rule = ruleFor(labels, hostPolicy);
  if (rule === undefined) return ALLOWED;
  const denied = rule.deny.find((pattern) => overlaps(host, pattern));
  if (denied !== undefined) return { kind: "refused", reason: `is denied by the hostPolicy's ${denied}` };
  if (rule.allow.length === 0 || rule.allow.some((pattern) => contains(pattern, host))) return ALLOWED;
  return { kind: "refused", reason: "is none of those that the hostPolicy allows to the namespace" };
}

/** How wide the entries of a Namespace with these labels are visible at most. */
export function maxVisibilityOf(
  labels: Labels,
  { hostPolicy, defaultVisibility }: PolicySettings,
): HostPolicyRule["maxVisibility"] {
  return ruleFor(labels, hostPolicy)?.maxVisibility ?? defaultVisibility;
}

/** Which of the forbidden addresses a Namespace with these labels may have answered after all. */
export function allowedAddresses(
  labels: Labels,
  rules: readonly HostPolicyRule[],
): HostPolicyRule["allowAddresses"] {
  return ruleFor(labels, rules)?.allowAddresses ?? NO_PREFIXES;
}

/** `namespace`: the entry's own. An entry that did not mean its own namespace is visible to nobody then. */
export function narrowed(
  visibility: Visibility,
  namespace: Namespace,
  maxVisibility: HostPolicyRule["maxVisibility"],
): Visibility {
  if (maxVisibility === "public") return visibility;
  const isSeenAtHome = visibility.isPublic || visibility.namespaces.has(namespace);
  return { isPublic: false, namespaces: new Set(isSeenAtHome ? [namespace] : []) };
}

/** What is wrong with the policy as a whole; of no object. */
export function policyProblems({ hostPolicy, defaultVisibility }: PolicySettings): readonly Problem[] {
  if (hostPolicy.length > 0 || defaultVisibility !== "public") return [];
  const setting = { kind: "Setting", namespace: "", name: "hostPolicy" } as const;
  const message = "Every namespace may claim any host for the clients of all namespaces.";
  return [problem("PublicHostsUnrestricted", setting, "", message)];
}

const ALLOWED: HostJudgement = { kind: "allowed" };
const NO_PREFIXES: readonly IpPrefix[] = [];

function ruleFor(labels: Labels, rules: readonly HostPolicyRule[]): HostPolicyRule | undefined {
  return rules.find(({ namespaceSelector }) => matches(namespaceSelector, labels));
}

/** Whether every name that `host` stands for lies in `pattern`. */
function contains(pattern: string, host: string): boolean {
  if (pattern === "*" || pattern === host) return true;
  return pattern.startsWith("*.") && host.endsWith(pattern.slice(1));
}

/** Whether some name lies in both. */
function overlaps(host: string, pattern: string): boolean {
  return contains(pattern, host) || contains(host, pattern);
}
