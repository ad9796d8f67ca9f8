/** The resolvers that programs in pods have, and how each is asked for both families of a host. */

import { mkdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { execute, hasCommand } from "../support/network-namespaces.ts";
import { say } from "./needs.ts";

export interface Resolver {
  readonly name: string;
  readonly command: (host: string) => readonly string[];
}

/** Those that this machine has, of the named ones; says which it has not. `folder`: for what must be compiled. */
export async function resolvers(
  folder: string,
  ...names: readonly ResolverName[]
): Promise<readonly Resolver[]> {
  mkdirSync(folder, { recursive: true });
  const wanted = RESOLVER_NAMES.filter((name) => names.length === 0 || names.includes(name));
  const found = await Promise.all(
    wanted.map(async (name) => ({ name, command: await RESOLVERS[name](folder) })),
  );
  return found.flatMap(({ name, command }) => {
    if (typeof command !== "string") return [{ name, command }];
    say(`not asked: ${name}: ${command}`);
    return [];
  });
}

/** Every address in what a resolver printed, once and sorted; not the server's own, which some print first. */
export function addressesIn(output: string, server: string): string[] {
  const words = output.split(/[\s,'"[\]#]+/).filter((word) => isIP(word) !== 0 && word !== server);
  return [...new Set(words)].sort();
}

type Command = (host: string) => readonly string[];

/** How to ask, or why it cannot be asked. */
const RESOLVERS = {
  "glibc getent": () => ofPath("getent", (host) => ["getent", "ahosts", host]),
  "glibc getaddrinfo": (folder: string) => compiled(folder, "getaddrinfo.c", "gcc"),
  "musl getaddrinfo": (folder: string) => compiled(folder, "getaddrinfo.c", "musl-gcc", "-static"),
  "busybox nslookup": () => ofPath("busybox", (host) => ["busybox", "nslookup", host]),
  "bind nslookup": () => ofPath("nslookup", (host) => ["nslookup", host]),
  "bind dig": () => ofPath("dig", (host) => ["dig", "+short", "+search", host, "A", host, "AAAA"]),
  "Node lookup": () => ofNode("lookup(host, { all: true })"),
  "Node resolve": () =>
    ofNode(
      'Promise.all(["A", "AAAA"].map((type) => resolve(host, type).catch(() => [])))',
      "found.flat().length",
    ),
  Go: (folder: string) => compiled(folder, "lookup-host.go", "go", "build"),
} as const satisfies Readonly<
  Record<string, (folder: string) => Command | string | Promise<Command | string>>
>;

export type ResolverName = keyof typeof RESOLVERS;

const RESOLVER_NAMES = Object.keys(RESOLVERS) as readonly ResolverName[];

function ofPath(file: string, command: Command): Command | string {
  return hasCommand(file) ? command : `there is no ${file} in PATH`;
}

async function compiled(
  folder: string,
  source: string,
  compiler: string,
  ...flags: readonly string[]
): Promise<Command | string> {
  if (!hasCommand(compiler)) return `there is no ${compiler} in PATH to compile it`;
  const program = join(folder, compiler);
  const command = [compiler, ...flags, "-o", program, join(import.meta.dirname, source)] as const;
  // Go's resolver is its own only without C.
  const env = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOPROXY: "off" };
  const { status, error } = await execute(command, { env, withinMs: COMPILE_MS });
  return status === 0 ? (host) => [program, host] : `${compiler} cannot compile it: ${error.trim()}`;
}

/** Go compiles its library too where it has not yet. */
const COMPILE_MS = 60_000;

/** Exits with 1 when the call fails, or finds nothing. */
function ofNode(call: string, isFound = "true"): Command {
  const script =
    'const { lookup, resolve } = require("node:dns").promises; const host = process.argv[1];' +
    `${call}.then((found) => { console.log(JSON.stringify(found).replaceAll(/[{}:]*"address":/g, ""));` +
    `if (!(${isFound})) process.exit(1); })`;
  return (host) => [process.execPath, "-e", script, host];
}
