/** The log of the refresher: one line when a name's state changes, none while it stays. */

import type { Namespace } from "../mesh/objects.ts";
import type { Resolution } from "../mesh/resolution.ts";
import { assertNever, type Logger } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family } from "../wire/ip-address.ts";
import type { LookupError } from "./knowledge.ts";

export interface StateChange {
  readonly name: HostName;
  readonly family: Family;
  readonly namespaces: Iterable<Namespace>;
  readonly was: Resolution;
  readonly is: Resolution;
  readonly lastError: LookupError | null;
  /** When the present or the last run of errors began, in milliseconds since 1970; undefined: there was none. */
  readonly failingSinceWallMs: number | undefined;
}

/** Says nothing where only the addresses differ: large services rotate them with every answer. */
export function logStateChange(logger: Logger, change: StateChange): void {
  const { name, family, was, is, lastError, failingSinceWallMs } = change;
  if (is.state === was.state) return;
  const fields = { component: "dns.refresh", name, family, namespaces: [...change.namespaces] };
  const since = failingSinceWallMs === undefined ? undefined : new Date(failingSinceWallMs).toISOString();
  const failing = { ...fields, error: lastError?.code, reason: lastError?.message, since };
  const what = `${name} ${family}`;
  switch (is.state) {
    case "pending":
      return;
    case "fresh": {
      const found = { ...fields, addresses: is.addresses.length };
      if (was.state === "pending") logger.info(found, `${what} resolves`);
      else logger.info({ ...found, since }, `${what} resolves again`);
      return;
    }
    case "denied":
      logger.info({ ...fields, by: is.by }, `${what} does not exist: upstream says ${is.by.toUpperCase()}`);
      return;
    case "stale":
      logger.warn(failing, `${what} cannot be refreshed: its last good addresses are answered; ${RETRIED}`);
      return;
    case "failed":
      logger.warn(failing, `${what} does not resolve and has no good addresses left; ${RETRIED}`);
      return;
    default:
      assertNever(is);
  }
}

const RETRIED = "it is asked again by itself";
