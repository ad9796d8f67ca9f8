/** Moments beside now: by the server's clock, and kept true every second without asking the server. */

import { element } from "./dom.ts";
import { spanText } from "./format.ts";

/** The server's clock may be another than this machine's. */
export function setServerTime(time: string): void {
  offsetMs = Date.parse(time) - Date.now();
}

let offsetMs = 0;

/** The moment so many seconds ago. */
export function timeBefore(seconds: number): string {
  return new Date(Date.now() + offsetMs - seconds * 1000).toISOString();
}

/** `ago`: `12 s ago`; `until`: `in 12 s`, or `now` when it is over. */
export type Direction = "ago" | "until" | "for";

/** An element that goes on telling how far away the moment is. */
export function moment(time: string, direction: Direction): HTMLElement {
  const made = element("time", { datetime: time, title: time, "data-direction": direction });
  made.textContent = momentText(time, direction);
  return made;
}

export function startClock(): void {
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    for (const each of document.querySelectorAll<HTMLTimeElement>("time[data-direction]")) {
      const text = momentText(each.dateTime, each.dataset["direction"] as Direction);
      if (each.textContent !== text) each.textContent = text;
    }
  }, 1000);
}

function momentText(time: string, direction: Direction): string {
  const seconds = (Date.parse(time) - Date.now() - offsetMs) / 1000;
  switch (direction) {
    case "ago":
      return `${spanText(-seconds)} ago`;
    case "for":
      return spanText(-seconds);
    case "until":
      return seconds < 0.5 ? "now" : `in ${spanText(seconds)}`;
  }
}
