/** Looking into values as written: whatever has another shape than the asked one is not there. */

import { type Fields, isFields } from "../../mesh/read-fields.ts";

export type RawFields = Fields;

export function fieldsOf(value: unknown): RawFields | undefined {
  return isFields(value) ? value : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The value at the end of these fields; undefined: some of them is not there. */
export function fieldAt(value: unknown, ...names: readonly string[]): unknown {
  let at = value;
  for (const name of names) {
    const fields = fieldsOf(at);
    at = fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined;
  }
  return at ?? undefined;
}
