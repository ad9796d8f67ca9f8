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
} from "./objects.ts";
import { type Parsed, type Problem, type ProblemCode, problem } from "./problem.ts";
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
    return { kind, ref, value: read({ raw, object, annotations, report }), problems };
  } catch (fault) {
    if (!(fault instanceof ShapeFault)) throw fault;
    report("ShapeInvalid", fault.path, fault.message);
    return { kind, ref, value: undefined, problems };
  }
}

/** The annotation `serviceentry-dns.io/answer`; undefined where it is absent or (reported) not understood. */
export function readAnswerMode({ object, report }: Reading): AnswerMode | undefined {
  const text = object.annotations[ANSWER_ANNOTATION];
  if (text === undefined) return undefined;
  const mode = ANSWER_MODES.find((each) => each === text);
  if (mode === undefined)
    report(
      "AnnotationInvalid",
      annotationPath(ANSWER_ANNOTATION),
      `${ANSWER_ANNOTATION} is ${shown(text)}, not one of ${ANSWER_MODES.join(", ")}`,
    );
  return mode;
}

export function annotationPath(name: string): string {
  return `metadata.annotations[${JSON.stringify(name)}]`;
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
  return { kind, namespace, name };
}

/** YAML readers may hand over a Date. What is no moment counts as not said: the object sorts last. */
function readMoment(value: unknown): number | undefined {
  const ms = value instanceof Date ? value.getTime() : typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

const NO_ANNOTATIONS: Readonly<Record<string, string>> = Object.freeze({});

function ownAnnotations(annotations: Fields, report: Reading["report"]): Readonly<Record<string, string>> {
  const own: [string, string][] = [];
  for (const name of Object.keys(annotations)) {
    if (!name.startsWith(OWN_ANNOTATION_PREFIX)) continue;
    const value = annotations[name];
    if (typeof value === "string") own.push([name, value]);
    else report("AnnotationInvalid", annotationPath(name), `${name} is ${shown(value)}, not a text`);
  }
  return own.length === 0 ? NO_ANNOTATIONS : Object.fromEntries(own);
}
