/** `doctor`: run inside a pod or on a node, says why names do not resolve there and what to change. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { nearestName } from "../config/nearest-name.ts";
import { RESOLV_CONF_PATH } from "../config/resolv-conf.ts";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import { RecordType } from "../wire/constants.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import { type CommandSpec, runCommand, UsageError } from "./command.ts";
import { type Check, fault, good, type Status, warning } from "./doctor/check.ts";
import { fileChecks, type Libc } from "./doctor/file-checks.ts";
import { identify, isOurIdentity, type ServerIdentity } from "./doctor/identity.ts";
import { probe } from "./doctor/probes.ts";
import { type ResolverFile, readResolverFile } from "./doctor/resolver-file.ts";
import { HELP_OPTION, helpText } from "./help-text.ts";
import { paintFor } from "./paint.ts";
import { printable } from "./printable.ts";
import { type Output, processOutput } from "./usage.ts";

export const DOCTOR_HELP = helpText({
  usage: "doctor [options]",
  about: `Run it where names do not resolve: inside the pod (kubectl debug POD --image=IMAGE, where the image is ours) or on the node. It reads /etc/resolv.conf, asks the server in it, and says what to change.`,
  options: [
    ["--own HOST", "a host of some entry, to see whether it is answered"],
    [
      "--server ADDR[:PORT]",
      "our address, where it is known; may be repeated. It is asked in the place of the first nameserver, and nameservers with this address count as ours",
    ],
    ["--forward NAME", "a name that is not ours (default kubernetes.default.svc.CLUSTER-DOMAIN)"],
    ["--large NAME[/TYPE]", "a name with many records (default ./DNSKEY, the root's)"],
    ["-n, --namespace NS", "of the pod (default: its service account's)"],
    ["--cluster-domain D", "default cluster.local"],
    ["--resolv-conf PATH", `default ${RESOLV_CONF_PATH}`],
    ["--libc musl|glibc", "which resolver the pod's programs have (default: by the files of this system)"],
    ["--timeout SECONDS", "for each question, 0.1 to 30 (default 2)"],
    [
      "--nowhere ADDR[:PORT]",
      "an address without a server, to see whether a mesh takes DNS on its way (default 192.0.2.53, which belongs to nobody)",
    ],
    ["-o, --output FORMAT", "text or json (default text)"],
    HELP_OPTION,
  ],
  status: "0 nothing is broken, 1 something is, 2 usage",
});

export const DOCTOR_OPTIONS = {
  own: { type: "string" },
  server: { type: "string", multiple: true },
  forward: { type: "string" },
  large: { type: "string", default: "./DNSKEY" },
  namespace: { type: "string", short: "n" },
  "cluster-domain": { type: "string", default: "cluster.local" },
  "resolv-conf": { type: "string", default: RESOLV_CONF_PATH },
  libc: { type: "string" },
  timeout: { type: "string", default: "2" },
  nowhere: { type: "string", default: "192.0.2.53" },
  output: { type: "string", short: "o", default: "text" },
  help: { type: "boolean", default: false },
} as const;

export const LIBCS = ["musl", "glibc"] as const;
export const DOCTOR_FORMATS = ["text", "json"] as const;

const SPEC: CommandSpec<typeof DOCTOR_OPTIONS> = {
  name: "doctor",
  help: DOCTOR_HELP,
  options: DOCTOR_OPTIONS,
  words: [],
};

export function runDoctor(argv: readonly string[], output: Output = processOutput): Promise<number> {
  return runCommand(SPEC, argv, output, async (values) => {
    const format = DOCTOR_FORMATS.find((each) => each === values.output);
    if (format === undefined)
      throw new UsageError(`--output ${values.output} is not one of ${DOCTOR_FORMATS.join(", ")}`);
    const clusterDomain = readName("--cluster-domain", values["cluster-domain"]);
    const ownHost = values.own === undefined ? undefined : readName("--own", values.own);
    const forwardedName =
      values.forward === undefined
        ? `kubernetes.default.svc.${clusterDomain}`
        : readName("--forward", values.forward);
    const servers = (values.server ?? []).map((each) => readServer("--server", each));
    const timeoutMs = readTimeout(values.timeout);
    const large = readLarge(values.large);
    const nowhere = readServer("--nowhere", values.nowhere);
    const libc = readLibc(values.libc);
    const namespace = values.namespace ?? ownNamespace();

    const checks: Check[] = [];
    const file = readFile(values["resolv-conf"]);
    if (file === undefined)
      checks.push(
        fault(
          "resolv-conf",
          `${values["resolv-conf"]} cannot be read`,
          "name another file with --resolv-conf",
        ),
      );
    else {
      const identities = await identifyAll(file.nameservers, ownHost, timeoutMs);
      const given = new Set<string>(servers.map(({ address }) => address));
      const isOurs = (address: string) =>
        given.has(address) || isOurIdentity(identities.get(address) ?? NOBODY);
      checks.push(...fileChecks(file, { isOurs, libc, clusterDomain, namespace }));
    }
    const [first] = file?.nameservers ?? [];
    const server = servers[0] ?? (first === undefined ? undefined : { address: first, port: DNS_PORT });
    if (server !== undefined) {
      checks.push(identityCheck(server, await identify(server, ownHost, timeoutMs)));
      checks.push(...(await probe({ server, ownHost, forwardedName, large, nowhere, timeoutMs })));
    }
    output.out(
      format === "json" ? jsonReport(checks, server) : textReport(checks, server, output.hasColor === true),
    );
    return checks.some(({ status }) => status === "fault") ? 1 : 0;
  });
}

const DNS_PORT = 53;
const NOBODY: ServerIdentity = { answers: false, id: undefined, mname: undefined };

async function identifyAll(
  nameservers: readonly IpAddress[],
  ownHost: string | undefined,
  timeoutMs: number,
): Promise<ReadonlyMap<string, ServerIdentity>> {
  const asked = await Promise.all(
    [...new Set(nameservers)].map(
      async (address) => [address, await identify({ address, port: DNS_PORT }, ownHost, timeoutMs)] as const,
    ),
  );
  return new Map(asked);
}

/** Somebody else at our address: a mesh takes DNS on its way, or the address is another Service's by now. */
function identityCheck(server: SocketAddress, identity: ServerIdentity): Check {
  const where = socketAddressText(server);
  const id = "identity";
  if (!identity.answers) return warning(id, `${where} does not say who it is`, "see the next lines");
  const said = [identity.id, identity.mname]
    .filter((each) => each !== undefined)
    .map((each) => printable(each));
  if (isOurIdentity(identity)) return good(id, `${where} is serviceentry-dns (${said.join(", ")})`);
  return warning(
    id,
    said.length === 0 ? `${where} does not say who it is` : `${where} calls itself ${said.join(", ")}`,
    "if it should be serviceentry-dns: its setting tellServerId may be off, " +
      "the address may be another Service's, or a mesh answers in its place",
  );
}

