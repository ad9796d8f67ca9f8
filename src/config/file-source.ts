/** Settings from a YAML (or JSON) file: a mapping with the table's keys, every fault with its line. */

import { inspect } from "node:util";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { type RawSetting, type SourceReading, unknownSetting } from "./raw-setting.ts";
import { remedyOf } from "./setting-value.ts";
import { isList, isSettingKey, isStructured, type SettingSpec, settingSpec } from "./settings.ts";
import { type Origin, type SettingFault, settingFault } from "./settings-error.ts";

/** Reads the text of a settings file; `path` is for messages only. An empty file sets nothing. */
export function readSettingsText(text: string, path: string): SourceReading {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    const faults = syntax.map(({ message, pos }) => syntaxFault(message, path, lines.linePos(pos[0])));
    return { settings: [], faults };
  }
  if (document.contents === null) return { settings: [], faults: [] };
  if (!isMap(document.contents)) {
    const fault = "holds no mapping of settings";
    const remedy = "Write one setting per line, such as ttl: 30.";
    return { settings: [], faults: [settingFault("FileSyntax", { origin: at(path, 0) }, fault, remedy)] };
  }

  const settings: RawSetting[] = [];
  const faults: SettingFault[] = [];
  for (const { key: keyNode, value: valueNode } of document.contents.items) {
    const offset = isScalar(keyNode) ? (keyNode.range?.[0] ?? 0) : 0;
    const origin = at(path, lines.linePos(offset).line);
    const key = isScalar(keyNode) ? String(keyNode.value) : String(keyNode);
    if (!isSettingKey(key)) {
      faults.push(unknownSetting("key", key, origin, (each) => each));
      continue;
    }
    const spec = settingSpec(key);
    let written: unknown;
    try {
      written = isNode(valueNode) ? valueNode.toJS(document) : undefined;
    } catch (error) {
      // Aliases are followed only now: one without an anchor, or far too many.
      const fault = error instanceof Error ? error.message : String(error);
      faults.push(settingFault("FileSyntax", { setting: key, origin }, fault, QUOTE_REMEDY));
      continue;
    }
    const texts = textsOf(spec, written);
    if (texts !== undefined) settings.push({ key, texts, origin });
    else faults.push(shapeFault(key, spec, written, origin));
  }
  return { settings, faults };
}

/** For messages about the file as a whole. */
export function unreadableFile(path: string, origin: Origin, reason: string): SettingFault {
  const about = { setting: "config", origin, value: path };
  return settingFault(
    "FileUnreadable",
    about,
    `cannot be read (${reason})`,
    "Give the path of a readable file.",
  );
}

const QUOTE_REMEDY = "A text that begins with * stands in quotes; write no aliases.";

/** What YAML may hold for a setting, as texts; undefined: it holds something else. */
function textsOf(spec: SettingSpec, written: unknown): readonly string[] | undefined {
  if (typeof written === "string") return [written];
  if (isList(spec)) return isTexts(written) ? written : undefined;
  // Of any shape: the value's own parser looks into it.
  if (isStructured(spec))
    return typeof written === "object" && written !== null ? [JSON.stringify(written)] : undefined;
  switch (spec.kind) {
    case "integer":
    case "wholeSeconds":
    case "seconds":
    case "octets":
      return Number.isFinite(written) ? [String(written)] : undefined;
    case "boolean":
      return typeof written === "boolean" ? [String(written)] : undefined;
    default:
      return undefined;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function shapeFault(key: string, spec: SettingSpec, written: unknown, origin: Origin): SettingFault {
  if (written === null || written === undefined) {
    const hint = spec.kind === "namespaces" ? ' (in YAML a bare ~ means nothing; write "~")' : "";
    return settingFault("ValueMissing", { setting: key, origin }, `has no value${hint}`, remedyOf(spec));
  }
  const value = inspect(written, { breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 8 });
  return settingFault(
    "ValueInvalid",
    { setting: key, origin, value },
    `is ${wordFor(written, isList(spec))}`,
    remedyOf(spec),
  );
}

function wordFor(written: unknown, takesList: boolean): string {
  if (Array.isArray(written))
    return takesList ? "a list with elements that are not texts in quotes" : "a list";
  if (typeof written === "number" && !Number.isFinite(written)) return "not a finite number";
  return typeof written === "object" ? "a mapping" : `a ${typeof written}`;
}

function isNode(value: unknown): value is { toJS(document: unknown): unknown } {
  return typeof value === "object" && value !== null && "toJS" in value;
}

function syntaxFault(
  message: string,
  path: string,
  { line, col }: { readonly line: number; readonly col: number },
): SettingFault {
  const origin = { ...at(path, line), column: col };
  const fault = message.replace(/\.?\s*$/, "");
  return settingFault("FileSyntax", { origin }, fault, "Correct the YAML.");
}

function at(path: string, line: number) {
  return { kind: "file", path, line } as const;
}
