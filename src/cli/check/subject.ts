/** Which object this is, as far as its text says it. */

import type { Subject } from "./finding.ts";
import { fieldAt, textOf } from "./raw.ts";
import type { SourceObject } from "./sources.ts";

export function subjectOf({ raw, entry }: SourceObject): Subject {
  if (entry !== undefined) return entry.parsed.ref;
  return {
    kind: textOf(raw["kind"]) ?? "object",
    namespace: textOf(fieldAt(raw, "metadata", "namespace")) ?? "default",
    name: textOf(fieldAt(raw, "metadata", "name")) ?? "",
  };
}
