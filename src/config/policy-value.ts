/**
 * Settings that hold more than a text: label selectors, and the rules of `hostPolicy`. The file holds them as YAML,
 * a flag or variable as JSON; both come here as JSON.
 */

import { createRequire } from "node:module";
import { extname } from "node:path";
import type { IpPrefix } from "../wire/ip-address.ts";

/** A label selector of Kubernetes; all of it must hold. */
export interface SelectorValue {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    /** Empty for Exists and DoesNotExist. */
    readonly values: readonly string[];
  }[];
}

export interface PolicyRuleValue {
  /** Empty: every namespace. */
  readonly namespaceSelector: SelectorValue;
  /** Hosts, `*.suffix`, or `*`; empty: all. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly maxVisibility: "public" | "namespace";
  readonly allowAddresses: readonly IpPrefix[];
}

export const SELECTORS_REMEDY =
  "Give a list of label selectors, each with matchLabels or matchExpressions: YAML in the file, JSON elsewhere.";
export const POLICY_RULES_REMEDY =
  "Give a list of rules, each with namespaceSelector (needed), allow, deny, maxVisibility (public or namespace) and allowAddresses: YAML in the file, JSON elsewhere.";

/** `fault`: the end of a sentence that begins with the value. */
export function parseSelectors(text: string): readonly SelectorValue[] | { readonly fault: string } {
  return parseList(text, (list) => loadShapes().readSelectors(list));
}

export function parsePolicyRules(text: string): readonly PolicyRuleValue[] | { readonly fault: string } {
  return parseList(text, (list) => loadShapes().readPolicyRules(list));
}

function parseList<T>(text: string, read: (list: readonly unknown[]) => T): T | { readonly fault: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: "is no JSON" };
  }
  return Array.isArray(value) ? read(value) : { fault: "is no list" };
}

/** Few have such settings, and what reads them takes a tenth of the time of a start to load. */
function loadShapes(): typeof import("./policy-shapes.ts") {
  return createRequire(import.meta.url)(`./policy-shapes${extname(import.meta.url)}`);
}
