/**
 * What is wrong with the DNS of a pod, or of the pods that a workload makes: whether they ask us at all, and
 * whether another server can answer in our place.
 */

import { type IpPrefix, parseIpAddress, parseIpPrefix, prefixContains } from "../../wire/ip-address.ts";
import type { Fault } from "./finding.ts";
import { isFullName } from "./names.ts";
import { fieldAt, fieldsOf, listOf, type RawFields, textOf } from "./raw.ts";

export interface PodDnsContext {
  /** Our own; empty: not known, and rules that need them are silent. */
  readonly ourAddresses: ReadonlySet<string>;
  readonly clusterDomain: string;
  readonly namespace: string;
}

/** Where the object says what its pods are like; undefined: it makes no pods. */
export function podSpecPath(raw: RawFields): string | undefined {
  return POD_SPEC_PATHS[`${textOf(raw["apiVersion"]) ?? ""} ${textOf(raw["kind"]) ?? ""}`];
}

const TEMPLATE = "spec.template.spec";
const POD_SPEC_PATHS: Readonly<Record<string, string>> = {
  "v1 Pod": "spec",
  "v1 ReplicationController": TEMPLATE,
  "apps/v1 Deployment": TEMPLATE,
  "apps/v1 DaemonSet": TEMPLATE,
  "apps/v1 StatefulSet": TEMPLATE,
  "apps/v1 ReplicaSet": TEMPLATE,
  "batch/v1 Job": TEMPLATE,
  "batch/v1 CronJob": "spec.jobTemplate.spec.template.spec",
  "argoproj.io/v1alpha1 Rollout": TEMPLATE,
};

export function podDnsFaults(raw: RawFields, path: string, context: PodDnsContext): readonly Fault[] {
  const spec = fieldsOf(fieldAt(raw, ...path.split(".")));
  const config = fieldsOf(spec?.["dnsConfig"]);
  if (spec === undefined) return [];
  const pod: PodDns = {
    path,
    policy: textOf(spec["dnsPolicy"]) ?? "ClusterFirst",
    usesHostNetwork: spec["hostNetwork"] === true,
    nameservers: listOf(config?.["nameservers"]).map((each) => textOf(each) ?? ""),
    searches: listOf(config?.["searches"]).map((each) => textOf(each) ?? ""),
    options: listOf(config?.["options"]).map((each) => ({
      name: textOf(fieldAt(each, "name")) ?? "",
      value: textOf(fieldAt(each, "value")),
    })),
  };
  return [
    ...refusedFaults(pod),
    ...policyFaults(pod),
    ...nameserverFaults(pod, context),
    ...searchFaults(pod, context),
    ...optionFaults(pod, context),
  ];
}

interface PodDns {
  readonly path: string;
  readonly policy: string;
  readonly usesHostNetwork: boolean;
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly { readonly name: string; readonly value: string | undefined }[];
}

/** The API server's limits. */
const MOST_NAMESERVERS = 3;
const MOST_SEARCHES = 32;
const MOST_SEARCH_CHARACTERS = 2048;
const POLICIES = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

/** What the API server refuses. */
function refusedFaults({ path, policy, nameservers, searches, options }: PodDns): readonly Fault[] {
  const faults: Fault[] = [];
  const report = (at: string, message: string) =>
    faults.push({ code: "DnsConfigInvalid", path: `${path}.${at}`, message });
  if (!POLICIES.includes(policy))
    report("dnsPolicy", `${JSON.stringify(policy)} is not one of ${POLICIES.join(", ")}.`);
  if (policy === "None" && nameservers.length === 0)
    report("dnsPolicy", "dnsPolicy None needs at least one nameserver in dnsConfig.");
  if (nameservers.length > MOST_NAMESERVERS)
    report(
      "dnsConfig.nameservers",
      `There are ${nameservers.length} nameservers, at most ${MOST_NAMESERVERS} are allowed.`,
    );
  for (const [index, address] of nameservers.entries())
    if (parseIpAddress(address) === null)
      report(`dnsConfig.nameservers[${index}]`, `${JSON.stringify(address)} is no IP address.`);
  if (searches.length > MOST_SEARCHES || searches.join(" ").length > MOST_SEARCH_CHARACTERS)
    report(
      "dnsConfig.searches",
      `There are ${searches.length} searches with ${searches.join(" ").length} characters; at most ${MOST_SEARCHES} with ${MOST_SEARCH_CHARACTERS} are allowed.`,
    );
  for (const [index, search] of searches.entries())
    if (search !== "." && !isSearch(search))
      report(`dnsConfig.searches[${index}]`, `${JSON.stringify(search)} is no domain name.`);
  for (const [index, { name }] of options.entries())
    if (name === "") report(`dnsConfig.options[${index}]`, "The option has no name.");
  return faults;
}

function isSearch(text: string): boolean {
  return isFullName(text.replace(/^_/, "").replace(/\._/g, "."));
}

