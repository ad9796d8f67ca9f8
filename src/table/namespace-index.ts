/**
 * The index of a packed record whose views are not for all: which namespace sees which view. Sorted, so that
 * a host that a thousand namespaces each have for themselves costs ten comparisons.
 */

import type { Namespace } from "../mesh/objects.ts";
import { readUint32, writeUint16, writeUint32 } from "../wire/append.ts";
import { MAX_LABEL_OCTETS } from "../wire/constants.ts";
import type { HostView } from "./host-record.ts";
import { IndexEntry, IndexField } from "./record-layout.ts";

/** Offset of the view, counted from the record, that is for the namespace by name; 0: none. */
export function viewOfNamespace(
  octets: Uint8Array,
  record: number,
  index: number,
  namespace: Uint8Array,
): number {
  let low = 0;
  let high = readUint32(octets, index + IndexField.NAMESPACE_COUNT);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = index + IndexField.ENTRIES + middle * IndexEntry.OCTETS;
    const order = compareTo(octets, record + readUint32(octets, entry + IndexEntry.NAMESPACE), namespace);
    if (order === 0) return readUint32(octets, entry + IndexEntry.VIEW);
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return 0;
}

/** The index of a record with these views, which is packed before and written after them. */
export class NamespaceIndex {
  /** Octets that it takes. */
  readonly length: number;
  readonly #views: readonly HostView[];
  readonly #names: readonly (readonly Buffer[])[];
  readonly #count: number;

  constructor(views: readonly HostView[]) {
    this.#views = views;
    this.#names = views.map(({ visibleTo }) =>
      visibleTo === "all" ? [] : Array.from(visibleTo, (name) => Buffer.from(name)).filter(isName),
    );
    let count = 0;
    let length = 0;
    for (const names of this.#names)
      for (const name of names) {
        count += 1;
        length += 1 + name.length;
      }
    this.#count = count;
    this.length = IndexField.ENTRIES + count * IndexEntry.OCTETS + length;
  }

  /** Writes it at `index`; `viewsAt`: where each view lies, counted from the record, which begins at `record`. */
  write(octets: Uint8Array, record: number, index: number, viewsAt: readonly number[]): void {
    writeUint16(octets, index + IndexField.VIEW_COUNT, this.#views.length);
    writeUint32(octets, index + IndexField.FIRST_VIEW, index + this.length - record);
    writeUint32(octets, index + IndexField.NAMESPACE_COUNT, this.#count);
    const entries: { readonly name: Buffer; readonly viewAt: number }[] = [];
    for (const [position, view] of this.#views.entries()) {
      const viewAt = viewsAt[position]!;
      if (view.visibleTo === "all") writeUint32(octets, index + IndexField.VIEW_FOR_ALL, viewAt);
      for (const name of this.#names[position]!) entries.push({ name, viewAt });
    }
    entries.sort((a, b) => a.name.length - b.name.length || a.name.compare(b.name));
    let entry = index + IndexField.ENTRIES;
    let nameAt = entry + this.#count * IndexEntry.OCTETS;
    for (const { name, viewAt } of entries) {
      writeUint32(octets, entry + IndexEntry.VIEW, viewAt);
      writeUint32(octets, entry + IndexEntry.NAMESPACE, nameAt - record);
      octets[nameAt] = name.length;
      octets.set(name, nameAt + 1);
      nameAt += 1 + name.length;
      entry += IndexEntry.OCTETS;
    }
  }
}

/** The namespaces that see the view at offset `view`, counted from the record. */
export function namespacesOf(
  octets: Uint8Array,
  record: number,
  index: number,
  view: number,
): ReadonlySet<Namespace> {
  const namespaces = new Set<Namespace>();
  for (let left = readUint32(octets, index + IndexField.NAMESPACE_COUNT); left > 0; left -= 1) {
    const entry = index + IndexField.ENTRIES + (left - 1) * IndexEntry.OCTETS;
    if (readUint32(octets, entry + IndexEntry.VIEW) !== view) continue;
    const at = record + readUint32(octets, entry + IndexEntry.NAMESPACE);
    namespaces.add(Buffer.from(octets.subarray(at + 1, at + 1 + octets[at]!)).toString());
  }
  return namespaces;
}

/** What is longer than a label is no namespace (RFC 1123), so no client is in it. */
function isName(name: Uint8Array): boolean {
  return name.length <= MAX_LABEL_OCTETS;
}

/** Below 0: the namespace at `at` comes before the other. */
function compareTo(octets: Uint8Array, at: number, namespace: Uint8Array): number {
  const length = octets[at]!;
  if (length !== namespace.length) return length - namespace.length;
  for (let index = 0; index < length; index += 1) {
    const difference = octets[at + 1 + index]! - namespace[index]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
