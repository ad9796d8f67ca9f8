/**
 * Metric series of the data plane in shared memory: the thread that serves adds to a number, the
 * control plane reads all numbers when it is scraped. No call into a metrics library per query.
 */

export interface SeriesDefinition {
  /** Without the `serviceentry_dns_` prefix. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Every label with all the values it can take; each combination is one series, present from the start. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** Upper bounds, ascending, in the unit of the name; histograms only. */
  readonly buckets?: readonly number[];
  /** How the numbers of several threads become one; "max" and "min" for gauges only. Absent: the sum. */
  readonly across?: "sum" | "max" | "min";
}

/** The numbers of one thread. One writer; any reader. */
export class SharedSeries {
  readonly definitions: readonly SeriesDefinition[];
  /** Index with what `at` returns: `series.values[index]! += 1`. */
  readonly values: Float64Array;
  readonly #starts = new Map<string, { readonly start: number; readonly definition: SeriesDefinition }>();

  /** `buffer`: from another thread's instance made with the same definitions; omitted: a new one. */
  constructor(definitions: readonly SeriesDefinition[], buffer?: SharedArrayBuffer) {
    this.definitions = definitions;
    let size = 0;
    for (const definition of definitions) {
      this.#starts.set(definition.name, { start: size, definition });
      size += combinations(definition) * width(definition);
    }
    this.values = new Float64Array(buffer ?? new SharedArrayBuffer(size * 8));
    if (this.values.length !== size)
      throw new Error(`shared series: ${this.values.length} numbers, expected ${size}`);
  }

  get buffer(): SharedArrayBuffer {
    return this.values.buffer as SharedArrayBuffer;
  }

  /**
   * The index of one series; label values in the order of the definition's labels.
   * A histogram has `buckets.length + 2` numbers from there: one per bucket (not cumulative), above all, sum.
   * Throws on a name or label value that was not defined (a fault of the program).
   */
  at(name: string, ...labelValues: readonly string[]): number {
    const found = this.#starts.get(name);
    if (found === undefined) throw new Error(`no series ${name}`);
    const { start, definition } = found;
    let index = 0;
    const names = Object.keys(definition.labels);
    if (names.length !== labelValues.length)
      throw new Error(`series ${name} has the labels ${names.join(", ")}`);
    names.forEach((label, position) => {
      const values = definition.labels[label]!;
      const at = values.indexOf(labelValues[position]!);
      if (at === -1) throw new Error(`series ${name} has no ${label}="${labelValues[position]}"`);
      index = index * values.length + at;
    });
    return start + index * width(definition);
  }

  /** Adds one observation to the histogram at `index`; `bounds` are its definition's buckets. */
  observe(index: number, bounds: readonly number[], value: number): void {
    const values = this.values;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    values[index + bucket]! += 1;
    values[index + bounds.length + 1]! += value;
  }
}

/** All label combinations of a definition, in index order, each as a record. */
export function labelSets(definition: SeriesDefinition): readonly Readonly<Record<string, string>>[] {
  let sets: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(definition.labels)) {
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })));
  }
  return sets;
}

function combinations(definition: SeriesDefinition): number {
  return Object.values(definition.labels).reduce((product, values) => product * values.length, 1);
}

function width(definition: SeriesDefinition): number {
  return definition.type === "histogram" ? (definition.buckets ?? []).length + 2 : 1;
}
