/** Reads chosen metrics out of the registry as plain numbers, for whoever shows them otherwise than a scrape does. */

import type { Registry } from "prom-client";

/** A histogram. `counts` are cumulative: one per bound, and one more for all that was observed. */
export interface Durations {
  readonly boundsSeconds: readonly number[];
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

export type Counts = Readonly<Record<string, number>>;

/** The samples of one metric at one moment; empty for one that is not registered. */
export class Samples {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  sum(): number {
    return this.#samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** Sums by the values of a label; samples without it are left out. */
  by(label: string): Counts {
    const counts: Record<string, number> = {};
    for (const { labels, value } of this.#samples) {
      const key = labels[label];
      if (key !== undefined) counts[key] = (counts[key] ?? 0) + value;
    }
    return counts;
  }

  where(label: string, value: string): Samples {
    return new Samples(this.#samples.filter(({ labels }) => labels[label] === value));
  }

  /** All series of a histogram in one. */
  durations(): Durations {
    const counts = new Map<number, number>();
    let sumSeconds = 0;
    for (const { labels, value, metricName = "" } of this.#samples) {
      if (metricName.endsWith("_sum")) sumSeconds += value;
      if (labels["le"] === undefined) continue;
      const bound = labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]);
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    const bounds = [...counts.keys()].sort((a, b) => a - b);
    return {
      boundsSeconds: bounds.filter(Number.isFinite),
      counts: bounds.map((bound) => counts.get(bound)!),
      sumSeconds,
    };
  }
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly metricName?: string;
}

/** Metrics by their full names, all read at one moment. */
export async function readSamples<Name extends string>(
  registry: Registry,
  names: readonly Name[],
): Promise<(name: Name) => Samples> {
  const found = await Promise.all(
    names.map(async (name) => {
      const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
      return [name, new Samples(values.map(sampleOf))] as const;
    }),
  );
  const samples = new Map(found);
  return (name) => samples.get(name)!;
}

function sampleOf(sample: {
  readonly value: number;
  readonly labels: Partial<Record<string, string | number>>;
  readonly metricName?: string;
}): Sample {
  const labels = Object.entries(sample.labels).map(([label, value]) => [label, String(value)]);
  return { ...sample, labels: Object.fromEntries(labels) };
}
