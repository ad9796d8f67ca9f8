/** `inject`: prints what makes pods ask this server, for each way to do it; `kubectl` applies it. */

import { Document, stringify } from "yaml";
import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import { isLabelName } from "./check/names.ts";
import { type CommandSpec, runCommand, UsageError } from "./command.ts";
import { HELP_OPTION, helpText } from "./help-text.ts";
import { type Output, processOutput } from "./usage.ts";

export const INJECT_FORMS = ["settings", "pod", "patch", "namespace"] as const;

export const INJECT_HELP = helpText({
  usage: "inject --address ADDR [--address ADDR]... [options]",
  about: `Prints the YAML that makes pods ask the server at ADDR, the address of its Service, which is
  kubectl -n serviceentry-dns get service serviceentry-dns \\
    -o jsonpath={.spec.clusterIP}`,
  options: [
    ["--address ADDR", "at most three; further ones are those of the component two-addresses"],
    [
      "--form FORM",
      [
        "settings (default): the ConfigMap of the injection policy (manifests/components/injection), for kubectl apply --server-side -f -",
        "pod: the fields of a pod's spec, to be pasted",
        "patch: a patch for a workload, for kubectl -n NS patch deployment NAME --patch-file",
        "namespace: the label that switches the injection on for --namespace",
      ].join("\n"),
    ],
    ["-n, --namespace NS", "of the pods (default default)"],
    ["--cluster-domain D", "default cluster.local"],
    [
      "--search DOMAIN",
      "a search domain of the nodes' resolv.conf, which dnsPolicy None would take from the pods; may be repeated",
    ],
    ["--ndots N", "default 5"],
    HELP_OPTION,
  ],
  status: "0 printed, 2 usage",
});

export const INJECT_OPTIONS = {
  address: { type: "string", multiple: true },
  form: { type: "string", default: "settings" },
  namespace: { type: "string", short: "n", default: "default" },
  "cluster-domain": { type: "string", default: "cluster.local" },
  search: { type: "string", multiple: true },
  ndots: { type: "string", default: "5" },
  help: { type: "boolean", default: false },
} as const;

const SPEC: CommandSpec<typeof INJECT_OPTIONS> = {
  name: "inject",
  help: INJECT_HELP,
  options: INJECT_OPTIONS,
  words: [],
};

export function runInject(argv: readonly string[], output: Output = processOutput): Promise<number> {
  return runCommand(SPEC, argv, output, async (values) => {
    const form = INJECT_FORMS.find((each) => each === values.form);
    if (form === undefined)
      throw new UsageError(`--form ${values.form} is not one of ${INJECT_FORMS.join(", ")}`);
    const { namespace } = values;
    if (!isLabelName(namespace)) throw new UsageError(`--namespace ${namespace} is no namespace's name`);
    if (!/^\d{1,2}$/.test(values.ndots))
      throw new UsageError(`--ndots ${values.ndots} is no number from 0 to 99`);
    const dns: PodDns = {
      addresses: form === "namespace" ? [] : readAddresses(values.address ?? []),
      namespace,
      clusterDomain: readDomain("--cluster-domain", values["cluster-domain"]),
      searches: (values.search ?? []).map((each) => readDomain("--search", each)),
      ndots: values.ndots,
    };
    output.out(snippet(form, dns));
    return 0;
  });
}

export interface PodDns {
  readonly addresses: readonly IpAddress[];
  /** Of the pods. */
  readonly namespace: string;
  readonly clusterDomain: string;
  /** Of the nodes. */
  readonly searches: readonly string[];
  readonly ndots: string;
}

/** YAML that ends with a newline. */
export function snippet(form: (typeof INJECT_FORMS)[number], dns: PodDns): string {
  switch (form) {
    case "settings":
      return commented(
        "What injected pods get. Apply it after the install: kubectl apply --server-side -f -",
        settingsObject(dns),
      );
    case "pod":
      return commented(
        "Fields of a pod's spec. With dnsPolicy ClusterFirst the address would never be asked.",
        podFields(dns),
      );
    case "patch":
      return stringify({ spec: { template: { spec: podFields(dns) } } });
    case "namespace":
      return stringify({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: dns.namespace, labels: { "serviceentry-dns.io/injection": "enabled" } },
      });
  }
}

/** How long a pod waits, and how often it asks; a lost datagram costs two seconds then. */
const TIMEOUT = "2";
const ATTEMPTS = "3";
/** The API server takes no more. */
const MOST_ADDRESSES = 3;

function podFields({ addresses, namespace, clusterDomain, searches, ndots }: PodDns) {
  return {
    dnsPolicy: "None",
    dnsConfig: {
      nameservers: [...addresses],
      searches: [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain, ...searches],
      options: [
        { name: "ndots", value: ndots },
        { name: "timeout", value: TIMEOUT },
        { name: "attempts", value: ATTEMPTS },
      ],
    },
  };
}

function settingsObject({ addresses, clusterDomain, searches, ndots }: PodDns) {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "serviceentry-dns-injection",
      namespace: "serviceentry-dns",
      labels: { app: "serviceentry-dns" },
    },
    data: {
      nameservers: addresses.join(","),
      clusterDomain,
      extraSearches: searches.join(","),
      ndots,
      timeout: TIMEOUT,
      attempts: ATTEMPTS,
    },
  };
}

function commented(comment: string, value: unknown): string {
  const document = new Document(value);
  document.commentBefore = ` ${comment}`;
  return document.toString();
}

function readAddresses(texts: readonly string[]): readonly IpAddress[] {
  const addresses = texts
    .flatMap((each) => each.split(","))
    .map((each) => {
      const address = parseIpAddress(each.trim());
      if (address === null) throw new UsageError(`--address ${each} is no IP address`);
      return address;
    });
  if (addresses.length === 0)
    throw new UsageError("there is no --address; it is the address of the server's Service");
  if (addresses.length > MOST_ADDRESSES)
    throw new UsageError(`there are ${addresses.length} addresses, and a pod takes ${MOST_ADDRESSES}`);
  return addresses;
}

function readDomain(option: string, text: string): string {
  const domain = text.toLowerCase().replace(/\.$/, "");
  if (!domain.split(".").every(isLabelName)) throw new UsageError(`${option} ${text} is no domain name`);
  return domain;
}
