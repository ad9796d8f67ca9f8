/** Writes the objects of one host, and takes them away: each write guarded, so that nothing foreign is touched. */

import { type ApiWriter, objectPath } from "../cluster/api-writes.ts";
import type { StoredObject } from "../cluster/exchange.ts";
import { toWriteFault, WriteFault } from "../cluster/write-fault.ts";
import type { EndpointSlice, KubernetesPort, Service } from "../mesh/objects.ts";
import { PUBLISHED_NAMESPACE, type Publication } from "../mesh/publication.ts";
import type { DesiredEndpoint } from "./desired-endpoint.ts";
import { publishedPorts } from "./names.ts";
import type { PresentObjects } from "./present-objects.ts";
import { planSlices, type SliceWrite } from "./slice-plan.ts";
import {
  ENTRY_ANNOTATION,
  entryUidOf,
  HOST_ANNOTATION,
  hasServicePorts,
  isOurs,
  isServiceCurrent,
  SERVICES,
  SLICES,
  serviceObject,
  sliceObject,
} from "./written-objects.ts";

/** The host cannot be published, however often it is tried: something else is in the way. */
export class PublishRefusal extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "PublishRefusal";
  }
}

export interface HostWriterOptions {
  readonly writer: ApiWriter;
  readonly present: PresentObjects;
  /** Whether this replica is the one that writes, asked before each write. */
  readonly isHeld: () => boolean;
}

/** Throws WriteFault and PublishRefusal; "conflict": what is there is another by now, and was read again. */
export class HostWriter {
  readonly #options: HostWriterOptions;

  constructor(options: HostWriterOptions) {
    this.#options = options;
  }

  /** Makes the Service `name` and its slices what the host has; returns how many writes that took. */
  async publish(
    name: string,
    publication: Publication,
    endpoints: readonly DesiredEndpoint[],
    signal: AbortSignal,
  ): Promise<number> {
    const { present } = this.#options;
    const ports = publishedPorts(publication.ports);
    const service = present.service(name);
    if (service !== undefined) refuseForeign(service, publication);
    // Nobody is answered the address of a Service without endpoints, so it need not take one.
    if (service === undefined && endpoints.length === 0) return 0;
    let writes = 0;
    if (service === undefined) {
      await this.#createService(name, publication, ports, signal);
      writes += 1;
    } else if (!isServiceCurrent(service, publication, ports)) {
      await this.#applyService(service, publication, ports, signal);
      writes += 1;
    }
    const slices = present.slicesOf(name).filter(isOurs);
    const plan = planSlices(name, ports, endpoints, slices);
    const { entryUid } = publication;
    for (const write of [...plan, ...relabelled(slices, plan, entryUid)]) {
      await this.#writeSlice(name, write, entryUid, signal);
      writes += 1;
    }
    return writes;
  }

  /** Takes the slices of the Service away; nobody reaches anything by its address any more. */
  async withdraw(name: string, signal: AbortSignal): Promise<void> {
    for (const slice of this.#options.present.slicesOf(name).filter(isOurs))
      await this.#writeSlice(name, { kind: "delete", present: slice }, "", signal);
  }

  async deleteService(service: Service, signal: AbortSignal): Promise<void> {
    await this.#delete("Service", service, signal);
  }

  async #createService(
    name: string,
    publication: Publication,
    ports: readonly KubernetesPort[],
    signal: AbortSignal,
  ): Promise<void> {
    const object = serviceObject(name, publication, ports);
    try {
      const path = `${objectPath(SERVICES, PUBLISHED_NAMESPACE)}?fieldManager=${FIELD_MANAGER}`;
      this.#note("Service", await this.#held().create(path, object, signal));
    } catch (error) {
      if (toWriteFault(error).code !== "exists") throw error;
      // Whose is it? An earlier attempt of this one may have been heard.
      await this.#look("Service", name, signal);
      const found = this.#options.present.service(name);
      if (found !== undefined) refuseForeign(found, publication);
      throw new WriteFault("conflict", `Service ${name} came meanwhile`);
    }
  }

