/** `config print`: the settings that `serve` would start with, and where each comes from. */

import { type LoadedSettings, loadSettings } from "../config/load-settings.ts";
import { nearestName } from "../config/nearest-name.ts";
import { SETTING_KEYS, type SettingKey } from "../config/settings.ts";
import { originText, SettingsError } from "../config/settings-error.ts";
import type { Environment } from "./api.ts";
import { fieldsOf, textOf } from "./check/raw.ts";
import { type FORMATS, formatted, readFormat, table } from "./formats.ts";
import { FORMAT_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { EXIT_USAGE, type Output, processOutput, usageMessage } from "./usage.ts";

export const CONFIG_HELP = helpText({
  usage: "config print [SETTING]... [-o FORMAT] [SETTINGS OF serve]...",
  about: `Prints the settings in force and where each comes from: flag, environment variable, settings file with its line, or default. Takes the flags of serve, such as --config FILE, and reads the same environment.`,
  options: [
    [FORMAT_OPTION[0], `${FORMAT_OPTION[1]}; yaml is a settings file`],
    ["--changed", "only what is not the default"],
    HELP_OPTION,
  ],
  status: "0 printed, 2 usage or a setting that is wrong, with all faults",
});

export const CONFIG_OPTIONS = {
  output: { type: "string", short: "o", default: "table" },
  changed: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

export async function runConfig(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
  readFile?: (path: string) => string,
): Promise<number> {
  const wrong = (fault: string) => {
    output.error(usageMessage("config", fault));
    return EXIT_USAGE;
  };
  if (argv.includes("--help")) {
    output.out(CONFIG_HELP);
    return 0;
  }
  const words = readWords(argv);
  const [action, ...names] = words.names;
  if (action !== "print")
    return wrong(action === undefined ? "write: config print" : `${action} is no action; there is print`);
  const format = readFormat(words.output);
  if (typeof format !== "string") return wrong(format.fault);
  const keys: SettingKey[] = [];
  for (const name of names) {
    const key = SETTING_KEYS.find((each) => each === name);
    if (key === undefined) {
      const nearest = nearestName(name, SETTING_KEYS);
      return wrong(`there is no setting ${name}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`);
    }
    keys.push(key);
  }
  let loaded: LoadedSettings;
  try {
    loaded = loadSettings({ argv: words.settings, env, ...(readFile === undefined ? {} : { readFile }) });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const { message } of error.faults) output.error(`config: ${message}\n`);
    return EXIT_USAGE;
  }
  const shown = (keys.length === 0 ? SETTING_KEYS : keys).filter(
    (key) => !words.isChangedOnly || loaded.sources[key].kind !== "default",
  );
  output.out(printed(format, shown, loaded));
  return 0;
}

function printed(
  format: (typeof FORMATS)[number],
  keys: readonly SettingKey[],
  loaded: LoadedSettings,
): string {
  const rows = keys.map((key) => ({
    setting: key,
    value: plainValue(loaded.settings[key]),
    source: originText(loaded.sources[key]),
  }));
  // A settings file holds what was said; JSON tells a program the rest too.
  const said = rows.filter(({ value }) => value !== null);
  const value = format === "yaml" ? Object.fromEntries(said.map((row) => [row.setting, row.value])) : rows;
  return formatted(format, value, () =>
    table(
      ["SETTING", "VALUE", "SOURCE"],
      rows.map((row) => [row.setting, shownText(row.value), row.source]),
      "every setting has its default",
    ),
  );
}

/** Values as a settings file writes them: addresses and prefixes are texts. */
export function plainValue(value: unknown): unknown {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(plainValue);
  const fields = fieldsOf(value);
  if (fields === undefined) return value;
  const address = textOf(fields["address"]);
  if (address !== undefined && typeof fields["port"] === "number")
    return addressText(address, fields["port"]);
  if (address !== undefined && typeof fields["bits"] === "number") return `${address}/${fields["bits"]}`;
  return Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, plainValue(each)]));
}

function addressText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function shownText(value: unknown): string {
  if (value === null) return "-";
  if (Array.isArray(value) && value.every((each) => typeof each !== "object"))
    return value.length === 0 ? "-" : value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

interface Words {
  readonly names: readonly string[];
  readonly output: string;
  readonly isChangedOnly: boolean;
  /** For the settings' own reader. */
  readonly settings: readonly string[];
}

/** The command's own options stand among those of `serve`, which have a reader of their own. */
function readWords(argv: readonly string[]): Words {
  const names: string[] = [];
  const settings: string[] = [];
  let output = "table";
  let isChangedOnly = false;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at]!;
    const next = argv[at + 1];
    if (word === "--changed") isChangedOnly = true;
    else if (/^(-o|--output)(=|$)/.test(word)) {
      const equals = word.indexOf("=");
      output = equals === -1 ? (next ?? "") : word.slice(equals + 1);
      if (equals === -1) at += 1;
    } else if (word.startsWith("--")) {
      settings.push(word);
      // A flag without "=" may be followed by its value; a setting's name never follows one.
      if (!word.includes("=") && next !== undefined && !next.startsWith("-")) {
        settings.push(next);
        at += 1;
      }
    } else names.push(word);
  }
  return { names, output, isChangedOnly, settings };
}
