/** What the API endpoint says, and how to ask it. */

/** A part of `/api/hosts`. */
export interface HostsJson {
  readonly version: number;
  readonly total: number;
  readonly matched: number;
  readonly namespaces: Readonly<Record<string, number>>;
  readonly states: Readonly<Record<string, number>>;
  readonly hosts: readonly HostJson[];
}

export interface HostJson {
  readonly host: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly resolution: string;
  readonly answerMode: string;
  readonly visibleTo: "all" | readonly string[];
  readonly state: string;
  readonly addresses: readonly AddressJson[];
  readonly nextRefresh: string | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly since: string } | null;
  readonly shadowedBy: { readonly namespace: string; readonly name: string; readonly reason: string } | null;
}

export interface AddressJson {
  readonly address: string;
  readonly source: string;
  readonly target: string | null;
  readonly state: string;
  /** When upstream said so, or how many seconds ago; absent: it is not from upstream. */
  readonly answeredAt?: string;
  readonly age?: number;
  readonly expiresAt: string | null;
}

/** A part of `/api/problems`. */
export interface ProblemsJson {
  readonly total: number;
  readonly problems: readonly ProblemJson[];
}

export interface ProblemJson {
  readonly code: string;
  readonly severity: string;
  readonly object: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  readonly since: string;
}

/** `/api/explain`: what becomes of one question of one client, and why. */
export interface ExplainJson {
  readonly name: string;
  readonly type: string;
  readonly namespace: string | null;
  readonly client: ExplainedClient;
  readonly match: string;
  readonly host: string | null;
  readonly decision: string;
  readonly mode: string | null;
  readonly modeReason: string | null;
  readonly object: ObjectJson | null;
  readonly losers: readonly (ObjectJson & { readonly reason: string })[];
  readonly addresses: readonly AddressJson[];
  /** From the question to the answer. */
  readonly steps: readonly ExplainStep[];
  readonly problems: readonly ProblemJson[];
}

export interface ExplainedClient {
  readonly kind: string;
  readonly address: string | null;
  readonly pod: string | null;
  readonly class: string;
}

export interface ObjectJson {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface ExplainStep {
  /** What was looked at: "client", "exact host". */
  readonly title: string;
  /** What was found, in a sentence. */
  readonly text: string;
  /** Of the steps that look for a host: whether the next one was needed. */
  readonly result?: "next" | "settled";
}

/** The endpoint's own word about why not, or what kept it from saying one. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Of HTTP; 0: there was no reply. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Longer than any reply takes: who has not answered by then is gone. */
const TIMEOUT_MS = 8000;

/** Rejects with `ApiError`, or with `AbortError` when `signal` says so. */
export async function ask<Reply>(
  path: string,
  parameters: Readonly<Record<string, string | number>> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Reply> {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
  const url = `api/${path}${query.size === 0 ? "" : `?${query}`}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    const body = await response.json();
    if (response.ok) return body;
    throw new ApiError(body?.error ?? response.statusText, response.status);
  } catch (error) {
    if (error instanceof ApiError || signal.aborted) throw error;
    throw new ApiError("no answer", 0);
  }
}
