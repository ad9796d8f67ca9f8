/** What the control plane has to say of its own state, as log lines and as what `/api/problems` shows. */

import { objectKey } from "./mesh/objects.ts";
import {
  PROBLEMS,
  type Problem,
  type ProblemBook,
  type ProblemCode,
  type ProblemSubject,
} from "./mesh/problem.ts";
import type { ConditionChange } from "./registry/registry.ts";
import type { Logger } from "./runtime.ts";
import type { ProblemReport } from "./telemetry/api-reports.ts";

export function problemReports(book: ProblemBook): readonly ProblemReport[] {
  return Array.from(book.all(), ({ problem, sinceMs }) => ({
    ...problem,
    ...PROBLEMS[problem.code],
    sinceMs,
  }));
}

export function logProblem(logger: Logger, { code, object, path, message }: Problem): void {
  // Said by who saw it, with more about it.
  if (code === "UpstreamLoop") return;
  const { severity, remedy } = PROBLEMS[code];
  const fields = { component: componentOf(code, object), code, object: subjectText(object), path, remedy };
  if (severity === "info") logger.info(fields, message);
  else logger.warn(fields, message);
}

/** What somebody has mended; `sinceMs`, `nowMs`: milliseconds since 1970. What was a remark only is passed over. */
export function logSolved(
  logger: Logger,
  { code, object, path, message }: Problem,
  sinceMs: number,
  nowMs: number,
): void {
  const { severity } = PROBLEMS[code];
  if (code === "UpstreamLoop") return;
  const since = new Date(sinceMs).toISOString();
  const afterSeconds = Math.round((nowMs - sinceMs) / 1000);
  const fields = {
    component: componentOf(code, object),
    code,
    object: subjectText(object),
    path,
    since,
    afterSeconds,
  };
  if (severity === "info") logger.debug(fields, `no problem any more: ${message}`);
  else logger.info(fields, `no problem any more: ${message}`);
}

function componentOf(code: ProblemCode, { kind }: ProblemSubject): string {
  if (kind === "Upstream") return "dns.server";
  return OF_READING.has(code) ? "dns.watch" : "dns.registry";
}

/** About the way to the objects, not about what they say. */
const OF_READING: ReadonlySet<ProblemCode> = new Set([
  "SyntaxError",
  "FileUnreadable",
  "ResourceMissing",
  "AccessDenied",
  "ObjectUnreadable",
]);

/** `ServiceEntry/default/a`; of what has no namespace or no name, the rest. */
function subjectText({ kind, namespace, name }: ProblemSubject): string {
  return [kind, namespace, name].filter((each) => each !== "").join("/");
}

/**
 * Without addresses: a large service changes those with every answer. What the first read finds (`isReady` false)
 * is summed up by "ready".
 */
export function logCondition(logger: Logger, change: ConditionChange, isReady: boolean): void {
  const { host, object, before, after, isAnswered, reason } = change;
  const fields = {
    component: "dns.registry",
    host,
    object: objectKey(object),
    before,
    after,
    reason: reason || undefined,
  };
  if (after === undefined && isAnswered) logger.info(fields, `host ${host} is answered by another entry now`);
  else if (after === undefined)
    logger.info(fields, `host ${host} is forwarded now: no entry answers it any more`);
  else if (before === undefined && !isReady) logger.debug(fields, `host ${host} is ${after}`);
  else if (TROUBLE.has(after)) logger.warn(fields, `host ${host} is ${after}: ${TROUBLE.get(after)}`);
  else logger.info(fields, `host ${host} is ${after}`);
}

/** What clients notice of a condition that somebody should look at. */
const TROUBLE: ReadonlyMap<string, string> = new Map([
  ["stale", "upstream fails, so its last good addresses are answered; it is asked again by itself"],
  ["unresolved", "clients get SERVFAIL; it is asked again by itself"],
]);
