/** `lookup`: asks one DNS server for a host and prints what it answers, for people and for scripts. */

import { parseArgs } from "node:util";
import { nearestName } from "../config/nearest-name.ts";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import { API_VARIABLE, apiBase, type Environment } from "./api.ts";
import { exchange } from "./exchange.ts";
import { API_NOTES, API_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { lookupTable, readLookupReply, TYPE_BY_NAME } from "./lookup-reply.ts";
import { askWhy, type WhyClient, whyJson, whyText } from "./lookup-why.ts";
import {
  EXIT_USAGE,
  type Output,
  processOutput,
  readArguments,
  unknownOptionMessage,
  usageMessage,
} from "./usage.ts";

export const LOOKUP_HELP = helpText({
  usage: "lookup HOST [options]",
  about: `Asks a DNS server for a host and prints the answer, and why a running serviceentry-dns answers so.`,
  options: [
    ["--type TYPE", "A, AAAA, CNAME, SRV, TXT ... or a number; may be repeated (default A and AAAA)"],
    ["--server ADDR:PORT", "the server to ask (default 127.0.0.1:1053)"],
    ["--tcp", "ask over TCP at once (else over UDP, and over TCP where the reply is cut off)"],
    ["-n, --namespace NS", "what a client of this namespace gets, and why"],
    ["--pod NS/NAME", "what this pod gets, and why"],
    [API_OPTION[0], `${API_OPTION[1]}; with --server alone nobody is asked why`],
    ["-o, --output FORMAT", "table or json (default table)"],
    HELP_OPTION,
  ],
  notes: API_NOTES,
  status: "0 answered, 1 the server says that there is nothing or fails, 2 usage, 3 no reply",
});

/** Exit status: 0 some question was answered, 1 none was but some were denied, 2 usage, 3 no reply at all. */
export async function runLookup(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  const wanted = readLookupArguments(argv, env);
  if (typeof wanted === "string") {
    const isHelp = wanted === LOOKUP_HELP;
    (isHelp ? output.out : output.error)(wanted);
    return isHelp ? 0 : EXIT_USAGE;
  }
  const { host, server, types, transport, api, client } = wanted;
  const [why, ...replies] = await Promise.all([
    api === undefined ? undefined : askWhy(api, host, types, client),
    ...types.map(async (type) =>
      readLookupReply(type, await exchange(server, { name: host, type }, transport)),
    ),
  ]);
  const where = socketAddressText(server);
  if (wanted.output === "json") {
    const value = { host, server: where, replies, ...(why === undefined ? {} : whyJson(why, replies)) };
    output.out(`${JSON.stringify(value, null, 2)}\n`);
  } else {
    output.out(lookupTable(host, where, replies));
    if (why !== undefined) output.out(whyText(why, client, replies, Date.now()));
  }
  if (replies.some((reply) => reply.status === "NOERROR")) return 0;
  return replies.some((reply) => reply.status !== null) ? 1 : 3;
}

const DEFAULT_SERVER: SocketAddress = { address: parseIpAddress("127.0.0.1")!, port: 1053 };

export const LOOKUP_OPTIONS = {
  type: { type: "string", multiple: true },
  server: { type: "string" },
  tcp: { type: "boolean", default: false },
  namespace: { type: "string", short: "n" },
  pod: { type: "string" },
  api: { type: "string" },
  output: { type: "string", short: "o", default: "table" },
  help: { type: "boolean", default: false },
} as const;

interface LookupArguments {
  readonly host: string;
  readonly types: readonly number[];
  readonly server: SocketAddress;
  readonly transport: "udp" | "tcp";
  readonly output: "table" | "json";
  /** Who is asked for the why; undefined: nobody. */
  readonly api: URL | undefined;
  readonly client: WhyClient;
}

/** What was asked for, or the text to show instead. */
function readLookupArguments(argv: readonly string[], env: Environment): LookupArguments | string {
  const options = LOOKUP_OPTIONS;
  const wrong = (fault: string) => usageMessage("lookup", fault);
  const unknown = unknownOptionMessage("lookup", argv, Object.keys(options));
  if (unknown !== undefined) return unknown;
  const parsed = readArguments("lookup", () =>
    parseArgs({ args: [...argv], options, allowPositionals: true }),
  );
  if ("fault" in parsed) return parsed.fault;
  const { values, positionals } = parsed;
  if (values.help) return LOOKUP_HELP;
  const [text, more] = positionals;
  if (text === undefined) return wrong("there is no HOST; write: lookup HOST");
  if (more !== undefined) return wrong(`there is one HOST too many: ${more}`);
  const host = parseHostName(text);
  if (!isHostName(host)) return wrong(`HOST ${JSON.stringify(text)} ${host.fault}`);
  const { output } = values;
  if (output !== "table" && output !== "json") return wrong(`--output ${output} is neither table nor json`);
  const { server: written = socketAddressText(DEFAULT_SERVER), namespace, pod } = values;
  const address = parseWrittenAddress(written);
  if ("fault" in address)
    return wrong(`--server ${written} ${address.fault}; write ADDR:PORT such as 127.0.0.1:1053`);
  const server = {
    address: address.address ?? DEFAULT_SERVER.address,
    port: address.port ?? DEFAULT_SERVER.port,
  };
  if (server.port === 0) return wrong(`--server ${written} has the port 0, where nobody listens`);
  const types: number[] = [];
  for (const name of (values.type ?? ["A", "AAAA"]).flatMap((each) => each.split(","))) {
    const type = readType(name);
    if (typeof type === "string") return wrong(type);
    if (!types.includes(type)) types.push(type);
  }
  // Another server's answers are no business of the one at the default address.
  const asksWhy = [values.api, namespace, pod, env[API_VARIABLE] || undefined].some(
    (each) => each !== undefined,
  );
  const api = asksWhy || values.server === undefined ? apiBase(values.api, env) : undefined;
  if (api !== undefined && "fault" in api) return wrong(api.fault);
  const transport = values.tcp ? "tcp" : "udp";
  return { host, types, server, transport, output, api, client: { namespace, pod } };
}

/** A number, or what is wrong. `TYPE65` is RFC 3597's way to write a type without a name. */
function readType(text: string): number | string {
  const name = text.trim().toUpperCase();
  const number = Number(/^(?:TYPE)?(\d{1,5})$/.exec(name)?.[1] ?? TYPE_BY_NAME.get(name));
  if (number >= 1 && number <= 65_535) return number;
  const nearest = nearestName(name, [...TYPE_BY_NAME.keys()]);
  const remedy =
    nearest === undefined ? "write A, AAAA or a number from 1 to 65535" : `did you mean ${nearest}?`;
  return `--type ${text} is no record type; ${remedy}`;
}
