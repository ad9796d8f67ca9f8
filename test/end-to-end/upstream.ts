/** What stands behind CoreDNS: the cluster's own names and the internet, from a zone file, on any addresses. */

import { readFileSync, statSync } from "node:fs";
import { StandIn } from "../../src/cli/stand-in.ts";
import { parseZone } from "../../src/cli/zone.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

const [, , addresses, port, zoneFile] = process.argv;
let zone = readZone();
let readAtMs = statSync(zoneFile!).mtimeMs;
for (const address of addresses!.split(","))
  await new StandIn(currentZone).listen({ address: parseIpAddress(address)!, port: Number(port) });
process.stdout.write("upstream: listening\n");

/** As the file is by now: the internet changes. */
function currentZone() {
  const { mtimeMs } = statSync(zoneFile!);
  if (mtimeMs !== readAtMs) zone = readZone();
  readAtMs = mtimeMs;
  return zone;
}

function readZone() {
  const read = parseZone(readFileSync(zoneFile!, "utf8"));
  if ("faults" in read) throw new Error(JSON.stringify(read.faults));
  return read;
}
