/**
 * Hosts that could not be written: how long each rests, and what is said of it. A line of the log when a host begins
 * to fail or fails for another reason, one when it is written again: with a thousand hosts that is enough to read.
 */

import { toWriteFault, type WriteFaultReason } from "../cluster/write-fault.ts";
import { type ProblemBook, problem } from "../mesh/problem.ts";
import { PUBLISHED_NAMESPACE, type Publication } from "../mesh/publication.ts";
import type { Clock, Logger, MonotonicMs, Random } from "../runtime.ts";
import { PUBLISH_COMPONENT, problemOwner } from "./host-turns.ts";
import { PublishRefusal } from "./host-writer.ts";
import type { PublisherCounts } from "./metrics.ts";
import type { PublishedHosts } from "./published-hosts.ts";

export interface FailedHostsOptions {
  readonly hosts: Pick<PublishedHosts, "refuse">;
  readonly problems: ProblemBook;
  readonly counts: PublisherCounts;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** `name`: of the Service. */
export class FailedHosts {
  readonly #options: FailedHostsOptions;
  readonly #failures = new Map<string, Failure>();

  constructor(options: FailedHostsOptions) {
    this.#options = options;
  }

  /** Whatever changes meanwhile, it is not tried again before. */
  restsUntilMs(name: string): MonotonicMs {
    return this.#failures.get(name)?.untilMs ?? 0;
  }

  /** What was in the way may be gone: the next attempt need not wait. */
  tryAgain(name: string): void {
    const failure = this.#failures.get(name);
    if (failure !== undefined) this.#failures.set(name, { ...failure, count: 0, untilMs: 0 });
  }

  clear(): void {
    this.#failures.clear();
  }

  /** The last attempt did what it should. */
  noteSuccess(name: string, publication: Publication | undefined): void {
    const failure = this.#failures.get(name);
    if (failure === undefined) return;
    this.#failures.delete(name);
    if (QUIET.has(failure.code)) return;
    const { logger, clock } = this.#options;
    const failedSeconds = Math.round((clock.wallMs() - failure.sinceWallMs) / 1000);
    const fields = { component: PUBLISH_COMPONENT, service: name, host: publication?.host, failedSeconds };
    logger.info(fields, `Service ${PUBLISHED_NAMESPACE}/${name} is as it should be again`);
  }

  /** Returns when it is to be tried again; undefined: we gave up ourselves. */
  note(name: string, publication: Publication | undefined, error: unknown): MonotonicMs | undefined {
    const { random, counts } = this.#options;
    if (error instanceof PublishRefusal) {
      this.#refuse(name, publication, error.message);
      const failure = { code: "foreign", reason: error.message, delayMs: REFUSED_RETRY_MS } as const;
      return this.#rest(name, publication, failure);
    }
    const { code, message } = toWriteFault(error);
    if (code === "aborted") return undefined;
    counts.failed += 1;
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const isHopeless = HOPELESS.has(code);
    const backOffMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(count - 1, 10), MOST_RETRY_MS);
    const delayMs = (isHopeless ? REFUSED_RETRY_MS : backOffMs) * (1 + random.fraction() / 5);
    if (isHopeless) this.#refuse(name, publication, `the API server: ${message}`);
    return this.#rest(name, publication, { code, reason: message, delayMs });
  }

  #rest(
    name: string,
    publication: Publication | undefined,
    { code, reason, delayMs }: Pick<Failure, "code"> & { readonly reason: string; readonly delayMs: number },
  ): MonotonicMs {
    const { clock, logger } = this.#options;
    const before = this.#failures.get(name);
    const sinceWallMs = before?.sinceWallMs ?? clock.wallMs();
    const untilMs = clock.nowMs() + delayMs;
    this.#failures.set(name, { count: (before?.count ?? 0) + 1, untilMs, code, sinceWallMs });
    const fields = {
      component: PUBLISH_COMPONENT,
      service: name,
      host: publication?.host,
      entry:
        publication === undefined ? undefined : `${publication.entry.namespace}/${publication.entry.name}`,
      code,
      reason,
      since: new Date(sinceWallMs).toISOString(),
      retrySeconds: Math.ceil(delayMs / 1000),
      remedy: REMEDIES[code] ?? PASSES,
    };
    const what = `Service ${PUBLISHED_NAMESPACE}/${name} or its slices could not be written`;
    if (QUIET.has(code) || code === before?.code) logger.debug(fields, what);
    else logger.warn(fields, what);
    return untilMs;
  }

  #refuse(name: string, publication: Publication | undefined, reason: string): void {
    if (publication === undefined) return;
    const { hosts, problems } = this.#options;
    hosts.refuse(name, reason);
    const message = `Host ${publication.host} is not published: ${reason}.`;
    problems.replace(problemOwner(name), [
      problem("PublishRefused", publication.entry, "spec.hosts", message),
    ]);
  }
}

/** Attempts that failed one after the other, and until when there is none. */
interface Failure {
  readonly count: number;
  readonly untilMs: MonotonicMs;
  /** Why the last one did; "foreign": an object that is not ours is in the way. */
  readonly code: WriteFaultReason | "foreign";
  /** Of the first one; milliseconds since 1970. */
  readonly sinceWallMs: number;
}

const FIRST_RETRY_MS = 500;
const MOST_RETRY_MS = 60_000;
const REFUSED_RETRY_MS = 60_000;
/** Somebody has to do something first. */
const HOPELESS: ReadonlySet<WriteFaultReason> = new Set<WriteFaultReason>([
  "denied",
  "quota",
  "terminating",
  "invalid",
]);

/** What is there is another by now: it was read, and the next attempt knows. What is not ours is a problem, and said as such. */
const QUIET: ReadonlySet<Failure["code"]> = new Set<Failure["code"]>(["conflict", "foreign"]);
const PASSES = "Nothing, if it passes; else look at the API server. The objects stay as they are meanwhile.";
const REMEDIES: Readonly<Partial<Record<Failure["code"], string>>> = {
  foreign: "Remove the object: it has a name that only we give.",
  denied: `Apply manifests/components/publishing again: its Role in ${PUBLISHED_NAMESPACE} is missing or was changed.`,
  unauthorized: "Look at the ServiceAccount's token: the API server does not take it.",
  quota: `Raise the ResourceQuota of the namespace ${PUBLISHED_NAMESPACE}, or publish fewer hosts.`,
  terminating: `Let the namespace ${PUBLISHED_NAMESPACE} go, then apply manifests/components/publishing again.`,
  invalid: "The API server or an admission policy refuses the object: see the reason.",
};
