/**
 * What all objects share at the door: name, namespace, identity, labels, annotations. Each kind's parser
 * passes its own reading of the rest; whatever shape a value has, the outcome is a value or problems.
 */

import {
  ANSWER_MODES,
  type AnswerMode,
  type Kind,
  type MeshObject,
  type ObjectByKind,
  type ObjectRef,
  objectKey,
  SUFFIX_ANSWERS,
  type SuffixAnswer,
  TRAFFIC_DISTRIBUTIONS,
  type TrafficDistribution,
} from "./objects.ts";
import { type Parsed, type Problem, type ProblemCode, problem } from "./problem.ts";
import { PUBLISH_ALLOWED, PUBLISH_NAME, PUBLISH_WORDS } from "./publication.ts";
import {
  type Fields,
  field,
  isFields,
  readFields,
  readText,
  readTexts,
  ShapeFault,
  shown,
} from "./read-fields.ts";
import { NO_VALUES, sharedText } from "./shared-values.ts";

/** A parsed object with its identity, which is there even where the object itself counts as absent. */
export interface ParsedKind<K extends Kind> extends Parsed<ObjectByKind[K]> {
  readonly kind: K;
  /** `name` is "" where not even that could be read. */
  readonly ref: ObjectRef;
}

/** What a kind's own part of the reading is given. */
export interface Reading {
  readonly raw: Fields;
  readonly object: MeshObject;
  /** All annotations as written, of any shape. */
  readonly annotations: Fields;
  report(code: ProblemCode, path: string, message: string): void;
}

/** The annotations that we own; all others are dropped once read (they can be large). */
const OWN_ANNOTATION_PREFIX = "serviceentry-dns.io/";
export const ANSWER_ANNOTATION = "serviceentry-dns.io/answer";
const SUFFIX_ANSWER_ANNOTATION = "serviceentry-dns.io/suffix-answer";
const DISTRIBUTION_ANNOTATION = "networking.istio.io/traffic-distribution";

/** Objects without a namespace of their own. */
const CLUSTER_SCOPED: ReadonlySet<Kind> = new Set<Kind>(["Namespace", "Node"]);

/** Reads the metadata, then lets `read` do the kind's own part; a ShapeFault of either rejects the object. */
export function parseWithMetadata<K extends Kind>(
  kind: K,
  raw: unknown,
  read: (reading: Reading) => ObjectByKind[K] | undefined,
): ParsedKind<K> {
  let ref: ObjectRef = { kind, namespace: "", name: "" };
  const problems: Problem[] = [];
  const report = (code: ProblemCode, path: string, message: string) => {
    problems.push(problem(code, ref, path, message));
  };
  try {
    if (!isFields(raw)) throw new ShapeFault("", `the object is ${shown(raw)}, not an object`);
    const metadata = readFields(field(raw, "metadata"), "metadata") ?? {};
    ref = readRef(kind, metadata);
    const annotations = readFields(field(metadata, "annotations"), "metadata.annotations") ?? {};
    const object: MeshObject = {
      ref,
      uid: readText(field(metadata, "uid"), "metadata.uid") ?? objectKey(ref),
      resourceVersion: readText(field(metadata, "resourceVersion"), "metadata.resourceVersion") ?? "",
      createdAtMs: readMoment(field(metadata, "creationTimestamp")),
      labels: readTexts(field(metadata, "labels"), "metadata.labels"),
      annotations: ownAnnotations(annotations, report),
    };
    const value = read({ raw, object, annotations, report });
    return { kind, ref, value, problems: problems.length === 0 ? NO_VALUES : problems };
  } catch (fault) {
    if (!(fault instanceof ShapeFault)) throw fault;
    report("ShapeInvalid", fault.path, fault.message);
    return { kind, ref, value: undefined, problems };
  }
}

/** The annotation `serviceentry-dns.io/answer`; undefined where it is absent or (reported) not understood. */
export function readAnswerMode(reading: Reading): AnswerMode | undefined {
  return readWord(reading, ANSWER_ANNOTATION, ANSWER_MODES);
}

/** The annotation `serviceentry-dns.io/suffix-answer`, in the same way. */
export function readSuffixAnswer(reading: Reading): SuffixAnswer | undefined {
  return readWord(reading, SUFFIX_ANSWER_ANNOTATION, SUFFIX_ANSWERS);
}

