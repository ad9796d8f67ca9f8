/** One WATCH of a resource, from the request to its end. */

import type { Clock, Random } from "../runtime.ts";
import type { ApiClient } from "./api-client.ts";
import { ApiFault, faultOfResponse } from "./api-fault.ts";
import { LineSplitter } from "./line-splitter.ts";
import { withQuery } from "./list.ts";
import { withStallLimit } from "./stall-limit.ts";
import { readWatchEvent, type WatchEvent } from "./watch-event.ts";

export interface WatchOptions {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly mostObjectOctets: number;
  /** The server has accepted. */
  readonly onOpen: () => void;
  /** What came at once, in its order; never none. A fault that comes with it is thrown after it. */
  readonly onEvents: (events: readonly WatchEvent[]) => void;
}

/**
 * Watches from the resource version `from`; `path`: may have a query, the selector. Resolves when the server ends the watch as
 * it was asked to; throws ApiFault, or what `onEvents` throws.
 */
export async function watchResource(options: WatchOptions, path: string, from: string): Promise<void> {
  const { client, clock, random, signal: outer, mostObjectOctets, onOpen, onEvents } = options;
  const query = new URLSearchParams({
    watch: "true",
    resourceVersion: from,
    allowWatchBookmarks: "true",
    timeoutSeconds: String(MOST_WATCH_SECONDS - Math.floor(random.fraction() * WATCH_SECONDS_SPREAD)),
  });
  const startMs = clock.nowMs();
  let isSilent = true;
  await withStallLimit(clock, STALL_MS, outer, async (signal, noteProgress) => {
    const response = await client.get(withQuery(path, query), signal);
    if (response.status !== 200) throw await faultOfResponse(response, clock.wallMs());
    noteProgress();
    onOpen();
    const splitter = new LineSplitter(mostObjectOctets);
    for await (const chunk of response.body) {
      noteProgress();
      isSilent = false;
      takeLines(splitter.push(chunk), onEvents);
    }
    if (splitter.isInLine) throw new ApiFault("connection", "the watch ended within a line");
  });
  if (isSilent && clock.nowMs() - startMs < LEAST_WATCH_MS)
    throw new ApiFault("server", "the watch ended as soon as it had begun");
}

/**
 * The server is asked to end each watch soon, and mostly says with a bookmark shortly before how far it is. So a
 * watch that was silent for longer than that is dead, and is found out in less than 40 s; the next one goes on
 * where it stood, over the same connection. Bookmarks prove no life: they come about every minute, and for a
 * kind of which nothing changed since the server started, not at all.
 */
const MOST_WATCH_SECONDS = 30;
const WATCH_SECONDS_SPREAD = 6;
const STALL_MS = 35_000;
/** Sooner ended, and without a word, is no watch: it would be asked for again and again without a pause. */
const LEAST_WATCH_MS = 1000;

/** Hands on all events up to the first line that is none. */
function takeLines(lines: readonly (string | undefined)[], onEvents: WatchOptions["onEvents"]): void {
  const events: WatchEvent[] = [];
  let fault: unknown;
  for (const line of lines) {
    try {
      events.push(readWatchEvent(line));
    } catch (error) {
      fault = error;
      break;
    }
  }
  if (events.length > 0) onEvents(events);
  if (fault !== undefined) throw fault;
}
