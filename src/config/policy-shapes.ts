/** What the elements of label selectors and of the rules of `hostPolicy` must look like, and what is wrong with others. */

import { z } from "zod";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { parseIpPrefix } from "../wire/ip-address.ts";
import { nearestName } from "./nearest-name.ts";
import type { PolicyRuleValue, SelectorValue } from "./policy-value.ts";

/** `fault`: the end of a sentence that begins with the value. */
export function readSelectors(
  list: readonly unknown[],
): readonly SelectorValue[] | { readonly fault: string } {
  return read(list, SELECTORS);
}

export function readPolicyRules(
  list: readonly unknown[],
): readonly PolicyRuleValue[] | { readonly fault: string } {
  return read(list, POLICY_RULES);
}

/** Of a label's key: a prefix that is a DNS name, and a name. */
const LABEL_KEY = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

const labelKey = z.string().regex(LABEL_KEY, "is no key of a label");
const labelValue = z.string().regex(LABEL_VALUE, "is no value of a label");

const requirement = z
  .strictObject({
    key: labelKey,
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
    values: z.array(labelValue).default([]),
  })
  .refine(({ operator, values }) => (operator === "In" || operator === "NotIn") === values.length > 0, {
    message: "needs values for In and NotIn, and none for Exists and DoesNotExist",
  });

const selector = z
  .strictObject({
    matchLabels: z.record(labelKey, labelValue).optional(),
    matchExpressions: z.array(requirement).optional(),
  })
  .transform(
    ({ matchLabels, matchExpressions }): SelectorValue => ({
      ...(matchLabels === undefined ? {} : { matchLabels }),
      ...(matchExpressions === undefined ? {} : { matchExpressions }),
    }),
  );

/** One that is empty would match everything, and so take every entry away. */
const narrowSelector = selector.refine(
  ({ matchLabels = {}, matchExpressions = [] }) =>
    Object.keys(matchLabels).length + matchExpressions.length > 0,
  { message: "is empty and would match everything" },
);

const hostPattern = z.string().transform((text, context) => {
  if (text === "*") return text;
  const name = parseHostName(text);
  if (isHostName(name)) return name;
  context.addIssue(name.fault);
  return z.NEVER;
});

const prefix = z.string().transform((text, context) => {
  const parsed = parseIpPrefix(text);
  if (parsed !== null) return parsed;
  context.addIssue("is no address or prefix");
  return z.NEVER;
});

const rule = z.strictObject({
  namespaceSelector: selector,
  allow: z.array(hostPattern).default([]),
  deny: z.array(hostPattern).default([]),
  maxVisibility: z.enum(["public", "namespace"]).default("public"),
  allowAddresses: z.array(prefix).default([]),
});

const SELECTORS = z.array(narrowSelector);
const POLICY_RULES = z.array(rule);

/** For the nearest name of an unknown one. */
const FIELDS = [
  ...Object.keys(rule.shape),
  "matchLabels",
  "matchExpressions",
  ...Object.keys(requirement.shape),
];

function read<T>(list: readonly unknown[], shape: z.ZodType<T>): T | { readonly fault: string } {
  const parsed = shape.safeParse(list);
  return parsed.success ? parsed.data : { fault: faultOf(parsed.error.issues[0]!, list) };
}

function faultOf(issue: z.core.$ZodIssue, value: unknown): string {
  const place = issue.path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("");
  if (issue.code === "unrecognized_keys") {
    const [unknown = ""] = issue.keys;
    const nearest = nearestName(unknown, FIELDS);
    return `has at ${place} the unknown field ${unknown}${nearest === undefined ? "" : ` (did you mean ${nearest}?)`}`;
  }
  const found = issue.path.reduce<unknown>(
    (inner, step) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined,
    value,
  );
  if (found === undefined) return `lacks ${place.replace(/^\./, "")}`;
  return `has at ${place} ${JSON.stringify(found)}, which ${reasonOf(issue)}`;
}

/** Zod's own messages are sentences about input and types; ours go on with the sentence. */
function reasonOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `is not ${WORDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `is none of ${issue.values.join(", ")}`;
    case "invalid_key":
      return "has a key that is none of a label";
    default:
      return issue.message;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  string: "a text (numbers and booleans stand in quotes)",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};
