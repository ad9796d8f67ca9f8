/** What is wrong with the settings: every fault at once, each with its place, its value and its remedy. */

export class SettingsError extends Error {
  readonly code = "SettingsInvalid";
  /** Not empty. */
  readonly faults: readonly SettingFault[];

  constructor(faults: readonly SettingFault[]) {
    super(faults.map((fault) => fault.message).join("\n"));
    this.name = "SettingsError";
    this.faults = faults;
  }
}

/** Stable codes of faults. */
export type SettingFaultCode =
  /** A key, flag or variable that is not in the table. */
  | "UnknownSetting"
  /** A value that the setting does not take. */
  | "ValueInvalid"
  /** A flag without its value, or a key without one. */
  | "ValueMissing"
  /** A flag or command-line word that cannot be read. */
  | "ArgumentInvalid"
  /** No value given and no default found. */
  | "SettingRequired"
  | "FileUnreadable"
  | "FileSyntax"
  /** Queries would be forwarded to ourselves. */
  | "UpstreamIsOurself"
  /** With `refuse`: an upstream that asks us first, so that our own queries would come back. */
  | "UpstreamAsksUs";

export interface SettingFault {
  readonly code: SettingFaultCode;
  /** The key of the table, or the unknown name as written; undefined: none in particular. */
  readonly setting: string | undefined;
  readonly origin: Origin;
  /** As written. */
  readonly value: string | undefined;
  /** One line: setting, value, place, what is wrong, what to do. */
  readonly message: string;
}

/** Where the value of a setting came from. */
export type Origin =
  | { readonly kind: "flag"; readonly flag: string }
  | { readonly kind: "environment"; readonly variable: string }
  /** `line` counts from 1; 0: the whole file. */
  | { readonly kind: "file"; readonly path: string; readonly line: number; readonly column?: number }
  | { readonly kind: "default" };

/** A fault whose message is composed in the one form that all have. */
export function settingFault(
  code: SettingFaultCode,
  about: { readonly setting?: string; readonly origin: Origin; readonly value?: string },
  fault: string,
  remedy: string,
): SettingFault {
  const { setting, origin, value } = about;
  const place = origin.kind === "default" ? "" : originText(origin);
  const subject =
    setting === undefined
      ? `${place}:`
      : [
          setting,
          ...(value === undefined ? [] : ["=", JSON.stringify(value)]),
          ...(place === "" ? [] : [`(${place})`]),
        ].join(" ");
  return { code, setting, origin, value, message: `${subject} ${fault}. ${remedy}` };
}

/** `flag --ttl`, `environment variable SERVICEENTRY_DNS_TTL`, `settings.yaml:3`, `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "flag":
      return `flag ${origin.flag}`;
    case "environment":
      return `environment variable ${origin.variable}`;
    case "file":
      return [
        origin.path,
        ...(origin.line === 0 ? [] : [origin.line]),
        ...(origin.column === undefined ? [] : [origin.column]),
      ].join(":");
    case "default":
      return "default";
  }
}
