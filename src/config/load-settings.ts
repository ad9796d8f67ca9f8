/**
 * Flag over environment over file over default: from what the user wrote to checked `Settings`, or one error
 * that names every fault.
 */

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { CONFIG_VARIABLE, readEnvironment } from "./environment-source.ts";
import { readSettingsText, unreadableFile } from "./file-source.ts";
import { readFlags } from "./flag-source.ts";
import type { RawSetting, SourceReading } from "./raw-setting.ts";
import { refuseFaults } from "./refuse-mode.ts";
import { parseResolvConf, RESOLV_CONF_PATH } from "./resolv-conf.ts";
import { type DefaultInForce, parseSettingValue, remedyOf, type SettingValue } from "./setting-value.ts";
import {
  environmentVariableOf,
  flagOf,
  SETTING_KEYS,
  type SettingKey,
  type Settings,
  settingSpec,
} from "./settings.ts";
import { type Origin, type SettingFault, SettingsError, settingFault } from "./settings-error.ts";
import { upstreamLoops } from "./upstream-loops.ts";

export interface SettingsInputs {
  /** What follows the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; throws when there is none. */
  readonly readFile?: (path: string) => string;
  /** Where the default upstreams are read. */
  readonly resolvConfPath?: string;
  /** Addresses of this machine, to see an upstream that is ourselves. */
  readonly localAddresses?: () => readonly string[];
  /** Flags with a value that the command takes besides settings, such as `--form`. */
  readonly ownFlags?: readonly string[];
  /** Defaults of the command in the place of the table's, in the same syntax. */
  readonly defaults?: Readonly<Partial<Record<SettingKey, string>>>;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Per setting where its value came from. */
  readonly sources: Readonly<Record<SettingKey, Origin>>;
  /** Values of the command's own flags by flag, `--form` → `dns`. */
  readonly ownFlags: ReadonlyMap<string, string>;
  /** The settings file, if there is one. */
  readonly configPath: string | undefined;
}

const CONFIG_FLAG = "--config";

/** Throws `SettingsError` with all faults, also those of values that another source overrides. */
export function loadSettings(inputs: SettingsInputs): LoadedSettings {
  const flags = readFlags(inputs.argv, [CONFIG_FLAG, ...(inputs.ownFlags ?? [])]);
  const environment = readEnvironment(inputs.env);
  const configFlag = flags.ownFlags.get(CONFIG_FLAG);
  const configPath = configFlag ?? (inputs.env[CONFIG_VARIABLE] || undefined);
  const configOrigin: Origin =
    configFlag === undefined
      ? { kind: "environment", variable: CONFIG_VARIABLE }
      : { kind: "flag", flag: CONFIG_FLAG };
  const read = inputs.readFile ?? readTextFile;
  const file = configPath === undefined ? NOTHING_SAID : readFileSource(configPath, configOrigin, read);

  const faults = [...flags.faults, ...environment.faults, ...file.faults];
  const defaultOf = defaultsFor(inputs);
  const found = new Map<SettingKey, { readonly value: SettingValue; readonly origin: Origin }>();
  const written = new Set<SettingKey>();
  // The least first: a later source replaces what an earlier one set.
  for (const raw of [...file.settings, ...environment.settings, ...flags.settings]) {
    written.add(raw.key);
    const value = parseRaw(raw, { text: defaultOf(raw.key), isValue: false });
    if ("fault" in value) faults.push(value.fault);
    else found.set(raw.key, { value: value.value, origin: raw.origin });
  }

  for (const key of SETTING_KEYS) {
    // A setting that was written wrongly is reported once, not also as missing.
    if (written.has(key)) continue;
    const value = defaultValue(key, defaultOf(key), found, read, inputs.resolvConfPath ?? RESOLV_CONF_PATH);
    if (value !== undefined && isSettingFault(value)) faults.push(value);
    else if (value !== undefined) found.set(key, { value, origin: { kind: "default" } });
  }
  if (faults.length > 0) throw new SettingsError(withoutConsequences(faults));

  const entries = SETTING_KEYS.map((key) => [key, found.get(key)] as const);
  // Every key was parsed by the parser of its own kind: the door through which the types are trusted.
  const settings = Object.fromEntries(
    entries.map(([key, each]) => [key, each?.value]),
  ) as unknown as Settings;
  const sources = Object.fromEntries(
    entries.map(([key, each]) => [key, each?.origin ?? { kind: "default" }]),
  ) as Record<SettingKey, Origin>;
  const loops = upstreamLoops(settings, sources, (inputs.localAddresses ?? machineAddresses)());
  const unfit = [...loops, ...refuseFaults(settings, sources)];
  if (unfit.length > 0) throw new SettingsError(unfit);
  return { settings, sources, ownFlags: flags.ownFlags, configPath };
}

