/** `lookup`: asks one DNS server for a host and prints what it answers, for people and for scripts. */

import { parseArgs } from "node:util";
import { nearestName } from "../config/nearest-name.ts";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import { exchange } from "./exchange.ts";
import { lookupTable, readLookupReply, TYPE_BY_NAME } from "./lookup-reply.ts";
import {
  EXIT_USAGE,
  type Output,
  processOutput,
  readArguments,
  unknownOptionMessage,
  usageMessage,
} from "./usage.ts";

export const LOOKUP_HELP = `Usage: serviceentry-dns lookup HOST [options]

Asks a DNS server for a host and prints the answer.

Options:
  --type TYPE          A, AAAA, CNAME, SRV, TXT ... or a number; may be repeated (default A and AAAA)
  --server ADDR:PORT   the server to ask (default 127.0.0.1:1053)
  --tcp                ask over TCP at once (else over UDP, and over TCP where the reply is cut off)
  -o, --output FORMAT  table or json (default table)
  --help               this text

Exit status: 0 answered, 1 the server says that there is nothing or fails, 2 usage, 3 no reply.
`;

/** Exit status: 0 some question was answered, 1 none was but some were denied, 2 usage, 3 no reply at all. */
export async function runLookup(argv: readonly string[], output: Output = processOutput): Promise<number> {
  const wanted = readLookupArguments(argv);
  if (typeof wanted === "string") {
    const isHelp = wanted === LOOKUP_HELP;
    (isHelp ? output.out : output.error)(wanted);
    return isHelp ? 0 : EXIT_USAGE;
  }
  const { host, server, types, transport } = wanted;
  const replies = await Promise.all(
    types.map(async (type) => readLookupReply(type, await exchange(server, { name: host, type }, transport))),
  );
  const where = socketAddressText(server);
  if (wanted.output === "json") output.out(`${JSON.stringify({ host, server: where, replies }, null, 2)}\n`);
  else output.out(lookupTable(host, where, replies));
  if (replies.some((reply) => reply.status === "NOERROR")) return 0;
  return replies.some((reply) => reply.status !== null) ? 1 : 3;
}

const DEFAULT_SERVER: SocketAddress = { address: parseIpAddress("127.0.0.1")!, port: 1053 };
interface LookupArguments {
  readonly host: string;
  readonly types: readonly number[];
  readonly server: SocketAddress;
  readonly transport: "udp" | "tcp";
  readonly output: "table" | "json";
}

/** What was asked for, or the text to show instead. */
function readLookupArguments(argv: readonly string[]): LookupArguments | string {
  const options = {
    type: { type: "string", multiple: true },
    server: { type: "string", default: socketAddressText(DEFAULT_SERVER) },
    tcp: { type: "boolean", default: false },
    output: { type: "string", short: "o", default: "table" },
    help: { type: "boolean", default: false },
  } as const;
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
  const address = parseWrittenAddress(values.server);
  if ("fault" in address)
    return wrong(`--server ${values.server} ${address.fault}; write ADDR:PORT such as 127.0.0.1:1053`);
  const server = {
    address: address.address ?? DEFAULT_SERVER.address,
    port: address.port ?? DEFAULT_SERVER.port,
  };
  if (server.port === 0) return wrong(`--server ${values.server} has the port 0, where nobody listens`);
  const types: number[] = [];
  for (const name of (values.type ?? ["A", "AAAA"]).flatMap((each) => each.split(","))) {
    const type = readType(name);
    if (typeof type === "string") return wrong(type);
    if (!types.includes(type)) types.push(type);
  }
  return { host, types, server, transport: values.tcp ? "tcp" : "udp", output };
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
