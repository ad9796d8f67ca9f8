/** What the API endpoint says, read at the door: fields that a newer or older server lacks are empty. */

import { ApiError, askApi } from "./api.ts";
import { fieldsOf, listOf, type RawFields, textOf } from "./check/raw.ts";

export interface HostRow {
  readonly host: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly resolution: string;
  readonly answerMode: string;
  readonly visibleTo: "all" | readonly string[];
  readonly state: string;
  readonly addresses: readonly AddressRow[];
  /** RFC 3339; null: none. */
  readonly nextRefresh: string | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly since: string | null;
  } | null;
  readonly shadowedBy: { readonly namespace: string; readonly name: string; readonly reason: string } | null;
}

export interface AddressRow {
  readonly address: string;
  readonly source: string;
  readonly target: string | null;
  readonly state: string;
  readonly expiresAt: string | null;
}

export interface ProblemRow {
  readonly code: string;
  readonly severity: string;
  readonly object: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  readonly since: string | null;
}

/** Throws ApiError. */
export async function askHosts(base: URL): Promise<readonly HostRow[]> {
  return listIn(await askApi(base, "/api/hosts"), "hosts", base).map(hostRow);
}

/** Throws ApiError. */
export async function askProblems(base: URL): Promise<readonly ProblemRow[]> {
  return listIn(await askApi(base, "/api/problems"), "problems", base).map(problemRow);
}

function listIn(value: unknown, name: string, base: URL): readonly RawFields[] {
  const list = fieldsOf(value)?.[name];
  if (!Array.isArray(list)) throw new ApiError(`What answers at ${base.origin} has no ${name}.`);
  return listOf(list)
    .map(fieldsOf)
    .filter((each) => each !== undefined);
}

function hostRow(row: RawFields): HostRow {
  const error = fieldsOf(row["lastError"]);
  const winner = fieldsOf(row["shadowedBy"]);
  const visibleTo = row["visibleTo"];
  return {
    host: text(row["host"]),
    kind: text(row["kind"]),
    namespace: text(row["namespace"]),
    name: text(row["name"]),
    resolution: text(row["resolution"]),
    answerMode: text(row["answerMode"]),
    visibleTo: Array.isArray(visibleTo) ? visibleTo.map(text) : "all",
    state: text(row["state"]),
    addresses: listOf(row["addresses"]).flatMap((each) => {
      const fields = fieldsOf(each);
      return fields === undefined ? [] : [addressRow(fields)];
    }),
    nextRefresh: textOf(row["nextRefresh"]) ?? null,
    lastError:
      error === undefined
        ? null
        : {
            code: text(error["code"]),
            message: text(error["message"]),
            since: textOf(error["since"]) ?? null,
          },
    shadowedBy:
      winner === undefined
        ? null
        : {
            namespace: text(winner["namespace"]),
            name: text(winner["name"]),
            reason: text(winner["reason"]),
          },
  };
}

function addressRow(row: RawFields): AddressRow {
  return {
    address: text(row["address"]),
    source: text(row["source"]),
    target: textOf(row["target"]) ?? null,
    state: text(row["state"]),
    expiresAt: textOf(row["expiresAt"]) ?? null,
  };
}

function problemRow(row: RawFields): ProblemRow {
  const object = fieldsOf(row["object"]) ?? {};
  return {
    code: text(row["code"]),
    severity: text(row["severity"]),
    object: { kind: text(object["kind"]), namespace: text(object["namespace"]), name: text(object["name"]) },
    path: text(row["path"]),
    message: text(row["message"]),
    remedy: text(row["remedy"]),
    since: textOf(row["since"]) ?? null,
  };
}

function text(value: unknown): string {
  return textOf(value) ?? "";
}
