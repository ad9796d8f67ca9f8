/** Other servers to measure beside, where this machine has them. */

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort } from "../../test/support/program.ts";
import { stop } from "../support/child.ts";
import type { Responder } from "./responders.ts";

/** Found besides those of PATH, which leaves them out for ordinary users. */
const SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];
const READY_MS = 1500;

/** One thread of unbound with the hosts as local data, and all else from the upstream; null: it is not installed. */
export async function startUnbound(
  folder: string,
  hosts: readonly string[],
  upstreamPort: number,
): Promise<Responder | null> {
  const program = pathOf("unbound");
  if (program === null) return null;
  const port = await freePort();
  const file = join(folder, "unbound.conf");
  writeFileSync(file, unboundConfiguration(folder, port, hosts, upstreamPort));
  const child = spawn(program, ["-d", "-c", file], { stdio: ["ignore", "ignore", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  await new Promise((resolve) => setTimeout(resolve, READY_MS));
  return { pid: child.pid!, port, stop: () => stop(child) };
}

function unboundConfiguration(
  folder: string,
  port: number,
  hosts: readonly string[],
  upstreamPort: number,
): string {
  return `server:
  num-threads: 1
  interface: 127.0.0.1@${port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "${folder}"
  pidfile: "${folder}/unbound.pid"
  use-syslog: no
  logfile: "${folder}/unbound.log"
  do-not-query-localhost: no
  module-config: "iterator"
  so-rcvbuf: 4m
  outgoing-range: 4096
  num-queries-per-thread: 2048
  msg-cache-size: 64m
  rrset-cache-size: 128m
${hosts.map((host) => `  local-data: "${host}. 60 A 192.0.2.1"`).join("\n")}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstreamPort}
`;
}

function pathOf(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}
