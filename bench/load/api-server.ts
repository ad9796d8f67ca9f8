/**
 * The scripted API server with many ServiceEntries, as a process of its own: does what it is told by messages and
 * answers each, when that is done, with the octets of all bodies that it has sent so far.
 */

import { ScriptedApiServer } from "../../test/support/scripted-api-server.ts";
import { serviceEntry } from "./api-objects.ts";

export type Order =
  /** Entries from `from` on come; `quietly`: no watch tells of them, and no version before is known any more. */
  | { readonly kind: "fill"; readonly from: number; readonly count: number; readonly quietly: boolean }
  /** The same entries go, quietly. */
  | { readonly kind: "clear"; readonly from: number; readonly count: number }
  /** The entry is another. */
  | { readonly kind: "edit"; readonly index: number; readonly edition: number }
  /** Some entry of these is another, over and over. */
  | {
      readonly kind: "churn";
      readonly from: number;
      readonly count: number;
      readonly perSecond: number;
      readonly seconds: number;
    }
  /** Does nothing. */
  | { readonly kind: "tell" };

/** First of all, unasked. */
export interface Started {
  readonly kubeconfig: string;
}

export interface Done {
  readonly sentOctets: number;
}

const server = await ScriptedApiServer.start();
process.on("message", (order: Order) => {
  void obey(order).then(() => process.send?.({ sentOctets: server.sentOctets } satisfies Done));
});
process.send?.({ kubeconfig: server.kubeconfig() } satisfies Started);

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "fill":
      return order.quietly ? quietly(() => fill(order)) : fill(order);
    case "clear":
      return quietly(() => {
        for (const { metadata } of entries(order))
          server.remove("ServiceEntry", metadata.namespace, metadata.name);
      });
    case "edit":
      server.apply(serviceEntry(order.index, order.edition));
      return;
    case "churn":
      return await churn(order);
    case "tell":
      return;
  }
}

function fill(order: { readonly from: number; readonly count: number }): void {
  for (const entry of entries(order)) server.apply(entry);
}

function entries({ from, count }: { readonly from: number; readonly count: number }) {
  return Array.from({ length: count }, (_, index) => serviceEntry(from + index));
}

/** The watches end, and the next ones are too late: everybody lists. */
function quietly(change: () => void): void {
  server.lose(change);
  server.compact();
  server.endWatches();
}

/** As evenly as timers allow. */
async function churn({ from, count, perSecond, seconds }: Order & { readonly kind: "churn" }): Promise<void> {
  const startedMs = performance.now();
  for (let done = 0; done < perSecond * seconds; done += 1) {
    const aheadMs = (done / perSecond) * 1000 - (performance.now() - startedMs);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    server.apply(serviceEntry(from + Math.floor(Math.random() * count), 1 + (done % 255)));
  }
}
