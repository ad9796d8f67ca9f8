/**
 * Names as a client's resolver makes them of a host and its search list: `host.<ns>.svc.<cluster domain>` and so
 * on. Says how a name can be read so, and whether Kubernetes could mean the same name: then upstream must deny
 * it before a host of a tenant may answer it.
 *
 * | the suffix read        | Kubernetes can mean it where the bare host has                                    |
 * |------------------------|-----------------------------------------------------------------------------------|
 * | any                    | a label that begins with `_`                                                      |
 * | `<ns>.svc.<domain>`    | 1 label: a service; 2: a named pod, unless its last label is delegated            |
 * | `svc.<domain>`         | fewer than 4 labels, unless its last label is delegated and no Namespace's name   |
 * | `<domain>`             | the last label `svc` or `pod`                                                     |
 * | one of the settings    | whatever it has, below `svc.<domain>` and `pod.<domain>` and for `<domain>` itself|
 *
 * A delegated last label is that of a top-level domain, or one the settings name: a service or Namespace of such
 * a name is not expected, and for Namespaces it is known.
 */

import type { NameView } from "../table/host-table.ts";
import { type HostName, hostNameOctets } from "../wire/host-name.ts";

/** A name that others end with. */
export interface Suffix {
  /** On the wire, the root label included. */
  readonly octets: Uint8Array;
  readonly labels: number;
}

export interface SearchSuffixes {
  readonly domain: Suffix;
  /** Of the settings, the longest first. */
  readonly extras: readonly Suffix[];
}

/** The ways to read a name, the longest suffix first; `FIRST_EXTRA` and above: the settings' suffixes in order. */
export const Reading = { NAMESPACE: 0, SERVICES: 1, DOMAIN: 2, FIRST_EXTRA: 3 } as const;

/** On `<ns>.svc.<domain>`: so many labels are more than Kubernetes gives a name. */
export const LABELS_BEYOND_KUBERNETES = 3;

const SERVICES_LABEL = labelOctets("svc");
const PODS_LABEL = labelOctets("pod");

export function searchSuffixes(clusterDomain: HostName, extras: readonly HostName[]): SearchSuffixes {
  return {
    domain: toSuffix(clusterDomain),
    extras: extras.map(toSuffix).sort((one, other) => other.labels - one.labels),
  };
}

export function readingCount(suffixes: SearchSuffixes): number {
  return Reading.FIRST_EXTRA + suffixes.extras.length;
}

/**
 * How many of the name's first labels are the bare host if it is read so; 0 or less: it cannot be. Read as
 * `NAMESPACE`, the label behind them is the namespace.
 */
export function bareLabelCount(name: NameView, suffixes: SearchSuffixes, reading: number): number {
  if (reading >= Reading.FIRST_EXTRA) {
    const extra = suffixes.extras[reading - Reading.FIRST_EXTRA]!;
    return endsWith(name, extra) ? name.labelCount - extra.labels : 0;
  }
  const { domain } = suffixes;
  if (!endsWith(name, domain)) return 0;
  const labels = name.labelCount - domain.labels;
  if (reading === Reading.DOMAIN) return labels;
  if (labels < 1 || !isLabel(name, labels - 1, SERVICES_LABEL)) return 0;
  return reading === Reading.SERVICES ? labels - 1 : labels - 2;
}

/**
 * Whether Kubernetes can mean the name, read so. `isDelegated`: of the bare host's last label; `isNamespace`:
 * whether a Namespace has the name of that label.
 */
export function canKubernetesMean(
  name: NameView,
  suffixes: SearchSuffixes,
  reading: number,
  bareLabels: number,
  isDelegated: boolean,
  isNamespace: boolean,
): boolean {
  if (name.hasUnderscoreLabel) return true;
  switch (reading) {
    case Reading.NAMESPACE:
      return bareLabels < (isDelegated ? 2 : LABELS_BEYOND_KUBERNETES);
    case Reading.SERVICES:
      return bareLabels <= LABELS_BEYOND_KUBERNETES && !(isDelegated && !isNamespace && bareLabels > 1);
    default:
      return isOfKubernetes(name, suffixes.domain);
  }
}

/** Whether the name is the suffix or lies below it, label by label. */
export function endsWith(name: NameView, suffix: Suffix): boolean {
  const first = name.labelCount - suffix.labels;
  if (first < 0) return false;
  const start = first === name.labelCount ? name.nameLength - 1 : name.labelStarts[first]!;
  const { octets } = suffix;
  if (name.nameLength - start !== octets.length) return false;
  for (let at = 0; at < octets.length; at += 1) if (name.name[start + at] !== octets[at]) return false;
  return true;
}

/** Whether the name's label of this number is these octets, their length octet included. */
export function isLabel(name: NameView, label: number, octets: Uint8Array): boolean {
  const start = name.labelStarts[label]!;
  for (let at = 0; at < octets.length; at += 1) if (name.name[start + at] !== octets[at]) return false;
  return true;
}

/** As on the wire: its length, then its octets. */
export function labelOctets(label: string): Uint8Array {
  return Uint8Array.from([label.length, ...Buffer.from(label, "latin1")]);
}

/** Whether it is the domain itself or lies at or below `svc` or `pod` of it. */
function isOfKubernetes(name: NameView, domain: Suffix): boolean {
  if (!endsWith(name, domain)) return false;
  const last = name.labelCount - domain.labels - 1;
  return last < 0 || isLabel(name, last, SERVICES_LABEL) || isLabel(name, last, PODS_LABEL);
}

function toSuffix(name: HostName): Suffix {
  return { octets: hostNameOctets(name), labels: name.split(".").length };
}
