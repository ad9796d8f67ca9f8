/**
 * What Namespaces and settings together say of a namespace's entries. Of the Namespaces as of the last changes told:
 * the store may be ahead in the middle of a batch.
 */

import { isDeepStrictEqual } from "node:util";
import { namespaceLabels } from "../mesh/label-selector.ts";
import type { AnswerMode, Namespace, NamespaceObject } from "../mesh/objects.ts";
import type { IpPrefix } from "../wire/ip-address.ts";
import type { HostPlan } from "./host-plan.ts";
import { allowedAddresses } from "./host-policy.ts";
import type { RegistrySettings } from "./settings.ts";

/** What has become another for the entries of a Namespace, and for those that spell its Services. */
export interface NamespaceChange {
  /** The annotation `answer`. */
  readonly isOtherMode: boolean;
  /** Its labels, whether it has any known at all, or its annotation `traffic-distribution`. */
  readonly isOtherPlan: boolean;
  /** It came or went. */
  readonly isOtherPresence: boolean;
}

export class Namespaces {
  readonly #objects = new Map<Namespace, NamespaceObject>();
  #settings: RegistrySettings;

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  updateSettings(settings: RegistrySettings): void {
    this.#settings = settings;
  }

  change(name: Namespace, after: NamespaceObject | undefined): NamespaceChange {
    const before = this.#objects.get(name);
    if (after === undefined) this.#objects.delete(name);
    else this.#objects.set(name, after);
    return {
      isOtherMode: before?.answer !== after?.answer,
      isOtherPlan:
        before?.trafficDistribution !== after?.trafficDistribution ||
        !isDeepStrictEqual(before?.labels, after?.labels),
      isOtherPresence: (before === undefined) !== (after === undefined),
    };
  }

  /** Undefined: there is no such Namespace, or none is known at all. */
  readonly get = (name: Namespace): NamespaceObject | undefined => this.#objects.get(name);

  readonly modeOf = ({ mode, entry }: HostPlan): AnswerMode =>
    mode ?? this.get(entry.ref.namespace)?.answer ?? this.#settings.answer;

  /** Whose word that is. */
  readonly modeFrom = ({ mode, entry }: HostPlan): "entry" | "namespace" | "setting" => {
    if (mode !== undefined) return "entry";
    return this.get(entry.ref.namespace)?.answer === undefined ? "setting" : "namespace";
  };

  readonly isTrusted = (name: Namespace): boolean => this.#settings.trustedNamespaces.includes(name);

  /** Of those that are never answered otherwise. */
  readonly allowedAddressesOf = (name: Namespace): readonly IpPrefix[] =>
    allowedAddresses(namespaceLabels(name, this.get(name)?.labels), this.#settings.hostPolicy);
}
