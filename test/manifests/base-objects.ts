/** The objects of manifests/base, and where they lie. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1ConfigMap,
  V1Deployment,
  V1Namespace,
  V1NetworkPolicy,
  V1PodDisruptionBudget,
  V1ResourceQuota,
  V1Role,
  V1RoleBinding,
  V1Service,
  V1ServiceAccount,
} from "@kubernetes/client-node";
import { parse, parseAllDocuments } from "yaml";
import { ROOT } from "../support/program.ts";

export const MANIFESTS = join(ROOT, "manifests");
export const BASE = join(MANIFESTS, "base");
export const INSTALL = join(MANIFESTS, "install.yaml");

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

interface Kinds {
  readonly Namespace: V1Namespace;
  readonly ResourceQuota: V1ResourceQuota;
  readonly ServiceAccount: V1ServiceAccount;
  readonly ClusterRole: V1ClusterRole;
  readonly ClusterRoleBinding: V1ClusterRoleBinding;
  readonly Role: V1Role;
  readonly RoleBinding: V1RoleBinding;
  readonly ConfigMap: V1ConfigMap;
  readonly Service: V1Service;
  readonly Deployment: V1Deployment;
  readonly PodDisruptionBudget: V1PodDisruptionBudget;
  readonly NetworkPolicy: V1NetworkPolicy;
}

/** Of a text with several documents; those that hold only comments are none. */
export function readObjects(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** In the order of the kustomization. */
export function baseObjects(): readonly KubernetesObject[] {
  const { resources } = parse(readFileSync(join(BASE, "kustomization.yaml"), "utf8")) as {
    resources: readonly string[];
  };
  return resources.flatMap((file) => readObjects(readFileSync(join(BASE, file), "utf8")));
}

/** The one object of the kind. */
export function baseObject<Kind extends keyof Kinds>(kind: Kind): Kinds[Kind] {
  const [object, ...others] = baseObjects().filter((each) => each.kind === kind);
  if (object === undefined || others.length > 0) throw new Error(`there is not one ${kind}`);
  return object as unknown as Kinds[Kind];
}

/** `apps/v1 Deployment serviceentry-dns/serviceentry-dns`. */
export function identityOf({ apiVersion, kind, metadata }: KubernetesObject): string {
  return `${apiVersion} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
}
