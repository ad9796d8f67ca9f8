/** What a resolver configuration alone tells: whether we are asked, who else is, and which names are asked for. Pure. */

import { type Check, fault, good, warning } from "./check.ts";
import type { ResolverFile } from "./resolver-file.ts";

export type Libc = "musl" | "glibc" | "unknown";

export interface FileContext {
  /** Which of the nameservers are ours, by what they say of themselves or because the user says so. */
  readonly isOurs: (address: string) => boolean;
  readonly libc: Libc;
  readonly clusterDomain: string;
  /** Of the pod; undefined: not known. */
  readonly namespace: string | undefined;
}

export function fileChecks(file: ResolverFile, context: FileContext): readonly Check[] {
  return [...nameserverChecks(file, context), ...searchChecks(file, context), ...optionChecks(file, context)];
}

/** The C libraries take no more. */
const MOST_NAMESERVERS = 3;
const DNS_POLICY =
  "set dnsPolicy: None in the pod's spec and name our address alone in dnsConfig.nameservers";

function nameserverChecks(
  { nameservers, unreadable, options }: ResolverFile,
  { isOurs, libc }: FileContext,
): readonly Check[] {
  const checks: Check[] = [];
  if (unreadable.length > 0)
    checks.push(
      warning("nameserver-readable", `${unreadable.join(", ")} can be no nameserver`, "remove the line"),
    );
  const [first] = nameservers;
  if (first === undefined)
    return [...checks, fault("nameservers", "there is no nameserver", `${DNS_POLICY}`)];
  if (nameservers.length > MOST_NAMESERVERS)
    checks.push(
      warning(
        "nameserver-count",
        `there are ${nameservers.length} nameservers, and the C library asks ${MOST_NAMESERVERS}`,
        "remove the rest",
      ),
    );
  const asked = nameservers.slice(0, MOST_NAMESERVERS);
  const ours = asked.filter(isOurs);
  const others = asked.filter((address) => !isOurs(address));
  if (ours.length === 0)
    checks.push(
      fault(
        "nameservers",
        `none of ${asked.join(", ")} is serviceentry-dns`,
        `${DNS_POLICY}; docs/injection.md does it for whole namespaces`,
      ),
    );
  else if (!isOurs(first))
    checks.push(
      fault(
        "nameservers",
        `${first} is asked before ${ours[0]}: what dnsPolicy ClusterFirst makes of a nameserver in dnsConfig`,
        DNS_POLICY,
      ),
    );
  else if (others.length > 0) checks.push(besideCheck(others, libc, options.has("rotate")));
  else checks.push(good("nameservers", `${ours.join(", ")}, and nobody else`));
  return checks;
}

function besideCheck(others: readonly string[], libc: Libc, rotates: boolean): Check {
  const remedy = `remove ${others.join(", ")}; two replicas behind one address, or two of our Services, fail over better`;
  const named = others.join(", ");
  if (libc === "musl")
    return fault(
      "nameservers",
      `${named} is asked at the same time, and musl takes the first reply: its NXDOMAIN hides our hosts`,
      remedy,
    );
  if (rotates)
    return fault(
      "nameservers",
      `${named} is asked in turn with us (options rotate), and knows no host of ours`,
      remedy,
    );
  return warning(
    "nameservers",
    `${named} is asked when we are silent; programs with another resolver (musl, Go, Node's c-ares) may ask it first`,
    remedy,
  );
}

function searchChecks(
  { searches }: ResolverFile,
  { clusterDomain, namespace }: FileContext,
): readonly Check[] {
  const needed = [
    ...(namespace === undefined ? [] : [`${namespace}.svc.${clusterDomain}`]),
    `svc.${clusterDomain}`,
    clusterDomain,
  ];
  const missing = needed.filter((each) => !searches.includes(each));
  if (missing.length === 0) return [good("search", searches.join(" "))];
  return [
    warning(
      "search",
      searches.length === 0 ? "there is no search path" : `the search path lacks ${missing.join(", ")}`,
      `write ${needed.join(", ")} into dnsConfig.searches: with dnsPolicy None short names of Services are not found otherwise`,
    ),
  ];
}

const DEFAULT_TIMEOUT_SECONDS = 5;
const DEFAULT_ATTEMPTS = 2;
/** A host that is new may be held for 2.5 s; one datagram may be lost. */
const LEAST_WAIT_SECONDS = 4;
/** resolv.conf(5): without the option. */
const DEFAULT_NDOTS = 1;

function optionChecks({ options, nameservers }: ResolverFile, _context: FileContext): readonly Check[] {
  const checks: Check[] = [];
  const ndots = numberOf(options.get("ndots")) ?? DEFAULT_NDOTS;
  if (ndots < 2)
    checks.push(
      warning(
        "ndots",
        `ndots is ${ndots}: service.namespace is asked for as it is before the search path is tried`,
        "set the option ndots to 5, as Kubernetes does",
      ),
    );
  const timeout = numberOf(options.get("timeout")) ?? DEFAULT_TIMEOUT_SECONDS;
  const attempts = numberOf(options.get("attempts")) ?? DEFAULT_ATTEMPTS;
  const wait = timeout * attempts * Math.min(nameservers.length, MOST_NAMESERVERS);
  if (nameservers.length > 0 && wait < LEAST_WAIT_SECONDS)
    checks.push(
      warning(
        "timeout",
        `the C library gives up after ${wait} s`,
        "use timeout 2 and attempts 3, or the defaults",
      ),
    );
  if (options.has("use-vc"))
    checks.push(
      warning("use-vc", "every question takes a TCP connection (options use-vc)", "remove the option"),
    );
  if (options.has("no-aaaa"))
    checks.push(
      warning(
        "no-aaaa",
        "IPv6 addresses are never asked for (options no-aaaa)",
        "remove the option, if pods use IPv6",
      ),
    );
  if (checks.length > 0) return checks;
  const written = [...options].map(([name, value]) => (value === "" ? name : `${name}:${value}`)).join(" ");
  return [good("options", written)];
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
