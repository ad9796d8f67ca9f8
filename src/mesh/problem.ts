/**
 * What is wrong with an object, said so that its author can mend it. Every element that we skip, refuse or
 * cannot read becomes a `Problem` with a stable code; the log, `/api/problems` and `check` print the same.
 */

import { type Kind, type ObjectKey, type ObjectRef, objectKey } from "./objects.ts";

/** Stable codes with severity and remedy: the one table that log, page and linter share. */
export const PROBLEMS = {
  SyntaxError: {
    severity: "error",
    remedy: "Correct the YAML or JSON; until then the last good objects of this document stay in force.",
  },
  FileUnreadable: {
    severity: "error",
    remedy: "Make the file or folder readable again; until then its last good objects stay in force.",
  },
  ResourceMissing: {
    severity: "warning",
    remedy:
      "Install Istio's CRDs if entries of this kind are meant to be answered; it is asked for every 30 s.",
  },
  AccessDenied: {
    severity: "error",
    remedy: "Allow the service account to get, list and watch this kind; until then the last state stays.",
  },
  ObjectUnreadable: {
    severity: "error",
    remedy: "Find the object that is larger than 2 MiB or no JSON; all others are in force.",
  },
  DuplicateObject: {
    severity: "warning",
    remedy: "Keep one of the two; the path that sorts first is in force.",
  },
  ShapeInvalid: { severity: "error", remedy: "Correct the field; until then the object counts as absent." },
  HostInvalid: { severity: "error", remedy: "Write a DNS name such as api.example.com or *.example.com." },
  HostReserved: {
    severity: "error",
    remedy: "Choose a host outside the cluster's own names; this one is forwarded.",
  },
  WildcardTooWide: { severity: "error", remedy: "Use a wildcard with at least two labels after '*.'." },
  AddressInvalid: { severity: "warning", remedy: "Write a single IP address or a CIDR prefix." },
  AddressForbidden: {
    severity: "warning",
    remedy:
      "Loopback, link-local, multicast, broadcast and unspecified addresses are never answered; remove it.",
  },
  PortInvalid: { severity: "warning", remedy: "Write a port number from 1 to 65535; the port is left out." },
  EndpointSkipped: { severity: "warning", remedy: "Correct the endpoint; the others stay in force." },
  EndpointNameInStatic: {
    severity: "warning",
    remedy: "Use resolution DNS for host names, or write an IP address.",
  },
  EndpointUnixSocket: {
    severity: "warning",
    remedy: "A Unix socket has no address that DNS could answer; use an IP address or a name.",
  },
  EndpointOtherNetwork: {
    severity: "info",
    remedy: "The endpoint is in another network than this server's setting 'network'.",
  },
  EndpointWithoutAddress: {
    severity: "warning",
    remedy: "Give the workload an address; a network alone cannot be answered by DNS.",
  },
  EndpointsIgnored: {
    severity: "warning",
    remedy: "Resolution NONE and DYNAMIC_DNS take no endpoints; use STATIC or DNS, or remove them.",
  },
  EndpointSelf: {
    severity: "info",
    remedy: "The endpoint names its own host or a cycle of hosts, so upstream is asked for it.",
  },
  SelectorIgnored: {
    severity: "warning",
    remedy: "Endpoints and workloadSelector exclude each other; the endpoints are in force.",
  },
  SelectorWithNone: { severity: "warning", remedy: "Use resolution STATIC with a workloadSelector." },
  NoEndpoints: {
    severity: "warning",
    remedy:
      "Resolution STATIC needs endpoints or a workloadSelector; without them only a virtual address is answered.",
  },
  WildcardWithDns: {
    severity: "warning",
    remedy:
      "A wildcard has no name to resolve: add endpoints or use DYNAMIC_DNS; until then it is forwarded.",
  },
  NotPublic: {
    severity: "info",
    remedy: "Export the entry to '*'; entries for some namespaces only are not answered yet.",
  },
  HostConflict: {
    severity: "warning",
    remedy: "Another entry answers this host (see the message); keep one of them.",
  },
  LimitExceeded: {
    severity: "warning",
    remedy: "Split the entry or raise the limit; the excess is not answered.",
  },
  AnnotationInvalid: { severity: "warning", remedy: "Correct the annotation; the default is in force." },
  PortMismatch: { severity: "info", remedy: "DNS cannot remap ports: use the endpoint's port, or a mesh." },
} as const satisfies Record<string, { severity: Severity; remedy: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
export type Severity = "error" | "warning" | "info";

export interface Problem {
  readonly code: ProblemCode;
  readonly object: ObjectRef;
  /** The field, for instance `spec.endpoints[1].address`; "" for the whole object; `file:line` for a document. */
  readonly path: string;
  /** What is wrong, with the value that is wrong; one sentence. */
  readonly message: string;
}

export function problem(code: ProblemCode, object: ObjectRef, path: string, message: string): Problem {
  return { code, object, path, message };
}

/** A parsed object, or nothing where it counts as absent; in both cases with what was found wrong. */
export interface Parsed<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** Every present problem, by who found it; remembers since when. Found by two owners it is still one problem. */
export class ProblemBook {
  readonly #byOwner = new Map<string, ReadonlySet<string>>();
  readonly #present = new Map<string, { problem: Problem; sinceMs: number; owners: number }>();
  readonly #nowMs: () => number;
  readonly #onNew: (problem: Problem) => void;

  /** `nowMs`: milliseconds since 1970; `onNew` is told of each problem once, when it appears. */
  constructor(nowMs: () => number, onNew: (problem: Problem) => void = () => {}) {
    this.#nowMs = nowMs;
    this.#onNew = onNew;
  }

  /**
   * Puts these problems in the place of all that `owner` had reported before (none: clears them).
   * An owner is a part and what it looked at, such as `parse ServiceEntry/default/a`.
   */
  replace(owner: string, problems: readonly Problem[]): void {
    const before = this.#byOwner.get(owner);
    if (before === undefined && problems.length === 0) return;
    const now = new Set<string>();
    for (const each of problems) {
      const id = `${each.code} ${objectKey(each.object)} ${each.path} ${each.message}`;
      if (now.has(id)) continue;
      now.add(id);
      if (before?.has(id)) continue;
      const known = this.#present.get(id);
      if (known !== undefined) {
        known.owners += 1;
        continue;
      }
      this.#present.set(id, { problem: each, sinceMs: this.#nowMs(), owners: 1 });
      this.#onNew(each);
    }
    for (const id of before ?? []) if (!now.has(id)) this.#drop(id);
    if (now.size === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, now);
  }

  /** All present problems, in the order in which they appeared. */
  all(): IterableIterator<{ readonly problem: Problem; readonly sinceMs: number }> {
    return this.#present.values();
  }

  #drop(id: string): void {
    const known = this.#present.get(id);
    if (known === undefined) return;
    known.owners -= 1;
    if (known.owners === 0) this.#present.delete(id);
  }
}

/** The owner under which problems of reading one object stand in the book. */
export function parseOwner(kind: Kind, key: ObjectKey): string {
  return `parse ${kind} ${key}`;
}
