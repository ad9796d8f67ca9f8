/** Where knowledge comes from: the upstreams with their health, and the objects with their watches. */

import type { KindStatus, StatusReport, UpstreamStatus } from "../../api-status.ts";
import { byId, element, mark } from "./dom.ts";
import { countText, latencyText, rateText } from "./format.ts";
import { type Point, total } from "./history.ts";
import { moment } from "./time.ts";

export function showSources({ upstreams, kinds }: StatusReport, last: Point | undefined): void {
  byId("upstreams-list", HTMLElement).replaceChildren(upstreamTable(upstreams, last));
  byId("watches-list", HTMLElement).replaceChildren(kindTable(kinds));
}

function upstreamTable(upstreams: readonly UpstreamStatus[], last: Point | undefined): HTMLElement {
  if (upstreams.length === 0) return element("p", { class: "empty" }, "None: nothing is forwarded.");
  const rows = upstreams.map(({ address, up, looping, failures }) => {
    const point = last?.upstreams[address];
    const state = looping ? mark("error", "loops back") : up ? mark("ok", "up") : mark("error", "down");
    return row(address, [
      state,
      latency(point?.medianSeconds),
      latency(point?.p99Seconds),
      failuresText(failures, point?.failuresPerMinute ?? 0),
    ]);
  });
  return table("Upstreams", ["Address", "State", "Median", "99 %", "Failures"], rows);
}

function latency(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "–" : latencyText(seconds);
}

/** How many there are now, else how many there were. */
function failuresText(failures: UpstreamStatus["failures"], perMinute: number): Node | string {
  const all = total(failures);
  if (all === 0) return "none";
  const reasons = Object.entries(failures)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${countText(count)} ${reason.replaceAll("_", " ")}`);
  const text = perMinute > 0 ? `${rateText(perMinute)}/min` : `${countText(all)} in all`;
  return element("span", { title: reasons.join(", ") }, text);
}

function kindTable(kinds: readonly KindStatus[]): HTMLElement {
  const rows = kinds
    .filter(({ objects, connected }) => objects > 0 || connected !== null)
    .map(({ kind, objects, connected, lastEvent, faults }) => {
      const state =
        connected === null ? "from files" : connected ? mark("ok", "watching") : mark("error", "cut off");
      const ended = faults === 0 ? "" : element("small", {}, ` ${countText(faults)} faults`);
      const cell = element("span", {}, state, ended);
      return row(kind, [countText(objects), cell, lastEvent === null ? "–" : moment(lastEvent, "ago")]);
    });
  if (rows.length === 0) return element("p", { class: "empty" }, "No object has been read yet.");
  return table("Objects and watches", ["Kind", "Objects", "Watch", "Last change"], rows);
}

function row(head: string, cells: readonly (Node | string)[]): HTMLElement {
  const rest = cells.map((cell) => element("td", {}, cell));
  return element("tr", {}, element("th", { scope: "row" }, head), ...rest);
}

function table(caption: string, names: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  return element(
    "table",
    { class: "inner" },
    element("caption", { class: "hidden-text" }, caption),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
}
