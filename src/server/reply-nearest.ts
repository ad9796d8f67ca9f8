/** Which of a family's addresses a client gets where only the nearest are answered, and which of them first. */

import { NOT_FOUND } from "../table/host-table.ts";
import { addressCount, addressWeight, type FamilyIndex, nearness, placesAt } from "../table/packed-record.ts";

/** The most addresses that a family has. */
const MAX_ADDRESSES = 256;

export class NearestAddresses {
  /** The addresses that were chosen last, as indexes into the family's. */
  readonly indexes = new Uint8Array(MAX_ADDRESSES);
  #count = 0;

  /**
   * Chooses the best non-empty group for a client with these marks and returns how many addresses are in it: all
   * where none is near. 0 where all are for everybody.
   */
  choose(table: Uint8Array, variant: number, family: FamilyIndex, marks: Uint32Array): number {
    const places = placesAt(table, variant, family);
    if (places === NOT_FOUND) return 0;
    const addresses = addressCount(table, variant, family);
    let best = 0;
    this.#count = 0;
    for (let index = 0; index < addresses; index += 1) {
      const shared = nearness(table, variant, family, places, index, marks);
      if (shared < best) continue;
      if (shared > best) this.#count = 0;
      best = shared;
      this.indexes[this.#count] = index;
      this.#count += 1;
    }
    return this.#count;
  }

  /** Which of the chosen comes first, by their weights. `fraction`: in [0, 1). */
  first(table: Uint8Array, variant: number, family: FamilyIndex, fraction: number): number {
    let shares = 0;
    for (let chosen = 0; chosen < this.#count; chosen += 1)
      shares += addressWeight(table, variant, family, this.indexes[chosen]!);
    let share = Math.floor(fraction * shares);
    let chosen = 0;
    for (; chosen < this.#count - 1; chosen += 1) {
      share -= addressWeight(table, variant, family, this.indexes[chosen]!);
      if (share < 0) break;
    }
    return chosen;
  }
}