function jsonReport(checks: readonly Check[], server: SocketAddress | undefined): string {
  const where = server === undefined ? null : socketAddressText(server);
  return `${JSON.stringify({ server: where, checks }, null, 2)}\n`;
}

const MARKS: Readonly<Record<Status, readonly [text: string, style: "green" | "yellow" | "red" | "dim"]>> = {
  ok: ["ok     ", "green"],
  warning: ["warning", "yellow"],
  fault: ["FAULT  ", "red"],
  skipped: ["skipped", "dim"],
};

function textReport(checks: readonly Check[], server: SocketAddress | undefined, hasColor: boolean): string {
  const paint = paintFor(hasColor);
  const width = Math.max(...checks.map(({ id }) => id.length));
  const lines = checks.flatMap(({ id, status, message, remedy }) => {
    const [mark, style] = MARKS[status];
    const line = `${paint(style, mark)}  ${id.padEnd(width)}  ${printable(message)}`.trimEnd();
    return remedy === "" ? [line] : [line, `${" ".repeat(width + 11)}-> ${remedy}`];
  });
  const faults = checks.filter(({ status }) => status === "fault").length;
  const warnings = checks.filter(({ status }) => status === "warning").length;
  const asked = server === undefined ? "nobody was asked" : `asked ${socketAddressText(server)}`;
  return `${lines.join("\n")}\n\n${faults} broken, ${warnings} doubtful, ${asked}\n`;
}

function readFile(path: string): ResolverFile | undefined {
  try {
    return readResolverFile(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

const SERVICE_ACCOUNT_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

function ownNamespace(): string | undefined {
  try {
    return readFileSync(SERVICE_ACCOUNT_NAMESPACE, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function readLibc(text: string | undefined): Libc {
  if (text !== undefined) {
    const libc = LIBCS.find((each) => each === text);
    if (libc === undefined) throw new UsageError(`--libc ${text} is not one of ${LIBCS.join(", ")}`);
    return libc;
  }
  try {
    if (readdirSync("/lib").some((name) => name.startsWith("ld-musl-"))) return "musl";
  } catch {
    return "unknown";
  }
  return existsSync("/etc/ld.so.cache") || existsSync("/lib64/ld-linux-x86-64.so.2") ? "glibc" : "unknown";
}

function readName(option: string, text: string): string {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new UsageError(`${option} ${JSON.stringify(text)} ${name.fault}`);
  return name;
}

function readServer(option: string, text: string): SocketAddress {
  const written = parseWrittenAddress(text);
  if ("fault" in written) throw new UsageError(`${option} ${text} ${written.fault}`);
  const address = written.address ?? parseIpAddress("127.0.0.1")!;
  const port = written.port ?? DNS_PORT;
  if (port === 0) throw new UsageError(`${option} ${text} has the port 0, where nobody listens`);
  return { address, port };
}

function readTimeout(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 30))
    throw new UsageError(`--timeout ${text} is no number from 0.1 to 30`);
  return seconds * 1000;
}

/** Types of which a name has many records. */
const LARGE_TYPES: Readonly<Record<string, number>> = { ...RecordType, DNSKEY: 48 };

function readLarge(text: string): { readonly name: string; readonly type: number } {
  const [name = "", typeName = "A"] = text.split("/");
  const type = LARGE_TYPES[typeName.toUpperCase()];
  if (type === undefined) {
    const nearest = nearestName(typeName, Object.keys(LARGE_TYPES));
    throw new UsageError(
      `--large ${text} has no type that is known${nearest === undefined ? "" : `; did you mean ${nearest}?`}`,
    );
  }
  return { name: name === "." ? name : readName("--large", name), type };
}
