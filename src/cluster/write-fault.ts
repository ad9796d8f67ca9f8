/** Why the API did not write what it was given, as one class with a stable code: it decides what is done next. */

import type { ApiResponse } from "./api-client.ts";
import { type FaultReason, readRetryAfter, toFault } from "./api-fault.ts";

export const WRITE_FAULT_REASONS = [
  /** No connection, or it was cut: whether it was written is not known. */
  "connection",
  /** As "connection", after too long a silence. */
  "stalled",
  /** 401. */
  "unauthorized",
  /** 403: we may not. */
  "denied",
  /** 403: the namespace's quota is used up. */
  "quota",
  /** 403: the namespace is being deleted. */
  "terminating",
  /** 404. */
  "missing",
  /** 409: an object of that name is there. After a repeated attempt it may be our own. */
  "exists",
  /** 409, or 422 for another uid: the object is another by now than the write assumes. */
  "conflict",
  /** 422: the patch does not fit the object as it is: a test of it failed, or a path is not there. */
  "guard",
  /** 400, 413, 415, 422: the API server does not take it, however often it is sent. */
  "invalid",
  /** 429. */
  "throttled",
  /** 5xx. */
  "server",
  /** Any other status. */
  "refused",
  /** It was written, but the answer is none that we can read. */
  "broken",
  /** Given up by the caller: whether it was written is not known. */
  "aborted",
] as const;
export type WriteFaultReason = (typeof WRITE_FAULT_REASONS)[number];

export class WriteFault extends Error {
  readonly code: WriteFaultReason;
  /** How long the server wants to be left alone; undefined: it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(code: WriteFaultReason, message: string, retryAfterMs?: number) {
    super(message);
    this.name = "WriteFault";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same write may succeed later without anybody doing something about it. */
  get isTransient(): boolean {
    return TRANSIENT.has(this.code);
  }
}

const TRANSIENT: ReadonlySet<WriteFaultReason> = new Set<WriteFaultReason>([
  "connection",
  "stalled",
  "unauthorized",
  "throttled",
  "server",
]);

/** Anything that was thrown on the way to the API. */
export function toWriteFault(error: unknown): WriteFault {
  if (error instanceof WriteFault) return error;
  const { code, message, retryAfterMs } = toFault(error);
  return new WriteFault(CODES[code], message, retryAfterMs);
}

const CODES: Readonly<Record<FaultReason, WriteFaultReason>> = {
  connection: "connection",
  stalled: "stalled",
  unauthorized: "unauthorized",
  denied: "denied",
  missing: "missing",
  expired: "refused",
  throttled: "throttled",
  server: "server",
  refused: "refused",
  broken: "broken",
  internal: "refused",
};

/** `text`: the body of a response that is no success. */
export function faultOfWrite({ status, retryAfter }: ApiResponse, text: string, wallMs: number): WriteFault {
  const said = readStatus(text);
  const message = `${status} ${said.message || text.trim()}`.trim().slice(0, MOST_MESSAGE_CHARACTERS);
  return new WriteFault(codeOf(status, said), message, readRetryAfter(retryAfter, wallMs));
}

const MOST_MESSAGE_CHARACTERS = 500;

/** What a Status object tells apart that its code does not. */
interface SaidStatus {
  readonly message: string;
  readonly reason: string;
  /** Reasons, fields and messages of its causes, one text. */
  readonly causes: string;
  /** Where an object is invalid, the Status names it; where a patch does not fit, it says nothing at all. */
  readonly isAboutObject: boolean;
}

function codeOf(status: number, { message, reason, causes, isAboutObject }: SaidStatus): WriteFaultReason {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      if (message.includes("exceeded quota")) return "quota";
      return causes.includes("NamespaceTerminating") ? "terminating" : "denied";
    case 404:
      return "missing";
    case 409:
      return reason === "AlreadyExists" ? "exists" : "conflict";
    case 422:
      if (!isAboutObject) return "guard";
      return causes.includes("metadata.uid") ? "conflict" : "invalid";
    case 400:
    case 413:
    case 415:
      return "invalid";
    case 429:
      return "throttled";
    default:
      return status >= 500 ? "server" : "refused";
  }
}

const CAUSE_FIELDS = ["reason", "field", "message"] as const;

function readStatus(text: string): SaidStatus {
  try {
    const status: unknown = JSON.parse(text);
    const details = fieldOf(status, "details");
    const causes = fieldOf(details, "causes");
    return {
      message: textOf(fieldOf(status, "message")),
      reason: textOf(fieldOf(status, "reason")),
      causes: (Array.isArray(causes) ? causes : [])
        .map((cause) => CAUSE_FIELDS.map((name) => textOf(fieldOf(cause, name))).join(" "))
        .join("\n"),
      isAboutObject: textOf(fieldOf(details, "kind")) !== "" || details === undefined,
    };
  } catch {
    return { message: "", reason: "", causes: "", isAboutObject: true };
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
