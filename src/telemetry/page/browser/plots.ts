/** A plot with its figure and its legend; the legend says in words what the picture shows. */

import type uPlotModule from "uplot";
import { element } from "./dom.ts";
import { timeRange } from "./history.ts";

/** uplot.js is a classic script and leaves its name on the window. */
declare const uPlot: typeof uPlotModule;

export interface PlotSeries {
  readonly key: string;
  readonly label: string;
  /** A custom property of page.css. */
  readonly color: string;
}

export interface PlotOptions {
  readonly title: string;
  /** The span and the unit of its numbers. */
  readonly unit: string;
  readonly series: readonly PlotSeries[];
  /** Areas on top of each other; else lines. */
  readonly isStacked: boolean;
  readonly text: (value: number) => string;
  /** Of the axis, where its numbers are written otherwise. */
  readonly axisText?: (value: number) => string;
  /** What the red line at the foot says. */
  readonly faultLabel?: string;
  /** The top of the axis, at least. */
  readonly atLeast: number;
  /** The top of the axis, at most. */
  readonly atMost?: number;
}

export type PlotColumns = Readonly<Record<string, readonly (number | null)[]>>;

const HEIGHT = 132;
const FAULT_COLOR = "--plot-red";
const FAULT_HEIGHT = 3;

export class Plot {
  readonly card: HTMLElement;
  readonly #options: PlotOptions;
  readonly #figure = element("p", { class: "figure" }, "–");
  readonly #detail = element("p", { class: "muted detail" });
  readonly #frame: HTMLElement;
  readonly #legend = element("ul", { class: "legend" });
  readonly #plot: uPlotModule;
  #columns: PlotColumns = {};
  #faults: readonly boolean[] = [];

  constructor(options: PlotOptions) {
    this.#options = options;
    const { title, unit } = options;
    this.#frame = element("div", { class: "plot", role: "img", "aria-label": `${title}, no data yet` });
    const heading = element("h3", {}, title, " ", element("small", {}, unit));
    const head = element("div", { class: "card-head" }, heading, this.#figure, this.#detail);
    this.card = element("article", { class: "card panel" }, head, this.#frame, this.#legend);
    this.#plot = new uPlot(this.#uplotOptions(), undefined, this.#frame);
    new ResizeObserver(([entry]) => {
      if (entry !== undefined) this.#plot.setSize({ width: entry.contentRect.width, height: HEIGHT });
    }).observe(this.#frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#plot.redraw();
      this.#showLegend(null);
    });
  }

  /** `faults`: when something was wrong. */
  show(
    figure: string,
    detail: string,
    times: readonly number[],
    columns: PlotColumns,
    faults: readonly boolean[] = [],
  ): void {
    this.#figure.textContent = figure;
    this.#detail.textContent = detail;
    this.#columns = columns;
    this.#faults = faults;
    const { series, isStacked, title } = this.#options;
    const plain = series.map(({ key }) => columns[key] ?? times.map(() => null));
    this.#plot.setData([[...times], ...(isStacked ? stacked(plain) : plain).map((column) => [...column])]);
    this.#showLegend(this.#plot.cursor.idx ?? null);
    this.#frame.setAttribute("aria-label", `${title}: ${figure}${detail === "" ? "" : `, ${detail}`}`);
  }

  /** The numbers under the cursor, or the last ones; what is nothing all the time is left out. */
  #showLegend(at: number | null): void {
    const { series, text, faultLabel = "" } = this.#options;
    const entries = series.flatMap(({ key, label, color }) => {
      const column = this.#columns[key] ?? [];
      if (!column.some((value) => value !== null && value > 0)) return [];
      const value = at === null ? column.at(-1) : column[at];
      const shown = value === null || value === undefined ? "–" : text(value);
      return [element("li", {}, swatch(color), `${label} `, element("b", {}, shown))];
    });
    if (this.#faults.includes(true)) entries.push(element("li", {}, swatch(FAULT_COLOR), faultLabel));
    this.#legend.replaceChildren(...entries);
  }

  /** A line at the foot, from each faulty moment to the next one. */
  #drawFaults({ ctx, bbox, data: [times], valToPos }: uPlotModule): void {
    ctx.fillStyle = css(FAULT_COLOR);
    const height = FAULT_HEIGHT * devicePixelRatio;
    for (const [at, isFaulty] of this.#faults.entries()) {
      if (!isFaulty) continue;
      const from = Math.max(bbox.left, valToPos(times[at]!, "x", true));
      const to = valToPos(times[at + 1] ?? times[at]!, "x", true);
      ctx.fillRect(from, bbox.top + bbox.height - height, Math.max(to - from, height), height);
    }
  }