function policyFaults({ path, policy, usesHostNetwork, nameservers }: PodDns): readonly Fault[] {
  if (nameservers.length === 0 || policy === "None" || !POLICIES.includes(policy)) return [];
  const isNodes = policy === "Default" || (policy === "ClusterFirst" && usesHostNetwork);
  const before = isNodes ? "the node's own nameservers" : "the cluster's DNS server";
  const message = `With dnsPolicy ${policy} ${nameservers[0]} comes after ${before} and is not asked.`;
  return [{ code: "DnsPolicyAppends", path: `${path}.dnsConfig.nameservers`, message }];
}

/** Only where the pod names us: what other pods do is their own matter. */
function nameserverFaults(
  { path, policy, nameservers, options }: PodDns,
  { ourAddresses }: PodDnsContext,
): readonly Fault[] {
  const isOurs = nameservers.map((each) => ourAddresses.has(parseIpAddress(each) ?? each));
  if (policy !== "None" || !isOurs.includes(true)) return [];
  const first = isOurs.indexOf(true);
  const at = (index: number) => `${path}.dnsConfig.nameservers[${index}]`;
  if (first > 0) {
    const rotates = options.some(({ name }) => name === "rotate");
    const message = rotates
      ? `${nameservers[0]} stands beside ${nameservers[first]}: each is asked in turn, and the answers differ.`
      : `${nameservers[0]} stands before ${nameservers[first]}, which glibc asks only when the first is silent.`;
    return [{ code: "NameserverOrder", path: at(0), message }];
  }
  const other = isOurs.indexOf(false);
  if (other === -1) return [];
  const message = `${nameservers[other]} is another server: musl asks all at once and takes the first denial.`;
  return [{ code: "NameserverBeside", path: at(other), message }];
}

/** Where our addresses are not known, any address inside a cluster may be one. */
function mayAskUs(nameservers: readonly string[], ourAddresses: ReadonlySet<string>): boolean {
  return nameservers.some((each) => {
    const address = parseIpAddress(each);
    if (address === null) return false;
    if (ourAddresses.size > 0) return ourAddresses.has(address);
    return PRIVATE.some((prefix) => prefixContains(prefix, address));
  });
}

/** RFC 1918, RFC 6598, RFC 4193. */
const PRIVATE: readonly IpPrefix[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
].map((text) => parseIpPrefix(text)!);

function searchFaults(
  { path, policy, nameservers, searches }: PodDns,
  { clusterDomain, namespace, ourAddresses }: PodDnsContext,
): readonly Fault[] {
  if (policy !== "None" || !mayAskUs(nameservers, ourAddresses)) return [];
  const written = new Set(searches.map((each) => each.toLowerCase().replace(/\.$/, "")));
  const needed = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  const missing = needed.filter((each) => !written.has(each));
  if (missing.length === 0) return [];
  const message = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not searched, so that short names of Services are not found.`;
  const at = searches.length === 0 ? "dnsConfig" : "dnsConfig.searches";
  return [{ code: "SearchMissing", path: `${path}.${at}`, message }];
}

/** Resolvers of the C libraries give up after timeout times attempts; held queries are answered after 2.5 s. */
const LEAST_WAIT_SECONDS = 4;
const DEFAULT_TIMEOUT_SECONDS = 5;
const DEFAULT_ATTEMPTS = 2;
/** glibc takes no more (resolv.h, RES_MAXNDOTS). */
const MOST_NDOTS = 15;

function optionFaults(
  { path, options, nameservers, policy }: PodDns,
  { ourAddresses }: PodDnsContext,
): readonly Fault[] {
  if (policy !== "None" || !mayAskUs(nameservers, ourAddresses)) return [];
  const faults: Fault[] = [];
  const report = (name: string, message: string) => {
    const index = options.findIndex((option) => option.name === name);
    faults.push({ code: "DnsOptionUnwise", path: `${path}.dnsConfig.options[${index}]`, message });
  };
  const numberOf = (name: string) => {
    const option = options.find((each) => each.name === name);
    if (option === undefined) return undefined;
    const value = /^\d+$/.test(option.value ?? "") ? Number(option.value) : undefined;
    if (value === undefined)
      report(name, `${name} needs a number and has ${JSON.stringify(option.value ?? "")}.`);
    return value;
  };
  const ndots = numberOf("ndots");
  if (ndots !== undefined && ndots < 2)
    report(
      "ndots",
      `With ndots ${ndots} service.namespace is asked for as it is before anything is searched.`,
    );
  if (ndots !== undefined && ndots > MOST_NDOTS) report("ndots", `ndots ${ndots} counts as ${MOST_NDOTS}.`);
  const timeout = numberOf("timeout");
  const attempts = numberOf("attempts");
  const wait = (timeout ?? DEFAULT_TIMEOUT_SECONDS) * (attempts ?? DEFAULT_ATTEMPTS);
  if (wait < LEAST_WAIT_SECONDS)
    report(
      timeout === undefined ? "attempts" : "timeout",
      `The pod gives up after ${wait} s: less than a host that is new may take.`,
    );
  return faults;
}
