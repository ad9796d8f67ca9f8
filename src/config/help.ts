/** The help text of `serve`, and the list of settings that other commands' help can show, from the table. */

import {
  defaultTextOf,
  ENVIRONMENT_PREFIX,
  flagOf,
  isList,
  SETTING_KEYS,
  type SettingKey,
  type SettingSpec,
  settingSpec,
  unitOf,
} from "./settings.ts";
import { wrapped } from "./wrapped.ts";

/** What `serviceentry-dns serve --help` prints; ends with a newline. */
export function serveHelp(): string {
  return `Usage: serviceentry-dns serve [--source kubernetes | PATH] [--config FILE]
                              [SETTING]...

Answers DNS for the hosts of ServiceEntries and forwards all other names.

  --config FILE
${meaningLines(CONFIG_MEANING)}
  --help
      This text.

${wrapped(ABOUT_SETTINGS).join("\n")}

${settingsHelp(SETTING_KEYS)}`;
}

const CONFIG_MEANING = `Settings file in YAML; its keys are the flags in camelCase (clusterUpstreams). It is watched: a change takes effect at once, but for settings marked "restart". Also ${ENVIRONMENT_PREFIX}CONFIG.`;
const ABOUT_SETTINGS = `Each setting is a flag, an environment variable (--cluster-upstreams: ${ENVIRONMENT_PREFIX}CLUSTER_UPSTREAMS) or a key of the file. A flag wins over the environment, that over the file, that over the default. Flags of lists may be repeated, or take several values separated by comma.`;
const MEANING_INDENT = 6;

/** What an option means, below the option. */
export function meaningLines(text: string): string {
  return wrapped(text, MEANING_INDENT).join("\n");
}

/** The given settings, grouped, with placeholder, meaning, unit and default. */
export function settingsHelp(keys: readonly SettingKey[]): string {
  return settingsByFeature(keys)
    .map(([feature, members]) => `${feature}\n${members.map(entry).join("")}`)
    .join("\n");
}

/** Settings in the order of the table, by what they belong to. */
export function settingsByFeature(
  keys: readonly SettingKey[],
): readonly (readonly [feature: string, keys: readonly SettingKey[]])[] {
  const groups = new Map<string, SettingKey[]>();
  for (const key of SETTING_KEYS) {
    if (!keys.includes(key)) continue;
    const { feature } = settingSpec(key);
    groups.set(feature, [...(groups.get(feature) ?? []), key]);
  }
  return [...groups];
}

function entry(key: SettingKey): string {
  const spec = settingSpec(key);
  const notes = [
    `default: ${defaultTextOf(spec)}`,
    unitOf(spec),
    rangeOf(spec),
    spec.restartNeeded ? "restart" : "",
  ];
  const flag = `${flagOf(key)} ${placeholder(spec)}${isList(spec) ? "..." : ""}`.trimEnd();
  const meaning = `${spec.meaning}\n(${notes.filter((note) => note !== "").join("; ")})`;
  return `  ${flag}\n${meaningLines(meaning)}\n`;
}

function rangeOf(spec: SettingSpec): string {
  return "min" in spec && spec.kind !== "octets" ? `${spec.min} to ${spec.max}` : "";
}

function placeholder(spec: SettingSpec): string {
  switch (spec.kind) {
    case "boolean":
      return "[true|false]";
    case "choice":
      return spec.values.join("|");
    case "integer":
      return "N";
    case "seconds":
    case "wholeSeconds":
      return "SECONDS";
    case "octets":
      return "SIZE";
    case "hostName":
    case "hostNames":
    case "word":
      return "NAME";
    case "folder":
      return "FOLDER";
    case "source":
      return "kubernetes | PATH";
    case "listenAddress":
    case "listenAddresses":
      return "ADDR:PORT";
    case "upstreamAddresses":
      return "ADDR[:PORT]";
    case "namespaces":
    case "namespaceNames":
      return "NAMESPACE";
    case "addresses":
      return "ADDR";
    case "prefixes":
      return "ADDR[/BITS]";
    case "selectors":
    case "policyRules":
      return "JSON";
  }
}
