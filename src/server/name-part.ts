/**
 * A run of a question's labels as a name of its own: the bare host before a search suffix, the host behind
 * `_port._proto`. One is filled again for every name.
 */

import type { NameView } from "../table/host-table.ts";
import { MAX_NAME_OCTETS } from "../wire/constants.ts";

const UNDERSCORE = 0x5f;

export class NamePart implements NameView {
  readonly name = new Uint8Array(MAX_NAME_OCTETS + 1);
  nameLength = 0;
  labelCount = 0;
  readonly labelStarts = new Uint8Array(128);
  hasUnderscoreLabel = false;

  /** Takes the labels from `first` to before `end` of `whole`. */
  take(whole: NameView, first: number, end: number): void {
    const start = first === whole.labelCount ? whole.nameLength - 1 : whole.labelStarts[first]!;
    const stop = end === whole.labelCount ? whole.nameLength - 1 : whole.labelStarts[end]!;
    this.labelCount = end - first;
    this.nameLength = stop - start + 1;
    this.hasUnderscoreLabel = false;
    for (let label = first; label < end; label += 1) {
      const labelStart = whole.labelStarts[label]!;
      this.labelStarts[label - first] = labelStart - start;
      if (whole.name[labelStart + 1] === UNDERSCORE) this.hasUnderscoreLabel = true;
    }
    for (let at = start; at < stop; at += 1) this.name[at - start] = whole.name[at]!;
    this.name[stop - start] = 0;
  }
}
