/** What the dashboard shows: rows of panels, each a title, a unit and what it asks of Prometheus. */

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly title: string;
  /** What to read out of it. */
  readonly description: string;
  /** Of Grafana's names. */
  readonly unit: string;
  readonly isStacked?: boolean;
  readonly queries: readonly Query[];
}

export interface Query {
  readonly expression: string;
  readonly legend: string;
}

/** Of all metrics of our own. */
export const PREFIX = "serviceentry_dns_";

export const ROWS: readonly Row[] = [
  {
    title: "Cache hits and refreshes",
    panels: [
      {
        title: "Cache hit ratio",
        description: "Of the forwarded queries that the cache may answer, those that it did.",
        unit: "percentunit",
        queries: [
          {
            expression: `${rate("cache_hits_total")} / (${rate("cache_hits_total")} + ${rate("cache_misses_total")})`,
            legend: "hits",
          },
        ],
      },
      {
        title: "Cache hits and misses",
        description: "Queries a second, by what was found: an address, a denial, a failure, or nothing.",
        unit: "reqps",
        isStacked: true,
        queries: [
          { expression: rate("cache_hits_total", "kind"), legend: "{{kind}}" },
          { expression: rate("cache_misses_total"), legend: "miss" },
        ],
      },
      {
        title: "Refreshes",
        description:
          "Lookups of endpoint names a second. Unchanged is the usual; timeouts and SERVFAIL mean stale answers soon.",
        unit: "ops",
        isStacked: true,
        queries: [{ expression: rate("refreshes_total", "result"), legend: "{{result}}" }],
      },
    ],
  },
  {
    title: "Queries",
    panels: [
      {
        title: "Queries by type",
        description: "DNS queries received a second.",
        unit: "reqps",
        isStacked: true,
        queries: [{ expression: rate("requests_total", "proto, type"), legend: "{{proto}} {{type}}" }],
      },
      {
        title: "Answers by source",
        description:
          "Where answers came from: own addresses (virtual, static, workload, resolved, suffix), the cache, upstream.",
        unit: "reqps",
        isStacked: true,
        queries: [{ expression: rate("responses_total", "source"), legend: "{{source}}" }],
      },
      {
        title: "Answers by RCODE",
        description: "NXDOMAIN is usual where clients try search suffixes; SERVFAIL is not.",
        unit: "reqps",
        isStacked: true,
        queries: [{ expression: rate("responses_total", "rcode"), legend: "{{rcode}}" }],
      },
      {
        title: "Time to answer",
        description: "Own answers take microseconds; forwarded ones as long as upstream.",
        unit: "s",
        queries: [
          quantile(0.5, "request_duration_seconds", "source"),
          quantile(0.99, "request_duration_seconds", "source"),
        ],
      },
      {
        title: "In flight",
        description:
          "Queries that wait for upstream or for a host's first addresses, and open TCP connections.",
        unit: "short",
        queries: [
          { expression: sum("in_flight"), legend: "queries" },
          { expression: sum("tcp_connections"), legend: "TCP connections" },
        ],
      },
      {
        title: "Known clients",
        description: "Pod addresses whose namespace is known, while pods are watched.",
        unit: "short",
        queries: [{ expression: `max by (instance) (${own("clients")})`, legend: "{{instance}}" }],
      },
      {
        title: "Queries of unknown clients",
        description: "Queries a second from addresses of no known pod: they get what is public.",
        unit: "reqps",
        queries: [{ expression: rate("clients_unknown_total"), legend: "unknown" }],
      },
      {
        title: "Dropped, truncated, lost",
        description:
          "Messages that got no answer, answers that were cut for UDP, and queries that the kernel dropped.",
        unit: "reqps",
        queries: [
          { expression: rate("dropped_total", "reason"), legend: "dropped: {{reason}}" },
          { expression: rate("truncated_total"), legend: "truncated" },
          { expression: rate("udp_socket_drops_total"), legend: "dropped by the kernel" },
        ],
      },
    ],
  },
  {
    title: "Cache",
    panels: [
      {
        title: "Entries",
        description: "Replies in the cache, expired ones that may still be served included.",
        unit: "short",
        isStacked: true,
        queries: [{ expression: sum("cache_entries", "kind"), legend: "{{kind}}" }],
      },
      {
        title: "Memory",
        description: "In use, and what the cache may have: cacheBytes, less while memory is short.",
        unit: "bytes",
        queries: [
          { expression: sum("cache_bytes", "instance"), legend: "{{instance}} in use" },
          { expression: sum("cache_max_bytes", "instance"), legend: "{{instance}} at most" },
        ],
      },
      {
        title: "Kept warm, shared, stale",
        description:
          "Renewed before their end, questions that waited for an equal one, expired replies served, room made.",
        unit: "ops",
        queries: [
          { expression: rate("cache_prefetch_total"), legend: "renewed ahead" },
          { expression: rate("cache_coalesced_total"), legend: "waited for an equal one" },
          { expression: rate("cache_stale_served_total"), legend: "stale served" },
          { expression: rate("cache_evictions_total"), legend: "evicted" },
        ],
      },
    ],
  },
  {
    title: "Upstream",
    panels: [
      {
        title: "Round trip",
        description: "Time from a query's sending to its reply.",
        unit: "s",
        queries: [
          quantile(0.5, "upstream_request_duration_seconds", "to"),
          quantile(0.99, "upstream_request_duration_seconds", "to"),
        ],
      },
      {
        title: "Up, and looping",
        description: "1: asked by every thread. Looping 1: it hands our queries back to us and is not asked.",
        unit: "short",
        queries: [
          { expression: `min by (to) (${own("upstream_up")})`, legend: "{{to}} up" },
          { expression: `max by (to) (${own("upstream_looping")})`, legend: "{{to}} looping" },
        ],
      },
      {
        title: "Failures",
        description:
          "Queries that an upstream did not help with, those sent once more, and those given up because there were too many.",
        unit: "ops",
        queries: [
          { expression: rate("upstream_failures_total", "to, reason"), legend: "{{to}} {{reason}}" },
          { expression: rate("upstream_resends_total"), legend: "sent once more" },
          { expression: rate("upstream_rejected_total", "reason"), legend: "given up: {{reason}}" },
        ],
      },
      {
        title: "Replies that were none",
        description: "Messages that answered no question of ours: late ones, or forged ones.",
        unit: "ops",
        queries: [{ expression: rate("upstream_mismatch_total", "reason"), legend: "{{reason}}" }],
      },
    ],
  },
  {
    title: "Registry",
    panels: [
      {
        title: "Hosts by state",
        description: "Of one replica: all hold the same. Unresolved hosts get SERVFAIL or are forwarded.",
        unit: "short",
        isStacked: true,
        queries: [{ expression: `max by (state) (${own("hosts")})`, legend: "{{state}}" }],
      },
      {
        title: "Problems",
        description: "Of objects, by reason; /api/problems names the objects and the remedies.",
        unit: "short",
        queries: [{ expression: `max by (reason) (${own("problems")}) > 0`, legend: "{{reason}}" }],
      },
      {
        title: "Objects",
        description: "What the source holds, by kind.",
        unit: "short",
        queries: [{ expression: `max by (kind) (${own("objects")})`, legend: "{{kind}}" }],
      },
      {
        title: "Changes",
        description: "Of objects, a second.",
        unit: "ops",
        isStacked: true,
        queries: [{ expression: rate("events_total", "kind, type"), legend: "{{kind}} {{type}}" }],
      },
      {
        title: "Change to answer",
        description: "Time from the receipt of an event to the change of a host's answer.",
        unit: "s",
        queries: [quantile(0.5, "propagation_seconds"), quantile(0.99, "propagation_seconds")],
      },
      {
        title: "Written to answer",
        description:
          "Time from the writing of an object to the change of a host's answer, by the SLI of Kubernetes.",
        unit: "s",
        queries: [
          quantile(0.5, "dns_programming_duration_seconds", "kind"),
          quantile(0.99, "dns_programming_duration_seconds", "kind"),
        ],
      },
      {
        title: "Snapshot",
        description:
          "Age of the state on disk, which a restart without the API server would answer from; no line without one.",
        unit: "s",
        queries: [
          { expression: `max by (instance) (${own("snapshot_age_seconds")})`, legend: "{{instance}}" },
        ],
      },
      {
        title: "Watches",
        description: "1: changes arrive from the API server. Restarts by reason; ended and relist are usual.",
        unit: "short",
        queries: [
          { expression: `min by (kind) (${own("watch_connected")})`, legend: "{{kind}} connected" },
          { expression: rate("watch_restarts_total", "kind, reason"), legend: "{{kind}} {{reason}} /s" },
        ],
      },
      {
        title: "Since the last change",
        description: "By kind; long in a quiet cluster. Never: no line.",
        unit: "s",
        queries: [
          {
            expression: `time() - max by (kind) (${own("last_event_timestamp_seconds")} > 0)`,
            legend: "{{kind}}",
          },
        ],
      },
    ],
  },
  {
    title: "Refresher",
    panels: [
      {
        title: "Lookup time",
        description: "From the first question of a lookup to its end.",
        unit: "s",
        queries: [quantile(0.5, "refresh_duration_seconds"), quantile(0.99, "refresh_duration_seconds")],
      },
      {
        title: "Lateness",
        description:
          "From the moment a lookup was due to its first question; more than seconds means that upstream is too slow for the number of names.",
        unit: "s",
        queries: [quantile(0.5, "refresh_lateness_seconds"), quantile(0.99, "refresh_lateness_seconds")],
      },
      {
        title: "Running and waiting",
        description: "Lookups that run, and names that wait for a retry.",
        unit: "short",
        queries: [
          { expression: sum("refresh_in_flight"), legend: "in flight" },
          { expression: sum("refresh_backoff"), legend: "in back-off" },
        ],
      },
      {
        title: "Oldest success",
        description:
          "Age of the last answer for the name that waits for longest; above maxStale it has no addresses any more.",
        unit: "s",
        queries: [
          {
            expression: `max by (instance) (${own("refresh_oldest_success_age_seconds")})`,
            legend: "{{instance}}",
          },
        ],
      },
    ],
  },
  {
    title: "Writing",
    panels: [
      {
        title: "Writer",
        description: "1: this replica holds the Lease and writes; one of all.",
        unit: "short",
        queries: [{ expression: own("lease_held"), legend: "{{instance}}" }],
      },
      {
        title: "Events and conditions",
        description: "Written on ServiceEntries a second, and what was not written.",
        unit: "ops",
        queries: [
          { expression: rate("reporter_events_total", "reason"), legend: "{{reason}}" },
          { expression: rate("reporter_conditions_total"), legend: "conditions" },
          { expression: rate("reporter_dropped_total"), legend: "too many waited" },
          { expression: rate("reporter_refused_total"), legend: "refused" },
        ],
      },
      {
        title: "Waiting",
        description: "Events that wait to be written.",
        unit: "short",
        queries: [{ expression: sum("reporter_waiting"), legend: "events" }],
      },
      {
        title: "Calls",
        description: "Attempts to write to the API server, by result.",
        unit: "ops",
        queries: [{ expression: rate("api_writes_total", "verb, result"), legend: "{{verb}} {{result}}" }],
      },
    ],
  },
  {
    title: "Publishing",
    panels: [
      {
        title: "Published hosts",
        description:
          "Hosts that are to be Services, by what became of them; of one replica: all know the same.",
        unit: "short",
        isStacked: true,
        queries: [{ expression: `max by (state) (${own("published_hosts")})`, legend: "{{state}}" }],
      },
      {
        title: "Written hosts",
        description: "Writes of hosts and failures that are tried again, a second, and hosts that wait.",
        unit: "short",
        queries: [
          { expression: rate("publisher_writes_total"), legend: "written /s" },
          { expression: rate("publisher_failures_total"), legend: "failed /s" },
          { expression: sum("publisher_waiting"), legend: "waiting" },
        ],
      },
      {
        title: "Change to slice",
        description:
          "Time from the change of a host's endpoints until the API server has accepted its slices.",
        unit: "s",
        queries: [quantile(0.5, "publisher_write_seconds"), quantile(0.99, "publisher_write_seconds")],
      },
    ],
  },
  {
    title: "Process",
    panels: [
      {
        title: "UDP threads",
        description:
          "Share of the time in which a thread that serves UDP in batches is busy; near 1 it is saturated.",
        unit: "percentunit",
        queries: [{ expression: `max by (instance) (${own("udp_busy_ratio")})`, legend: "{{instance}}" }],
      },
      {
        title: "Datagrams lost on the way in",
        description: "The receive queue was full when they came, a second.",
        unit: "ops",
        queries: [{ expression: rate("udp_receive_dropped_total"), legend: "lost" }],
      },
      {
        title: "Ready",
        description: "1: queries may come. Settings rejected 1: the settings file has a mistake.",
        unit: "short",
        queries: [
          { expression: own("ready"), legend: "{{instance}} ready" },
          { expression: own("settings_rejected"), legend: "{{instance}} settings rejected" },
          { expression: rate("settings_reloads_total", "result"), legend: "settings {{result}} /s" },
        ],
      },
      {
        title: "Processor",
        description: "Cores in use.",
        unit: "short",
        queries: [
          {
            expression: `sum by (instance) (rate(${chosen("process_cpu_seconds_total")}[$__rate_interval]))`,
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "Memory",
        description: "Of the whole process, and the heap of the main thread.",
        unit: "bytes",
        queries: [
          { expression: chosen("process_resident_memory_bytes"), legend: "{{instance}} resident" },
          { expression: chosen("nodejs_heap_size_used_bytes"), legend: "{{instance}} heap" },
        ],
      },
      {
        title: "Event-loop lag",
        description: "Longest delay of each thread; that of udp and tcp delays answers.",
        unit: "s",
        queries: [
          {
            expression: `max by (instance, thread) (${own("event_loop_lag_seconds")})`,
            legend: "{{instance}} {{thread}}",
          },
        ],
      },
      {
        title: "Versions",
        description: "What is running.",
        unit: "short",
        queries: [
          {
            expression: `count by (version, node) (${own("build_info")})`,
            legend: "{{version}} on Node.js {{node}}",
          },
        ],
      },
    ],
  },
];

/** Series of the chosen instances. */
function chosen(name: string): string {
  return `${name}{job=~"$job", instance=~"$instance"}`;
}

/** Of our own metrics, by their name without the prefix. */
function own(name: string): string {
  return chosen(PREFIX + name);
}

function rate(name: string, by?: string): string {
  return summed(`rate(${own(name)}[$__rate_interval])`, by);
}

function sum(name: string, by?: string): string {
  return summed(own(name), by);
}

function summed(series: string, by?: string): string {
  return by === undefined ? `sum(${series})` : `sum by (${by}) (${series})`;
}

function quantile(share: number, histogram: string, by?: string): Query {
  const buckets = rate(`${histogram}_bucket`, by === undefined ? "le" : `le, ${by}`);
  const percent = `p${share * 100}`;
  return {
    expression: `histogram_quantile(${share}, ${buckets})`,
    legend: by === undefined ? percent : `{{${by}}} ${percent}`,
  };
}
