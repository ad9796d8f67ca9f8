/** Host names that lie in packed records, back to text. */

import { type HostName, isHostName, parseHostName } from "../wire/host-name.ts";

/** The name on the wire at `at`; throws where the octets hold none, so no record. */
export function readHostName(octets: Uint8Array, at: number, isWildcard = false): HostName {
  const labels = isWildcard ? ["*"] : [];
  for (let labelAt = at; octets[labelAt] !== 0; ) {
    const end = labelAt + 1 + octets[labelAt]!;
    labels.push(String.fromCharCode(...octets.subarray(labelAt + 1, end)));
    labelAt = end;
  }
  const host = parseHostName(labels.join("."));
  if (!isHostName(host)) throw new Error(`the host name of a packed record ${host.fault}`);
  return host;
}
