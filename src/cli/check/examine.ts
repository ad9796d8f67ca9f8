/**
 * All that is to be said of the objects of some files: what their readers say, what the registry says that
 * would serve them, and the rules of Istio and of Kubernetes that neither of them needs.
 */

import { MeshStore } from "../../mesh/mesh-store.ts";
import { type Labels, objectKey } from "../../mesh/objects.ts";
import { kindOf } from "../../mesh/parse-object.ts";
import { ProblemBook, type ProblemSubject, subjectKey } from "../../mesh/problem.ts";
import type { PublishMode } from "../../mesh/publication.ts";
import { Registry } from "../../registry/registry.ts";
import type { RegistrySettings } from "../../registry/settings.ts";
import type { Clock } from "../../runtime.ts";
import { ManifestEntries } from "../../watcher/manifest-entries.ts";
import { type IpAddress, type IpPrefix, parseIpAddress } from "../../wire/ip-address.ts";
import { type Fault, type Finding, finding } from "./finding.ts";
import { endpointFaults, labelFaults } from "./istio-endpoint.ts";
import { istioEntryFaults } from "./istio-entry.ts";
import { Locator } from "./locate.ts";
import { podDnsFaults, podSpecPath } from "./pod-dns.ts";
import { type PublishRules, publishRules, withPublishing } from "./publishing.ts";
import { fieldAt, fieldsOf, listOf, textOf } from "./raw.ts";
import { unknownFields } from "./schema.ts";
import type { SourceObject, Sources } from "./sources.ts";
import { subjectOf } from "./subject.ts";

export interface ExamineOptions {
  readonly settings: RegistrySettings;
  /** Our Service's, besides those that the files and the settings say. */
  readonly ourAddresses: readonly IpAddress[];
  readonly publish: PublishMode;
  /** Where the cluster's Services get their addresses, as far as known. */
  readonly serviceRanges: readonly IpPrefix[];
}

/** Without what could not be read; in no particular order. */
export function examine(sources: Sources, options: ExamineOptions): readonly Finding[] {
  const faults = new Map<SourceObject, Fault[]>();
  const add = (object: SourceObject, fault: Fault) => {
    const known = faults.get(object);
    if (known === undefined) faults.set(object, [fault]);
    else if (!known.some((each) => isSameFault(each, fault))) known.push(fault);
  };
  for (const object of sources.objects)
    for (const fault of object.entry?.parsed.problems ?? []) add(object, fault);
  addServedProblems(sources, options.settings, add);
  const context = ruleContext(sources, options);
  for (const object of sources.objects) for (const fault of ruleFaults(object, context)) add(object, fault);
  for (const object of sources.objects) {
    const parsed = object.entry?.parsed;
    if (parsed?.kind === "ServiceEntry" && parsed.value !== undefined)
      faults.set(object, [...withPublishing(parsed.value, faults.get(object) ?? [], context.publishing)]);
  }

  const locator = new Locator();
  return sources.objects.flatMap((object) =>
    (faults.get(object) ?? []).map((fault) =>
      finding(fault, subjectOf(object), locator.locate(object, fault.path, fault.message)),
    ),
  );
}

type Add = (object: SourceObject, fault: Fault) => void;

function isSameFault(one: Fault, other: Fault): boolean {
  return one.code === other.code && one.path === other.path && one.message === other.message;
}

/** What a server with these files as its source would report, upstream's answers aside. */
function addServedProblems(sources: Sources, settings: RegistrySettings, add: Add): void {
  const store = new MeshStore();
  const ofFiles = new ProblemBook(() => 0);
  new ManifestEntries(store, ofFiles).replace(new Map(), sources.byPath, 0);
  const ofRegistry = new ProblemBook(() => 0);
  const clock = new StoppedClock();
  const registry = new Registry({
    store,
    settings,
    problems: ofRegistry,
    clock,
    emit: () => {},
    resolutions: () => undefined,
    wanted: { want: () => {}, unwant: () => {} },
  });
  clock.runTimers();
  registry.close();

  const inForce = objectsInForce(sources);
  for (const { problem } of ofRegistry.all()) {
    const object = inForce.get(subjectKey(problem.object));
    if (object !== undefined) add(object, problem);
  }
  const byPlace = new Map<string, SourceObject[]>();
  for (const object of sources.objects) {
    const place = `${object.document.file}:${object.document.line}`;
    const known = byPlace.get(place);
    if (known === undefined) byPlace.set(place, [object]);
    else known.push(object);
  }
  for (const { problem } of ofFiles.all()) {
    if (problem.code !== "DuplicateObject") continue;
    const object = byPlace.get(problem.path)?.findLast((each) => isSubject(each, problem.object));
    if (object !== undefined) add(object, { ...problem, path: "metadata.name" });
  }
}

function isSubject({ entry }: SourceObject, subject: ProblemSubject): boolean {
  return entry !== undefined && subjectKey(entry.parsed.ref) === subjectKey(subject);
}

/** Of objects that stand twice the one that the folder source takes. */
function objectsInForce({ objects }: Sources): ReadonlyMap<string, SourceObject> {
  const found = new Map<string, SourceObject>();
  for (const object of objects) {
    if (object.entry === undefined) continue;
    const key = objectKey(object.entry.parsed.ref);
    const before = found.get(key);
    if (before === undefined || comesBefore(object, before)) found.set(key, object);
  }
  return found;
}

