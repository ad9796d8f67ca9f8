/** A story and its steps, as `read-story.ts` reads them from YAML and `scenario-runner.ts` plays them. */

import type { HostCondition } from "../../src/registry/host-state.ts";
import type { Edns } from "../../src/wire/message.ts";
import type { UpstreamCounts } from "./front.ts";
import type { Range } from "./measures.ts";
import type { ScriptLine } from "./upstream-script.ts";
import type { ZoneLine } from "./zone-line.ts";

/** Where the queries come in: the engine itself, or sockets of one transport. */
export const WAYS = ["memory", "udp", "tcp"] as const;
export type Way = (typeof WAYS)[number];

export interface Story {
  readonly file: string;
  readonly title: string;
  /** Settings of the product as flags. */
  readonly settings: readonly string[];
  /** False: the data plane waits for a `synced` step. */
  readonly isSynced: boolean;
  readonly ways: readonly Way[];
  /** Why it is not played in the others. */
  readonly waysReason: string;
  readonly noUpstreamPacket: boolean;
  readonly upstreams: UpstreamCounts;
  readonly loopProbes: boolean;
  readonly steps: readonly NumberedStep[];
}

export interface NumberedStep {
  /** For reports: `step 3 (query: kmesh-fake.com A)`. */
  readonly label: string;
  readonly step: Step;
}

export type RawObject = Readonly<Record<string, unknown>>;

export type Step =
  /** Paths below manifests/examples, or objects. */
  | { readonly kind: "apply"; readonly sources: readonly (string | RawObject)[] }
  /** Merge patches (RFC 7396) by `Kind/namespace/name`. */
  | { readonly kind: "edit"; readonly patches: ReadonlyMap<string, unknown> }
  | { readonly kind: "delete"; readonly objects: readonly string[] }
  /** By the last number of their addresses; null: no pod has the address any more. */
  | { readonly kind: "clients"; readonly clients: ReadonlyMap<number, StoryClient | null> }
  | { readonly kind: "upstream"; readonly lines: readonly ZoneLine[] }
  | { readonly kind: "script"; readonly lines: readonly ScriptLine[] }
  | QueryStep
  | { readonly kind: "answered"; readonly name: string; readonly expect: Expectations }
  | { readonly kind: "elapse"; readonly ms: number }
  | { readonly kind: "upstreamAsked"; readonly counts: readonly Count[] }
  | { readonly kind: "upstreamSaw"; readonly sights: readonly Sight[] }
  | { readonly kind: "counted"; readonly counts: readonly SeriesCount[] }
  | { readonly kind: "loops"; readonly upstreams: readonly number[] }
  | { readonly kind: "problems"; readonly expected: readonly string[] }
  | { readonly kind: "state"; readonly expected: ReadonlyMap<string, StateExpectation> }
  | { readonly kind: "settings"; readonly flags: readonly string[] }
  | { readonly kind: "synced" };

export interface QueryStep {
  readonly kind: "query";
  readonly question: QuestionFields;
  readonly times: number;
  /** The last number of its address. */
  readonly client: number;
  /** Undefined: the reply is awaited. */
  readonly pending: string | undefined;
  readonly expect: Expectations;
}

/** A pod that asks. */
export interface StoryClient {
  readonly namespace: string;
  readonly mesh: StoryMesh;
  /** Addresses besides the one that it asks from. */
  readonly ips: readonly string[];
  /** The node that it runs on; "": none. */
  readonly node: string;
}

export const STORY_MESHES = ["none", "sidecar", "ambient", "kmesh"] as const;
export type StoryMesh = (typeof STORY_MESHES)[number];

export interface QuestionFields {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** AA, RD, Z, AD, CD. */
  readonly flags: number;
  readonly edns: Omit<Edns, "extendedRcode"> | undefined;
  /** Octets behind the message. */
  readonly trailing: Uint8Array;
}

export interface Count {
  /** Lower case. */
  readonly name: string;
  /** Undefined: of all types. */
  readonly type: number | undefined;
  readonly range: Range;
}

/** What upstream must have seen of one question's messages. */
export interface Sight {
  /** Lower case. */
  readonly name: string;
  readonly type: number;
  readonly udp: SightExpectation;
  readonly tcp: SightExpectation;
}

/** Undefined: not looked at. */
export interface SightExpectation {
  readonly count: Range | undefined;
  /** Milliseconds after the first message. */
  readonly at: readonly number[] | undefined;
  /** Which upstream each message came to, how. */
  readonly to: readonly number[] | undefined;
  readonly over: readonly string[] | undefined;
  /** All IDs, all source ports differ. */
  readonly freshIds: boolean | undefined;
  readonly freshPorts: boolean | undefined;
  /** Each is a client's message but for the ID. */
  readonly asSent: boolean | undefined;
  /** The codes of each one's EDNS options. */
  readonly options: readonly number[] | undefined;
}

export interface SeriesCount {
  readonly series: string;
  /** Values, in the order of the series' labels. */
  readonly labels: readonly string[];
  readonly range: Range;
}

export type StateName = HostCondition | "absent";
/** One for all entries that claim the host, or by `namespace/name` of the entry. */
export type StateExpectation = StateName | ReadonlyMap<string, StateName>;

/** By transport, where they differ. */
export interface Expectations {
  readonly udp: Expectation;
  readonly tcp: Expectation;
}

/** Undefined: not looked at. */
export interface Expectation {
  readonly rcode: string;
  readonly answers: readonly string[] | undefined;
  readonly answersAmong: readonly string[] | undefined;
  readonly answerCount: Range | undefined;
  readonly firstAnswers: readonly string[] | undefined;
  readonly ttl: Range | undefined;
  readonly soa: string | undefined;
  readonly soaTtl: Range | undefined;
  readonly aa: boolean | undefined;
  readonly truncated: boolean | undefined;
  readonly ede: Range | "none" | undefined;
  readonly edeText: string | undefined;
  readonly waitedMs: Range | undefined;
  readonly forwarded: Range | undefined;
  readonly relayed: boolean | undefined;
  /** It is no well-formed message: nothing but its being relayed is looked at. */
  readonly unreadable: boolean | undefined;
  /** What the keepalive option says (RFC 7828), in ms; "none": there is none. */
  readonly keepaliveMs: Range | "none" | undefined;
}
