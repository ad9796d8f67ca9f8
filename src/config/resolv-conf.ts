/** The nameservers of a resolver configuration file: the default upstreams. */

import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";

export const RESOLV_CONF_PATH = "/etc/resolv.conf";

/** The C library reads no more of them. */
const MAX_NAMESERVERS = 3;

/**
 * The addresses of its `nameserver` lines in order, each once. Other lines, comments and what is no address
 * (a link-local one with a zone too) are passed over.
 */
export function parseResolvConf(text: string): readonly IpAddress[] {
  const found = new Set<IpAddress>();
  for (const line of text.split("\n")) {
    const [keyword, value] = line.split(/[ \t\r]+/);
    if (keyword !== "nameserver" || value === undefined) continue;
    const address = parseIpAddress(value);
    if (address !== null && found.size < MAX_NAMESERVERS) found.add(address);
  }
  return [...found];
}
