/** Which reverse names may have another record than the data plane has been told. */

import { CLIENT_CLASSES, type HostChange, type HostRecord } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { HostState } from "./host-state.ts";
import { type Precedence, ReverseIndex, type ReverseSettings } from "./reverse.ts";
import type { ToldTable } from "./told-table.ts";

export class ReverseTable {
  readonly #index: ReverseIndex;
  readonly #told: Pick<ToldTable, "differenceOf">;
  /** Names whose record may be another one. */
  #touched: Set<HostName>;

  constructor(settings: ReverseSettings, precedence: Precedence, told: Pick<ToldTable, "differenceOf">) {
    this.#told = told;
    this.#index = new ReverseIndex(settings, precedence);
    this.#touched = new Set(this.#index.names());
  }

  /** Whether there is something for `settle` to do. */
  get isTouched(): boolean {
    return this.#touched.size > 0;
  }

  /** The host's record or winners may be others now. */
  change({ host, views }: HostState, record: HostRecord | undefined): void {
    const winners = views.map(({ choices }) => {
      const client = CLIENT_CLASSES.find((each) => (choices[each]?.choice.kind ?? "real") !== "real");
      return client && choices[client]?.winners[0];
    });
    for (const name of this.#index.change(host, record, winners)) this.#touched.add(name);
  }

  updateSettings(settings: ReverseSettings): void {
    for (const name of this.#index.updateSettings(settings)) this.#touched.add(name);
  }

  /** Returns what is another since the last call. */
  settle(): readonly HostChange[] {
    const names = this.#touched;
    this.#touched = new Set();
    return [...names].flatMap((name) => this.#told.differenceOf(name, this.#index.recordOf(name)));
  }
}
