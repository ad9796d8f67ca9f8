/** A Namespace at the door: its name, and what it says for its entries and its pods. */

import type { NamespaceObject } from "./objects.ts";
import {
  type ParsedKind,
  parseWithMetadata,
  readAnswerMode,
  readSuffixAnswer,
  readTrafficDistribution,
  reportPublishing,
} from "./parse-metadata.ts";

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseNamespace(raw: unknown): ParsedKind<"Namespace"> {
  return parseWithMetadata("Namespace", raw, (reading): NamespaceObject => {
    reportPublishing(reading);
    return {
      ...reading.object,
      answer: readAnswerMode(reading),
      suffixAnswer: readSuffixAnswer(reading),
      trafficDistribution: readTrafficDistribution(reading),
    };
  });
}
