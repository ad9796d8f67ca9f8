/**
 * Reading of untyped values: one function per shape. Each takes `undefined` and `null` for "not said" and
 * throws a `ShapeFault` for any other shape than its own; nobody but the door (`parse-*.ts`) calls them.
 */

/** A field that has another shape than its schema says. */
export class ShapeFault extends Error {
  /** Where, for instance `spec.endpoints`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** The field's own value (nothing inherited, whatever its name); null counts as undefined. */
export function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined;
}

export function readFields(value: unknown, path: string): Fields | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) throw new ShapeFault(path, `${path} is ${shown(value)}, not an object`);
  return value;
}

export function readList(value: unknown, path: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new ShapeFault(path, `${path} is ${shown(value)}, not a list`);
  return value;
}

export function readText(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new ShapeFault(path, `${path} is ${shown(value)}, not a text`);
  return value;
}

export function readInteger(value: unknown, path: string, least: number, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new ShapeFault(path, `${path} is ${shown(value)}, not a whole number from ${least} to ${most}`);
  return value;
}

export function readOneOf<T extends string>(
  value: unknown,
  path: string,
  allowed: readonly T[],
): T | undefined {
  const text = readText(value, path);
  if (text === undefined) return undefined;
  const found = allowed.find((each) => each === text);
  if (found === undefined)
    throw new ShapeFault(path, `${path} is ${shown(text)}, not one of ${allowed.join(", ")}`);
  return found;
}

const NO_TEXTS: Readonly<Record<string, string>> = Object.freeze({});

/** A map from text to text, such as labels. */
export function readTexts(value: unknown, path: string): Readonly<Record<string, string>> {
  const fields = readFields(value, path);
  if (fields === undefined) return NO_TEXTS;
  const entries = Object.keys(fields).map((name): [string, string] => [
    name,
    readText(fields[name], `${path}[${JSON.stringify(name)}]`) ?? "",
  ]);
  // fromEntries defines own properties, so a key such as __proto__ is a key like any other.
  return entries.length === 0 ? NO_TEXTS : Object.fromEntries(entries);
}

/** Longest excerpt of a wrong value in a message, in characters. */
const MAX_SHOWN_CHARACTERS = 80;

/** A value for a message: its JSON text, cut where it is long; the mere shape of lists and objects. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= MAX_SHOWN_CHARACTERS ? text : `${text.slice(0, MAX_SHOWN_CHARACTERS)}...`;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
