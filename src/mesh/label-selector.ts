/** Kubernetes' label selectors: which objects a rule is about. */

import type { Labels, Namespace } from "./objects.ts";

/** All of it must hold; an empty selector matches everything. */
export interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly LabelRequirement[];
}

export const LABEL_OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;
export type LabelOperator = (typeof LABEL_OPERATORS)[number];

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Empty for Exists and DoesNotExist. */
  readonly values: readonly string[];
}

export function matches({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels ?? {}).every(([key, value]) => labelValue(labels, key) === value) &&
    (matchExpressions ?? []).every((requirement) => holds(requirement, labels))
  );
}

const NAME_LABEL = "kubernetes.io/metadata.name";

/** A Namespace's labels with the one that Kubernetes gives to each; `own`: those of its object, if there is one. */
export function namespaceLabels(name: Namespace, own: Labels | undefined): Labels {
  return { ...own, [NAME_LABEL]: name };
}

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labelValue(labels, key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    // Kubernetes: an object without the label matches too.
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

function labelValue(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
