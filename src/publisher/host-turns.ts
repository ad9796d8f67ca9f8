/**
 * What is done for one host when its turn comes: what it shall have is compared with what is there, and what differs
 * is written or taken away. Remembers what endpoints linger, and since when a Service is not wanted any more.
 */

import type { MeshStore } from "../mesh/mesh-store.ts";
import { objectKey, type Service, type ServiceEntry } from "../mesh/objects.ts";
import { type Problem, type ProblemBook, problem } from "../mesh/problem.ts";
import type { Publication } from "../mesh/publication.ts";
import type { Clock, Logger, MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { AddressFilter } from "./address-filter.ts";
import { type DesiredEndpoint, NOT_REACHED } from "./desired-endpoint.ts";
import type { HostWriter } from "./host-writer.ts";
import { Lingering } from "./lingering.ts";
import type { NamedSlices } from "./named-slices.ts";
import { publishedPorts } from "./names.ts";
import type { PresentObjects } from "./present-objects.ts";
import { wantedEndpoints } from "./wanted-endpoints.ts";
import { ENTRY_ANNOTATION, entryUidOf, HOST_ANNOTATION, isOurs } from "./written-objects.ts";

export interface HostTurnsOptions {
  readonly writer: HostWriter;
  readonly present: PresentObjects;
  readonly named: NamedSlices;
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  /** Whether entries that are not in the store are gone, and not merely hidden from us. */
  readonly mayDelete: () => boolean;
  /** There is something to do for the Service then. */
  readonly later: (name: string, atMs: MonotonicMs) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** `name`: of the Service. What is thrown is the HostWriter's. */
export class HostTurns {
  readonly #options: HostTurnsOptions;
  /** Of the hosts that were looked at while this replica held the lease. */
  readonly #lingering = new Map<string, Lingering>();
  /** Since when a Service is not wanted any more. */
  readonly #unused = new Map<string, MonotonicMs>();

  constructor(options: HostTurnsOptions) {
    this.#options = options;
  }

  /** Another replica goes on from what is there. */
  clear(): void {
    this.#lingering.clear();
    this.#unused.clear();
  }

  /** Returns how many writes it took; undefined: some name's addresses are not known yet, nothing was done. */
  async publish(
    name: string,
    publication: Publication,
    filter: AddressFilter,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { named, later, writer, problems, clock } = this.#options;
    this.#unused.delete(name);
    const nowMs = clock.nowMs();
    const wanted = wantedEndpoints(publication, {
      filter,
      serviceOf: (ref) => named.serviceOf(ref),
      slicesOf: (ref) => named.slicesOf(ref),
      nowMs,
    });
    if (wanted.isPending) return undefined;
    const names = namesOf(publication);
    const lingering = this.#lingeringOf(name, publication, names);
    const { endpoints, nextMs } = lingering.update(wanted, names, nowMs, filter);
    if (nextMs < Number.POSITIVE_INFINITY) later(name, nextMs);
    const writes = await writer.publish(name, publication, endpoints, signal);
    const skipped = wanted.skipped.map((text) => skippedProblem(publication, text));
    problems.replace(problemOwner(name), skipped);
    return writes;
  }

  /** A host that is published no more: its slices go, its Service later. */
  async retire(name: string, signal: AbortSignal): Promise<void> {
    const { present, writer, later, problems, mayDelete, clock, logger } = this.#options;
    this.#lingering.delete(name);
    problems.replace(problemOwner(name), []);
    const service = present.service(name);
    const isOwn = service !== undefined && isOurs(service);
    if (!isOwn && !present.slicesOf(name).some(isOurs)) {
      this.#unused.delete(name);
      return;
    }
    const nowMs = clock.nowMs();
    if (!mayDelete()) return later(name, nowMs + HIDDEN_RETRY_MS);
    const sinceMs = this.#unused.get(name) ?? nowMs;
    this.#unused.set(name, sinceMs);
    const isOver = nowMs - sinceMs >= UNANSWERED_MS;
    // While the entry is there its clients may still have the address; without it nobody shall get through.
    if (isOver || !isOwn || !this.#hasEntry(service)) await writer.withdraw(name, signal);
    if (!isOwn || service.isDeleting) return;
    if (!isOver) return later(name, sinceMs + UNANSWERED_MS);
    await writer.deleteService(service, signal);
    this.#unused.delete(name);
    const host = service.annotations[HOST_ANNOTATION];
    logger.info({ component: PUBLISH_COMPONENT, service: name, host }, "host is published no more");
  }

  #lingeringOf(name: string, publication: Publication, names: ReadonlySet<HostName>): Lingering {
    const known = this.#lingering.get(name);
    if (known !== undefined) return known;
    const lingering = new Lingering();
    this.#lingering.set(name, lingering);
    if (names.size > 0)
      lingering.adopt(this.#presentEndpoints(name, publication), this.#options.clock.nowMs());
    return lingering;
  }

  /** What stands in the slices already, with the ports of the publication. */
  #presentEndpoints(name: string, publication: Publication): readonly DesiredEndpoint[] {
    const ports = publishedPorts(publication.ports);
    const slices = this.#options.present.slicesOf(name).filter(isOurs);
    return slices.flatMap((slice) => {
      const reached = ports.map(
        (port) => slice.ports.find((each) => each.name === port.name)?.number ?? NOT_REACHED,
      );
      return slice.endpoints.flatMap((endpoint) => {
        const address = parseIpAddress(endpoint.address);
        return address === null ? [] : [{ ...endpoint, address, reached }];
      });
    });
  }

  #hasEntry(service: Service): boolean {
    const [namespace = "", name = ""] = (service.annotations[ENTRY_ANNOTATION] ?? "").split("/");
    const key = objectKey({ kind: "ServiceEntry", namespace, name });
    const entry: ServiceEntry | undefined = this.#options.store.all("ServiceEntry").get(key);
    const host = service.annotations[HOST_ANNOTATION] ?? "";
    return entry !== undefined && entry.uid === entryUidOf(service) && entry.hosts.includes(host as HostName);
  }
}

export const PUBLISH_COMPONENT = "dns.publish";
/** How long a Service stays after its host: clients keep an answer for its TTL, and whoever has it meets no stranger. */
const UNANSWERED_MS = 60_000;
const HIDDEN_RETRY_MS = 1000;

/** The owner under which the problems of a published host stand in the book. `name`: of the Service. */
export function problemOwner(name: string): string {
  return `publish ${name}`;
}

function namesOf({ sources }: Publication): ReadonlySet<HostName> {
  return new Set(sources.flatMap((source) => (source.kind === "name" ? [source.name] : [])));
}

function skippedProblem({ entry, host }: Publication, text: string): Problem {
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  const message = `Host ${host} is published without it. ${sentence}`;
  return problem("PublishSkipped", entry, "spec.endpoints", message);
}