  /** A changed address family or type would need another Service; neither is ever written. */
  async #applyService(
    present: Service,
    publication: Publication,
    ports: readonly KubernetesPort[],
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = present.ref;
    const object = serviceObject(name, publication, ports);
    const path = objectPath(SERVICES, PUBLISHED_NAMESPACE, name);
    await this.#lookAfterConflict("Service", name, signal, async () => {
      const guarded = { ...object, metadata: { ...object.metadata, ...identityOf(present) } };
      this.#note("Service", await this.#held().apply(path, guarded, FIELD_MANAGER, signal));
    });
    const applied = this.#options.present.service(name);
    if (applied === undefined || hasServicePorts(applied, ports)) return;
    // Server-side apply leaves a port that was there when the Service was created.
    const { uid, resourceVersion } = applied;
    await this.#lookAfterConflict("Service", name, signal, async () => {
      const operations = [
        { op: "test", path: "/metadata/uid", value: uid },
        { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
        { op: "replace", path: "/spec/ports", value: portsOf(object) },
      ] as const;
      this.#note("Service", await this.#held().patch(path, operations, signal));
    });
  }

  async #writeSlice(
    service: string,
    write: SliceWrite,
    entryUid: string,
    signal: AbortSignal,
  ): Promise<void> {
    switch (write.kind) {
      case "create":
        return await this.#createSlice(sliceObject(write.content, service, entryUid), signal);
      case "apply": {
        const { name } = write.content;
        const object = sliceObject(write.content, service, entryUid);
        const guarded = { ...object, metadata: { ...object.metadata, ...identityOf(write.present) } };
        const path = objectPath(SLICES, PUBLISHED_NAMESPACE, name);
        return await this.#lookAfterConflict("EndpointSlice", name, signal, async () => {
          this.#note("EndpointSlice", await this.#held().apply(path, guarded, FIELD_MANAGER, signal));
        });
      }
      case "delete":
        return await this.#delete("EndpointSlice", write.present, signal);
    }
  }

  async #createSlice(object: ReturnType<typeof sliceObject>, signal: AbortSignal): Promise<void> {
    const { name } = object.metadata;
    try {
      const path = `${objectPath(SLICES, PUBLISHED_NAMESPACE)}?fieldManager=${FIELD_MANAGER}`;
      this.#note("EndpointSlice", await this.#held().create(path, object, signal));
    } catch (error) {
      if (toWriteFault(error).code !== "exists") throw error;
      await this.#look("EndpointSlice", name, signal);
      const found = this.#options.present.slice(name);
      if (found !== undefined && !isOurs(found))
        throw new PublishRefusal(`EndpointSlice ${name} is there and was not written by us`);
      throw new WriteFault("conflict", `EndpointSlice ${name} came meanwhile`);
    }
  }

  async #delete(
    kind: "Service" | "EndpointSlice",
    { ref, uid }: Service | EndpointSlice,
    signal: AbortSignal,
  ): Promise<void> {
    const resource = kind === "Service" ? SERVICES : SLICES;
    const path = objectPath(resource, PUBLISHED_NAMESPACE, ref.name);
    await this.#lookAfterConflict(kind, ref.name, signal, async () => {
      await this.#held().delete(path, { uid }, signal);
      this.#options.present.noteDeleted(kind, ref.name);
    });
  }

  async #lookAfterConflict(
    kind: "Service" | "EndpointSlice",
    name: string,
    signal: AbortSignal,
    write: () => Promise<void>,
  ): Promise<void> {
    try {
      await write();
    } catch (error) {
      const { code, message } = toWriteFault(error);
      if (code !== "conflict" && code !== "guard" && code !== "missing") throw error;
      await this.#look(kind, name, signal);
      throw new WriteFault("conflict", message);
    }
  }

  async #look(kind: "Service" | "EndpointSlice", name: string, signal: AbortSignal): Promise<void> {
    const path = objectPath(kind === "Service" ? SERVICES : SLICES, PUBLISHED_NAMESPACE, name);
    try {
      this.#note(kind, await this.#options.writer.get(path, signal));
    } catch (error) {
      if (toWriteFault(error).code !== "missing") throw error;
      this.#options.present.noteDeleted(kind, name);
    }
  }

  #held(): ApiWriter {
    const { writer, isHeld } = this.#options;
    if (!isHeld()) throw new WriteFault("aborted", "this replica writes no longer");
    return writer;
  }

  #note(kind: "Service" | "EndpointSlice", stored: StoredObject): void {
    this.#options.present.noteStored(kind, stored);
  }
}

const FIELD_MANAGER = "serviceentry-dns";

/**
 * Server-side apply would adopt it without a word. Of an entry that was deleted and made again it is the same host's,
 * so whoever still has its address meets no stranger.
 */
function refuseForeign(present: Service, { entry, entryUid, host }: Publication): void {
  const { name } = present.ref;
  if (!isOurs(present)) throw new PublishRefusal(`Service ${name} is there and was not written by us`);
  if (present.isDeleting) throw new WriteFault("conflict", `Service ${name} is being deleted`);
  const { annotations } = present;
  const isSame =
    annotations[ENTRY_ANNOTATION] === `${entry.namespace}/${entry.name}` &&
    annotations[HOST_ANNOTATION] === host;
  if (entryUidOf(present) !== entryUid && !isSame)
    throw new PublishRefusal(`Service ${name} is there for another entry`);
}

/** Slices that stay as they are but for the entry that they are of: it was made anew. */
function relabelled(
  slices: readonly EndpointSlice[],
  plan: readonly SliceWrite[],
  entryUid: string,
): readonly SliceWrite[] {
  const written = new Set(plan.map((write) => (write.kind === "create" ? "" : write.present.ref.name)));
  return slices
    .filter((slice) => entryUidOf(slice) !== entryUid && !written.has(slice.ref.name))
    .map((present) => {
      const { addressType, ports, endpoints, ref } = present;
      return { kind: "apply", present, content: { name: ref.name, addressType, ports, endpoints } };
    });
}

function identityOf({ uid, resourceVersion }: Service | EndpointSlice) {
  return { uid, resourceVersion };
}

function portsOf(object: ReturnType<typeof serviceObject>): unknown {
  const { spec } = object as { readonly spec?: { readonly ports?: unknown } };
  return spec?.ports;
}
