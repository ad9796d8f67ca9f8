/** Brings the status condition of one entry to what it should say, and finds those that say something else. */

import type { WritingApiClient } from "../cluster/api-client.ts";
import type { ApiWriter } from "../cluster/api-writes.ts";
import type { StoredObject } from "../cluster/exchange.ts";
import { listServed } from "../cluster/served-list.ts";
import { toWriteFault } from "../cluster/write-fault.ts";
import { type ObjectKey, type ObjectRef, objectKey } from "../mesh/objects.ts";
import { parseServiceEntry } from "../mesh/parse-service-entry.ts";
import type { Clock } from "../runtime.ts";
import { conditionPatch, type ResolvedCondition, saysAlready } from "./resolved-condition.ts";

export interface ConditionWriterOptions {
  readonly client: WritingApiClient;
  readonly writer: ApiWriter;
  readonly clock: Clock;
  readonly wanted: (key: ObjectKey) => ResolvedCondition | undefined;
}

export class ConditionWriter {
  readonly #options: ConditionWriterOptions;
  /** Where entries are served; undefined: to be found out. */
  #listPath: string | undefined;

  constructor(options: ConditionWriterOptions) {
    this.#options = options;
  }

  /** Reads all entries once; returns those whose condition is not what it should be. Throws ApiFault. */
  async differing(signal: AbortSignal): Promise<readonly ObjectRef[]> {
    const { client, clock, wanted } = this.#options;
    const read = (raw: unknown) => {
      const { ref } = parseServiceEntry(raw);
      if (ref.name === "") return undefined;
      const object = { uid: "", resourceVersion: "", raw: raw as StoredObject["raw"] };
      return { value: { ref, isRight: saysAlready(object, wanted(objectKey(ref))) } };
    };
    const options = { client, clock, signal, read, mostObjectOctets: MOST_OBJECT_OCTETS };
    const { path, objects } = await listServed(options, ENTRIES, this.#listPath);
    this.#listPath = path;
    return objects.filter(({ isRight }) => !isRight).map(({ ref }) => ref);
  }

  /** Returns whether something was written. `differing` comes first. Throws WriteFault; "guard": somebody else writes all the time. */
  async write(ref: ObjectRef, uid: string, signal: AbortSignal): Promise<boolean> {
    const { writer, clock, wanted } = this.#options;
    const path = this.#pathOf(ref);
    for (let attempt = 1; ; attempt++) {
      const object = await writer.get(path, signal);
      // Made anew under the same name: the watch will tell.
      if (object.uid !== uid) return false;
      const operations = conditionPatch(object, wanted(objectKey(ref)), clock.wallMs());
      if (operations.length === 0) return false;
      try {
        await writer.patch(`${path}/status`, operations, signal);
        return true;
      } catch (error) {
        const { code } = toWriteFault(error);
        if ((code !== "guard" && code !== "conflict") || attempt >= MOST_ATTEMPTS) throw error;
      }
    }
  }

  #pathOf({ namespace, name }: ObjectRef): string {
    const path = this.#listPath ?? `/apis/${ENTRIES.group}/${ENTRIES.versions[0]}/${ENTRIES.plural}`;
    const at = path.lastIndexOf("/");
    const steps = ["namespaces", namespace, path.slice(at + 1), name].map(encodeURIComponent);
    return `${path.slice(0, at)}/${steps.join("/")}`;
  }
}

const ENTRIES = {
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "serviceentries",
} as const;
const MOST_OBJECT_OCTETS = 2 * 1024 * 1024;
const MOST_ATTEMPTS = 3;
