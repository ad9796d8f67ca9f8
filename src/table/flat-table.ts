/**
 * The table of the data plane: an open-addressing hash over names on the wire whose slots are numbers in two
 * typed arrays, and a slab that holds the packed records. No object and no string per host.
 */

import type { Random } from "../runtime.ts";
import { MAX_NAME_OCTETS } from "../wire/constants.ts";
import { type HostName, isWildcard, wildcardRest, writeHostName } from "../wire/host-name.ts";
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
import {
  isRecordOf,
  isWildcardRecord,
  nameAt,
  nameLabelCount,
  nameLength,
  recordLength,
  touchRecord,
} from "./packed-record.ts";
import { Slab } from "./slab.ts";

const FIRST_SLOTS = 64;
/** The fullest that the slots may be: above it the runs of linear probing grow long. */
const MAX_LOAD = 0.7;
/** Sets the hashes of wildcards apart from those of the hosts they stand above. */
const WILDCARD_MARK = 0x5bd1e995;
/** Odd, so that multiplying loses nothing; its bits are well mixed (2^32 divided by the golden ratio). */
const HASH_MULTIPLIER = 0x9e3779b1;

export class FlatTable implements HostTable {
  #version = 0;
  #size = 0;
  readonly #slab = new Slab();
  /** Of each slot: where its record lies in the slab, 0 in a free slot; and the hash of its name. */
  #records = new Uint32Array(FIRST_SLOTS);
  #hashes = new Int32Array(FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  /** How many wildcards have a name of so many labels: most depths of most questions need no look. */
  readonly #wildcardsByLabels = new Uint32Array(128);
  /** A secret number for each octet, so that names whose hashes are equal are hard to choose. */
  readonly #secrets: Int32Array;
  /** The hash of the asked name from each of its labels on. */
  readonly #suffixHashes = new Int32Array(128);

  /** The octets of a host that is looked for. */
  readonly #asked = new Uint8Array(MAX_NAME_OCTETS);

  constructor(random: Random) {
    this.#secrets = Int32Array.from({ length: 256 }, () => (random.uint16() << 16) | random.uint16());
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#size;
  }

  get octets(): Uint8Array {
    return this.#slab.octets;
  }

  /** What the table holds in typed arrays, what is kept in reserve included. */
  get memoryOctets(): number {
    return this.octets.length + this.#records.byteLength + this.#hashes.byteLength;
  }

  /** Where each record begins in `octets`; to be read before the next change. */
  *records(): IterableIterator<number> {
    for (const record of this.#records) if (record !== 0) yield record;
  }

  find(name: NameView): number {
    const hash = this.#hashSuffixes(name, 0);
    const exact = this.#records[this.#slotOf(hash, false, name.name, 0, name.nameLength)]!;
    return exact !== 0 ? exact : this.#findWildcard(name, 1);
  }

  findWildcard(name: NameView, fromLabel: number): number {
    this.#hashSuffixes(name, fromLabel);
    return this.#findWildcard(name, fromLabel);
  }

  /** Fills `#suffixHashes` from a label on; the hash of the whole rest. */
  #hashSuffixes(view: NameView, fromLabel: number): number {
    const { name, labelStarts } = view;
    const suffixHashes = this.#suffixHashes;
    let hash = 0;
    let end = view.nameLength;
    for (let label = view.labelCount - 1; label >= fromLabel; label -= 1) {
      const start = labelStarts[label]!;
      hash = this.#hash(name, start, end, hash);
      suffixHashes[label] = hash;
      end = start;
    }
    return hash;
  }

  #findWildcard(view: NameView, fromLabel: number): number {
    if (view.hasUnderscoreLabel) return NOT_FOUND;
    const { name, nameLength: length, labelCount, labelStarts } = view;
    for (let label = fromLabel; label < labelCount; label += 1) {
      if (this.#wildcardsByLabels[labelCount - label] === 0) continue;
      const start = labelStarts[label]!;
      const slot = this.#slotOf(
        this.#suffixHashes[label]! ^ WILDCARD_MARK,
        true,
        name,
        start,
        length - start,
      );
      if (this.#records[slot] !== 0) return this.#records[slot]!;
    }
    return NOT_FOUND;
  }

  findHost(host: HostName): number {
    const name = this.#asked;
    const length = writeHostName(name, 0, wildcardRest(host));
    const hash = this.#hashOf(name, 0, length, isWildcard(host));
    const record = this.#records[this.#slotOf(hash, isWildcard(host), name, 0, length)]!;
    return record === 0 ? NOT_FOUND : record;
  }

  apply(delta: Uint8Array, from: number, maxHosts: number, onChange?: OnHostChange): number {
    let change = changeFrom(from);
    for (let left = maxHosts; left > 0 && change < delta.length; left -= 1) {
      this.#applyChange(delta, change, onChange);
      change = changeAfter(delta, change);
    }
    if (change < delta.length) return change;
    this.#version = deltaVersion(delta);
    return -1;
  }

