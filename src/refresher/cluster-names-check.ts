/**
 * Whether the upstreams for the cluster's names know any: one of their names that every cluster has is asked for at
 * the start. A server that denies it is not the cluster's, and would deny every Service to every client.
 */

import { type ProblemBook, problem } from "../mesh/problem.ts";
import type { Clock, Closeable, Timer } from "../runtime.ts";
import { type HostName, isHostName, parseHostName } from "../wire/host-name.ts";
import { formatServer, type Lookup, type UpstreamServer } from "./lookup.ts";

export interface ClusterNamesCheckOptions {
  readonly lookup: Lookup;
  readonly clock: Clock;
  readonly problems: ProblemBook;
}

export class ClusterNamesCheck implements Closeable {
  readonly #options: ClusterNamesCheckOptions;
  readonly #checks = new Map<string, { readonly giveUp: AbortController; retry: Timer | undefined }>();
  #asked = "";

  constructor(options: ClusterNamesCheckOptions) {
    this.#options = options;
  }

  /** Asks each of the servers; what is known of others is forgotten. The same ones and domain again: nothing. */
  ask(servers: readonly UpstreamServer[], clusterDomain: HostName): void {
    const asked = [clusterDomain, ...servers.map(formatServer)].join(" ");
    if (asked === this.#asked) return;
    this.#forget();
    this.#asked = asked;
    const name = parseHostName(`kubernetes.default.svc.${clusterDomain}`);
    if (isHostName(name)) for (const server of servers) void this.#ask(server, name);
  }

  async close(): Promise<void> {
    this.#forget();
  }

  /** Until there is a good answer: a server that is being set right, or started, is not a problem for ever. */
  async #ask(server: UpstreamServer, name: HostName): Promise<void> {
    const { lookup, clock } = this.#options;
    const check = { giveUp: new AbortController(), retry: undefined as Timer | undefined };
    this.#checks.set(formatServer(server), check);
    const { signal } = check.giveUp;
    const result = await lookup(name, "A", server, signal);
    if (signal.aborted) return;
    const isDenied = result.kind === "denied" && result.by === "nxdomain";
    if (isDenied) this.#report(server, name);
    else if (result.kind !== "failed") this.#clear(server);
    if (isDenied || result.kind === "failed")
      check.retry = clock.setTimer(RETRY_MS, () => void this.#ask(server, name));
  }

  #report(server: UpstreamServer, name: HostName): void {
    const text = formatServer(server);
    const message = `Upstream ${text} says that ${name} does not exist, so it knows no names of the cluster.`;
    const subject = { kind: "Upstream", namespace: "", name: text } as const;
    const found = problem("UpstreamWithoutClusterNames", subject, "clusterUpstreams", message);
    this.#options.problems.replace(ownerOf(text), [found]);
  }

  #clear(server: UpstreamServer): void {
    this.#options.problems.replace(ownerOf(formatServer(server)), []);
  }

  #forget(): void {
    for (const [text, { giveUp, retry }] of this.#checks) {
      giveUp.abort();
      retry?.cancel();
      this.#options.problems.replace(ownerOf(text), []);
    }
    this.#checks.clear();
    this.#asked = "";
  }
}

const RETRY_MS = 60_000;

function ownerOf(server: string): string {
  return `cluster names of ${server}`;
}
