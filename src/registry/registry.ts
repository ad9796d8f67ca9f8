/**
 * Which hosts exist and what each one answers, kept up to date with the mesh and with upstream's answers.
 * An event marks the hosts that it touches; a flush reads the present state, compiles those hosts and emits
 * what differs. Nothing is rebuilt on an event, and nothing depends on the order of events.
 */

import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import {
  type Kind,
  type Namespace,
  type NamespaceObject,
  type NodeObject,
  type ObjectKey,
  objectKey,
  type ServiceEntry,
} from "../mesh/objects.ts";
import type { ProblemBook } from "../mesh/problem.ts";
import type { Publishing } from "../mesh/publication.ts";
import type { Resolutions } from "../mesh/resolution.ts";
import { assertNever, type Clock, type MonotonicMs, systemRandom } from "../runtime.ts";
import type { HostChange, HostRecord, TableDelta } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family } from "../wire/ip-address.ts";
import { Batch } from "./batch.ts";
import { ClaimIndex } from "./claim-index.ts";
import { compareClaims } from "./claims.ts";
import { type CompileSources, compileHost } from "./compile-host.ts";
import { EndpointNames } from "./endpoint-names.ts";
import { type ConditionChange, conditionChanges, countHosts, type HostCounts } from "./host-condition.ts";
import { HostNeeds, type WantedNames } from "./host-needs.ts";
import type { EntryPlan, SelectorTarget } from "./host-plan.ts";
import { policyProblems } from "./host-policy.ts";
import { hostProblems } from "./host-problems.ts";
import { HostPublications, withoutMismatch } from "./host-publications.ts";
import { type HostRow, hostRows } from "./host-rows.ts";
import {
  type HostStanding,
  hostStanding,
  type RefusedClaim,
  refusedClaims,
  type Viewer,
} from "./host-standing.ts";
import type { HostState } from "./host-state.ts";
import { HostStates } from "./host-states.ts";
import { claimsOn, createLinker, type LinkIndexes } from "./link-host.ts";
import { type DescribeName, type RefreshError, refreshOfAll, type WallOf } from "./name-refresh.ts";
import { Namespaces } from "./namespaces.ts";
import type { PublicationSources } from "./publication.ts";
import { ReverseTable } from "./reverse-table.ts";
import type { SelectedWorkload } from "./selection.ts";
import type { RegistrySettings } from "./settings.ts";
import { ToldTable } from "./told-table.ts";
import { type WorkloadChange, Workloads } from "./workloads.ts";

export interface RegistryOptions {
  readonly store: MeshStore;
  readonly settings: RegistrySettings;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  /** Called with every change of the table, in order; never with an empty one. `packed`: the same as octets. */
  readonly emit: (delta: TableDelta, packed: Uint8Array<ArrayBuffer>) => void;
  readonly resolutions: Resolutions;
  /** Which names to resolve, for hosts of which namespace; each `want` is ended by one `unwant`. */
  readonly wanted: WantedNames;
  /** What there is to show of a name that is resolved. */
  readonly describeName?: DescribeName;
  /** Told when a host's condition is another, not when only its addresses are. */
  readonly onConditionChanged?: (change: ConditionChange) => void;
  /** Told, per host that changed, how long it took from the event to the emission. Milliseconds. */
  readonly onPropagated?: (milliseconds: number) => void;
  /** Told the same from the writing of the object, where that is known. Both are milliseconds since 1970. */
  readonly onProgrammed?: (kind: Kind, writtenAtMs: number, nowMs: number) => void;
  /** Absent: nothing is published. */
  readonly publishing?: Publishing;
  /** Changes within this time after an emission go out together. */
  readonly batchWindowMs?: number;
}

export type { ConditionChange, WantedNames };

const DEFAULT_BATCH_WINDOW_MS = 20;

