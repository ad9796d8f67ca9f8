/** Made-up manifests of a cluster of any size: a third each STATIC, DNS with an endpoint name, and with a selector. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Every third entry is STATIC with addresses of its own. */
export const FORMS = 3;

export interface Entry {
  readonly host: string;
  /** The first of its addresses. */
  readonly address: string;
}

/** What `manifest` describes. `edition`: another gives another address. */
export function entryAt(index: number, edition = 0): Entry {
  const wildcard = index % 50 === 6 ? "*." : "";
  const host = `${wildcard}host-${index}.zone-${index % 100}.example.com`;
  return { host, address: `10.${edition % 256}.${(index >> 8) % 256}.${index % 256}` };
}

/** One ServiceEntry as people write it, with what it needs besides. */
export function manifest(index: number, edition = 0): string {
  const { host, address } = entryAt(index, edition);
  const head = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: entry-${index}
  namespace: team-${index % 50}
  labels:
    owner: team-${index % 50}
spec:
  hosts:
  - "${host}"
  ports:
  - number: 443
    name: https
    protocol: HTTPS
  location: MESH_EXTERNAL
`;
  switch (index % FORMS) {
    case 0:
      return `${head}  resolution: STATIC
  endpoints:
  - address: ${address}
    locality: region-1/zone-a
  - address: 172.16.${(index >> 8) % 256}.${index % 256}
    locality: region-1/zone-b
`;
    case 1:
      return `${head}  resolution: DNS
  endpoints:
  - address: origin-${index}-${edition}.example.net
    locality: region-1/zone-a
`;
    default:
      return `${head}  resolution: STATIC
  workloadSelector:
    labels:
      app: app-${index}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: workload-${index}
  namespace: team-${index % 50}
  labels:
    app: app-${index}
spec:
  address: ${address}
`;
  }
}

export function fileOf(folder: string, index: number): string {
  return join(folder, `entry-${index}.yaml`);
}

/** One file for each entry. */
export function writeFolder(folder: string, entries: number, edition = 0): void {
  mkdirSync(folder, { recursive: true });
  for (let index = 0; index < entries; index += 1)
    writeFileSync(fileOf(folder, index), manifest(index, edition));
}

/** One file for each of these STATIC entries with two addresses; the hosts. */
export function writeStaticFolder(folder: string, entries: number): string[] {
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: entries }, (_, position) => {
    const index = position * FORMS;
    const host = `static-${position}.example.com`;
    const text = manifest(index)
      .replace(entryAt(index).host, host)
      .replace(`name: entry-${index}`, `name: static-${position}`);
    writeFileSync(join(folder, `static-${position}.yaml`), text);
    return host;
  });
}

/** All entries in one file. */
export function writeBigFile(path: string, entries: number): void {
  const manifests = Array.from({ length: entries }, (_, index) => manifest(index));
  writeFileSync(path, manifests.join("---\n"));
}
