/**
 * The table that is obviously right: the oracle for `FlatTable` in the tests. A change costs as much as the
 * whole table.
 */

import { type HostName, hostNameOctets, isWildcard, wildcardRest } from "../wire/host-name.ts";
import { type HostTable, type NameView, NOT_FOUND, type OnHostChange } from "./host-table.ts";
import {
  ChangeKind,
  changeAfter,
  changeFrom,
  changeKind,
  changeRecord,
  deltaVersion,
  touchedFamily,
  touchedMomentMs,
} from "./packed-delta.ts";
import { isWildcardRecord, nameAt, nameLength, recordLength, touchRecord } from "./packed-record.ts";

export class LinearTable implements HostTable {
  #version = 0;
  #octets = new Uint8Array(0);
  readonly #records = new Map<string, Uint8Array>();

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#records.size;
  }

  get octets(): Uint8Array {
    return this.#octets;
  }

  find(name: NameView): number {
    const exact = this.#offsetOf(keyOf(false, labelsAt(name.name, 0)));
    return exact === NOT_FOUND ? this.findWildcard(name, 1) : exact;
  }

  findWildcard(name: NameView, fromLabel: number): number {
    const labels = labelsAt(name.name, 0);
    if (labels.some((label) => label.startsWith("_"))) return NOT_FOUND;
    for (let dropped = fromLabel; dropped < labels.length; dropped += 1) {
      const wildcard = this.#offsetOf(keyOf(true, labels.slice(dropped)));
      if (wildcard !== NOT_FOUND) return wildcard;
    }
    return NOT_FOUND;
  }

  findHost(host: HostName): number {
    return this.#offsetOf(keyOf(isWildcard(host), labelsAt(hostNameOctets(wildcardRest(host)), 0)));
  }

  apply(delta: Uint8Array, from: number, maxHosts: number, onChange?: OnHostChange): number {
    let change = changeFrom(from);
    for (let left = maxHosts; left > 0 && change < delta.length; left -= 1) {
      this.#applyChange(delta, change, onChange);
      change = changeAfter(delta, change);
    }
    this.#octets = new Uint8Array(Buffer.concat([...this.#records.values()]));
    if (change < delta.length) return change;
    this.#version = deltaVersion(delta);
    return -1;
  }

  #applyChange(delta: Uint8Array, change: number, onChange?: OnHostChange): void {
    const at = changeRecord(change);
    const record = delta.slice(at, at + recordLength(delta, at));
    const name = record.subarray(nameAt(0), nameAt(0) + nameLength(record, 0));
    const key = keyOf(isWildcardRecord(record, 0), labelsAt(name, 0));
    const known = this.#records.get(key);
    if (changeKind(delta, change) === ChangeKind.SET) {
      this.#records.set(key, record);
      onChange?.("set", name, isWildcardRecord(record, 0), known === undefined);
    } else if (changeKind(delta, change) === ChangeKind.DELETE) {
      if (this.#records.delete(key)) onChange?.("delete", name, isWildcardRecord(record, 0), false);
    } else if (known !== undefined) {
      const isMoved = touchRecord(known, 0, touchedFamily(delta, change), touchedMomentMs(delta, change));
      if (isMoved) onChange?.("touch", name, isWildcardRecord(record, 0), false);
    }
  }

  /** The records lie one behind the other in the order of the map. */
  #offsetOf(key: string): number {
    let offset = 0;
    for (const [other, record] of this.#records) {
      if (other === key) return offset;
      offset += record.length;
    }
    return NOT_FOUND;
  }
}

/** Label by label, so that a dot within a label is none between two. */
function labelsAt(name: Uint8Array, at: number): string[] {
  const length = name[at]!;
  if (length === 0) return [];
  return [String.fromCharCode(...name.subarray(at + 1, at + 1 + length)), ...labelsAt(name, at + 1 + length)];
}

function keyOf(isWildcard: boolean, labels: readonly string[]): string {
  return JSON.stringify({ isWildcard, labels });
}
