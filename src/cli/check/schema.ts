/** The fields that the schemas of Istio's two kinds have; the API server drops all others without a word. */

import { nearestName } from "../../config/nearest-name.ts";
import type { Fault } from "./finding.ts";
import { fieldsOf, listOf } from "./raw.ts";

/** Fields of an object; `undefined`: a value, a list of values, or a mapping with keys of the user's own. */
interface Shape {
  readonly [field: string]: Shape | undefined;
}

const ENDPOINT: Shape = {
  address: undefined,
  ports: undefined,
  labels: undefined,
  network: undefined,
  locality: undefined,
  weight: undefined,
  serviceAccount: undefined,
};

const SPECS: Readonly<Record<string, Shape>> = {
  ServiceEntry: {
    hosts: undefined,
    addresses: undefined,
    ports: { number: undefined, protocol: undefined, name: undefined, targetPort: undefined },
    location: undefined,
    resolution: undefined,
    endpoints: ENDPOINT,
    workloadSelector: { labels: undefined },
    exportTo: undefined,
    subjectAltNames: undefined,
  },
  WorkloadEntry: ENDPOINT,
};

export function unknownFields(kind: string, spec: unknown): readonly Fault[] {
  const shape = SPECS[kind];
  return shape === undefined ? [] : look(spec, shape, "spec");
}

function look(value: unknown, shape: Shape, path: string): readonly Fault[] {
  if (Array.isArray(value))
    return listOf(value).flatMap((each, index) => look(each, shape, `${path}[${index}]`));
  return Object.entries(fieldsOf(value) ?? {}).flatMap(([name, inner]): readonly Fault[] => {
    const at = /^[\w-]+$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
    if (Object.hasOwn(shape, name)) {
      const innerShape = shape[name];
      return innerShape === undefined ? [] : look(inner, innerShape, at);
    }
    const nearest = nearestName(name, Object.keys(shape));
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    return [{ code: "FieldUnknown", path: at, message: `There is no field ${name} in ${path}.${hint}` }];
  });
}