export class Registry {
  readonly #options: RegistryOptions;
  #settings: RegistrySettings;
  readonly #namespaces: Namespaces;
  readonly #claims: ClaimIndex;
  readonly #endpointNames = new EndpointNames();
  readonly #workloads: Workloads;
  readonly #states = new HostStates();
  readonly #publications: HostPublications;
  readonly #indexes: LinkIndexes;
  readonly #linkHost: (state: HostState) => void;
  readonly #told = new ToldTable(systemRandom);
  readonly #needs: HostNeeds;
  readonly #reverse: ReverseTable;
  readonly #batch: Batch;

  /** Hosts to link and compile anew, with the first event that touched them. */
  #toLink = new Map<HostName, Cause>();
  /** Those that may be answered otherwise when the entries are all there; with the first event that touched them. */
  #toLinkLater = new Map<HostName, Cause>();
  /** Hosts to compile only. */
  #toCompile = new Set<HostName>();
  /** Compiles what the store already holds and follows it from then on. */
  constructor(options: RegistryOptions) {
    const { store, settings } = options;
    this.#options = options;
    this.#settings = settings;
    this.#namespaces = new Namespaces(settings);
    this.#claims = new ClaimIndex(settings, this.#namespaces.get);
    this.#workloads = new Workloads(settings.excludeSelectors, {
      network: () => this.#settings.network,
      allowedAddressesOf: this.#namespaces.allowedAddressesOf,
    });
    this.#publications = new HostPublications(options.publishing);
    this.#indexes = {
      claims: this.#claims,
      namespaces: this.#namespaces,
      endpointNames: this.#endpointNames,
      workloadsOf: this.#workloadsOf,
      network: () => this.#settings.network,
      publishMode: () => options.publishing?.mode ?? "off",
    };
    this.#linkHost = createLinker(this.#indexes);
    this.#needs = new HostNeeds(this.#workloads.selection, options.wanted, settings.namesPerNamespace);
    this.#reverse = new ReverseTable(
      settings,
      (a, b, viewer) => compareClaims(a, b, viewer, this.#namespaces.isTrusted),
      this.#told,
    );
    const windowMs = options.batchWindowMs ?? DEFAULT_BATCH_WINDOW_MS;
    this.#batch = new Batch(options.clock, windowMs, () => this.#flush());
    store.onChange((changes) => this.#apply(changes));
    const start: Cause = { receivedAtMs: options.clock.nowMs() };
    options.problems.replace(POLICY_OWNER, policyProblems(settings));
    for (const namespace of store.all("Namespace").values())
      this.#namespaces.change(namespace.ref.name, namespace);
    for (const node of store.all("Node").values()) this.#workloads.changeNode(node.ref.name, node);
    for (const pod of store.all("Pod").values())
      this.#noteWorkload(this.#workloads.changePod(undefined, pod), start);
    for (const [key, entry] of store.all("WorkloadEntry"))
      this.#noteWorkload(this.#workloads.changeEntry(key, entry), start);
    for (const [key, entry] of store.all("ServiceEntry")) this.#changeEntry(key, entry, start);
    this.#schedule(false);
  }

  /** Of the last delta. */
  get version(): number {
    return this.#told.version;
  }

  /** The whole table as one delta of the present version. */
  snapshot(): TableDelta {
    return this.#told.snapshot();
  }

  /** The same as octets, for a data plane that starts empty. */
  packedSnapshot(): Uint8Array<ArrayBuffer> {
    return this.#told.packedSnapshot();
  }

  /** Upstream's addresses of the name in one family, or their state, are others now. A host's families depend on each other, so both are compiled. */
  resolutionChanged(name: HostName, _family: Family): void {
    for (const host of this.#needs.usersOf(name)) this.#toCompile.add(host);
    this.#schedule(false);
  }

  /** What has become of the host's publication is another now. */
  publicationChanged(host: HostName): void {
    this.#toCompile.add(host);
    this.#schedule(false);
  }

  /** Whether anything can be published is another now. */
  publishingChanged(): void {
    for (const { host, publications } of this.#states.all())
      if (publications.length > 0) this.#toCompile.add(host);
    this.#schedule(false);
  }

  /** The same addresses of the name expire at another moment now. */
  resolutionTouched(name: HostName, family: Family, expiresAtMs: MonotonicMs): void {
    for (const host of this.#needs.usersOf(name)) {
      const views = this.#told.recordOf(host)?.views ?? [];
      const isOther = views.some(({ variants }) =>
        variants.some(({ answers }) => {
          const answer = answers[family];
          return answer.kind === "addresses" && answer.expiresAtMs !== expiresAtMs;
        }),
      );
      if (isOther) this.#toCompile.add(host);
    }
    this.#schedule(false);
  }

  updateSettings(settings: RegistrySettings): void {
    const change: Cause = { receivedAtMs: this.#options.clock.nowMs() };
    this.#settings = settings;
    this.#options.problems.replace(POLICY_OWNER, policyProblems(settings));
    this.#namespaces.updateSettings(settings);
    this.#claims.updateSettings(settings);
    this.#needs.setLimit(settings.namesPerNamespace);
    for (const workload of this.#workloads.exclude(settings.excludeSelectors))
      this.#noteWorkload(workload, change);
    for (const host of this.#workloads.selection.invalidate(() => true)) this.#markLink(host, change);
    for (const [key, entry] of this.#claims.entries()) this.#changeEntry(key, entry, change);
    this.#reverse.updateSettings(settings);
    // Any of them may take a host away.
    this.#schedule(true);
  }

  /** Every claimed host, once per entry that claims it. */
  hosts(): readonly HostRow[] {
    const { resolutions, describeName } = this.#options;
    return hostRows({
      entries: this.#claims.entryPlans(),
      stateOf: (host) => this.#stateOf(host),
      isPlain: (host) => this.#states.isPlain(host),
      recordOf: (host) => this.#told.recordOf(host),
      modeOf: this.#namespaces.modeOf,
      workloadsOf: this.#workloadsOf,
      resolutions,
      describeName,
      wallOf: this.#wallOf,
      publishing: this.#options.publishing,
    });
  }

  /** What the data plane has been told of these hosts and reverse names; nothing of those that are not ours. */
  recordsOf(hosts: Iterable<HostName>): readonly HostRecord[] {
    return Array.from(hosts, (host) => this.#told.recordOf(host)).filter((record) => record !== undefined);
  }

  /** The names that the host is resolved by; undefined: no entry claims it. */
  namesOf(host: HostName): readonly HostName[] | undefined {
    return this.#stateOf(host)?.parts.flatMap(({ names }) => names.map(({ name }) => name));
  }

  /** Of the names that the host is resolved by, the error that has lasted longest; null: there is none. */
  lastErrorOf(host: HostName): RefreshError | null {
    return refreshOfAll(this.namesOf(host) ?? [], this.#options.describeName, this.#wallOf).lastError;
  }

  /** What there is to say of a host to one client; undefined: no entry claims it. */
  standing(host: HostName, viewer: Viewer): HostStanding | undefined {
    const state = this.#stateOf(host);
    const plans = [...this.#claims.plansOf(host), ...this.#claims.excludedPlansOf(host)];
    if (state === undefined || plans.length === 0) return undefined;
    const { resolutions, describeName } = this.#options;
    return hostStanding(state, viewer, {
      plans,
      claims: claimsOn(host, this.#indexes),
      isEndpoint: this.#endpointNames.has(host),
      modeOf: this.#namespaces.modeOf,
      modeFrom: this.#namespaces.modeFrom,
      recordOf: (each) => this.#told.recordOf(each),
      workloadsOf: this.#workloadsOf,
      resolutions,
      describeName,
      wallOf: this.#wallOf,
    });
  }

  /** Claims on these hosts that do not count at all, whoever asks. */
  refusedClaims(hosts: ReadonlySet<HostName>): readonly RefusedClaim[] {
    return refusedClaims(this.#claims.entryPlans(), hosts);
  }

  /** Every claimed host as mere numbers. */
  hostCounts(): HostCounts {
    return countHosts(
      this.#claims,
      (host) => this.#states.get(host),
      (host) => this.#states.isPlain(host),
    );
  }

  /** Emits at once what waits for others to go with it. */
  settle(): void {
    this.#schedule(true);
  }

  /** Emits nothing after this. */
  close(): void {
    this.#batch.close();
  }

  #apply(changes: readonly MeshChange[]): void {
    const { store } = this.#options;
    let isUrgent = false;
    for (const change of changes) {
      const { kind, key, before } = change;
      switch (kind) {
        case "ServiceEntry":
          if (this.#changeEntry(key, store.all(kind).get(key), change)) isUrgent = true;
          break;
        case "WorkloadEntry":
          this.#noteWorkload(this.#workloads.changeEntry(key, store.all(kind).get(key)), change);
          break;
        case "Pod":
          this.#noteWorkload(this.#workloads.changePod(before, store.all(kind).get(key)), change);
          break;
        case "Namespace": {
          const after = store.all(kind).get(key);
          const name = (after ?? before)?.ref.name;
          if (name !== undefined && this.#changeNamespace(name, after, change)) isUrgent = true;
          break;
        }
        case "Node": {
          const after = store.all(kind).get(key);
          const name = (after ?? before)?.ref.name;
          if (name !== undefined) this.#changeNode(name, after);
          break;
        }
        // They say where published hosts are; who reads that tells us.
        case "Service":
        case "EndpointSlice":
          break;
        default:
          assertNever(kind);
      }
    }
    this.#schedule(isUrgent);
  }

  /** Returns whether the entry lost a host: then the table must not answer it from there any longer. */
  #changeEntry(key: ObjectKey, entry: ServiceEntry | undefined, cause: Cause): boolean {
    const { hosts, hasLostHost, namesBefore, namesAfter } = this.#claims.change(key, entry);
    for (const host of hosts) this.#markClaim(host, cause);
    this.#changeEndpoints(namesBefore, namesAfter, cause);
    this.#reportPlan(key);
    return hasLostHost;
  }

  /** Plans the entries anew though they are the same; returns whether a host was lost. */
  #replan(entries: readonly ServiceEntry[], cause: Cause): boolean {
    let hasLostHost = false;
    for (const entry of entries)
      if (this.#changeEntry(objectKey(entry.ref), entry, cause)) hasLostHost = true;
    return hasLostHost;
  }

  #changeEndpoints(before: readonly HostName[], after: readonly HostName[], cause: Cause): void {
    if (before.length === 0 && after.length === 0) return;
    for (const host of this.#endpointNames.change(before, after))
      if (this.#claims.isClaimed(host)) this.#markLink(host, cause);
  }

  #noteWorkload({ hosts, namesBefore, namesAfter }: WorkloadChange, cause: Cause): void {
    for (const host of hosts) this.#markLink(host, cause);
    this.#changeEndpoints(namesBefore, namesAfter, cause);
  }

  /** Returns whether an entry lost a host. */
  #changeNamespace(name: Namespace, after: NamespaceObject | undefined, cause: Cause): boolean {
    const change = this.#namespaces.change(name, after);
    if (change.isOtherMode) for (const host of this.#claims.hostsOf(name)) this.#markClaim(host, cause);
    const entries = new Set(change.isOtherPresence ? this.#claims.readersOf(name) : []);
    if (change.isOtherPlan) {
      for (const entry of this.#claims.entriesOf(name)) entries.add(entry);
      if (this.#settings.hostPolicy.length > 0)
        for (const host of this.#workloads.selection.invalidate(({ ref }) => ref.namespace === name))
          this.#markLink(host, cause);
    }
    return this.#replan([...entries], cause);
  }

  #changeNode(name: string, after: NodeObject | undefined): void {
    for (const host of this.#workloads.changeNode(name, after))
      if (readsPlaces(this.#states.get(host))) this.#toCompile.add(host);
  }

  /** The host's claims are others now: it is linked anew, and so is every host whose endpoint names it. */
  #markClaim(host: HostName, cause: Cause): void {
    this.#markLink(host, cause);
    for (const reader of this.#needs.readersOf(host)) this.#markLink(reader, cause);
  }

  #markLink(host: HostName, cause: Cause): void {
    const known = this.#toLink.get(host);
    if (known === undefined || cause.receivedAtMs < known.receivedAtMs) this.#toLink.set(host, cause);
  }

  /** What is not ours any more does not wait for the batch window. */
  #schedule(isUrgent: boolean): void {
    const isDeferredDue = this.#toLinkLater.size > 0 && !this.#options.store.isPartial("ServiceEntry");
    if (this.#toLink.size > 0 || this.#toCompile.size > 0 || this.#reverse.isTouched || isDeferredDue)
      this.#batch.request(isUrgent);
  }

  #flush(): void {
    const { clock, emit, store } = this.#options;
    const nowMs = clock.nowMs();
    const isPartial = store.isPartial("ServiceEntry");
    if (!isPartial) this.#takeUpDeferred();
    for (const host of this.#claims.settle()) this.#markClaim(host, { receivedAtMs: nowMs });
    const toLink = this.#toLink;
    const toCompile = this.#toCompile;
    this.#toLink = new Map();
    this.#toCompile = new Set();

    const changes: HostChange[] = [];
    const causes: Cause[] = [];
    const tell = (): void => {
      const { delta, packed } = this.#told.tell(changes.splice(0));
      emit(delta, packed);
    };
    const sources = this.#sourcesAt(nowMs);
    const compile = (host: HostName): void => {
      const ofHost = this.#compile(host, sources);
      for (const change of ofHost) changes.push(change);
      const cause = toLink.get(host);
      if (ofHost.length > 0 && cause !== undefined) causes.push(cause);
      if (changes.length >= MOST_CHANGES) tell();
    };
    for (const host of toLink.keys()) {
      if (isPartial && this.#dependsOnOthers(host)) {
        if (!this.#toLinkLater.has(host)) this.#toLinkLater.set(host, toLink.get(host)!);
        continue;
      }
      // What waits for nothing is not kept until all are linked.
      if (this.#link(host).parts.some(({ names }) => names.length > 0)) toCompile.add(host);
      else {
        toCompile.delete(host);
        compile(host);
      }
    }
    for (const host of this.#needs.settle()) toCompile.add(host);
    for (const host of toCompile) compile(host);
    for (const change of this.#reverse.settle()) {
      changes.push(change);
      if (changes.length >= MOST_CHANGES) tell();
    }
    if (changes.length > 0) tell();
    this.#claims.forgetNewPlans();
    this.#observe(causes);
  }

  /** Whether what the host answers follows from more than its own entry: other entries, names, workloads. */
  #dependsOnOthers(host: HostName): boolean {
    const [plan, another] = this.#claims.plansOf(host);
    return another !== undefined || (plan?.real?.targets.length ?? 0) > 0;
  }

  #takeUpDeferred(): void {
    const deferred = this.#toLinkLater;
    if (deferred.size === 0) return;
    this.#toLinkLater = new Map();
    for (const [host, cause] of deferred) this.#markLink(host, cause);
  }

  #observe(causes: readonly Cause[]): void {
    const { clock, onPropagated, onProgrammed } = this.#options;
    const nowMs = clock.nowMs();
    const wallMs = clock.wallMs();
    for (const { receivedAtMs, kind, writtenAtMs } of causes) {
      onPropagated?.(nowMs - receivedAtMs);
      if (kind !== undefined && writtenAtMs !== undefined) onProgrammed?.(kind, writtenAtMs, wallMs);
    }
  }

  /** Finds out who answers the host for whom and with what, and notes what that depends on. */
  #link(host: HostName): HostState {
    const state = this.#states.open(host);
    const before = state.parts;
    this.#linkHost(state);
    this.#needs.replace(host, before, state.parts);
    return state;
  }

  /** For pages; undefined: no entry claims the host. */
  #stateOf(host: HostName): HostState | undefined {
    const known = this.#states.get(host);
    if (known !== undefined) return known;
    const state = this.#states.plainState(host);
    if (state !== undefined) this.#linkHost(state);
    return state;
  }

  readonly #wallOf: WallOf = (atMs) => {
    const { clock } = this.#options;
    return clock.wallMs() + atMs - clock.nowMs();
  };

  readonly #workloadsOf = (target: SelectorTarget): readonly SelectedWorkload[] =>
    this.#workloads.selection.workloadsOf(target);

  #sourcesAt(nowMs: MonotonicMs): CompileSources & PublicationSources {
    return {
      settings: this.#settings,
      clusterDomain: this.#settings.clusterDomain,
      nowMs,
      resolutions: this.#options.resolutions,
      workloadsOf: this.#workloadsOf,
      isExcluded: this.#needs.isExcluded,
      modeFrom: this.#namespaces.modeFrom,
      publishing: this.#publications.states,
    };
  }

  /** Returns what of the host's answer is another now. */
  #compile(host: HostName, sources: CompileSources & PublicationSources): readonly HostChange[] {
    const state = this.#states.get(host);
    if (state === undefined) return [];
    const { onConditionChanged } = this.#options;
    const compiled = compileHost(state, sources);
    this.#publications.tell(state, sources);
    const { record } = compiled;
    state.pendingUntilMs = compiled.pendingUntilMs;
    for (const key of this.#publications.note(state, record)) this.#reportPlan(key);
    const { problems } = compiled;
    const isPublished = state.publishedEntries.length > 0;
    this.#report(state, hostProblems(state, isPublished ? withoutMismatch(problems) : problems));
    for (const change of conditionChanges(host, state.conditions, compiled.conditions))
      onConditionChanged?.(change);
    state.conditions = compiled.conditions;
    this.#reverse.change(state, record);
    this.#states.settle(state, this.#claims.isClaimed(host), (each) => this.#claims.soleEntry(each));
    return this.#told.differenceOf(host, record);
  }

  #reportPlan(key: ObjectKey): void {
    const { problems, hosts } = this.#claims.entryPlan(key) ?? NO_PLAN;
    const isPublished = this.#publications.isPublished(key, hosts);
    this.#options.problems.replace(`plan ${key}`, isPublished ? withoutMismatch(problems) : problems);
  }

  #report(state: HostState, problems: ReturnType<typeof hostProblems>): void {
    if (problems.length === 0 && !state.hasProblems) return;
    state.hasProblems = problems.length > 0;
    this.#options.problems.replace(`host ${state.host}`, problems);
  }
}

/** What a change of a host goes back to: an object, or settings. */
interface Cause {
  readonly receivedAtMs: MonotonicMs;
  readonly kind?: Kind;
  readonly writtenAtMs?: number | undefined;
}

/** Told at once: of a first list, or of new settings, nobody has to hold all of it. */
const MOST_CHANGES = 1000;
const POLICY_OWNER = "host policy";
const NO_PLAN: Pick<EntryPlan, "problems" | "hosts"> = { problems: [], hosts: [] };

/** Whether what the host answers depends on the nodes of its workloads. */
function readsPlaces(state: HostState | undefined): boolean {
  if (state === undefined) return false;
  return state.publications.length > 0 || state.parts.some(({ plan }) => plan.distribution !== undefined);
}
