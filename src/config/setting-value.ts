/** The text of a setting, from wherever it came, to its value: one parser per kind. */

import { assertNever } from "../runtime.ts";
import { type HostName, isHostName, isWildcard, parseHostName } from "../wire/host-name.ts";
import { type IpAddress, type IpPrefix, parseIpAddress, parseIpPrefix } from "../wire/ip-address.ts";
import { POLICY_RULES_REMEDY, parsePolicyRules, parseSelectors, SELECTORS_REMEDY } from "./policy-value.ts";
import { isList, type SettingKey, type SettingSpec, type Settings } from "./settings.ts";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "./socket-address.ts";

/** The port of DNS (RFC 1035 4.2), for upstreams written without one. */
const DNS_PORT = 53;

export type SettingValue = Settings[SettingKey];

/** What is wrong, as the end of a sentence that begins with the value. */
export interface ValueFault {
  readonly fault: string;
}

/** The default in force, which completes listen addresses that lack an address or port. */
export interface DefaultInForce {
  readonly text: string | null;
  /** The value that is read is the default itself. */
  readonly isValue: boolean;
}

/** Reads what a user wrote: for a list each text may hold several elements separated by comma. */
export function parseSettingValue(
  spec: SettingSpec,
  texts: readonly string[],
  defaultInForce: DefaultInForce,
): { readonly value: SettingValue } | ValueFault {
  const elements = isList(spec) ? texts.flatMap((text) => text.split(",")) : texts;
  const trimmed = elements.map((element) => element.trim());
  const parsed = parseKind(spec, trimmed, defaultInForce);
  return isFault(parsed) ? parsed : { value: parsed };
}

/** What the setting takes, as the sentence of a remedy. */
export function remedyOf(spec: SettingSpec): string {
  switch (spec.kind) {
    case "integer":
      return `Give a whole number from ${spec.min} to ${spec.max}.`;
    case "wholeSeconds":
      return `Give whole seconds from ${spec.min} to ${spec.max}, without a unit.`;
    case "seconds":
      return `Give seconds from ${spec.min} to ${spec.max} without a unit; fractions are allowed.`;
    case "octets":
      return `Give octets from ${octetsText(spec.min)} to ${octetsText(spec.max)}, as a number or with the unit KiB, MiB or GiB.`;
    case "boolean":
      return "Give true or false.";
    case "choice":
      return `Give one of ${spec.values.join(", ")}.`;
    case "hostName":
      return `Give a DNS name such as cluster.local, of at most ${spec.maxCharacters} characters.`;
    case "hostNames":
      return "Give DNS names such as corp.example.com, several separated by comma.";
    case "word":
      return "Give a name without spaces, in quotes if it is a number.";
    case "folder":
      return "Give the path of a folder, or off.";
    case "source":
      return "Give kubernetes, or the path of a manifest file or folder.";
    case "listenAddress":
      return "Give ADDR:PORT, [ADDR6]:PORT or :PORT.";
    case "listenAddresses":
      return "Give ADDR:PORT, [ADDR6]:PORT or :PORT, several separated by comma.";
    case "upstreamAddresses":
      return "Give ADDR, ADDR:PORT or [ADDR6]:PORT, several separated by comma; host names are not looked up.";
    case "namespaces":
      return 'Give "*", ".", "~" or names of namespaces, several separated by comma.';
    case "namespaceNames":
      return "Give names of namespaces, several separated by comma.";
    case "addresses":
      return "Give addresses, several separated by comma.";
    case "selectors":
      return SELECTORS_REMEDY;
    case "policyRules":
      return POLICY_RULES_REMEDY;
    case "prefixes":
      return "Give ADDR or ADDR/BITS, several separated by comma.";
    default:
      return assertNever(spec);
  }
}

function parseKind(
  spec: SettingSpec,
  elements: readonly string[],
  defaultInForce: DefaultInForce,
): SettingValue | ValueFault {
  const text = elements[0] ?? "";
  switch (spec.kind) {
    case "integer":
    case "wholeSeconds":
      return /^\d+$/.test(text) ? within(spec, Number(text)) : { fault: "is not a whole number" };
    case "seconds":
      return /^\d+(\.\d+)?$/.test(text)
        ? within(spec, Number(text))
        : { fault: "is not a number of seconds" };
    case "octets":
      return parseOctets(spec, text);
    case "boolean":
      return text === "true" || text === "false" ? text === "true" : { fault: "is neither true nor false" };
    case "choice":
      return spec.values.includes(text) ? (text as SettingValue) : { fault: "is none of the choices" };
    case "hostName": {
      const name = parsePlainName(text);
      const isTooLong = !isFault(name) && name.length > spec.maxCharacters;
      return isTooLong ? { fault: `is longer than ${spec.maxCharacters} characters` } : name;
    }
    case "hostNames":
      return each(elements, (element) => oneOf(parsePlainName(element)), String);
    case "word":
      return /^\S+$/.test(text) ? text : { fault: text === "" ? "is empty" : "holds a space" };
    case "folder":
      return text === "off" ? undefined : parseSource(text);
    case "source":
      return parseSource(text);
    case "listenAddress": {
      const addresses = parseListenAddress(text, defaultInForce);
      return isFault(addresses) ? addresses : addresses[0]!;
    }
    case "listenAddresses":
      return each(elements, (element) => parseListenAddress(element, defaultInForce), socketAddressText);
    case "upstreamAddresses":
      return each(elements, parseUpstream, socketAddressText);
    case "namespaces":
      return each(elements, parseNamespace, String);
    case "namespaceNames":
      return each(elements, parseNamespaceName, String);
    case "addresses":
      return each(elements, parseAddress, String);
    case "selectors":
      return parseSelectors(text);
    case "policyRules":
      return parsePolicyRules(text);
    case "prefixes":
      return each(elements, parsePrefix, ({ address, bits }) => `${address}/${bits}`);
    default:
      return assertNever(spec);
  }
}

