/** The series that the threads count in shared memory, as metrics: all threads' numbers in one. */

import type { Registry } from "prom-client";
import { labelSets, type SeriesDefinition, type SharedSeries } from "../series.ts";
import { registerScrapedMetric, type Sample } from "./scraped-metric.ts";

/**
 * Registers one metric per definition. `read` gives the numbers of all threads at the time of a scrape; those
 * that lack a definition count as 0 for it. Counters must not go back: when a thread is replaced, hand its
 * series to the new one, or keep giving the old series too.
 */
export function registerSharedSeries(
  registry: Registry,
  definitions: readonly SeriesDefinition[],
  read: () => readonly SharedSeries[],
): void {
  for (const definition of definitions) {
    // Label values are fixed, so the names of the samples are made once.
    const sets = labelSets(definition);
    registerScrapedMetric(registry, {
      name: definition.name,
      help: definition.help,
      type: definition.type,
      labelNames: Object.keys(definition.labels),
      read() {
        const threads = read().filter(({ definitions: theirs }) =>
          theirs.some(({ name }) => name === definition.name),
        );
        return sets.flatMap((labels) => samples(definition, labels, threads));
      },
    });
  }
}

function samples(
  definition: SeriesDefinition,
  labels: Readonly<Record<string, string>>,
  threads: readonly SharedSeries[],
): readonly Sample[] {
  const labelValues = Object.values(labels);
  const starts = threads.map((thread) => thread.at(definition.name, ...labelValues));
  /** The number at `offset` of this series, over all threads. */
  const across = (offset: number) => {
    const numbers = threads.map((thread, at) => thread.values[starts[at]! + offset]!);
    return merged(definition, numbers);
  };
  if (definition.type !== "histogram") return [{ labels, value: across(0) }];

  const bounds = definition.buckets ?? [];
  const result: Sample[] = [];
  let count = 0;
  for (const [at, le] of [...bounds.map(String), "+Inf"].entries()) {
    count += across(at);
    result.push({ labels: { ...labels, le }, value: count, suffix: "_bucket" });
  }
  // The count is the last bucket, not a number of its own: a writer may be between the two.
  result.push({ labels, value: across(bounds.length + 1), suffix: "_sum" });
  result.push({ labels, value: count, suffix: "_count" });
  return result;
}

function merged({ across = "sum" }: SeriesDefinition, numbers: readonly number[]): number {
  if (numbers.length === 0) return 0;
  switch (across) {
    case "max":
      return Math.max(...numbers);
    case "min":
      return Math.min(...numbers);
    case "sum":
      return numbers.reduce((sum, each) => sum + each, 0);
  }
}
