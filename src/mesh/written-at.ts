/**
 * When an object was written, as it says itself: where Kubernetes' SLI for DNS programming latency begins. Read from
 * the whole object, before all that says it is dropped, and kept by nobody.
 */

import type { Kind, Pod } from "./objects.ts";
import { type Fields, field, isFields } from "./read-fields.ts";

/**
 * A moment as the API writes it, in whole seconds of UTC: of the newest write that `metadata.managedFields` know of;
 * of a Pod, when its readiness became another. Undefined: not said. Total on any value.
 */
export function readWrittenAt(kind: Kind, raw: unknown): string | undefined {
  return kind === "Pod"
    ? newest(itemsOf(raw, "status", "conditions"), "lastTransitionTime", isOfReadiness)
    : newest(itemsOf(raw, "metadata", "managedFields"), "time");
}

/** Whether that is the moment of this change: the pod that is deleted says nothing of when. */
export function isReadinessChange(before: Pod | undefined, now: Pod): boolean {
  return !now.isDeleting && now.isReady !== (before?.isReady ?? false);
}

/** RFC 3339, section 5.1: in one time zone, moments sort as texts. */
function newest(
  items: readonly unknown[],
  name: string,
  isMeant: (item: Fields) => boolean = () => true,
): string | undefined {
  let last: string | undefined;
  for (const item of items) {
    if (!isFields(item) || !isMeant(item)) continue;
    const moment = field(item, name);
    if (typeof moment === "string" && (last === undefined || moment > last)) last = moment;
  }
  return last;
}

function isOfReadiness(condition: Fields): boolean {
  return field(condition, "type") === "Ready";
}

function itemsOf(raw: unknown, part: string, name: string): readonly unknown[] {
  const parent = isFields(raw) ? field(raw, part) : undefined;
  const items = isFields(parent) ? field(parent, name) : undefined;
  return Array.isArray(items) ? items : [];
}
