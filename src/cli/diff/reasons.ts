/** Why the server answers as it does, for each difference: the words of its own decision. */

import { isIPv4 } from "node:net";
import { ApiError, askApi } from "../api.ts";
import { fieldsOf, listOf, type RawFields, textOf } from "../check/raw.ts";

export interface Reason {
  /** The server's word: `answer`, `nodata`, `forward` ... */
  readonly decision: string;
  /** Sentences: the entry that answers and those that do not, the answer mode, the decision. */
  readonly text: string;
}

/** What is to be explained: a host as clients of a namespace see it. */
export interface Asked {
  /** Of a wildcard host some name below it. */
  readonly name: string;
  /** `*`: a client of which nothing is known. */
  readonly namespace: string;
  /** All addresses of either side; the type that is asked for is that of the first. */
  readonly addresses: readonly string[];
}

/** Throws ApiError. */
export async function askReason(base: URL, { name, namespace, addresses }: Asked): Promise<Reason> {
  const [first = ""] = addresses;
  const type = first.includes(":") && !addresses.some((each) => isIPv4(each)) ? "AAAA" : "A";
  const known = namespace === "*" ? {} : { namespace };
  const said = fieldsOf(await askApi(base, "/api/explain", { query: { name, type, ...known } }));
  if (said === undefined) throw new ApiError(`What answers at ${base.origin} explains nothing.`);
  const text = tellingSteps(said).map(
    (each) => `${each["title"] === "answer mode" ? "Answer mode " : ""}${textOf(each["text"]) ?? ""}`,
  );
  return { decision: textOf(said["decision"]) ?? "", text: text.join(" ") };
}

/** Who the client is stands in the row, where nothing was found is no reason, and lookups are no rule. */
function tellingSteps(explanation: RawFields): readonly RawFields[] {
  const steps = listOf(explanation["steps"])
    .map(fieldsOf)
    .filter((each) => each !== undefined)
    .filter(({ title, result }) => title !== "client" && result !== "next");
  const isAnswered = steps.some(({ title }) => title === "entry");
  return isAnswered ? steps.filter(({ title }) => RULES.has(textOf(title) ?? "")) : steps;
}

/** Steps that say which rule led to the answer of an entry. */
const RULES: ReadonlySet<string> = new Set(["entry", "answer mode", "decision"]);
