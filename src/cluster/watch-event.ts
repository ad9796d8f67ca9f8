/** The events of a watch as values: one JSON document per line. */

import { ApiFault, reasonOfStatus } from "./api-fault.ts";

export type WatchEvent =
  | {
      readonly type: "ADDED" | "MODIFIED" | "DELETED";
      readonly object: unknown;
      readonly resourceVersion: string;
    }
  /** Nothing happened, and this is how far that is known. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }
  /** A line above the limit: some object is too large. */
  | { readonly type: "OVERSIZED" };

/**
 * Reads a line; undefined stands for one that was too long. Throws the fault that the server reports as an
 * event, and "broken" where the line is no event that we know.
 */
export function readWatchEvent(line: string | undefined): WatchEvent {
  if (line === undefined) return { type: "OVERSIZED" };
  try {
    return readEvent(line);
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiFault("broken", `watch: ${error.message}`);
    throw error;
  }
}

function readEvent(line: string): WatchEvent {
  const event: unknown = JSON.parse(line);
  const type = fieldOf(event, "type");
  const object = fieldOf(event, "object");
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object, resourceVersion: resourceVersionOf(object) };
    case "BOOKMARK":
      return { type, resourceVersion: resourceVersionOf(object) };
    case "ERROR": {
      const status = fieldOf(object, "code");
      const message = fieldOf(object, "message");
      const reason = reasonOfStatus(typeof status === "number" ? status : 500);
      throw new ApiFault(reason, `${status} ${message}`.slice(0, MOST_MESSAGE_CHARACTERS));
    }
    default:
      throw new SyntaxError(`watch event of type ${JSON.stringify(type)}`);
  }
}

const MOST_MESSAGE_CHARACTERS = 300;

function resourceVersionOf(object: unknown): string {
  const version = fieldOf(fieldOf(object, "metadata"), "resourceVersion");
  if (typeof version === "string" && version !== "") return version;
  throw new SyntaxError("an object without a resourceVersion");
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
