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
  const value = fields[name] ?? undefined;
  return value === undefined || Object.hasOwn(fields, name) ? value : undefined;
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

/** The same of a field of the object at `path`, of which words are made only where it is wrong. */
export function textField(fields: Fields, name: string, path: string): string | undefined {
  const value = field(fields, name);
  return typeof value === "string" || value === undefined ? value : readText(value, `${path}.${name}`);
}

export function readInteger(value: unknown, path: string, least: number, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new ShapeFault(path, `${path} is ${shown(value)}, not a whole number from ${least} to ${most}`);
  return value;
}

/** As `textField`. */
export function integerField(
  fields: Fields,
  name: string,
  path: string,
  least: number,
  most: number,
): number | undefined {
  const value = field(fields, name);
  return value === undefined ? undefined : readInteger(value, `${path}.${name}`, least, most);
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
  const names = Object.keys(fields);
  if (names.length === 0) return NO_TEXTS;
  if (hasTextsOnly(fields, names)) return fields;
  const entries = names.map((name): [string, string] => [
    name,
    readText(fields[name], `${path}[${JSON.stringify(name)}]`) ?? "",
  ]);
  // fromEntries defines own properties, so a key such as __proto__ is a key like any other.
  return Object.fromEntries(entries);
}

function hasTextsOnly(fields: Fields, names: readonly string[]): fields is Readonly<Record<string, string>> {
  for (const name of names) if (typeof fields[name] !== "string") return false;
  return true;
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
