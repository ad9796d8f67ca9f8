/** Why the API did not give what was asked for, as one class with a stable code: it decides what is done next. */

import type { ApiResponse } from "./api-client.ts";

export const FAULT_REASONS = [
  /** No connection, or it was cut. */
  "connection",
  /** Silence for longer than a live server keeps. */
  "stalled",
  /** 401. */
  "unauthorized",
  /** 403. */
  "denied",
  /** 404: the kind is not served. */
  "missing",
  /** 410: the resource version is too old. */
  "expired",
  /** 429. */
  "throttled",
  /** 5xx. */
  "server",
  /** Any other status. */
  "refused",
  /** Octets that are not what the API's documents say. */
  "broken",
  /** Our own side could not take what came. */
  "internal",
] as const;
export type FaultReason = (typeof FAULT_REASONS)[number];

export class ApiFault extends Error {
  readonly code: FaultReason;
  /** How long the server wants to be left alone; undefined: it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FaultReason, message: string, retryAfterMs?: number) {
    super(message);
    this.name = "ApiFault";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Anything that was thrown on the way to the API, as a fault: what is no fault yet is the system's word. */
export function toFault(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error;
  return new ApiFault("connection", error instanceof Error ? describe(error) : String(error));
}

/** Reads a response that is not 200 to its end. */
export async function faultOfResponse(response: ApiResponse, wallMs: number): Promise<ApiFault> {
  const { status } = response;
  const retryAfterMs = readRetryAfter(response.retryAfter, wallMs);
  return new ApiFault(reasonOfStatus(status), await readMessage(response), retryAfterMs);
}

export function reasonOfStatus(status: number): FaultReason {
  const reason = REASONS[status];
  if (reason !== undefined) return reason;
  return status >= 500 ? "server" : "refused";
}

const REASONS: Readonly<Record<number, FaultReason>> = {
  401: "unauthorized",
  403: "denied",
  404: "missing",
  410: "expired",
  429: "throttled",
};

/** A longer wish is not granted: it would look like an outage of ours. */
const MOST_RETRY_AFTER_MS = 60_000;

/** RFC 9110, section 10.2.3: seconds, or a date. */
export function readRetryAfter(text: string | undefined, wallMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - wallMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MOST_RETRY_AFTER_MS);
}

/** A Status object is short; what a proxy says in its place may not be. */
const MOST_MESSAGE_OCTETS = 16 * 1024;
const MOST_MESSAGE_CHARACTERS = 300;

async function readMessage({ status, body }: ApiResponse): Promise<string> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    octets += chunk.length;
    if (octets > MOST_MESSAGE_OCTETS) break;
  }
  const text = Buffer.concat(chunks).toString("utf8");
  const said = messageOfStatus(text) ?? text.trim();
  return `${status} ${said}`.trim().slice(0, MOST_MESSAGE_CHARACTERS);
}

function messageOfStatus(text: string): string | undefined {
  try {
    const status: unknown = JSON.parse(text);
    const hasMessage = typeof status === "object" && status !== null && "message" in status;
    return hasMessage && typeof status.message === "string" ? status.message : undefined;
  } catch {
    return undefined;
  }
}

/** Some errors of the system have their text in the cause or in several errors, and only a code themselves. */
function describe(error: Error): string {
  if (error.message !== "") return error.message;
  if (error instanceof AggregateError) return error.errors.map(String).join("; ");
  return "code" in error ? String(error.code) : error.name;
}
