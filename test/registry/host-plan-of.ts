/** A plan for one host of an entry, made by hand, for the tests of what reads plans. */

import type { ServiceEntry } from "../../src/mesh/objects.ts";
import type { AnswerClass, HostPlan, SelectorTarget } from "../../src/registry/host-plan.ts";
import type { HostName } from "../../src/wire/host-name.ts";

export function hostPlanOf(
  entry: ServiceEntry,
  host: HostName = entry.hosts[0]!,
  own: Partial<HostPlan> = {},
): HostPlan {
  const isPublic = entry.exportTo.length === 0 || entry.exportTo.includes("*");
  const namespaces = entry.exportTo.map((each) => (each === "." ? entry.ref.namespace : each));
  return {
    host,
    entry,
    visibility: { isPublic, namespaces: new Set(isPublic ? [] : namespaces) },
    isFallback: false,
    allowedAddresses: [],
    answerClass: answerClassOf(entry),
    virtual: undefined,
    real: entry.selector === undefined ? undefined : { fixed: [], targets: [selectorOf(entry)] },
    mode: undefined,
    ttlSeconds: undefined,
    distribution: undefined,
    portsKey: "",
    portNotes: [],
    ...own,
  };
}

function selectorOf({ ref, selector = {} }: ServiceEntry): SelectorTarget {
  const { namespace, name } = ref;
  return { kind: "selector", key: name, namespace, labels: selector, takesNames: true };
}

function answerClassOf({ resolution, hasEndpoints, selector }: ServiceEntry): AnswerClass {
  if (resolution === "NONE") return selector === undefined ? "none" : "selected";
  if (hasEndpoints) return resolution === "STATIC" ? "static" : "names";
  return selector === undefined ? "itself" : "selected";
}
