/** What the scripted API server makes of a write: the object as it is to be stored, or why not. Pure. */

import type { ApiExchange, ApiRequest } from "./api-exchange.ts";
import type { ApiObject } from "./scripted-api-server.ts";

/** What a path names. */
export interface Target {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  /** "": the collection. */
  readonly name: string;
  readonly subresource: string;
}

export interface Write {
  readonly request: ApiRequest;
  readonly target: Target;
  readonly body: unknown;
  readonly stored: ApiObject | undefined;
}

export type Taken =
  | { readonly kind: "read" | "store"; readonly object: ApiObject }
  | { readonly kind: "delete" }
  | Refused;

interface Refused {
  readonly kind: "refused";
  readonly status: number;
  readonly reason: string;
  readonly message: string;
}

export function takeWrite(write: Write): Taken {
  const { request, target, stored } = write;
  const body = write.body as ApiObject;
  if (stored === undefined && request.method !== "POST" && request.mediaType !== APPLY)
    return refused(404, "NotFound", `${target.plural} "${target.name}" not found`);
  switch (request.method) {
    case "GET":
      return { kind: "read", object: stored! };
    case "POST":
      if (stored !== undefined)
        return refused(409, "AlreadyExists", `${target.plural} "${target.name}" already exists`);
      if (body.metadata["resourceVersion"] !== undefined)
        return refused(500, "", "resourceVersion should not be set on objects to be created");
      return { kind: "store", object: inNamespace(body, target) };
    case "PUT":
      return guarded(write, body.metadata) ?? store(write, inNamespace(body, target));
    case "PATCH":
      return takePatch(write);
    case "DELETE": {
      const { preconditions } = (write.body ?? {}) as { readonly preconditions?: Identity };
      return guarded(write, preconditions ?? {}) ?? { kind: "delete" };
    }
    default:
      return refused(405, "MethodNotAllowed", request.method);
  }
}

export function refusalOf(exchange: ApiExchange, { status, message, reason }: Refused): void {
  const details = {};
  exchange.respond(status, { kind: "Status", status: "Failure", code: status, message, reason, details });
}

/** For a comparison. */
export function withoutVersion(object: ApiObject): string {
  const { resourceVersion: _version, ...metadata } = object.metadata as Readonly<Record<string, unknown>>;
  return JSON.stringify({ ...object, metadata });
}

const APPLY = "application/apply-patch+yaml";

/** `uid` and `resourceVersion`, where the write names them. */
type Identity = Readonly<Record<string, unknown>>;

function refused(status: number, reason: string, message: string): Refused {
  return { kind: "refused", status, reason, message };
}

function guarded({ stored, target }: Write, identity: Identity): Refused | undefined {
  const { uid, resourceVersion } = identity;
  const { metadata } = stored!;
  const isOther = uid !== undefined && uid !== metadata["uid"];
  const isChanged = resourceVersion !== undefined && resourceVersion !== metadata["resourceVersion"];
  if (!isOther && !isChanged) return undefined;
  return refused(409, "Conflict", `Operation cannot be fulfilled on ${target.plural} "${target.name}"`);
}

function inNamespace(object: ApiObject, { namespace, name }: Target): ApiObject {
  const place = namespace === undefined ? { name } : { name, namespace };
  return { ...object, metadata: { ...object.metadata, ...place } };
}

/** Writes to a subresource change that part alone, and others all but it. */
function store({ stored, target }: Write, object: ApiObject): Taken {
  const { uid, creationTimestamp } = stored!.metadata as Readonly<Record<string, unknown>>;
  const metadata = { ...object.metadata, uid, creationTimestamp };
  if (target.subresource === "status")
    return { kind: "store", object: { ...stored!, status: object["status"] } };
  return { kind: "store", object: { ...object, metadata } };
}

function takePatch(write: Write): Taken {
  const { request, target, stored, body } = write;
  switch (request.mediaType) {
    case "application/json-patch+json": {
      const copy = structuredClone(stored!);
      for (const operation of body as readonly Operation[]) {
        if (!perform(copy, operation)) return refused(422, "Invalid", PATCH_REJECTED);
      }
      return store(write, copy);
    }
    case "application/merge-patch+json": {
      const fields = body as ApiObject;
      return guarded(write, fields.metadata ?? {}) ?? store(write, merged(stored!, fields) as ApiObject);
    }
    case APPLY: {
      const fields = body as ApiObject;
      if (request.query.get("fieldManager") === null) return refused(400, "BadRequest", "no fieldManager");
      if (stored === undefined) {
        return fields.metadata["uid"] === undefined && fields.metadata["resourceVersion"] === undefined
          ? { kind: "store", object: inNamespace(fields, target) }
          : refused(409, "Conflict", "uid mismatch: the object does not exist");
      }
      return guarded(write, fields.metadata) ?? store(write, merged(stored, fields) as ApiObject);
    }
    default:
      return refused(415, "UnsupportedMediaType", `no media type ${request.mediaType}`);
  }
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

/** All that the real server says of a patch that does not fit. */
const PATCH_REJECTED = "the server rejected our request due to an error in our request";

/** RFC 6902, in place; returns whether the operation fits. As with the real server, `replace` needs nothing to replace. */
function perform(object: unknown, { op, path, value }: Operation): boolean {
  const steps = path
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = steps.pop()!;
  let parent = object as Record<string, unknown> | undefined;
  for (const step of steps) parent = parent?.[step] as Record<string, unknown> | undefined;
  if (typeof parent !== "object" || parent === null) return false;
  if (op === "test") return JSON.stringify(parent[last]) === JSON.stringify(value);
  if (op === "remove" && !Object.hasOwn(parent, last)) return false;
  if (Array.isArray(parent)) {
    if (op === "remove") parent.splice(Number(last), 1);
    else if (op === "replace") parent[Number(last)] = value;
    else parent.splice(last === "-" ? parent.length : Number(last), 0, value);
  } else if (op === "remove") delete parent[last];
  else parent[last] = value;
  return true;
}

/** RFC 7386. */
function merged(value: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(typeof value === "object" ? (value as object) : {}) } as Record<string, unknown>;
  for (const [name, each] of Object.entries(patch)) {
    if (each === null) delete result[name];
    else result[name] = merged(result[name], each);
  }
  return result;
}
