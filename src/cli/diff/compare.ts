/** Two answers side by side and the rule that explains their difference. Pure. */

import type { AddressRow } from "../api-rows.ts";
import type { HostView } from "./views.ts";

export const VERDICTS = [
  "same",
  "rotates",
  "forwarded",
  "only here",
  "only there",
  "other",
  "unknown",
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What the other side says of a host. */
export type OtherAnswer =
  | { readonly kind: "addresses"; readonly addresses: readonly string[] }
  /** It says that there is nothing: the name, or addresses of it. */
  | { readonly kind: "none"; readonly said: string }
  /** It could not be learned. */
  | { readonly kind: "unknown"; readonly said: string };

export interface Comparison {
  readonly verdict: Verdict;
  /** One sentence without a full stop. */
  readonly rule: string;
}

/** Whether somebody should look at it before pods are moved over. */
export function isDifference({ verdict }: Comparison): boolean {
  return verdict === "only there" || verdict === "other" || verdict === "unknown";
}

/** Beside a DNS server, which is asked for the bare host. */
export function compareWithUpstream(view: HostView, other: OtherAnswer): Comparison {
  const { winners, addresses, host } = view;
  if (winners.length === 0)
    return { verdict: "forwarded", rule: "no entry that this client sees answers the host" };
  const [winner] = winners;
  if (other.kind === "unknown") return { verdict: "unknown", rule: `the other server: ${other.said}` };
  if (addresses.length === 0) {
    const why = noAddressReason(view);
    return other.kind === "none"
      ? { verdict: "same", rule: `neither has an address: ${why}` }
      : { verdict: "only there", rule: `hidden: ${why}` };
  }
  if (other.kind === "none")
    return { verdict: "only here", rule: `the name is made up: elsewhere it is ${other.said}` };
  if (isSameSet(addresses, other.addresses)) return { verdict: "same", rule: "both give the same addresses" };
  if (addresses.every(({ source, target }) => source === "resolved" && target === host))
    return { verdict: "rotates", rule: "the host is resolved for itself, at another moment" };
  return {
    verdict: "other",
    rule: `taken over by ${winner?.namespace}/${winner?.name}: ${sourceReason(addresses)}`,
  };
}

/** Beside istiod's name table for one proxy. */
export function compareWithNameTable(view: HostView, other: OtherAnswer): Comparison {
  const { winners, addresses } = view;
  const [winner] = winners;
  const isVirtual = (address: AddressRow) => address.source === "virtual";
  if (other.kind !== "addresses") {
    if (winners.length === 0) return { verdict: "same", rule: "neither answers the host" };
    if (addresses.some(isVirtual))
      return {
        verdict: "only here",
        rule: "the proxy of the dump does not see the entry, by exportTo or its Sidecar",
      };
    return {
      verdict: "only here",
      rule: `istiod's table has virtual addresses only, and resolution ${winner?.resolution ?? ""} gave it none`,
    };
  }
  if (winners.length === 0)
    return {
      verdict: "only there",
      rule: "no entry answers it here: see problems, visibility and excludeSelectors",
    };
  if (isSameSet(addresses, other.addresses)) return { verdict: "same", rule: "both give the same addresses" };
  if (
    addresses.some(isVirtual) &&
    other.addresses.every((each) => addresses.some(({ address }) => address === each))
  )
    return {
      verdict: "same",
      rule: "pods of the mesh get the same, others the real addresses (answer mode auto)",
    };
  if (addresses.length === 0)
    return {
      verdict: "only there",
      rule: `a proxy gets the virtual address; without a mesh: ${noAddressReason(view)}`,
    };
  return {
    verdict: "other",
    rule: `a proxy gets the virtual address; without a mesh ${sourceReason(addresses)}`,
  };
}

function isSameSet(ours: readonly AddressRow[], theirs: readonly string[]): boolean {
  const own = new Set(ours.map(({ address }) => address));
  const others = new Set(theirs);
  return own.size === others.size && [...own].every((each) => others.has(each));
}

function noAddressReason({ winners }: HostView): string {
  const failed = winners.find(({ lastError }) => lastError !== null)?.lastError;
  if (failed) return `${failed.code}: ${failed.message}`;
  const [winner] = winners;
  switch (winner?.state) {
    case "pending":
      return "the first addresses are still awaited";
    case "unresolved":
      return "nothing could be resolved yet";
    default:
      return "the entry has no address now, such as no ready workload";
  }
}

function sourceReason(addresses: readonly AddressRow[]): string {
  const sources = new Set(addresses.map(({ source }) => source));
  if (sources.has("virtual")) return "its virtual address stands in the place of the others";
  if (sources.has("workload")) return "its selected workloads stand in the place of the others";
  if (sources.has("static")) return "its endpoints stand in the place of the others";
  const targets = [...new Set(addresses.map(({ target }) => target).filter((each) => each !== null))];
  return targets.length === 0
    ? "it answers with addresses of its own"
    : `the addresses of ${targets.join(", ")} stand in the place of the others`;
}
