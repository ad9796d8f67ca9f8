/** All that is known of one host: who claims it, who answers and why, each address with where it is from. */

import { element, type Item, showItems } from "./dom.ts";
import { stateMark } from "./host-state.ts";
import { type AddressJson, ask, type HostJson, type HostsJson } from "./server.ts";
import { moment, timeBefore } from "./time.ts";

/** Claims of one host that are shown; a public host may have one in every namespace. */
const MAX_CLAIMS = 20;

export class HostDetail {
  readonly #claims = element("div", { class: "claims" });
  readonly #cell: HTMLTableCellElement;
  /** Below the host's own row. */
  readonly row: HTMLElement;
  #host: HostJson | undefined;

  constructor(onExplain: (host: HostJson) => void) {
    const explain = element("button", { type: "button" }, "Explain the answer");
    explain.addEventListener("click", () => this.#host !== undefined && onExplain(this.#host));
    this.#cell = element("td", { id: "host-detail" }, this.#claims, explain);
    this.row = element("tr", { class: "detail-row" }, this.#cell);
  }

  span(columns: number): void {
    this.#cell.colSpan = columns;
  }

  open(host: HostJson): void {
    this.#host = host;
    this.#show([host]);
    this.refresh(new AbortController().signal).catch(() => {});
  }

  /** Other entries that claim the same host may stand on another page of the list. */
  async refresh(signal: AbortSignal): Promise<void> {
    const host = this.#host;
    if (host === undefined) return;
    const { hosts } = await ask<HostsJson>("hosts", { host: host.host, limit: MAX_CLAIMS }, signal);
    if (host === this.#host && hosts.length > 0) this.#show(hosts);
  }

  #show(claims: readonly HostJson[]): void {
    const items = claims.map(
      (claim): Item => ({
        key: `${claim.host} ${claim.namespace}/${claim.name}`,
        signature: JSON.stringify(claim),
        render: () => claimElement(claim),
      }),
    );
    showItems(this.#claims, items);
  }
}

function claimElement(claim: HostJson): HTMLElement {
  const { kind, namespace, name, shadowedBy } = claim;
  const made = element("article", { class: "claim" });
  made.append(element("h4", {}, `${kind} ${namespace}/${name} `, stateMark(claim.state)), facts(claim));
  if (shadowedBy !== null) {
    const winner = element("b", {}, `${shadowedBy.namespace}/${shadowedBy.name}`);
    made.append(element("p", { class: "loses" }, "Loses to ", winner, `: ${shadowedBy.reason}.`));
  }
  if (claim.lastError !== null) {
    const { code, message, since } = claim.lastError;
    made.append(
      element(
        "p",
        { class: "error-text" },
        `Last error ${code}: ${message}, for `,
        moment(since, "for"),
        ".",
      ),
    );
  }
  if (claim.addresses.length > 0) made.append(addressTable(claim.addresses));
  return made;
}

function facts({ resolution, answerMode, visibleTo, nextRefresh }: HostJson): HTMLElement {
  const visible = visibleTo === "all" ? "all namespaces" : visibleTo.join(", ") || "nobody";
  const rows: [string, string | Node][] = [
    ["Resolution", resolution],
    ["Answer mode", answerMode],
    ["Visible to", visible],
  ];
  if (nextRefresh !== null) rows.push(["Next refresh", moment(nextRefresh, "until")]);
  const pairs = rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  return element("dl", { class: "facts" }, ...pairs);
}

export function addressTable(addresses: readonly AddressJson[]): HTMLElement {
  const rows = addresses.map((each) => {
    const { address, source, target, state, expiresAt } = each;
    const expires = expiresAt === null ? "never" : moment(expiresAt, "until");
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, address),
      element("td", {}, source),
      element("td", {}, target ?? "the object itself"),
      element("td", {}, age(each)),
      element("td", {}, state === "stale" ? stateMark("stale") : expires),
    );
  });
  const head = ["Address", "Source", "From", "Age", "Expires"].map((name) =>
    element("th", { scope: "col" }, name),
  );
  return element(
    "table",
    { class: "inner" },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows),
  );
}

/** Only upstream's answers grow old. */
function age({ answeredAt, age: seconds }: AddressJson): Node | string {
  const since = answeredAt ?? (seconds === undefined ? undefined : timeBefore(seconds));
  return since === undefined ? "" : moment(since, "for");
}
