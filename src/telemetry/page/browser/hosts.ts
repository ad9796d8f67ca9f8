/** The list of hosts: what is searched for stands in the page's address, the server finds it, the page shows a part. */

import { byId, element, type Item, showItems } from "./dom.ts";
import { countText } from "./format.ts";
import { HostDetail } from "./host-detail.ts";
import { hostRow, keyOf } from "./host-row.ts";
import { STATES } from "./host-state.ts";
import { type Choice, readChoice, writeChoice } from "./hosts-choice.ts";
import { type ApiError, ask, type HostJson, type HostsJson } from "./server.ts";

const PAGE_SIZE = 50;
/** While somebody types. */
const TYPING_PAUSE_MS = 200;
/** Addresses are refreshed without any host's answer being another. */
const OLDEST_MS = 10_000;
/** Answers may change with every reply from upstream; making the list costs the server more than the status. */
const NEWEST_MS = 4000;

export class Hosts {
  readonly #search = byId("hosts-search", HTMLInputElement);
  readonly #namespace = byId("hosts-namespace", HTMLSelectElement);
  readonly #states = byId("hosts-states", HTMLElement);
  readonly #rows = byId("hosts-rows", HTMLElement);
  readonly #empty = byId("hosts-empty", HTMLElement);
  readonly #count = byId("hosts-count", HTMLElement);
  readonly #range = byId("hosts-range", HTMLElement);
  readonly #previous = byId("hosts-previous", HTMLButtonElement);
  readonly #next = byId("hosts-next", HTMLButtonElement);
  readonly #detail: HostDetail;
  #chosen: Choice = readChoice();
  #shown: HostsJson | undefined;
  #openKey: string | undefined;
  #shownVersion = -1;
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #request = new AbortController();
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor(onExplain: (host: HostJson) => void) {
    this.#detail = new HostDetail(onExplain);
    this.#search.value = this.#chosen.search;
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#choose({ search: this.#search.value.trim() }), TYPING_PAUSE_MS);
    });
    this.#namespace.addEventListener("change", () => this.#choose({ namespace: this.#namespace.value }));
    byId("hosts-form", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    // A narrow page leaves columns out.
    new ResizeObserver(() => this.#detail.span(visibleColumns())).observe(this.#rows);
    this.#previous.addEventListener("click", () => this.#choose({ page: this.#chosen.page - 1 }));
    this.#next.addEventListener("click", () => this.#choose({ page: this.#chosen.page + 1 }));
  }

  /** Asks again where there may be something new. */
  refresh(tableVersion: number): void {
    const ageMs = performance.now() - this.#shownAtMs;
    if (ageMs < NEWEST_MS || (tableVersion === this.#shownVersion && ageMs < OLDEST_MS)) return;
    void this.#load();
  }

  #choose(change: Partial<Choice>): void {
    this.#chosen = { ...this.#chosen, page: 0, ...change };
    writeChoice(this.#chosen);
    void this.#load();
  }

  async #load(): Promise<void> {
    this.#request.abort();
    const request = new AbortController();
    this.#request = request;
    this.#shownAtMs = performance.now();
    const { search, namespace, state, page } = this.#chosen;
    const filters = Object.entries({ search, namespace, state }).filter(([, value]) => value !== "");
    try {
      const part = { ...Object.fromEntries(filters), limit: PAGE_SIZE, offset: page * PAGE_SIZE };
      const shown = await ask<HostsJson>("hosts", part, request.signal);
      this.#shownVersion = shown.version;
      this.#show(shown);
      await this.#detail.refresh(request.signal);
    } catch (error) {
      if (!request.signal.aborted) this.#fail(error as ApiError);
    }
  }

  /** What was shown stays; the page says at its top that nobody answers. */
  #fail({ message, status }: ApiError): void {
    if (status === 0) return;
    this.#empty.hidden = false;
    this.#empty.textContent = `The hosts cannot be read: ${message}`;
  }

  #show(shown: HostsJson): void {
    this.#shown = shown;
    const { total, matched, hosts } = shown;
    const { page, state, namespace } = this.#chosen;
    const last = Math.max(0, Math.ceil(matched / PAGE_SIZE) - 1);
    if (page > last) {
      this.#choose({ page: last });
      return;
    }
    setText(
      this.#count,
      matched === total ? countText(total) : `${countText(matched)} of ${countText(total)}`,
    );
    showNamespaces(this.#namespace, shown.namespaces, namespace);
    this.#showStates(shown.states, state);
    const first = page * PAGE_SIZE;
    setText(this.#range, `${countText(Math.min(first + 1, matched))}–${countText(first + hosts.length)}`);
    this.#previous.disabled = page === 0;
    this.#next.disabled = page === last;
    this.#empty.hidden = matched > 0;
    setText(this.#empty, total === 0 ? NO_HOSTS : "No host matches. Remove a filter, or search for less.");
    this.#showRows();
  }

  #showRows(): void {
    const items = (this.#shown?.hosts ?? []).flatMap((host): Item[] => {
      const key = keyOf(host);
      const isOpen = key === this.#openKey;
      const row = {
        key,
        signature: JSON.stringify([host, isOpen]),
        render: () => hostRow(host, isOpen, () => this.#toggle(host)),
      };
      if (!isOpen) return [row];
      const detail = { key: `${key} detail`, signature: "", render: () => this.#detail.row };
      return [row, detail];
    });
    showItems(this.#rows, items);
  }

  #toggle(host: HostJson): void {
    const key = keyOf(host);
    this.#openKey = this.#openKey === key ? undefined : key;
    if (this.#openKey !== undefined) this.#detail.open(host);
    this.#showRows();
  }

  #showStates(states: HostsJson["states"], chosen: string): void {
    const all = Object.values(states).reduce((sum, count) => sum + count, 0);
    const found = STATES.flatMap((state) =>
      state in states || state === chosen ? [[state, states[state] ?? 0] as const] : [],
    );
    const items = [["", all] as const, ...found].map(([state, count]): Item => {
      const isChoice = state === chosen;
      return {
        key: state,
        signature: `${count} ${isChoice}`,
        render: () => {
          const label = state === "" ? "All" : state;
          const chip = element(
            "button",
            { type: "button", "aria-pressed": String(isChoice) },
            `${label} `,
            element("b", {}, countText(count)),
          );
          chip.addEventListener("click", () => this.#choose({ state: isChoice ? "" : state }));
          return chip;
        },
      };
    });
    showItems(this.#states, items);
  }
}

const NO_HOSTS =
  "No ServiceEntry claims a host. Apply one, and it is listed here within a second; what cannot be read is among the problems.";

function visibleColumns(): number {
  const heads = document.querySelectorAll<HTMLElement>(".hosts-table > thead th");
  return Array.from(heads).filter(({ offsetWidth }) => offsetWidth > 0).length;
}

function showNamespaces(select: HTMLSelectElement, counts: HostsJson["namespaces"], chosen: string): void {
  const names = chosen === "" || chosen in counts ? Object.keys(counts) : [chosen, ...Object.keys(counts)];
  const items = ["", ...names].map((name): Item => {
    const text = name === "" ? "All namespaces" : `${name} (${countText(counts[name] ?? 0)})`;
    return { key: name, signature: text, render: () => element("option", { value: name }, text) };
  });
  showItems(select, items);
  select.value = chosen;
}

/** Changed only where it is another text: a live region would be read out again. */
function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