function within(spec: { readonly min: number; readonly max: number }, value: number): number | ValueFault {
  if (value < spec.min) return { fault: `is below ${spec.min}` };
  return value > spec.max ? { fault: `is above ${spec.max}` } : value;
}

const OCTETS_PER_UNIT = { "": 1, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 } as const;

function parseOctets(
  spec: { readonly min: number; readonly max: number },
  text: string,
): number | ValueFault {
  const parts = /^(\d+)(?: ?(Ki|Mi|Gi)B?)?$/.exec(text);
  if (parts === null) return { fault: "is not a number of octets" };
  const octets = Number(parts[1]) * OCTETS_PER_UNIT[(parts[2] ?? "") as keyof typeof OCTETS_PER_UNIT];
  if (octets < spec.min) return { fault: `is below ${octetsText(spec.min)}` };
  return octets > spec.max ? { fault: `is above ${octetsText(spec.max)}` } : octets;
}

function octetsText(octets: number): string {
  return octets % 1024 ** 3 === 0 ? `${octets / 1024 ** 3} GiB` : `${octets / 1024 ** 2} MiB`;
}

function parseSource(text: string): string | ValueFault {
  if (text === "") return { fault: "is empty" };
  return text;
}

/** `:PORT` stands for each of the default's addresses, `ADDR` for the default's port. */
function parseListenAddress(text: string, { text: defaultText, isValue }: DefaultInForce) {
  const written = parseWrittenAddress(text);
  if (isFault(written)) return written;
  const { address, port } = written;
  if (address !== undefined && port !== undefined) return [{ address, port, isDefault: isValue }];
  const defaults = (defaultText ?? "").split(",").flatMap((each) => {
    const parsed = parseWrittenAddress(each.trim());
    return isFault(parsed) || parsed.address === undefined || parsed.port === undefined
      ? []
      : [{ address: parsed.address, port: parsed.port, isDefault: true }];
  });
  if (port !== undefined) return defaults.map((each) => ({ ...each, port }));
  return defaults
    .slice(0, 1)
    .map((each) => ({ ...each, address: address ?? each.address, isDefault: false }));
}

function parseUpstream(text: string): readonly SocketAddress[] | ValueFault {
  const written = parseWrittenAddress(text);
  if (isFault(written)) return written;
  const { address, port = DNS_PORT } = written;
  if (address === undefined) return { fault: "has no address" };
  if (address === "0.0.0.0" || address === "::") return { fault: "is the unspecified address" };
  return port === 0 ? { fault: "has the port 0" } : [{ address, port }];
}

function parsePlainName(text: string): HostName | ValueFault {
  const name = parseHostName(text);
  return isHostName(name) && isWildcard(name) ? { fault: "is a wildcard" } : name;
}

function oneOf<T>(parsed: T | ValueFault): readonly T[] | ValueFault {
  return isFault(parsed) ? parsed : [parsed];
}

function parseNamespace(text: string): readonly string[] | ValueFault {
  return ["*", ".", "~"].includes(text) ? [text] : parseNamespaceName(text);
}

/** A namespace is one label of RFC 1123. */
function parseNamespaceName(text: string): readonly string[] | ValueFault {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
    ? [text]
    : { fault: text === "" ? "is empty" : "is no name of a namespace" };
}

function parseAddress(text: string): readonly IpAddress[] | ValueFault {
  const address = parseIpAddress(text);
  return address === null ? { fault: text === "" ? "is empty" : "is no address" } : [address];
}

function parsePrefix(text: string): readonly IpPrefix[] | ValueFault {
  const prefix = parseIpPrefix(text);
  return prefix === null ? { fault: text === "" ? "is empty" : "is no address or prefix" } : [prefix];
}

/** Parses every element; none, or one that stands twice, is a fault. */
function each<T>(
  elements: readonly string[],
  parse: (element: string) => readonly T[] | ValueFault,
  textOf: (value: T) => string,
): readonly T[] | ValueFault {
  const values = new Map<string, T>();
  for (const element of elements) {
    const parsed = parse(element);
    if (isFault(parsed)) return elements.length === 1 ? parsed : inElement(element, parsed.fault);
    for (const value of parsed) {
      if (values.has(textOf(value))) return { fault: `names ${textOf(value)} twice` };
      values.set(textOf(value), value);
    }
  }
  return values.size === 0 ? { fault: "is empty" } : [...values.values()];
}

function inElement(element: string, fault: string): ValueFault {
  return {
    fault: element === "" ? "has an empty element" : `has ${JSON.stringify(element)}, which ${fault}`,
  };
}

function isFault(parsed: unknown): parsed is ValueFault {
  return typeof parsed === "object" && parsed !== null && "fault" in parsed;
}
