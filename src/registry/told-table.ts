/**
 * What the data plane has been told, as the octets that it was told: the registry's own copy of its table. A record
 * is compared with them and made again from them, so that none is kept as a value.
 */

import type { Random } from "../runtime.ts";
import { FlatTable } from "../table/flat-table.ts";
import type { HostChange, HostRecord, TableDelta } from "../table/host-record.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import { packDelta, packTable } from "../table/packed-delta.ts";
import { packRecord, recordLength, unpackRecord } from "../table/packed-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { differenceOf } from "./record-difference.ts";

export class ToldTable {
  readonly #table: FlatTable;

  constructor(random: Random) {
    this.#table = new FlatTable(random);
  }

  /** Of the last delta. */
  get version(): number {
    return this.#table.version;
  }

  has(host: HostName): boolean {
    return this.#table.findHost(host) !== NOT_FOUND;
  }

  /** Undefined: nothing was told of the host. */
  recordOf(host: HostName): HostRecord | undefined {
    const at = this.#table.findHost(host);
    return at === NOT_FOUND ? undefined : unpackRecord(this.#table.octets, at);
  }

  /** What must be told so that the host has this record; undefined: none. */
  differenceOf(host: HostName, record: HostRecord | undefined): readonly HostChange[] {
    const at = this.#table.findHost(host);
    if (record === undefined) return at === NOT_FOUND ? [] : [{ kind: "delete", host }];
    if (at === NOT_FOUND) return [{ kind: "set", record }];
    const told = this.#table.octets.subarray(at, at + recordLength(this.#table.octets, at));
    const packed = packRecord(record);
    if (told.length !== packed.length) return [{ kind: "set", record }];
    return Buffer.compare(told, packed) === 0 ? [] : differenceOf(unpackRecord(told, 0), record);
  }

  /** From now on this is told too, as the next version; returns the delta and its octets. */
  tell(changes: readonly HostChange[]): {
    readonly delta: TableDelta;
    readonly packed: Uint8Array<ArrayBuffer>;
  } {
    const delta = { version: this.version + 1, changes };
    const packed = packDelta(delta);
    this.#table.apply(packed, 0, changes.length);
    return { delta, packed };
  }

  /** All that was told, as one delta of the present version. */
  snapshot(): TableDelta {
    const { octets } = this.#table;
    const changes = Array.from(
      this.#table.records(),
      (at): HostChange => ({ kind: "set", record: unpackRecord(octets, at) }),
    );
    return { version: this.version, changes };
  }

  /** The same, packed. */
  packedSnapshot(): Uint8Array<ArrayBuffer> {
    const { octets } = this.#table;
    return packTable(this.version, octets, [...this.#table.records()]);
  }
}
