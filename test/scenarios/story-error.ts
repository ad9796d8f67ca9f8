/** What is wrong with a story as it is written. */

export class StoryError extends Error {
  override readonly name = "StoryError";

  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
  }
}

/** A mapping of the story file whose keys are taken one by one; what is left at the end is unknown. */
export class Fields {
  readonly where: string;
  readonly #left: Map<string, unknown>;
  readonly #known: string[] = [];

  constructor(value: unknown, where: string) {
    this.where = where;
    if (!isMapping(value)) throw new StoryError(where, `expected a mapping, found ${JSON.stringify(value)}`);
    this.#left = new Map(Object.entries(value));
  }

  has(key: string): boolean {
    return this.#left.has(key);
  }

  /** Undefined: the key is not there. */
  take<T>(key: string, read: (value: unknown, where: string) => T): T | undefined {
    this.#known.push(key);
    const value = this.#left.get(key);
    if (!this.#left.delete(key)) return undefined;
    return read(value, `${this.where}, ${key}`);
  }

  /** Nothing may be left. */
  end(): void {
    const [unknown] = this.#left.keys();
    if (unknown === undefined) return;
    throw new StoryError(this.where, `unknown key "${unknown}"; there are ${this.#known.join(", ")}`);
  }
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function readText(value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") {
    throw new StoryError(where, `expected a text, found ${JSON.stringify(value)}`);
  }
  return value;
}

export function readBoolean(value: unknown, where: string): boolean {
  if (typeof value !== "boolean") {
    throw new StoryError(where, `expected true or false, found ${JSON.stringify(value)}`);
  }
  return value;
}

/** One value stands for a list of one. */
export function readList<T>(read: (value: unknown, where: string) => T) {
  return (value: unknown, where: string): readonly T[] =>
    (Array.isArray(value) ? value : [value]).map((each) => read(each, where));
}

export function readMap<T>(read: (value: unknown, where: string) => T) {
  return (value: unknown, where: string): ReadonlyMap<string, T> => {
    if (!isMapping(value)) throw new StoryError(where, `expected a mapping, found ${JSON.stringify(value)}`);
    return new Map(Object.entries(value).map(([key, each]) => [key, read(each, `${where}, ${key}`)]));
  };
}

/** Of the words one. */
export function oneOf<T extends string>(words: readonly T[]) {
  return (value: unknown, where: string): T => {
    const word = words.find((each) => each === value);
    if (word !== undefined) return word;
    throw new StoryError(where, `${JSON.stringify(value)} is none of ${words.join(", ")}`);
  };
}