/** What a file sets that cannot be read is not known, so nothing counts as missing. */
function withoutConsequences(faults: readonly SettingFault[]): readonly SettingFault[] {
  const isFileLost = faults.some(({ code }) => code === "FileSyntax" || code === "FileUnreadable");
  return isFileLost ? faults.filter(({ code }) => code !== "SettingRequired") : faults;
}

const NOTHING_SAID: SourceReading = { settings: [], faults: [] };

function readFileSource(path: string, origin: Origin, read: (path: string) => string): SourceReading {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    return { settings: [], faults: [unreadableFile(path, origin, reasonOf(error))] };
  }
  return readSettingsText(text, path);
}

function parseRaw(
  { key, texts, origin }: RawSetting,
  defaultInForce: DefaultInForce,
): { readonly value: SettingValue } | { readonly fault: SettingFault } {
  const spec = settingSpec(key);
  const parsed = parseSettingValue(spec, texts, defaultInForce);
  if ("value" in parsed) return parsed;
  const about = { setting: key, origin, value: texts.join(",") };
  return { fault: settingFault("ValueInvalid", about, parsed.fault, remedyOf(spec)) };
}

/** The text of each default: the command's, else the pod's, else the table's. */
function defaultsFor({ defaults, env }: SettingsInputs): (key: SettingKey) => string | null {
  const isInPod = env["KUBERNETES_SERVICE_HOST"] !== undefined;
  return (key) => {
    const spec = settingSpec(key);
    return defaults?.[key] ?? (isInPod ? spec.defaultInPod : undefined) ?? spec.default;
  };
}

/** Undefined: the setting has no value (`network`), or the fault that left it without one is reported already. */
function defaultValue(
  key: SettingKey,
  text: string | null,
  found: ReadonlyMap<SettingKey, { readonly value: SettingValue }>,
  read: (path: string) => string,
  resolvConfPath: string,
): SettingValue | SettingFault | undefined {
  if (text !== null) {
    const origin = { kind: "default" } as const;
    const parsed = parseRaw({ key, texts: [text], origin }, { text, isValue: true });
    return "value" in parsed ? parsed.value : parsed.fault;
  }
  switch (key) {
    case "upstreams":
      return systemNameservers(resolvConfPath, read);
    case "clusterUpstreams":
      return found.get("upstreams")?.value;
    default:
      return undefined;
  }
}

function systemNameservers(path: string, read: (path: string) => string): SettingValue | SettingFault {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    return required("upstreams", `is not set, and ${path} cannot be read (${reasonOf(error)})`);
  }
  const addresses = parseResolvConf(text);
  if (addresses.length === 0) return required("upstreams", `is not set, and ${path} names no nameserver`);
  return addresses.map((address) => ({ address, port: 53 }));
}

function required(key: SettingKey, fault: string): SettingFault {
  const places = `Set it with ${flagOf(key)}, ${environmentVariableOf(key)} or ${key} in the settings file`;
  const about = { setting: key, origin: { kind: "default" } as const };
  return settingFault("SettingRequired", about, fault, `${places}. ${remedyOf(settingSpec(key))}`);
}

function isSettingFault(value: SettingValue | SettingFault): value is SettingFault {
  return typeof value === "object" && "code" in value;
}

function readTextFile(path: string): string {
  return readFileSync(path, "utf8");
}

function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}

/** `ENOENT: no such file or directory` without the call and the path, which the message has already. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/, \w+( '.*')?$/s, "");
}
