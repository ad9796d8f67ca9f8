/** docs/metrics.md, from the metrics of a registry. */

import type { Registry } from "prom-client";
import { METRIC_PREFIX } from "./scraped-metric.ts";

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** The values are those present now; empty where they are only known at run time. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

/** The whole page as Markdown, metrics by name; ends with a newline. */
export function metricsPage(metrics: readonly MetricDescription[]): string {
  const sorted = metrics.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const own = sorted.filter(({ name }) => name.startsWith(METRIC_PREFIX));
  const others = sorted.filter(({ name }) => !name.startsWith(METRIC_PREFIX));
  return `${INTRODUCTION}
## Own metrics

${table(own, (values) => values)}
## Process and runtime

${table(others, () => [])}`;
}

/** What the page needs to know of each metric. Labels of a fresh registry are those initialised at start. */
export async function describeMetrics(registry: Registry): Promise<readonly MetricDescription[]> {
  const named = new Map(registry.getMetricsAsArray().map((metric) => [metric.name, labelNamesOf(metric)]));
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, type, help, values }) => {
    const labels = new Map((named.get(name) ?? []).map((label) => [label, new Set<string>()]));
    for (const sample of values) {
      for (const [label, value] of Object.entries(sample.labels)) {
        if (!GENERATED_LABELS.has(label)) setOf(labels, label).add(String(value));
      }
    }
    return {
      name,
      type: String(type),
      help,
      labels: Object.fromEntries(Array.from(labels, ([label, found]) => [label, [...found]])),
    };
  });
}

const INTRODUCTION = `# Metrics

Generated from the program's metrics; do not edit (\`node scripts/generate-docs.ts\` writes it).

\`GET /metrics\` of the admin endpoint gives them in the Prometheus text format. Every label value that is listed
here is present from the start, with 0. No host name is a label. Histograms have the usual series \`_bucket\`, \`_sum\`
and \`_count\`.
`;

/** Of histograms and summaries. */
const GENERATED_LABELS: ReadonlySet<string> = new Set(["le", "quantile"]);

/** Their label values say what is running and differ from machine to machine. */
const INFO_SUFFIX = "_info";

/** Labels whose values are addresses of the settings. */
const SETTING_LABELS: ReadonlySet<string> = new Set(["to"]);

function table(
  metrics: readonly MetricDescription[],
  shown: (values: readonly string[]) => readonly string[],
): string {
  const rows = metrics.map(({ name, type, help, labels }) => {
    const cells = Object.entries(labels).map(([label, values]) => {
      const listed = name.endsWith(INFO_SUFFIX) || SETTING_LABELS.has(label) ? [] : shown(values);
      return listed.length === 0 ? `\`${label}\`` : `\`${label}\`: ${listed.join(", ")}`;
    });
    return `| \`${name}\` | ${type} | ${cells.join("<br>")} | ${escaped(help)} |\n`;
  });
  return `| name | type | labels | meaning |\n|---|---|---|---|\n${rows.join("")}`;
}

/** The library keeps the names, but its types do not say so. */
function labelNamesOf(metric: object): readonly string[] {
  return "labelNames" in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
}

function setOf(labels: Map<string, Set<string>>, label: string): Set<string> {
  const known = labels.get(label) ?? new Set<string>();
  labels.set(label, known);
  return known;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}
