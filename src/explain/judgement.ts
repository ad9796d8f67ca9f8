/** One question decided by the server's own `decide`, over a table of the hosts that can have a say, and what it found. */

import type { Namespace } from "../mesh/objects.ts";
import type { HostStanding, RefusedClaim, Viewer } from "../registry/host-standing.ts";
import type { Registry } from "../registry/registry.ts";
import type { MonotonicMs, Random } from "../runtime.ts";
import { decide } from "../server/decide.ts";
import { Action, type DecideSettings, Decision, type Knowledge } from "../server/decision.ts";
import { FlatTable } from "../table/flat-table.ts";
import { CLIENT_CLASSES, type HostRecord, type HostVariant, type HostView } from "../table/host-record.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import { packDelta } from "../table/packed-delta.ts";
import { isWildcardRecord, unpackRecord } from "../table/packed-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { AskingClient } from "./asking-client.ts";
import { candidateHosts, labelsOf } from "./candidates.ts";
import type { Match } from "./explanation.ts";
import type { ReadQuestion } from "./question.ts";

export interface Judgement {
  readonly question: ReadQuestion;
  readonly asking: AskingClient;
  readonly settings: DecideSettings;
  readonly knowledge: Knowledge;
  /** What is done at once. */
  readonly action: Action;
  /** The same, or what is done once upstream has said NXDOMAIN. */
  readonly lastAction: Action;
  /** Of `lastAction`. */
  readonly decision: Decision;
  readonly match: Match;
  /** The name for which the host was found: without port and transport, `_why`, or search suffix. */
  readonly bare: HostName;
  /** Whose views counted for it. */
  readonly viewer: Viewer;
  /** Of the host that was found. */
  readonly record: HostRecord | undefined;
  readonly view: HostView | undefined;
  /** What of it the client gets; undefined: nothing. */
  readonly variant: HostVariant | undefined;
  /** Of the host that was found; of a reverse name, of the host that it points to. */
  readonly standing: HostStanding | undefined;
  readonly standingOf: (host: HostName, namespace: Namespace | undefined) => HostStanding | undefined;
  /** Claims on any of the hosts that do not count at all. */
  readonly refused: readonly RefusedClaim[];
  readonly nowMs: MonotonicMs;
}

export interface JudgeParts {
  readonly registry: Pick<Registry, "recordsOf" | "standing" | "refusedClaims">;
  readonly settings: DecideSettings;
  readonly random: Random;
  readonly nowMs: MonotonicMs;
}

export function judgeQuestion(question: ReadQuestion, asking: AskingClient, parts: JudgeParts): Judgement {
  const { registry, settings, random, nowMs } = parts;
  const { name, query } = question;
  const { asker, index } = asking;
  const hosts = candidateHosts(name);
  const records = registry.recordsOf(hosts);
  const table = new FlatTable(random);
  const changes = records.map((record) => ({ kind: "set", record }) as const);
  table.apply(packDelta({ version: 1, changes }), 0, Number.POSITIVE_INFINITY);

  const knowledge = { table, clients: index };
  const decision = new Decision();
  const situation = { query, asker, knowledge, settings, nowMs, isDenied: false };
  decide(situation, decision);
  const { action } = decision;
  if (action === Action.UPSTREAM_FIRST) decide({ ...situation, isDenied: true }, decision);

  const found = decision.record === NOT_FOUND ? undefined : unpackRecord(table.octets, decision.record);
  const viewer: Viewer = {
    namespace: sawAs(name, decision) ?? asking.client.namespace ?? undefined,
    clientClass: CLIENT_CLASSES[asker.clientClass]!,
  };
  const view = found && viewOf(found, viewer.namespace);
  const standingOf: Judgement["standingOf"] = (host, namespace) =>
    registry.standing(host, { namespace, clientClass: viewer.clientClass });
  const spoken = view?.pointer ?? found?.host;
  return {
    question,
    asking,
    settings,
    knowledge,
    action,
    lastAction: decision.action,
    decision,
    match: matchOf(decision, table.octets),
    bare: bareName(name, decision),
    viewer,
    record: found,
    view,
    variant: view?.variants[view.choices[viewer.clientClass] ?? NOT_FOUND],
    standing: spoken && standingOf(spoken, viewer.namespace),
    standingOf,
    refused: registry.refusedClaims(hosts),
    nowMs,
  };
}

/** The namespace that the question's own search suffix told, where the host was found with it. */
function sawAs(name: HostName, { bareLabels, namespaceLabel }: Decision): Namespace | undefined {
  const isSaid = bareLabels > 0 && namespaceLabel === bareLabels;
  return isSaid ? labelsOf(name, namespaceLabel, namespaceLabel + 1) : undefined;
}

function viewOf({ views }: HostRecord, namespace: Namespace | undefined): HostView | undefined {
  return views.find(
    ({ visibleTo }) => visibleTo === "all" || (namespace !== undefined && visibleTo.has(namespace)),
  );
}

function matchOf({ action, record, bareLabels }: Decision, octets: Uint8Array): Match {
  if (action === Action.SHORT_FORM) return "short";
  if (record === NOT_FOUND) return "none";
  if (bareLabels > 0) return "suffix";
  return isWildcardRecord(octets, record) ? "wildcard" : "exact";
}

function bareName(name: HostName, { action, bareLabels, hostLabels }: Decision): HostName {
  if (bareLabels > 0) return labelsOf(name, 0, bareLabels);
  if (hostLabels > 0) return labelsOf(name, -hostLabels);
  return action === Action.WHY ? labelsOf(name, 1) : name;
}
