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
}

/** Says nothing where only the addresses differ: large services rotate them with every answer. */
export function logStateChange(logger: Logger, change: StateChange): void {
  const { name, family, was, is, lastError } = change;
  if (is.state === was.state) return;
  const fields = { component: "dns.refresh", name, family, namespaces: [...change.namespaces] };
  const failing = { ...fields, error: lastError?.code, reason: lastError?.message };
  switch (is.state) {
    case "pending":
      return;
    case "fresh":
      logger.info(
        { ...fields, addresses: is.addresses.length },
        was.state === "pending" ? "resolved" : "recovered",
      );
      return;
    case "denied":
      logger.info({ ...fields, by: is.by }, "denied by upstream");
      return;
    case "stale":
      logger.warn(failing, "failing, last good addresses kept");
      return;
    case "failed":
      logger.warn(failing, "failing, no addresses left");
      return;
    default:
      assertNever(is);
  }
}
