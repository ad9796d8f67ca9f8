/** Objects, resolutions and a whole registry in a few words, for the tests of this folder. */

import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { AnswerMode, Kind, Namespace, ObjectByKind } from "../../src/mesh/objects.ts";
import { objectKey } from "../../src/mesh/objects.ts";
import { parseNamespace } from "../../src/mesh/parse-namespace.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { parseWorkloadEntry } from "../../src/mesh/parse-workload-entry.ts";
import { ProblemBook, type ProblemCode, subjectKey } from "../../src/mesh/problem.ts";
import type { FamilyResolutions, LookupFailure, Resolution } from "../../src/mesh/resolution.ts";
import type { HostPlan } from "../../src/registry/host-plan.ts";
import { type PlanContext, planEntry } from "../../src/registry/plan.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import type {
  ClientClass,
  FamilyAnswer,
  HostRecord,
  HostVariant,
  HostView,
  Locality,
  TableDelta,
} from "../../src/table/host-record.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { type Family, type IpAddress, parseIpAddress } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { FakeClock } from "../support/fake-clock.ts";

export function host(text: string): HostName {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new Error(`${text} ${name.fault}`);
  return name;
}

export function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return address;
}

/** For plans without any Namespace. */
export const PLAN_CONTEXT: PlanContext = { settings: DEFAULT_SETTINGS, namespaceOf: () => undefined };

/** The first host's plan. */
export function planOf(object: ObjectByKind["ServiceEntry"], context = PLAN_CONTEXT): HostPlan {
  const plan = planEntry(object, context).hosts[0];
  if (plan === undefined) throw new Error("no host");
  return plan;
}

export const NOWHERE: Locality = { network: "", region: "", zone: "", subzone: "", node: "" };

let versions = 0;

export interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Any text that Date.parse takes. */
  readonly created?: string;
}

function metadata({ created, ...rest }: Metadata) {
  versions += 1;
  return { name: "e", ...rest, creationTimestamp: created, resourceVersion: String(versions) };
}

/** The rest is the spec, but for `status`. */
export function entry({
  name,
  namespace,
  labels,
  annotations,
  created,
  status,
  ...spec
}: Metadata & { readonly status?: unknown } & Readonly<
    Record<string, unknown>
  >): ObjectByKind["ServiceEntry"] {
  const given = { name, namespace, labels, annotations, created };
  return must(parseServiceEntry({ metadata: metadata(defined(given)), spec, status }).value);
}

export function workloadEntry({
  name,
  namespace,
  labels,
  annotations,
  status,
  ...spec
}: Metadata & { readonly status?: unknown } & Readonly<
    Record<string, unknown>
  >): ObjectByKind["WorkloadEntry"] {
  const given = { name, namespace, labels, annotations };
  return must(parseWorkloadEntry({ metadata: metadata(defined(given)), spec, status }).value);
}

export function pod(
  given: Metadata & {
    readonly ips: readonly string[];
    readonly isReady?: boolean;
    readonly hostNetwork?: boolean;
  },
): ObjectByKind["Pod"] {
  const { ips, isReady = true, hostNetwork = false, ...rest } = given;
  return must(
    parsePod({
      metadata: metadata(rest),
      spec: { hostNetwork },
      status: {
        phase: "Running",
        podIPs: ips.map((each) => ({ ip: each })),
        conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
      },
    }).value,
  );
}

export function namespaceObject(name: string, answer?: string): ObjectByKind["Namespace"] {
  const annotations = answer === undefined ? {} : { "serviceentry-dns.io/answer": answer };
  return must(parseNamespace({ metadata: metadata({ name, annotations }) }).value);
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<T>;
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the object was rejected");
  return value;
}

/** `["1.2.3.4"]` fresh, "denied", "pending", `{stale: [...]}`, `{failed: "timeout"}`. */
export type ResolutionWords =
  | readonly string[]
  | "denied"
  | "pending"
  | { readonly stale: readonly string[] }
  | { readonly failed: LookupFailure };

export function resolution(words: ResolutionWords, expiresAtMs = 1_020_000): Resolution {
  if (words === "denied") return { state: "denied", by: "nxdomain" };
  if (words === "pending") return { state: "pending", sinceMs: 0 };
  if ("stale" in words) return { state: "stale", addresses: words.stale.map(ip), failure: "servfail" };
  if ("failed" in words) return { state: "failed", failure: words.failed };
  return { state: "fresh", addresses: words.map(ip), expiresAtMs };
}

/** A registry with everything around it, its emissions applied to `table`. */
export class World {
  readonly clock = new FakeClock();
  readonly store = new MeshStore();
  readonly problems = new ProblemBook(() => this.clock.wallMs());
  readonly resolutions = new Map<HostName, FamilyResolutions>();
  readonly deltas: TableDelta[] = [];
  readonly table = new Map<HostName, HostRecord>();
  /** `name namespace`. */
  readonly wanted = new Set<string>();
  readonly propagatedMs: number[] = [];
  /** `kind`, and how long since it was written. */
  readonly programmed: string[] = [];
  readonly registry: Registry;

  constructor(settings: Partial<RegistrySettings> = {}) {
    this.registry = new Registry({
      store: this.store,
      settings: { ...DEFAULT_SETTINGS, ...settings },
      problems: this.problems,
      clock: this.clock,
      emit: (delta) => this.#emit(delta),
      resolutions: (name) => this.resolutions.get(name),
      wanted: {
        want: (name, namespace) => this.#want(name, namespace),
        unwant: (name, namespace) => this.#unwant(name, namespace),
      },
      onPropagated: (milliseconds) => this.propagatedMs.push(milliseconds),
      onProgrammed: (kind, writtenAtMs, nowMs) => this.programmed.push(`${kind} ${nowMs - writtenAtMs}`),
    });
  }

