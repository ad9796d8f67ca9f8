/** `/api/explain`: the question from the parameters, to somebody who knows why it is answered as it is. */

import { checkNames, QueryError } from "./api-query.ts";

/** The client is a pod (`namespace/name`), an address, or unknown but for its namespace. */
export interface ExplainParameters {
  readonly name: string;
  readonly type: string | undefined;
  readonly namespace: string | undefined;
  readonly pod: string | undefined;
  readonly address: string | undefined;
  /** The client wants signatures. */
  readonly dnssecOk: boolean;
}

/** The JSON to send, or why the question cannot be read. */
export type Explainer = (question: ExplainParameters) => object | { readonly fault: string };

/** Throws `QueryError`. */
export function explainJson(explain: Explainer, parameters: URLSearchParams): object {
  const explained = explain(readParameters(parameters));
  if ("fault" in explained) throw new QueryError(String(explained.fault));
  return explained;
}

const NAMES = ["name", "type", "namespace", "pod", "address", "do"];

function readParameters(parameters: URLSearchParams): ExplainParameters {
  checkNames(parameters, NAMES);
  // A form sends its empty fields too.
  const said = (name: string) => parameters.get(name)?.trim() || undefined;
  const name = said("name");
  if (name === undefined)
    throw new QueryError("name is missing: the host to explain, as in ?name=api.example.com");
  const flag = said("do") ?? "0";
  if (flag !== "0" && flag !== "1") throw new QueryError("do must be 0 or 1");
  return {
    name,
    type: said("type"),
    namespace: said("namespace"),
    pod: said("pod"),
    address: said("address"),
    dnssecOk: flag === "1",
  };
}
