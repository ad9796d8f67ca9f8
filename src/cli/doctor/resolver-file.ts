/** A resolver configuration as the C libraries read it (resolv.conf(5)). Pure. */

import { type IpAddress, parseIpAddress } from "../../wire/ip-address.ts";

export interface ResolverFile {
  /** All that are written; the C libraries use three. */
  readonly nameservers: readonly IpAddress[];
  /** Of the last `search` or `domain` line, lower case, without dots at the end. */
  readonly searches: readonly string[];
  /** By name, of all `options` lines; a flag without a value is "". */
  readonly options: ReadonlyMap<string, string>;
  /** What can be no nameserver. */
  readonly unreadable: readonly string[];
}

export function readResolverFile(text: string): ResolverFile {
  const nameservers: IpAddress[] = [];
  const unreadable: string[] = [];
  const options = new Map<string, string>();
  let searches: readonly string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    switch (keyword) {
      case "nameserver": {
        const written = words[0] ?? "";
        // A link-local address carries its interface.
        const address = parseIpAddress(written.replace(/%.*$/, ""));
        if (address === null) unreadable.push(written);
        else nameservers.push(address);
        break;
      }
      case "search":
      case "domain":
        searches = words.map((word) => word.toLowerCase().replace(/\.$/, ""));
        break;
      case "options":
        for (const word of words) {
          const [name = "", value = ""] = word.split(":");
          options.set(name, value);
        }
        break;
    }
  }
  return { nameservers, searches, options, unreadable };
}
