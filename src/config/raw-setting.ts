/** A setting as one source wrote it, before its value is read; the three sources all give this shape. */

import { nearestName } from "./nearest-name.ts";
import { SETTING_KEYS, type SettingKey } from "./settings.ts";
import { type Origin, originText, type SettingFault } from "./settings-error.ts";

export interface RawSetting {
  readonly key: SettingKey;
  /** One text, or several for a list. */
  readonly texts: readonly string[];
  readonly origin: Origin;
}

/** All that one source said. */
export interface SourceReading {
  readonly settings: readonly RawSetting[];
  readonly faults: readonly SettingFault[];
}

/** `written` is no setting; `spell` gives the names as this source spells them, `others` what it takes besides. */
export function unknownSetting(
  what: string,
  written: string,
  origin: Origin,
  spell: (key: SettingKey) => string,
  others: readonly string[] = [],
): SettingFault {
  const nearest = nearestName(written, [...SETTING_KEYS.map(spell), ...others]);
  const hint = nearest === undefined ? "" : `Did you mean ${nearest}? `;
  const place = origin.kind === "file" ? `${originText(origin)}: ` : "";
  const message = `${place}${what} ${written} is unknown. ${hint}All settings: serviceentry-dns serve --help.`;
  return { code: "UnknownSetting", setting: written, origin, value: undefined, message };
}
