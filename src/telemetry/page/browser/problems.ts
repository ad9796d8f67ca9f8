/** What is wrong, the gravest first; each kind of problem once with its remedy, and the objects that have it. */

import type { Counts } from "../../metric-samples.ts";
import { byId, element, type Item, mark, showItems } from "./dom.ts";
import { countText } from "./format.ts";
import { total } from "./history.ts";
import { ask, type ProblemJson, type ProblemsJson } from "./server.ts";
import { moment } from "./time.ts";

/** More than anybody reads here; `/api/problems` has them all. */
const MAX_PROBLEMS = 300;
/** The message of a problem may change while their numbers do not. */
const OLDEST_MS = 30_000;
/** Few kinds are shown with their objects at once, and none that is a remark only. */
const OPEN_KINDS = 3;

export class Problems {
  readonly #list = byId("problems-list", HTMLElement);
  readonly #badge = byId("problem-count", HTMLElement);
  #shownCounts = "";
  #shownAtMs = Number.NEGATIVE_INFINITY;

  refresh(counts: Counts): void {
    const all = total(counts);
    this.#badge.hidden = all === 0;
    this.#badge.textContent = countText(all);
    const text = JSON.stringify(counts);
    if (text === this.#shownCounts && performance.now() - this.#shownAtMs < OLDEST_MS) return;
    this.#shownCounts = text;
    this.#shownAtMs = performance.now();
    void this.#load();
  }

  async #load(): Promise<void> {
    try {
      this.#show(await ask<ProblemsJson>("problems", { limit: MAX_PROBLEMS }));
    } catch {
      // Asked again with the next status; that nobody answers is said at the top of the page.
      this.#shownCounts = "";
    }
  }

  #show({ total: all, problems }: ProblemsJson): void {
    const byCode = Map.groupBy(problems, ({ code }) => code);
    const items = [...byCode].map(
      ([code, same], at): Item => ({
        key: code,
        signature: JSON.stringify(same),
        render: () => kindElement(code, same, at < OPEN_KINDS && same[0]!.severity !== "info"),
      }),
    );
    // The gravest come first.
    this.#badge.classList.toggle("badge-quiet", problems[0]?.severity === "info");
    const hidden = all - problems.length;
    if (hidden > 0) items.push(note(`and ${countText(hidden)} more: /api/problems lists them all`));
    if (all === 0) items.push(note("None. Every object is read and answered as it is written."));
    showItems(this.#list, items);
  }
}

function note(text: string): Item {
  return { key: "note", signature: text, render: () => element("p", { class: "empty" }, text) };
}

const TONES = { error: "error", warning: "warning", info: "idle" } as const;

function kindElement(code: string, same: readonly ProblemJson[], isOpen: boolean): HTMLElement {
  const { severity, remedy } = same[0]!;
  const tone = severity in TONES ? TONES[severity as keyof typeof TONES] : "idle";
  const head = element(
    "summary",
    {},
    mark(tone, severity),
    " ",
    element("b", {}, code),
    ` ${countText(same.length)}`,
  );
  const objects = same.map(({ object: { kind, namespace, name }, path, message, since }) => {
    const where = namespace === "" ? name : `${namespace}/${name}`;
    return element(
      "li",
      {},
      element("b", {}, `${kind} ${where}`),
      " ",
      element("code", {}, path),
      element("p", {}, message),
      element("p", { class: "muted" }, "for ", moment(since, "for")),
    );
  });
  const what = element("p", { class: "remedy" }, element("b", {}, "What to do: "), remedy);
  return element("details", { class: "problem", open: isOpen }, head, what, element("ul", {}, ...objects));
}
