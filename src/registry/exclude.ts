/** Objects that an operator took out by their labels: they do not exist for us. */

import { type LabelSelector, matches } from "../mesh/label-selector.ts";
import type { ServiceEntry, WorkloadEntry } from "../mesh/objects.ts";

/** A WorkloadEntry is known by its own labels and by those of its spec alike. */
export function isExcluded(
  object: ServiceEntry | WorkloadEntry,
  selectors: readonly LabelSelector[],
): boolean {
  const labels = "workloadLabels" in object ? object.workloadLabels : object.labels;
  return selectors.some((selector) => matches(selector, labels));
}
