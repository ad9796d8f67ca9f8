/**
 * Happenings as core/v1 Event objects, which `kubectl describe` and `kubectl get events` of all versions show with
 * count, age and source. An object and a reason have one Event, whoever of our replicas writes it.
 */

import { createHash } from "node:crypto";
import type { WrittenObject } from "../cluster/api-writes.ts";
import type { ServiceEntry } from "../mesh/objects.ts";
import type { WaitingEvent } from "./event-queue.ts";

export const EVENT_RESOURCE = { group: "", version: "v1", plural: "events" } as const;

/** `instance`: which replica writes. `wallMs`: now, since 1970. */
export function eventObject(
  event: WaitingEvent,
  { uid, resourceVersion }: Pick<ServiceEntry, "uid" | "resourceVersion">,
  instance: string,
  wallMs: number,
): WrittenObject {
  const { object, reason } = event;
  const { namespace, name } = object;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: eventName(name, uid, reason), namespace },
    involvedObject: { apiVersion: API_VERSION, kind: object.kind, namespace, name, uid, resourceVersion },
    reason,
    type: reason === "Resolved" ? "Normal" : "Warning",
    message: messageOf(event),
    count: event.count,
    firstTimestamp: timestamp(wallMs),
    lastTimestamp: timestamp(wallMs),
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: instance.slice(0, MOST_INSTANCE_CHARACTERS),
  };
}

/** What an Event that is there has anew. `count`: all in all; undefined: not known. */
export function eventFields(
  event: WaitingEvent,
  wallMs: number,
  count: number | undefined,
): Readonly<Record<string, unknown>> {
  const fields = { message: messageOf(event), lastTimestamp: timestamp(wallMs) };
  return count === undefined ? fields : { ...fields, count };
}

const API_VERSION = "networking.istio.io/v1";
const COMPONENT = "serviceentry-dns";
/** The API's own limits. */
const MOST_MESSAGE_CHARACTERS = 1024;
const MOST_INSTANCE_CHARACTERS = 128;
/** With the rest of the name this is below the 253 characters that a name may have. */
const MOST_NAME_CHARACTERS = 230;

function eventName(name: string, uid: string, reason: string): string {
  const hash = createHash("sha256").update(`${uid} ${reason}`).digest("hex").slice(0, 16);
  return `${name.slice(0, MOST_NAME_CHARACTERS).replace(/[.-]+$/, "")}.${hash}`;
}

function messageOf({ messages }: WaitingEvent): string {
  const text = messages.join(" ");
  return text.length <= MOST_MESSAGE_CHARACTERS ? text : `${text.slice(0, MOST_MESSAGE_CHARACTERS - 3)}...`;
}

/** Kubernetes' Time: whole seconds. */
export function timestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}
