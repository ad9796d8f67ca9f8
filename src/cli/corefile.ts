/** `corefile`: prints what CoreDNS needs in its Corefile to ask this server, for each way to do it. */

import { isHostName, isWildcard, parseHostName, wildcardRest } from "../wire/host-name.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { Environment } from "./api.ts";
import { askHosts } from "./api-rows.ts";
import { type CommandSpec, requestedApi, runCommand, UsageError } from "./command.ts";
import { API_NOTES, API_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { type Output, processOutput } from "./usage.ts";

export const COREFILE_FORMS = ["first-hop", "zones"] as const;

export const COREFILE_HELP = helpText({
  usage: "corefile --address ADDR [options]",
  about: `Prints lines for CoreDNS's Corefile, for clusters where pods keep their nameserver:
  kubectl -n kube-system edit configmap coredns
ADDR is the address of our Service. Every client is CoreDNS then: pods see public entries alone.`,
  options: [
    ["--address ADDR", "needed"],
    [
      "--form FORM",
      "first-hop (default): CoreDNS asks us first for every name outside the cluster, and goes on by itself where we refuse; the server runs with --refuse\nzones: CoreDNS asks us for the named zones alone",
    ],
    [
      "--zone NAME",
      "for the form zones: a domain; may be repeated. Without it the hosts of a running server are taken",
    ],
    API_OPTION,
    HELP_OPTION,
  ],
  notes: API_NOTES,
  status: "0 printed, 1 there is no zone, 2 usage, 3 no API endpoint",
});

export const COREFILE_OPTIONS = {
  address: { type: "string" },
  form: { type: "string", default: "first-hop" },
  zone: { type: "string", multiple: true },
  api: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const SPEC: CommandSpec<typeof COREFILE_OPTIONS> = {
  name: "corefile",
  help: COREFILE_HELP,
  options: COREFILE_OPTIONS,
  words: [],
};

export function runCorefile(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return runCommand(SPEC, argv, output, async (values) => {
    const form = COREFILE_FORMS.find((each) => each === values.form);
    if (form === undefined)
      throw new UsageError(`--form ${values.form} is not one of ${COREFILE_FORMS.join(", ")}`);
    if (values.address === undefined)
      throw new UsageError("there is no --address; it is the address of the server's Service");
    const address = parseIpAddress(values.address);
    if (address === null) throw new UsageError(`--address ${values.address} is no IP address`);
    if (form === "first-hop") {
      output.out(firstHop(address));
      return 0;
    }
    const zones = values.zone === undefined ? await hostsOf(values.api, env) : values.zone.map(readZone);
    if (zones.length === 0) {
      output.error("corefile: the server answers no host that everybody may see, so there is no zone.\n");
      return 1;
    }
    output.out(zoneBlocks(address, zones));
    return 0;
  });
}

/** As manifests/components/first-hop/Corefile has it. */
export function firstHop(address: string): string {
  return `# Put these lines before the line \`forward . /etc/resolv.conf\` of the server block \`.:53\` (kubectl -n kube-system edit
# configmap coredns). It takes a CoreDNS whose plugin forward knows \`next\` (1.12 does). The plugin kubernetes stands
# before forward, so the cluster's own names never come here. While none of our pods answers, names outside the cluster
# take CoreDNS's timeout and then fail. The server runs with --refuse, and its upstreams do not lead to this CoreDNS.
forward . ${address} {
    next REFUSED SERVFAIL
    max_fails 0
}
`;
}

/** Server blocks beside `.:53`, one for all zones. */
export function zoneBlocks(address: string, zones: readonly string[]): string {
  const names = [...new Set(zones)].sort();
  return `# Put this block beside \`.:53\`. A zone takes all names below it: what we do not know goes on to our upstreams, which
# must not lead to this CoreDNS for the same zones.
${names.map((name) => `${name}:53`).join(" ")} {
    errors
    forward . ${address} {
        max_fails 0
    }
    loop
}
`;
}

function readZone(text: string): string {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new UsageError(`--zone ${text} ${name.fault}`);
  return wildcardRest(name);
}

/** The hosts that everybody may see; of a wildcard the domain that it stands above. */
async function hostsOf(flag: string | undefined, env: Environment): Promise<readonly string[]> {
  const rows = await askHosts(requestedApi(flag, env));
  return rows.flatMap(({ host, state, visibleTo }) => {
    const name = parseHostName(host);
    if (!isHostName(name) || state === "rejected" || state === "shadowed" || visibleTo !== "all") return [];
    return [isWildcard(name) ? wildcardRest(name) : name];
  });
}
