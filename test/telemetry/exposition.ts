/** Reads the Prometheus text format line by line, strictly; for tests. */

export interface ExposedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ExposedSample[];
}

export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus reads NaN in any case; the metrics library writes "Nan". */
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([Nn]a[Nn]|[+-]?Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Throws on any line that the format does not allow, and on a sample that belongs to no metric above it. */
export function parseExposition(text: string): ReadonlyMap<string, ExposedMetric> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const metrics = new Map<string, { name: string; type: string; help: string; samples: ExposedSample[] }>();
  let current: { name: string; type: string; help: string; samples: ExposedSample[] } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (help) {
      if (metrics.has(help[1]!)) throw new Error(`${help[1]} stands twice`);
      current = { name: help[1]!, type: "", help: help[2]!, samples: [] };
      metrics.set(current.name, current);
    } else if (type) {
      if (current?.name !== type[1]) throw new Error(`TYPE without HELP: ${line}`);
      current!.type = type[2]!;
    } else {
      const sample = SAMPLE.exec(line);
      if (sample === null) throw new Error(`no sample: ${line}`);
      const suffixes = current?.type === "histogram" ? ["_bucket", "_sum", "_count"] : ["", "_sum", "_count"];
      if (!suffixes.some((suffix) => sample[1] === current?.name + suffix))
        throw new Error(`stray sample: ${line}`);
      const value = Number(sample[3]!.replace("Inf", "Infinity").replace("Nan", "NaN"));
      current!.samples.push({ name: sample[1]!, labels: parseLabels(sample[2] ?? ""), value });
    }
  }
  return metrics;
}

/** The value of one sample; throws when it is not there exactly once. */
export function sampleOf(
  metrics: ReadonlyMap<string, ExposedMetric>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
  suffix = "",
): number {
  const wanted = keyOf(labels);
  const found = (metrics.get(name)?.samples ?? []).filter(
    (sample) => sample.name === name + suffix && keyOf(sample.labels) === wanted,
  );
  if (found.length !== 1) throw new Error(`${found.length} samples of ${name}${suffix}{${wanted}}`);
  return found[0]!.value;
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .sort()
    .join(",");
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`no label: ${text.slice(at)}`);
    if (match[1]! in labels) throw new Error(`label ${match[1]} twice: ${text}`);
    labels[match[1]!] = match[2]!.replaceAll("\\n", "\n").replaceAll(/\\(["\\])/g, "$1");
    at = LABEL.lastIndex;
  }
  return labels;
}
