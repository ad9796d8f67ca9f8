/** The server's API endpoint, as a client: found by flag, environment or default, with what to do where it is not. */

import { fieldsOf, textOf } from "./check/raw.ts";

export const API_VARIABLE = "SERVICEENTRY_DNS_API";
export const DEFAULT_API = "http://127.0.0.1:9154";

/** The endpoint cannot be reached, or does not do what was asked; the message ends with a full stop. */
export class ApiError extends Error {
  readonly code = "API";
  /** Of HTTP; undefined: there was no reply. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** `flag` over environment over default; a fault is the end of a sentence. */
export function apiBase(flag: string | undefined, env: Environment): URL | { readonly fault: string } {
  const text = flag ?? (env[API_VARIABLE] || DEFAULT_API);
  const origin = flag === undefined && env[API_VARIABLE] ? API_VARIABLE : "--api";
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${reachable(text)}`);
  if (url === null || url.hostname === "")
    return { fault: `${origin} ${text} is no URL; write ${DEFAULT_API}` };
  return url;
}

/** The variable also holds the address that a server listens on, which may stand for every address of it. */
function reachable(text: string): string {
  return text.replace(/^(0\.0\.0\.0)?(?=:\d+$)/, "127.0.0.1").replace(/^\[::\](?=:)/, "[::1]");
}

export interface ApiRequest {
  readonly method?: "GET" | "POST";
  /** Of the query string; undefined values are left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
}

/** The JSON of the reply. Throws ApiError. */
export async function askApi(base: URL, path: string, request: ApiRequest = {}): Promise<unknown> {
  const { method = "GET", query = {} } = request;
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, value);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { method, redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (error) {
    throw new ApiError(unreachable(base, error));
  }
  const value = parseJson(text);
  if (response.ok && value !== undefined) return value;
  const said = textOf(fieldsOf(value)?.["error"]);
  if (response.ok)
    throw new ApiError(`What answers at ${base.origin} is not this server's API endpoint.`, response.status);
  throw new ApiError(
    `${base.origin}${path} refuses (${response.status})${said === undefined ? "" : `: ${said}`}.`,
    response.status,
  );
}

const TIMEOUT_MS = 10_000;

function unreachable(base: URL, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const isTimeout = error instanceof Error && error.name === "TimeoutError";
  const why =
    code === "ECONNREFUSED"
      ? `nobody listens at ${base.origin}`
      : isTimeout
        ? `${base.origin} did not answer within ${TIMEOUT_MS / 1000} s`
        : `${base.origin} cannot be reached${code === "" ? "" : ` (${code})`}`;
  return (
    `The API endpoint is not there: ${why}. In a cluster run ` +
    `kubectl -n serviceentry-dns port-forward deploy/serviceentry-dns 9154 beside this command; ` +
    `else name the endpoint by --api URL or ${API_VARIABLE}.`
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
