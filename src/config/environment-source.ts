/** Settings from environment variables with our prefix. */

import { type RawSetting, type SourceReading, unknownSetting } from "./raw-setting.ts";
import { ENVIRONMENT_PREFIX, environmentVariableOf, SETTING_KEYS, type SettingKey } from "./settings.ts";
import type { SettingFault } from "./settings-error.ts";

/** Names the settings file, as `--config` does. */
export const CONFIG_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;

/**
 * Kubernetes describes every Service of the namespace in each container's environment ("service links"). Those of
 * our own Services (`serviceentry-dns`, `serviceentry-dns-admin` ...) begin with our prefix and are no settings.
 */
const SERVICE_LINK =
  /^SERVICEENTRY_DNS_(.+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

const KEY_BY_VARIABLE: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_KEYS.map((key) => [environmentVariableOf(key), key]),
);

/** A variable that is set but empty counts as not set: templates write such ones. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): SourceReading {
  const settings: RawSetting[] = [];
  const faults: SettingFault[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || variable === CONFIG_VARIABLE) continue;
    const origin = { kind: "environment", variable } as const;
    const key = KEY_BY_VARIABLE.get(variable);
    if (key !== undefined) {
      if (value !== undefined && value !== "") settings.push({ key, texts: [value], origin });
    } else if (!SERVICE_LINK.test(variable)) {
      faults.push(
        unknownSetting("environment variable", variable, origin, environmentVariableOf, [CONFIG_VARIABLE]),
      );
    }
  }
  return { settings, faults };
}
