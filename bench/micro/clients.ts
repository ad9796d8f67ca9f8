/** What it costs to know who asks: pods of 2,000 namespaces on as many nodes, one address each. */

import { ClientIndex, packClientDelta } from "../../src/table/client-index.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { type IpAddress, parseIpAddress } from "../../src/wire/ip-address.ts";
import { nanoseconds } from "./nanoseconds.ts";

const PODS = 100_000;
const NAMESPACES = 2000;
const PODS_PER_TURN = 1000;

/** By figure: its values with IPv4 and with IPv6 addresses. */
export function measureClients(): Map<string, readonly string[]> {
  const columns = [
    measure((index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`),
    measure((index) => `fd00:10:${(index >> 16).toString(16)}::${(index & 0xffff).toString(16)}`),
  ];
  return new Map(Object.keys(columns[0]!).map((label) => [label, columns.map((column) => column[label]!)]));
}

function measure(addressText: (index: number) => string): Record<string, string> {
  const clients = Array.from({ length: PODS }, (_, index) => ({
    address: addressOf(addressText(index)),
    client: {
      namespace: `namespace-${index % NAMESPACES}`,
      clientClass: "redirectedIpv4" as const,
      locality: {
        network: "",
        region: "eu-west-1",
        zone: `eu-west-1${"abc"[(index % NAMESPACES) % 3]}`,
        subzone: "",
        node: `ip-10-0-${index % NAMESPACES}.eu-west-1.compute.internal`,
      },
    },
  }));
  const delta = packClientDelta({ clients, namespaces: [] });
  const index = new ClientIndex();
  const turnsMs: number[] = [];
  for (let from = 0; from !== -1; ) {
    const start = performance.now();
    from = index.apply(delta, from, PODS_PER_TURN);
    turnsMs.push(performance.now() - start);
  }
  const known = clients.slice(0, 500).map(({ address }) => address as string);
  const unknown = known.map((address) => address.replace("10", "11"));
  return {
    "find, known (ns)": nanoseconds(known, (address) => index.find(address) !== NOT_FOUND).toFixed(0),
    "find, unknown (ns)": nanoseconds(unknown, (address) => index.find(address) === NOT_FOUND).toFixed(0),
    "first fill, all turns (ms)": turnsMs.reduce((sum, ms) => sum + ms, 0).toFixed(1),
    [`first fill, longest turn of ${PODS_PER_TURN} (ms)`]: Math.max(...turnsMs).toFixed(2),
    "memory, reserves included (MiB)": (index.memoryOctets / 2 ** 20).toFixed(1),
    "packed delta (octets per pod)": (delta.length / PODS).toFixed(0),
  };
}

function addressOf(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}
