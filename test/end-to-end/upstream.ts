/** What stands behind CoreDNS: the cluster's own names and the internet, from a zone file, on any addresses. */

import { readFileSync } from "node:fs";
import { StandIn } from "../../src/cli/stand-in.ts";
import { parseZone } from "../../src/cli/zone.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

const [, , addresses, port, zoneFile] = process.argv;
const zone = parseZone(readFileSync(zoneFile!, "utf8"));
if ("faults" in zone) throw new Error(JSON.stringify(zone.faults));
for (const address of addresses!.split(","))
  await new StandIn(() => zone).listen({ address: parseIpAddress(address)!, port: Number(port) });
process.stdout.write("upstream: listening\n");
