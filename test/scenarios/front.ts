/** The data plane as stories see it: where queries go in and replies come out, whichever way it is reached. */

import type { DataPlaneSettings } from "../../src/data-plane.ts";
import type { Random } from "../../src/runtime.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import type { StoryClock } from "./story-clock.ts";
import type { UpstreamScript } from "./upstream-script.ts";

export interface Front {
  readonly transport: "udp" | "tcp";
  /** Errors that the data plane did not foresee. */
  readonly faults: readonly string[];
  /** Upstreams, counted from 1, that were found to hand queries back. */
  readonly loops: readonly number[];
  /**
   * Hands in a query with an ID that no other query has, from the client 127.0.0.`client`. `onReply` gets a copy.
   */
  ask(query: Uint8Array, client: number, onReply: (reply: Uint8Array) => void): void;
  /** A packed delta. */
  apply(delta: Uint8Array, version: number): void;
  /** A packed delta of the clients. */
  applyClients(delta: Uint8Array): void;
  setSynced(): void;
  update(settings: DataPlaneSettings): void;
  /** Upstreams that the script closes go away, those that it does not come back. */
  openUpstreams(): Promise<void>;
  /** The number of a series of the data plane; throws if there is none. */
  count(series: string, labels: readonly string[]): number;
  /** Resolves when nothing happens any more until time goes on. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface FrontParts {
  readonly clock: StoryClock;
  readonly random: Random;
  readonly script: UpstreamScript;
  readonly settings: DataPlaneSettings;
  readonly upstreams: UpstreamCounts;
  /** The data plane looks for upstreams that hand queries back. */
  readonly loopProbes: boolean;
}

export interface UpstreamCounts {
  readonly other: number;
  /** Further ones, for names of the cluster; 0: those have the others' upstreams. */
  readonly cluster: number;
}

/** Until everything has run that settled promises set off. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The settings with the upstreams of the story; `at`: all of them, those of the cluster last. */
export function withUpstreams(
  settings: DataPlaneSettings,
  at: readonly { address: string; port: number }[],
  counts: UpstreamCounts,
): DataPlaneSettings {
  const all = at.map(({ address: text, port }) => {
    const address = parseIpAddress(text);
    if (address === null) throw new Error(`${text} is no address`);
    return { address, port };
  });
  const upstreams = all.slice(0, counts.other);
  return {
    ...settings,
    upstreams,
    clusterUpstreams: counts.cluster === 0 ? upstreams : all.slice(counts.other),
  };
}

/** So that the data plane takes the program's part in the search for loops. */
export const LOOP_KEY: Uint8Array = new Uint8Array(32).fill(7);

/** IDs of queries that upstreams hand back. */
export const FIRST_ID_HANDED_BACK = 0xf000;

export function withId(message: Uint8Array, id: number): Uint8Array {
  return Uint8Array.of(id >> 8, id & 0xff, ...message.subarray(2));
}
