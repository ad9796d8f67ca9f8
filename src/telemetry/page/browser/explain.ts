/** The explain box: one question of one client, and the whole way of its answer in steps. */

import { byId, element, mark } from "./dom.ts";
import { addressTable } from "./host-detail.ts";
import {
  ApiError,
  ask,
  type ExplainJson,
  type ExplainStep,
  type HostJson,
  type ObjectJson,
} from "./server.ts";

export class Explain {
  readonly #form = byId("explain-form", HTMLFormElement);
  readonly #name = byId("explain-name", HTMLInputElement);
  readonly #type = byId("explain-type", HTMLSelectElement);
  readonly #client = byId("explain-client", HTMLInputElement);
  readonly #result = byId("explain-result", HTMLElement);
  #request = new AbortController();

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#explain();
    });
  }

  /** Fills in a host of the list, as its own namespace sees it. */
  explain({ host, namespace }: HostJson): void {
    this.#name.value = host.replace(/^\*\./, "any.");
    this.#client.value = namespace;
    this.#name.focus();
    byId("explain", HTMLElement).scrollIntoView({ block: "nearest" });
    void this.#explain();
  }

  async #explain(): Promise<void> {
    this.#request.abort();
    const request = new AbortController();
    this.#request = request;
    const parameters = {
      name: this.#name.value.trim(),
      type: this.#type.value,
      ...clientParameter(this.#client.value.trim()),
    };
    this.#result.replaceChildren(element("p", { class: "muted" }, "Asking…"));
    try {
      const explained = await ask<ExplainJson>("explain", parameters, request.signal);
      this.#result.replaceChildren(...explanation(explained));
    } catch (error) {
      if (request.signal.aborted) return;
      const text = error instanceof ApiError ? failureText(error) : String(error);
      this.#result.replaceChildren(element("p", { class: "notice notice-error" }, text));
    }
  }
}

/** A pod, an address, a namespace, or nobody that is known. */
function clientParameter(text: string): Readonly<Record<string, string>> {
  if (text === "") return {};
  if (text.includes("/")) return { pod: text };
  return /[.:]/.test(text) ? { address: text } : { namespace: text };
}

function failureText({ status, message }: ApiError): string {
  if (status === 404) return "This server cannot explain answers: it has no /api/explain.";
  return status === 0 ? "No answer. Is the port-forward still running?" : message;
}

function explanation(explained: ExplainJson): readonly HTMLElement[] {
  const { name, type, decision, addresses, steps, losers, problems } = explained;
  const result = element("p", { class: "verdict" }, mark(toneOf(decision), decision), ` ${name} ${type}`);
  const made: HTMLElement[] = [result, element("dl", { class: "facts" }, ...facts(explained))];
  if (addresses.length > 0) made.push(addressTable(addresses));
  made.push(element("h3", {}, "The way of the answer"));
  made.push(element("ol", { class: "steps" }, ...steps.map(stepElement)));
  if (losers.length > 0) {
    const lines = losers.map((loser) =>
      element("li", {}, element("b", {}, objectText(loser)), `: ${loser.reason}`),
    );
    made.push(element("h3", {}, "Entries that lost"), element("ul", { class: "losers" }, ...lines));
  }
  if (problems.length > 0) {
    const lines = problems.map(({ code, message, remedy }) =>
      element("li", {}, element("b", {}, code), `: ${message}`, element("p", { class: "remedy" }, remedy)),
    );
    made.push(element("h3", {}, "Problems"), element("ul", {}, ...lines));
  }
  return made;
}

const TONES: Readonly<Record<string, "ok" | "warning" | "error" | "idle">> = {
  answer: "ok",
  nodata: "warning",
  nxdomain: "warning",
  hold: "warning",
  servfail: "error",
  refuse: "error",
};

function toneOf(decision: string): "ok" | "warning" | "error" | "idle" {
  return Object.hasOwn(TONES, decision) ? TONES[decision]! : "idle";
}

function facts({
  match,
  host,
  mode,
  modeReason,
  object,
  namespace,
  client,
}: ExplainJson): readonly HTMLElement[] {
  const rows: [string, string | null][] = [
    ["Client", client.pod ?? client.address ?? (namespace === null ? "not known" : `namespace ${namespace}`)],
    ["Match", host === null ? match : `${match}, ${host}`],
    ["Object", object === null ? null : objectText(object)],
    ["Mode", mode === null ? null : modeReason === null ? mode : `${mode}: ${modeReason}`],
  ];
  return rows.flatMap(([name, value]) =>
    value === null ? [] : [element("div", {}, element("dt", {}, name), element("dd", {}, value))],
  );
}

function objectText({ kind, namespace, name }: ObjectJson): string {
  return `${kind} ${namespace}/${name}`;
}

function stepElement({ title, text, result }: ExplainStep): HTMLElement {
  const isSettled = result === "settled";
  const head = element("b", {}, title);
  const tail = isSettled ? [" ", element("small", { class: "settled" }, "found here")] : [];
  return element("li", { class: isSettled ? "settles" : undefined }, head, ...tail, element("p", {}, text));
}
