/** docs/settings.md, from the table of settings. */

import { settingsByFeature } from "./help.ts";
import { remedyOf } from "./setting-value.ts";
import {
  defaultTextOf,
  environmentVariableOf,
  flagOf,
  SETTING_KEYS,
  type SettingKey,
  settingSpec,
  unitOf,
} from "./settings.ts";

/** The whole page as Markdown; ends with a newline. */
export function settingsPage(): string {
  const groups = settingsByFeature(SETTING_KEYS).map(
    ([feature, keys]) => `## ${feature}\n\n${HEADER}\n${keys.map(row).join("\n")}\n`,
  );
  return `${INTRODUCTION}\n${groups.join("\n")}`;
}

const INTRODUCTION = `# Settings

Generated from \`src/config/settings.ts\`; do not edit (\`node scripts/generate-docs.ts\` writes it).

A flag wins over the environment, the environment over the file (\`--config FILE\` or \`SERVICEENTRY_DNS_CONFIG\`),
the file over the default. The file is YAML with the names below as keys. Lists are YAML lists, repeated flags or
values separated by comma. Durations are numbers of seconds without a unit. An unknown name is an error.

The file is watched. A change takes effect at once, but for the settings marked with "restart"; a file with an error
is logged and changes nothing. \`--upstream\` is accepted for \`--upstreams\`. An environment variable that is empty
counts as not set.
`;

const HEADER = `| name, flag, variable | default | unit | meaning and values |
|---|---|---|---|`;

function row(key: SettingKey): string {
  const spec = settingSpec(key);
  const names = `\`${key}\`<br>\`${flagOf(key)}\`<br>\`${environmentVariableOf(key)}\``;
  const value =
    spec.defaultText === undefined && spec.defaultInPod === undefined
      ? `\`${defaultTextOf(spec)}\``
      : defaultTextOf(spec);
  const marks = spec.restartNeeded === true ? " (restart)" : "";
  const cells = [names, value, unitOf(spec), `${escaped(spec.meaning)}${marks} ${escaped(remedyOf(spec))}`];
  return `| ${cells.join(" | ")} |`;
}

/** Text in a table cell: no character of it is markup. */
function escaped(text: string): string {
  return text.replaceAll(/[|*~<>[\]]/g, (mark) => `\\${mark}`);
}
