/** One call for one object, from the request to the object in the answer; no repetition. */

import type { Clock } from "../runtime.ts";
import type { ApiCall, WritingApiClient } from "./api-client.ts";
import { withStallLimit } from "./stall-limit.ts";
import { faultOfWrite, toWriteFault, WriteFault } from "./write-fault.ts";

/** An object as the API has it. */
export interface StoredObject {
  readonly uid: string;
  readonly resourceVersion: string;
  /** All of it, as JSON has it. */
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface ExchangeOptions {
  readonly client: WritingApiClient;
  readonly clock: Clock;
  /** Silence for longer ends the call. */
  readonly mostSilenceMs: number;
}

/** Resolves with the object of a successful answer; undefined: that is none (a Status). Throws WriteFault. */
export async function exchange(
  { client, clock, mostSilenceMs }: ExchangeOptions,
  call: ApiCall,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  try {
    return await withStallLimit(clock, mostSilenceMs, signal, async (callSignal, noteProgress) => {
      const response = await client.send(call, callSignal);
      const chunks: Buffer[] = [];
      let octets = 0;
      for await (const chunk of response.body) {
        noteProgress();
        chunks.push(chunk);
        octets += chunk.length;
        if (octets > MOST_BODY_OCTETS) throw new WriteFault("broken", "an answer without an end");
      }
      const text = Buffer.concat(chunks).toString("utf8");
      if (response.status < 200 || response.status > 299) throw faultOfWrite(response, text, clock.wallMs());
      return readObject(text);
    });
  } catch (error) {
    if (signal.aborted) throw new WriteFault("aborted", "given up");
    throw toWriteFault(error);
  }
}

/** Above what etcd takes for one object. */
const MOST_BODY_OCTETS = 4 * 1024 * 1024;

function readObject(text: string): StoredObject | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new WriteFault("broken", "the answer is no JSON");
  }
  if (!isFields(raw)) throw new WriteFault("broken", "the answer is no object");
  const { metadata } = raw;
  if (!isFields(metadata)) return undefined;
  const { uid, resourceVersion } = metadata;
  if (typeof uid !== "string" || typeof resourceVersion !== "string") return undefined;
  return { uid, resourceVersion, raw };
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