  put(...objects: readonly ObjectByKind[Kind][]): void {
    for (const object of objects) this.store.put(object.ref.kind, object as never, this.clock.nowMs());
    this.store.flush();
  }

  remove(kind: Kind, namespace: Namespace, name: string): void {
    this.store.remove(kind, objectKey({ kind, namespace, name }), this.clock.nowMs());
    this.store.flush();
  }

  /** What upstream says from now on; families not given are denied. */
  resolve(name: string, a: ResolutionWords, aaaa: ResolutionWords = "denied", expiresAtMs?: number): void {
    this.resolutions.set(host(name), {
      A: resolution(a, expiresAtMs),
      AAAA: resolution(aaaa, expiresAtMs),
    });
    this.registry.resolutionChanged(host(name), "A");
    this.registry.resolutionChanged(host(name), "AAAA");
    this.settle();
  }

  /** Lets the batch window end. */
  settle(): void {
    this.clock.advance(20);
  }

  /** What was emitted since the last call, by host and kind. */
  emitted(): readonly string[] {
    const changes = this.deltas.splice(0).flatMap((delta) => delta.changes);
    return changes.map((each) => `${each.kind} ${each.kind === "set" ? each.record.host : each.host}`).sort();
  }

  /** What clients of the namespace see; undefined: unknown clients, or of a namespace that nothing names. */
  viewFor(name: string, namespace?: Namespace): HostView | undefined {
    return viewFor(this.table.get(host(name)), namespace);
  }

  /** Undefined: forwarded. */
  view(name: string, client: ClientClass = "unknown", namespace?: Namespace): HostVariant | undefined {
    return variantFor(this.table.get(host(name)), client, namespace);
  }

  /** Addresses, or the kind of answer; "forward": not in the table. */
  answer(
    name: string,
    family: Family = "A",
    client: ClientClass = "unknown",
    namespace?: Namespace,
  ): readonly string[] | FamilyAnswer["kind"] | "forward" | "pass" {
    const variant = this.view(name, client, namespace);
    if (variant === undefined) return "forward";
    if (variant.isPass) return "pass";
    const answer = variant.answers[family];
    return answer.kind === "addresses" ? answer.addresses : answer.kind;
  }

  /** `code kind/namespace/name` of each present problem of an object. */
  codes(): readonly string[] {
    return this.#ofObjects()
      .map(({ problem }) => `${problem.code} ${subjectKey(problem.object)}`)
      .sort();
  }

  problemCodes(): readonly ProblemCode[] {
    return this.#ofObjects()
      .map(({ problem }) => problem.code)
      .sort();
  }

  /** Without what is said of the policy as a whole. */
  #ofObjects() {
    return [...this.problems.all()].filter(({ problem }) => problem.object.kind !== "Setting");
  }

  #emit(delta: TableDelta): void {
    this.deltas.push(delta);
    for (const change of delta.changes) {
      if (change.kind === "set") this.table.set(change.record.host, change.record);
      else if (change.kind === "delete") {
        if (!this.table.delete(change.host)) throw new Error(`delete of unknown ${change.host}`);
      } else this.#touch(change.host, change.family, change.expiresAtMs);
    }
  }

  #touch(name: HostName, family: Family, expiresAtMs: number): void {
    const record = this.table.get(name);
    if (record === undefined) throw new Error(`touch of unknown ${name}`);
    this.table.set(name, touched(record, family, expiresAtMs));
  }

  #want(name: HostName, namespace: Namespace): void {
    const id = `${name} ${namespace}`;
    if (this.wanted.has(id)) throw new Error(`wanted twice: ${id}`);
    this.wanted.add(id);
  }

  #unwant(name: HostName, namespace: Namespace): void {
    if (!this.wanted.delete(`${name} ${namespace}`)) throw new Error(`not wanted: ${name} ${namespace}`);
  }
}

/** As the data plane does: every variant of every view whose TTL counts down. Throws if there is none. */
export function touched(record: HostRecord, family: Family, expiresAtMs: number): HostRecord {
  let isTouched = false;
  const touchedVariant = (variant: HostVariant): HostVariant => {
    const answer = variant.answers[family];
    if (answer.kind !== "addresses" || answer.expiresAtMs === undefined) return variant;
    isTouched = true;
    return { ...variant, answers: { ...variant.answers, [family]: { ...answer, expiresAtMs } } };
  };
  const views = record.views.map((view) => ({ ...view, variants: view.variants.map(touchedVariant) }));
  if (!isTouched) throw new Error(`touch of ${record.host} ${family}, which counts down to nothing`);
  return { ...record, views };
}

export function viewFor(record: HostRecord | undefined, namespace?: Namespace): HostView | undefined {
  return record?.views.find(
    ({ visibleTo }) => visibleTo === "all" || (namespace !== undefined && visibleTo.has(namespace)),
  );
}

export function variantFor(
  record: HostRecord | undefined,
  client: ClientClass,
  namespace?: Namespace,
): HostVariant | undefined {
  const view = viewFor(record, namespace);
  return view?.variants[view.choices[client] ?? -1];
}

export const MODES: readonly AnswerMode[] = ["auto", "virtual", "resolved"];
