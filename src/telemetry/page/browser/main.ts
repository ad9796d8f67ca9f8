/** The status page: asks the API endpoint every two seconds and hands what it says to the parts of the page. */

import type { StatusReport } from "../../api-status.ts";
import { byId, element, mark } from "./dom.ts";
import { Explain } from "./explain.ts";
import { Feed } from "./feed.ts";
import { History } from "./history.ts";
import { Hosts } from "./hosts.ts";
import { Problems } from "./problems.ts";
import type { ApiError } from "./server.ts";
import { showSources } from "./sources.ts";
import { moment, setServerTime, startClock } from "./time.ts";
import { Traffic } from "./traffic.ts";

const explain = new Explain();
const hosts = new Hosts((host) => explain.explain(host));
const problems = new Problems();
const past = new History();
const alert = byId("alert", HTMLElement);
const freshness = byId("freshness", HTMLElement);
const pause = byId("pause", HTMLButtonElement);
let traffic: Traffic | undefined;
let last: StatusReport | undefined;

const feed = new Feed({ onReport: show, onFailure: showFailure });
startClock();

pause.addEventListener("click", () => {
  feed.isPaused = !feed.isPaused;
  pause.setAttribute("aria-pressed", String(feed.isPaused));
  pause.textContent = feed.isPaused ? "Resume" : "Pause";
  showFreshness();
});

function show(report: StatusReport): void {
  last = report;
  setServerTime(report.time);
  past.add(report);
  if (alert.hasChildNodes()) alert.replaceChildren();
  byId("version", HTMLElement).textContent = report.version;
  byId("uptime", HTMLElement).replaceChildren("up ", moment(report.startedAt, "for"));
  showReadiness(report);
  showFreshness();
  traffic ??= new Traffic(byId("plots", HTMLElement), report);
  traffic.show(report, past.points);
  showSources(report, past.points.at(-1));
  hosts.refresh(report.tableVersion);
  problems.refresh(report.problems);
}

/** Said once; the moment in it goes on by itself. */
function showFailure({ message, status }: ApiError): void {
  if (alert.hasChildNodes()) return;
  const reason = status === 0 ? "The API endpoint does not answer." : `The API endpoint says: ${message}.`;
  const age = last === undefined ? [] : [" What you see is from ", moment(last.time, "ago"), "."];
  const remedy =
    " It is asked again every few seconds; is the program, or kubectl port-forward, still running?";
  alert.replaceChildren(
    element("p", { class: "notice notice-error" }, element("b", {}, reason), ...age, remedy),
  );
}

function showReadiness({ ready, missing }: StatusReport): void {
  const readiness = byId("readiness", HTMLElement);
  const text = ready ? "Ready" : `Not ready: ${missing.join("; ")}`;
  if (readiness.textContent !== text) readiness.replaceChildren(mark(ready ? "ok" : "error", text));
}

function showFreshness(): void {
  if (last === undefined) return;
  freshness.replaceChildren(feed.isPaused ? "Paused, data from " : "Updated ", moment(last.time, "ago"));
}
