/**
 * What becomes of entries that are to be published as Services: what keeps them from it, what is left out, and what
 * is called otherwise. With the rules of the registry that chooses them and of the publisher that writes them.
 */

import type { Labels, Namespace, ServiceEntry } from "../../mesh/objects.ts";
import { PUBLISH_NAME, type PublishMode, publishChoice } from "../../mesh/publication.ts";
import { type AddressFilter, createAddressFilter } from "../../publisher/address-filter.ts";
import { publishedPorts } from "../../publisher/names.ts";
import { forbiddenKind } from "../../registry/policy.ts";
import {
  namespaceHindrance,
  type PublishHindrance,
  publishHindrance,
} from "../../registry/publish-verdict.ts";
import type { HostName } from "../../wire/host-name.ts";
import type { IpAddress, IpPrefix } from "../../wire/ip-address.ts";
import type { Fault } from "./finding.ts";

export interface PublishRules {
  readonly mode: PublishMode;
  readonly clusterDomain: string;
  /** Of the Namespaces among the files. */
  readonly namespaces: ReadonlyMap<Namespace, Labels>;
  readonly filter: AddressFilter;
}

/** `serviceRanges`: where Services get their addresses; `clusterIps`: of the Services among the files. */
export function publishRules(
  rules: Omit<PublishRules, "filter">,
  virtualRanges: readonly IpPrefix[],
  serviceRanges: readonly IpPrefix[],
  clusterIps: ReadonlySet<IpAddress>,
): PublishRules {
  const isClusterIp = (address: IpAddress) => clusterIps.has(address);
  return { ...rules, filter: createAddressFilter({ virtualRanges, serviceRanges, isClusterIp }) };
}

/** `faults`: what else is known of the entry; returns them with what publishing adds, and without what it mends. */
export function withPublishing(
  entry: ServiceEntry,
  faults: readonly Fault[],
  rules: PublishRules,
): readonly Fault[] {
  const isMapped = faults.some(({ code }) => code === "PortMismatch");
  const hindrances = hindrancesOf(entry, rules);
  const isPossible = hindrances.length < entry.hosts.length;
  const choice = choiceOf(entry, rules);
  const isChosen = choice === "yes" || (choice === "maybe" && isMapped);
  const found = [...notAllowed(entry, rules, choice)];
  if (choice === "yes" || choice === "unallowed") found.push(...refused(hindrances));
  if (isChosen && isPossible) found.push(...skipped(entry, rules), ...renamed(entry));
  const isAll = isChosen && hindrances.length === 0;
  const others = isAll ? faults.filter(({ code }) => code !== "PortMismatch") : faults;
  return [...others.map((fault) => remedied(fault, hindrances[0], isPossible)), ...found];
}

interface HostHindrance extends PublishHindrance {
  readonly host: HostName;
}

function hindrancesOf(entry: ServiceEntry, { clusterDomain }: PublishRules): readonly HostHindrance[] {
  return entry.hosts.flatMap((host) => {
    const isFallback = host.endsWith(`.${clusterDomain}`);
    const hindrance = publishHindrance({ host, entry, isFallback });
    return hindrance === undefined ? [] : [{ ...hindrance, host }];
  });
}

/** Of a Namespace that is not among the files it is not known that it forbids what its entry asks for. */
function choiceOf(entry: ServiceEntry, { mode, namespaces }: PublishRules) {
  const labels = namespaces.get(entry.ref.namespace);
  if (labels !== undefined) return publishChoice(entry, labels, mode);
  const choice = publishChoice(entry, {}, mode);
  return choice === "unallowed" ? "yes" : choice;
}

function notAllowed(
  { ref, annotations }: ServiceEntry,
  { mode }: PublishRules,
  choice: ReturnType<typeof choiceOf>,
): readonly Fault[] {
  const isAsked = Object.hasOwn(annotations, PUBLISH_NAME) && annotations[PUBLISH_NAME] === "true";
  const path = `metadata.annotations[${JSON.stringify(PUBLISH_NAME)}]`;
  if (choice === "unallowed")
    return [
      {
        code: "PublishNotAllowed",
        path,
        message: `No host is published: ${namespaceHindrance(ref.namespace)}.`,
      },
    ];
  if (!isAsked || mode !== "off") return [];
  const message = "No host is published: the setting publish is off.";
  return [{ code: "PublishNotAllowed", path, message }];
}

/** What hinders the whole entry is said once. */
function refused(hindrances: readonly HostHindrance[]): readonly Fault[] {
  const said = new Set<string>();
  return hindrances.flatMap(({ host, field, reason }): readonly Fault[] => {
    if (field !== "hosts" && said.has(reason)) return [];
    said.add(reason);
    const message = `Host ${host} is not published: ${reason}.`;
    return [{ code: "PublishRefused", path: `spec.${field}`, message }];
  });
}

function skipped({ endpoints }: ServiceEntry, { filter }: PublishRules): readonly Fault[] {
  return endpoints.flatMap(({ path, address }): readonly Fault[] => {
    // What is never answered is reported as such.
    if (address.kind !== "ip" || forbiddenKind(address.ip, []) !== undefined) return [];
    const reason = filter(address.ip);
    if (reason === undefined) return [];
    const message = `The hosts are published without ${address.ip}, for it ${reason}.`;
    return [{ code: "PublishSkipped", path: `${path}.address`, message }];
  });
}

function renamed({ ports }: ServiceEntry): readonly Fault[] {
  return publishedPorts(ports).flatMap(({ name }, at): readonly Fault[] => {
    const { name: written, number } = ports[at]!;
    if (name === written) return [];
    const message = `Port ${number} (${written}) is the port ${name} of the published Service.`;
    return [{ code: "PublishPortRenamed", path: `spec.ports[${at}].name`, message }];
  });
}

/** Who cannot publish is not told to. */
function remedied(fault: Fault, hindrance: HostHindrance | undefined, isPossible: boolean): Fault {
  if (fault.code !== "PortMismatch" || hindrance === undefined || isPossible) return fault;
  const remedy = `DNS cannot remap ports, and no Service can do it here, for ${hindrance.reason}: use the endpoint's port, or a mesh.`;
  return { ...fault, remedy };
}