  #applyChange(delta: Uint8Array, change: number, onChange?: OnHostChange): void {
    const source = changeRecord(change);
    const start = nameAt(source);
    const length = nameLength(delta, source);
    const isWildcard = isWildcardRecord(delta, source);
    const hash = this.#hashOf(delta, start, length, isWildcard);
    const slot = this.#slotOf(hash, isWildcard, delta, start, length);
    const known = this.#records[slot]!;
    switch (changeKind(delta, change)) {
      case ChangeKind.SET:
        if (known === 0) this.#insert(slot, hash, delta, source);
        else this.#replace(slot, delta, source);
        onChange?.("set", delta.subarray(start, start + length), isWildcard, known === 0);
        return;
      case ChangeKind.DELETE:
        if (known === 0) return;
        this.#delete(slot);
        onChange?.("delete", delta.subarray(start, start + length), isWildcard, false);
        return;
      case ChangeKind.TOUCH:
        if (known === 0) return;
        if (!touchRecord(this.octets, known, touchedFamily(delta, change), touchedMomentMs(delta, change)))
          return;
        onChange?.("touch", delta.subarray(start, start + length), isWildcard, false);
        return;
    }
  }

  #insert(slot: number, hash: number, delta: Uint8Array, source: number): void {
    this.#records[slot] = this.#store(delta, source);
    this.#hashes[slot] = hash;
    this.#size += 1;
    if (isWildcardRecord(delta, source)) this.#wildcardsByLabels[nameLabelCount(delta, source)]! += 1;
    if (this.#size > this.#records.length * MAX_LOAD) this.#growSlots();
  }

  #replace(slot: number, delta: Uint8Array, source: number): void {
    const known = this.#records[slot]!;
    this.#slab.free(known, recordLength(this.octets, known));
    this.#records[slot] = this.#store(delta, source);
  }

  #delete(slot: number): void {
    const record = this.#records[slot]!;
    if (isWildcardRecord(this.octets, record))
      this.#wildcardsByLabels[nameLabelCount(this.octets, record)]! -= 1;
    this.#slab.free(record, recordLength(this.octets, record));
    this.#size -= 1;
    this.#closeGap(slot);
  }

  /** Copies a record into the slab. A record of the same size class as the one just freed takes its place. */
  #store(delta: Uint8Array, source: number): number {
    const length = recordLength(delta, source);
    const record = this.#slab.allocate(length);
    this.octets.set(delta.subarray(source, source + length), record);
    return record;
  }

  /** The slot that holds the host, else the free one where it would go. */
  #slotOf(hash: number, isWildcard: boolean, name: Uint8Array, from: number, length: number): number {
    const octets = this.octets;
    const records = this.#records;
    const hashes = this.#hashes;
    const mask = this.#mask;
    let slot = hash & mask;
    for (let record = records[slot]!; record !== 0; record = records[slot]!) {
      if (hashes[slot] === hash && isRecordOf(octets, record, isWildcard, name, from, length)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Frees a slot; what stands behind it moves up unless it is already as near to its own place as it can be. */
  #closeGap(gap: number): void {
    const records = this.#records;
    const hashes = this.#hashes;
    const mask = this.#mask;
    for (let slot = (gap + 1) & mask; records[slot] !== 0; slot = (slot + 1) & mask) {
      const fromHome = (slot - hashes[slot]!) & mask;
      if (fromHome < ((slot - gap) & mask)) continue;
      records[gap] = records[slot]!;
      hashes[gap] = hashes[slot]!;
      gap = slot;
    }
    records[gap] = 0;
  }

  #growSlots(): void {
    const records = this.#records;
    const hashes = this.#hashes;
    this.#records = new Uint32Array(records.length * 2);
    this.#hashes = new Int32Array(records.length * 2);
    this.#mask = records.length * 2 - 1;
    for (let old = 0; old < records.length; old += 1) {
      if (records[old] === 0) continue;
      let slot = hashes[old]! & this.#mask;
      while (this.#records[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#records[slot] = records[old]!;
      this.#hashes[slot] = hashes[old]!;
    }
  }

  #hashOf(name: Uint8Array, start: number, length: number, isWildcard: boolean): number {
    const hash = this.#hash(name, start, start + length, 0);
    return isWildcard ? hash ^ WILDCARD_MARK : hash;
  }

  /** Goes on with the hash of what stands from `end` on: from right to left, so one pass gives every suffix's. */
  #hash(name: Uint8Array, start: number, end: number, hash: number): number {
    const secrets = this.#secrets;
    for (let at = end - 1; at >= start; at -= 1) {
      hash = Math.imul(hash ^ secrets[name[at]!]!, HASH_MULTIPLIER);
      hash ^= hash >>> 15;
    }
    return hash;
  }
}
