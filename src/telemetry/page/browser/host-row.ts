/** One claim on a host as a row of the table. */

import { element } from "./dom.ts";
import { countText } from "./format.ts";
import { stateMark } from "./host-state.ts";
import type { HostJson } from "./server.ts";
import { moment } from "./time.ts";

export function hostRow(host: HostJson, isOpen: boolean, onToggle: () => void): HTMLElement {
  const open = element(
    "button",
    {
      type: "button",
      class: "host",
      "aria-expanded": String(isOpen),
      "aria-controls": isOpen ? "host-detail" : undefined,
    },
    host.host,
  );
  open.addEventListener("click", onToggle);
  const { namespace, name, resolution } = host;
  const object = element("td", { class: "wide" }, `${namespace}/${name} `, element("small", {}, resolution));
  const next = host.nextRefresh === null ? "" : moment(host.nextRefresh, "until");
  return element(
    "tr",
    { class: isOpen ? "open" : undefined },
    element("th", { scope: "row" }, open, element("small", { class: "narrow" }, `${namespace}/${name}`)),
    element("td", {}, stateMark(host.state)),
    object,
    element("td", { class: "wide" }, host.answerMode),
    addressCell(host),
    element("td", { class: "wide number" }, next),
  );
}

/** The same for as long as the claim lasts. */
export function keyOf({ host, namespace, name }: HostJson): string {
  return `${host} ${namespace}/${name}`;
}

/** The first one: the host's details have them all. */
function addressCell({ addresses, lastError }: HostJson): HTMLElement {
  const [first] = addresses;
  if (first === undefined) return element("td", { class: "middle error-text" }, lastError?.code ?? "");
  const more = addresses.length === 1 ? "" : ` +${countText(addresses.length - 1)}`;
  const source = element("small", {}, ` ${first.source}`);
  return element("td", { class: "middle addresses" }, `${first.address}${more}`, source);
}
