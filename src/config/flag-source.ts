/** Settings from the command line: `--ttl 5`, `--ttl=5`, repeated flags for lists, a boolean's flag alone for true. */

import { type RawSetting, type SourceReading, unknownSetting } from "./raw-setting.ts";
import { remedyOf } from "./setting-value.ts";
import { flagOf, isList, SETTING_KEYS, type SettingKey, settingSpec } from "./settings.ts";
import { type SettingFault, settingFault } from "./settings-error.ts";

/** Accepted for another flag. */
const ALIASES: Readonly<Record<string, string>> = { "--upstream": "--upstreams" };

const KEY_BY_FLAG: ReadonlyMap<string, SettingKey> = new Map(SETTING_KEYS.map((key) => [flagOf(key), key]));

export interface FlagReading extends SourceReading {
  /** Values of the command's own flags, such as `--config`. */
  readonly ownFlags: ReadonlyMap<string, string>;
}

/** `argv`: what follows the command; `ownFlags`: flags that the command takes besides settings, each with a value. */
export function readFlags(argv: readonly string[], ownFlags: readonly string[]): FlagReading {
  const settings = new Map<string, RawSetting>();
  const own = new Map<string, string>();
  const faults: SettingFault[] = [];

  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at]!;
    if (!word.startsWith("--") || word === "--") {
      faults.push(unexpectedArgument(word));
      continue;
    }
    const equals = word.indexOf("=");
    const written = equals === -1 ? word : word.slice(0, equals);
    const flag = ALIASES[written] ?? written;
    const key = KEY_BY_FLAG.get(flag);
    const origin = { kind: "flag", flag: written } as const;
    const isBoolean = key !== undefined && settingSpec(key).kind === "boolean";

    let value = equals === -1 ? undefined : word.slice(equals + 1);
    const next = argv[at + 1];
    if (value === undefined && next !== undefined && mayBeValue(next, isBoolean)) {
      value = next;
      at += 1;
    } else if (value === undefined && isBoolean) value = "true";

    if (key === undefined && !ownFlags.includes(flag)) {
      faults.push(unknownSetting("flag", written, origin, flagOf, ownFlags));
    } else if (value === undefined || value === "") {
      const remedy = key === undefined ? `Write ${flag} VALUE.` : remedyOf(settingSpec(key));
      faults.push(settingFault("ValueMissing", { setting: key ?? flag, origin }, "has no value", remedy));
    } else if (key === undefined) {
      if (own.has(flag)) faults.push(givenTwice(flag, flag, value));
      own.set(flag, value);
    } else {
      const before = settings.get(key);
      if (before !== undefined && !isList(settingSpec(key))) faults.push(givenTwice(key, written, value));
      settings.set(key, { key, texts: [...(before?.texts ?? []), value], origin });
    }
  }
  return { settings: [...settings.values()], faults, ownFlags: own };
}

/** Whether the word belongs to the flag before it. */
function mayBeValue(word: string, isBoolean: boolean): boolean {
  return isBoolean ? word === "true" || word === "false" : !word.startsWith("--");
}

function givenTwice(setting: string, flag: string, value: string): SettingFault {
  const about = { setting, origin: { kind: "flag", flag } as const, value };
  return settingFault("ArgumentInvalid", about, "is given twice and takes one value", "Give the flag once.");
}

function unexpectedArgument(word: string): SettingFault {
  return {
    code: "ArgumentInvalid",
    setting: undefined,
    origin: { kind: "flag", flag: word },
    value: word,
    message: `command line: unexpected argument ${JSON.stringify(word)}. Write settings as --name VALUE or --name=VALUE.`,
  };
}