function comesBefore({ document: one }: SourceObject, { document: other }: SourceObject): boolean {
  const byPath = Buffer.compare(Buffer.from(one.file), Buffer.from(other.file));
  return byPath < 0 || (byPath === 0 && one.line < other.line);
}

interface RuleContext {
  readonly ourAddresses: ReadonlySet<string>;
  readonly clusterDomain: string;
  /** Of the Namespace objects; empty: the files say nothing of namespaces. */
  readonly namespaces: ReadonlySet<string>;
  readonly publishing: PublishRules;
}

function ruleContext({ objects }: Sources, options: ExamineOptions): RuleContext {
  const { settings, ourAddresses, publish, serviceRanges } = options;
  const { clusterDomain, virtualRanges, serviceAddresses } = settings;
  const namespaces = new Map<string, Labels>();
  const ours = new Set<string>([...ourAddresses, ...serviceAddresses]);
  const clusterIps = new Set<IpAddress>();
  for (const { raw, entry } of objects) {
    if (entry?.parsed.kind === "Namespace")
      namespaces.set(entry.parsed.ref.name, entry.parsed.value?.labels ?? {});
    if (textOf(raw["kind"]) !== "Service") continue;
    const isOurs = fieldAt(raw, "metadata", "labels", "app") === OUR_APP;
    for (const address of serviceAddressesOf(raw)) {
      clusterIps.add(address);
      if (isOurs) ours.add(address);
    }
  }
  const rules = { mode: publish, clusterDomain, namespaces };
  const publishing = publishRules(rules, virtualRanges, serviceRanges, clusterIps);
  return { ourAddresses: ours, clusterDomain, namespaces: new Set(namespaces.keys()), publishing };
}

function serviceAddressesOf(raw: SourceObject["raw"]): readonly IpAddress[] {
  const written = [fieldAt(raw, "spec", "clusterIP"), ...listOf(fieldAt(raw, "spec", "clusterIPs"))];
  return written.flatMap((address) => {
    const parsed = typeof address === "string" ? parseIpAddress(address) : null;
    return parsed === null ? [] : [parsed];
  });
}

const OUR_APP = "serviceentry-dns";

function ruleFaults(object: SourceObject, context: RuleContext): readonly Fault[] {
  const { raw } = object;
  const { namespace } = subjectOf(object);
  const spec = fieldsOf(raw["spec"]);
  const podPath = podSpecPath(raw);
  if (podPath !== undefined) return podDnsFaults(raw, podPath, { ...context, namespace });
  switch (kindOf(raw)) {
    case "ServiceEntry":
      return spec === undefined
        ? []
        : [
            ...unknownFields("ServiceEntry", spec),
            ...istioEntryFaults(spec, namespace, fieldsOf(fieldAt(raw, "metadata", "labels")) ?? {}),
            ...exportFaults(listOf(spec["exportTo"]), context.namespaces),
          ];
    case "WorkloadEntry":
      return spec === undefined
        ? []
        : [
            ...unknownFields("WorkloadEntry", spec),
            ...endpointFaults(spec, "spec", undefined),
            ...labelFaults(fieldsOf(fieldAt(raw, "metadata", "labels")) ?? {}, "metadata.labels"),
            ...addressMissing(textOf(spec["address"]) ?? ""),
          ];
    default:
      return versionFaults(raw);
  }
}

/** The same words as the registry's, for the entry that nobody selects. */
function addressMissing(address: string): readonly Fault[] {
  if (address !== "") return [];
  return [{ code: "EndpointWithoutAddress", path: "spec.address", message: "It has no address." }];
}

function exportFaults(exportTo: readonly unknown[], namespaces: ReadonlySet<string>): readonly Fault[] {
  if (namespaces.size === 0) return [];
  return exportTo.flatMap((each, index): readonly Fault[] => {
    const name = textOf(each) ?? "";
    if (name === "" || name === "*" || name === "." || name === "~" || namespaces.has(name)) return [];
    const message = `There is no Namespace ${name} among the files, which have ${namespaces.size} of them.`;
    return [{ code: "ExportToUnknownNamespace", path: `spec.exportTo[${index}]`, message }];
  });
}

/** One of Istio's kinds with a group or version under which nobody reads it. */
function versionFaults(raw: SourceObject["raw"]): readonly Fault[] {
  const kind = textOf(raw["kind"]);
  const version = textOf(raw["apiVersion"]) ?? "";
  if (kind !== "ServiceEntry" && kind !== "WorkloadEntry") return [];
  const message = `${kind} of ${version === "" ? "no apiVersion" : version} is not read.`;
  return [{ code: "ApiVersionUnknown", path: "apiVersion", message }];
}

/** Time stands still; what waits for a moment is run when it is asked for. */
class StoppedClock implements Clock {
  #waiting: (() => void)[] = [];

  nowMs(): number {
    return 0;
  }

  wallMs(): number {
    return 0;
  }

  setTimer(_delayMs: number, callback: () => void): { cancel(): void } {
    this.#waiting.push(callback);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((each) => each !== callback);
      },
    };
  }

  /** Also what the timers set in their turn, so often. */
  runTimers(): void {
    for (let round = 0; round < MOST_ROUNDS && this.#waiting.length > 0; round += 1)
      for (const callback of this.#waiting.splice(0)) callback();
  }
}

/** The registry settles in one or two; limits per namespace take another. */
const MOST_ROUNDS = 10;