  #uplotOptions(): uPlotModule.Options {
    const { series, isStacked, text, axisText = text, atLeast, atMost } = this.#options;
    const axis = {
      stroke: () => css("--muted"),
      font: `11px ${getComputedStyle(document.body).fontFamily}`,
      ticks: { show: false },
      grid: { stroke: () => css("--grid"), width: 1 },
    };
    return {
      width: 300,
      height: HEIGHT,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: { key: "status" },
        points: { size: 5 },
      },
      scales: {
        // Not what uPlot gives: of a single time it makes a range that ends a day later.
        x: { range: () => timeRange(this.#plot?.data[0] ?? [], Date.now() / 1000) },
        y: { range: (_plot, _min, max) => [0, Math.min(atMost ?? Infinity, Math.max(atLeast, max * 1.08))] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 70, values: (plot, at) => clockTexts(plot, at) },
        { ...axis, size: 52, space: 34, values: (_plot, at) => at.map((value) => axisText(value)) },
      ],
      series: [
        {},
        ...series.map(({ label, color }) => ({
          label,
          stroke: () => css(color),
          width: isStacked ? 1 : 1.75,
          // One alone makes no line.
          points: { show: (plot: uPlotModule) => plot.data[0].length === 1, size: 4, fill: () => css(color) },
          ...(isStacked ? { fill: () => mixed(css(color), css("--surface"), 0.45) } : {}),
        })),
      ],
      hooks: {
        draw: [(plot) => this.#drawFaults(plot)],
        setCursor: [(plot) => this.#showLegend(plot.cursor.idx ?? null)],
      },
    };
  }
}

function swatch(color: string): HTMLElement {
  const made = element("i", { "aria-hidden": true });
  made.style.background = css(color);
  return made;
}

/** Each column on top of those after it: drawn in this order, the later ones cover the lower part. */
function stacked(columns: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const sums: (number | null)[][] = [];
  for (const column of columns.toReversed()) {
    const below = sums[0];
    sums.unshift(column.map((value, at) => (value === null ? null : value + (below?.[at] ?? 0))));
  }
  return sums;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Without the one at the right end, which would be cut. */
function clockTexts({ scales }: uPlotModule, at: readonly number[]): string[] {
  const { min = 0, max = 0 } = scales["x"]!;
  return at.map((seconds) => (seconds > max - (max - min) * 0.07 ? "" : clockText(seconds)));
}

function clockText(atSeconds: number): string {
  const text = clock.format(atSeconds * 1000);
  return atSeconds % 60 === 0 ? text : `${text}:${String(Math.floor(atSeconds % 60)).padStart(2, "0")}`;
}

function css(property: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

/** `#rrggbb` of one colour over another. */
function mixed(color: string, under: string, part: number): string {
  const [one, other] = [color, under].map((hex) => Number.parseInt(hex.slice(1), 16));
  const channels = [16, 8, 0].map((shift) => {
    const value = ((one! >> shift) & 255) * part + ((other! >> shift) & 255) * (1 - part);
    return Math.round(value).toString(16).padStart(2, "0");
  });
  return `#${channels.join("")}`;
}
