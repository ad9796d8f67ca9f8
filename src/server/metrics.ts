/**
 * The numbers of the server: what was asked, what was answered and how soon. Every index into the shared
 * numbers is computed once, so that counting is an addition.
 *
 * The engine counts: each request that is a DNS query, and each response once, when it is handed to its client.
 * The listeners count what never reaches the engine or never left it.
 */

import type { Transport } from "../runtime.ts";
import type { SeriesDefinition, SharedSeries } from "../series.ts";
import { HeaderFlag, Rcode, RecordType } from "../wire/constants.ts";

const TRANSPORTS = ["udp", "tcp"] as const satisfies readonly Transport[];

const TYPES = ["A", "AAAA", "CNAME", "NS", "SOA", "PTR", "MX", "TXT", "SRV", "HTTPS", "SVCB", "ANY"] as const;
const OTHER = "other";

const RCODES = Object.keys(Rcode) as (keyof typeof Rcode)[];

/**
 * Where a response came from: the sources of an own host; `cache` and `forward` (both from the forwarder: at
 * once, or later; its own SERVFAIL at the deadline counts as `forward`); `stale` (an own host's last good
 * addresses); `suffix` (an own host asked with a search suffix, NODATA and NXDOMAIN too); `negative` (NODATA of an
 * own host); `error` (any other RCODE of ours that is not NOERROR).
 */
const SOURCES = [
  "virtual",
  "static",
  "workload",
  "resolved",
  "published",
  "suffix",
  "cache",
  "stale",
  "forward",
  "negative",
  "error",
] as const;
export type ResponseSource = (typeof SOURCES)[number];

/** Why a message was dropped without an answer, or an answer could not be sent. */
const DROP_REASONS = [
  "short",
  "response",
  "source_port_zero",
  "own_listener",
  "send_error",
  "tcp_frame",
  "tcp_never_read",
  "tcp_too_many",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Seconds: 0.00025 x 2^n, n = 0 to 14 (0.25 ms to 4.1 s, behind which a client has given up). */
const DURATION_BUCKETS = Array.from({ length: 15 }, (_, n) => 0.00025 * 2 ** n);

export const QUERY_SERIES: readonly SeriesDefinition[] = [
  {
    name: "requests_total",
    help: "DNS queries received, by transport and type asked for.",
    type: "counter",
    labels: { proto: TRANSPORTS, type: [...TYPES, OTHER] },
  },
  {
    name: "responses_total",
    help: "DNS responses sent, by RCODE and by where the answer came from.",
    type: "counter",
    labels: { rcode: [...RCODES, OTHER], source: SOURCES },
  },
  {
    name: "request_duration_seconds",
    help: "Time from a query to its response, by where the answer came from.",
    type: "histogram",
    labels: { source: SOURCES },
    buckets: DURATION_BUCKETS,
  },
  {
    name: "truncated_total",
    help: "Responses from the table that were cut to what a UDP client takes (TC=1).",
    type: "counter",
    labels: {},
  },
  {
    name: "dropped_total",
    help: "Messages that were not answered, or answers that could not be sent, by reason.",
    type: "counter",
    labels: { reason: DROP_REASONS },
  },
  {
    name: "in_flight",
    help: "Queries that wait for an upstream or for a host's first addresses.",
    type: "gauge",
    labels: {},
  },
  {
    name: "clients",
    help: "Addresses of pods and nodes that the server knows.",
    type: "gauge",
    across: "max",
    labels: {},
  },
  {
    name: "clients_unknown_total",
    help: "DNS queries from clients that are no known pods.",
    type: "counter",
    labels: {},
  },
  { name: "tcp_connections", help: "Open TCP connections of clients.", type: "gauge", labels: {} },
];

/** Counts into shared series whose definitions hold `QUERY_SERIES`. */
export class QueryMetrics {
  readonly #series: SharedSeries;
  readonly #values: Float64Array;
  /** By type as a number, for each transport. */
  readonly #requests: Readonly<Record<Transport, Int32Array>>;
  readonly #responses: Readonly<Record<ResponseSource, Int32Array>>;
  readonly #durations: Readonly<Record<ResponseSource, number>>;
  readonly #drops: Readonly<Record<DropReason, number>>;
  readonly #truncated: number;
  readonly #inFlight: number;
  readonly #tcpConnections: number;
  readonly #clients: number;
  readonly #unknownClients: number;

  constructor(series: SharedSeries) {
    this.#series = series;
    this.#values = series.values;
    const requests = (transport: Transport) => {
      const indexes = new Int32Array(256).fill(series.at("requests_total", transport, OTHER));
      for (const type of TYPES) indexes[typeNumber(type)] = series.at("requests_total", transport, type);
      return indexes;
    };
    this.#requests = { udp: requests("udp"), tcp: requests("tcp") };
    this.#responses = fromEntries(SOURCES, (source) => {
      const indexes = new Int32Array(32).fill(series.at("responses_total", OTHER, source));
      for (const name of RCODES) indexes[Rcode[name]] = series.at("responses_total", name, source);
      return indexes;
    });
    this.#durations = fromEntries(SOURCES, (source) => series.at("request_duration_seconds", source));
    this.#drops = fromEntries(DROP_REASONS, (reason) => series.at("dropped_total", reason));
    this.#truncated = series.at("truncated_total");
    this.#inFlight = series.at("in_flight");
    this.#tcpConnections = series.at("tcp_connections");
    this.#clients = series.at("clients");
    this.#unknownClients = series.at("clients_unknown_total");
  }

  /** `type`: QTYPE as a number. */
  countRequest(transport: Transport, type: number): void {
    // Types of 256 and more are all "other", as type 0 is.
    this.#values[this.#requests[transport][type < 256 ? type : 0]!]! += 1;
  }

  /** `rcode`: with the upper bits of an OPT record where there is one. */
  countResponse(rcode: number, source: ResponseSource, durationMs: number): void {
    this.#values[this.#responses[source][rcode < 32 ? rcode : 31]!]! += 1;
    this.#series.observe(this.#durations[source], DURATION_BUCKETS, durationMs / 1000);
  }

  countDrop(reason: DropReason): void {
    this.#values[this.#drops[reason]]! += 1;
  }

  countTruncated(): void {
    this.#values[this.#truncated]! += 1;
  }

  countUnknownClient(): void {
    this.#values[this.#unknownClients]! += 1;
  }

  setClients(count: number): void {
    this.#values[this.#clients] = count;
  }

  addInFlight(change: 1 | -1): void {
    this.#values[this.#inFlight]! += change;
  }

  addTcpConnections(change: 1 | -1): void {
    this.#values[this.#tcpConnections]! += change;
  }
}

/** The RCODE in the header of a message (of a message built elsewhere; BADVERS reads as NOERROR there). */
export function headerRcode(message: Uint8Array): number {
  return message[3]! & HeaderFlag.RCODE;
}

function typeNumber(type: (typeof TYPES)[number]): number {
  return RecordType[type];
}

function fromEntries<Key extends string, Value>(
  keys: readonly Key[],
  make: (key: Key) => Value,
): Readonly<Record<Key, Value>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>;
}
