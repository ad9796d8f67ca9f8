/** Datagrams that the kernel threw away because a socket's receive buffer was full. */

import { readFileSync } from "node:fs";

/** One line per socket of our network namespace: IPv4 and IPv6. */
export const UDP_SOCKET_TABLES = ["/proc/self/net/udp", "/proc/self/net/udp6"] as const;

/** Sum over the sockets bound to one of the ports; 0 where the system has no such table. */
export function readUdpDrops(
  ports: readonly number[],
  tables: readonly string[] = UDP_SOCKET_TABLES,
): number {
  return tables.reduce((sum, table) => sum + udpDropsIn(readTable(table), ports), 0);
}

/** Columns by white space: the second is the local address `HEX:PORT` (hexadecimal), the last the drops. */
export function udpDropsIn(table: string, ports: readonly number[]): number {
  let drops = 0;
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const port = Number.parseInt(columns[1]?.split(":")[1] ?? "", 16);
    const dropped = Number(columns.at(-1));
    if (ports.includes(port) && Number.isSafeInteger(dropped)) drops += dropped;
  }
  return drops;
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