/** The annotation `networking.istio.io/traffic-distribution`, in any case as for Istio; another word (reported) is `Any`. */
export function readTrafficDistribution({
  annotations,
  report,
}: Reading): TrafficDistribution | "Any" | undefined {
  const written = field(annotations, DISTRIBUTION_ANNOTATION);
  if (written === undefined) return undefined;
  const said = typeof written === "string" ? written.toLowerCase() : "";
  const word = TRAFFIC_DISTRIBUTIONS.find((each) => each.toLowerCase() === said);
  if (word === undefined && said !== "any") {
    const words = [...TRAFFIC_DISTRIBUTIONS, "Any"].join(", ");
    const message = `${DISTRIBUTION_ANNOTATION} is ${shown(written)}, not one of ${words}; Any is in force`;
    report("AnnotationInvalid", annotationPath(DISTRIBUTION_ANNOTATION), message);
  }
  return word ?? "Any";
}

/** Reports an annotation `serviceentry-dns.io/publish` that is neither word, and one where the label is meant. */
export function reportPublishing(reading: Reading): void {
  const { object, annotations, report } = reading;
  if (object.ref.kind !== "Namespace") {
    readWord(reading, PUBLISH_NAME, PUBLISH_WORDS);
    if (!Object.hasOwn(object.labels, PUBLISH_NAME)) return;
    const message = `${PUBLISH_NAME} stands among the labels of the ${object.ref.kind} and is read among its annotations.`;
    report("PublishMisplaced", labelPath(PUBLISH_NAME), message);
    return;
  }
  const label = Object.hasOwn(object.labels, PUBLISH_NAME) ? object.labels[PUBLISH_NAME] : undefined;
  if (label !== undefined && label !== PUBLISH_ALLOWED) {
    const message = `${PUBLISH_NAME} is ${shown(label)}, not ${PUBLISH_ALLOWED}.`;
    report("PublishLabelInvalid", labelPath(PUBLISH_NAME), message);
  }
  if (!Object.hasOwn(annotations, PUBLISH_NAME)) return;
  const message = `${PUBLISH_NAME} stands among the annotations of the Namespace and is read among its labels.`;
  report("PublishMisplaced", annotationPath(PUBLISH_NAME), message);
}

function readWord<T extends string>(
  { object, report }: Reading,
  annotation: string,
  words: readonly T[],
): T | undefined {
  const text = object.annotations[annotation];
  if (text === undefined) return undefined;
  const word = words.find((each) => each === text);
  if (word === undefined)
    report(
      "AnnotationInvalid",
      annotationPath(annotation),
      `${annotation} is ${shown(text)}, not one of ${words.join(", ")}`,
    );
  return word;
}

export function annotationPath(name: string): string {
  return `metadata.annotations[${JSON.stringify(name)}]`;
}

function labelPath(name: string): string {
  return `metadata.labels[${JSON.stringify(name)}]`;
}

/** Kubernetes: names are RFC 1123 subdomains, which also keeps "/" out of object keys. */
const OBJECT_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

function readRef(kind: Kind, metadata: Fields): ObjectRef {
  const name = readText(field(metadata, "name"), "metadata.name");
  if (name === undefined) throw new ShapeFault("metadata.name", "metadata.name is missing");
  if (!OBJECT_NAME.test(name))
    throw new ShapeFault("metadata.name", `metadata.name is ${shown(name)}, not an object name`);
  if (CLUSTER_SCOPED.has(kind)) return { kind, namespace: "", name };
  const namespace = readText(field(metadata, "namespace"), "metadata.namespace") || "default";
  if (!OBJECT_NAME.test(namespace))
    throw new ShapeFault(
      "metadata.namespace",
      `metadata.namespace is ${shown(namespace)}, not a namespace name`,
    );
  return { kind, namespace: sharedText(namespace), name };
}

/** YAML readers may hand over a Date. What is no moment counts as not said: the object sorts last. */
export function readMoment(value: unknown): number | undefined {
  const ms = value instanceof Date ? value.getTime() : typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

const NO_ANNOTATIONS: Readonly<Record<string, string>> = Object.freeze({});

function ownAnnotations(annotations: Fields, report: Reading["report"]): Readonly<Record<string, string>> {
  let own: [string, string][] | undefined;
  for (const name of Object.keys(annotations)) {
    if (!name.startsWith(OWN_ANNOTATION_PREFIX)) continue;
    const value = annotations[name];
    if (typeof value === "string") {
      own ??= [];
      own.push([name, value]);
    } else report("AnnotationInvalid", annotationPath(name), `${name} is ${shown(value)}, not a text`);
  }
  return own === undefined ? NO_ANNOTATIONS : Object.fromEntries(own);
}
