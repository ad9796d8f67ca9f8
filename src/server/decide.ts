/**
 * What to do with a question: a pure function of the question, the client, the table and the moment. From above,
 * the first row that fits:
 *
 * | question                                        | the host, as the client sees it   | action           |
 * |-------------------------------------------------|-----------------------------------|------------------|
 * | class CH, a name of the server's own            | any                               | IDENTITY         |
 * | any other class but IN and ANY                  | any                               | FORWARD          |
 * | at or below the cluster domain                  |                                   |                  |
 * |   exact, or `_port._proto.` before it           | a fallback; upstream not asked yet| UPSTREAM_FIRST   |
 * |                                                 | a fallback; upstream said NXDOMAIN| as own           |
 * |   a bare name and a search suffix               | see "with a search suffix"        |                  |
 * |   any other                                     | any                               | FORWARD          |
 * | elsewhere                                       |                                   |                  |
 * |   exact, else the most specific wildcard        | own                               | as own           |
 * |   SRV `_port._proto.` before such a name        | own, has the port                 | SERVICE          |
 * |   TXT `_why.` before such a name, a known pod   | seen, has a text                  | WHY              |
 * |   a bare name and a suffix of the settings      | see "with a search suffix"        |                  |
 * |   any other, table incomplete                   | not found                         | HOLD, then FAIL  |
 * |   A, AAAA of `service.ns` or `service.ns.svc`   | not found                         | SHORT_FORM       |
 * |   any other                                     | not found                         | FORWARD          |
 * |-------------------------------------------------|-----------------------------------|------------------|
 * | with a search suffix; of a known pod            | any                               | as not found     |
 * |   another namespace's than its own              |                                   |                  |
 * |                                                 | would be forwarded                | as not found     |
 * | suffixAnswer forward                            | own                               | FORWARD          |
 * | suffixAnswer nxdomain                           | own; Kubernetes can mean the name | FORWARD          |
 * |                                                 | own                               | NXDOMAIN         |
 * | suffixAnswer cname                              | own; Kubernetes can mean the name |                  |
 * |                                                 |   upstream not asked yet          | UPSTREAM_FIRST   |
 * |                                                 |   upstream said NXDOMAIN          | as own, CNAME    |
 * |                                                 | own                               | as own, CNAME    |
 * |-------------------------------------------------|-----------------------------------|------------------|
 * | as own: any                                     | not for this class of clients     | FORWARD          |
 * |                                                 | denied by upstream (pass)         | FORWARD          |
 * | DO=1                                            | upstream's signatures count       | FORWARD          |
 * | EDNS version above 0 / signed                   | own                               | BADVERS / NOTAUTH|
 * | no class, a cookie of no length                 | own                               | FORMERR          |
 * | A, AAAA                                         | has addresses of the family       | ANSWER           |
 * |                                                 | has none                          | EMPTY            |
 * |                                                 | first attempt under way           | HOLD             |
 * |                                                 | failed, the other has addresses   | EMPTY            |
 * |                                                 | failed, the other under way       | HOLD             |
 * |                                                 | failed                            | FAIL             |
 * | HTTPS, SVCB                                     | own                               | EMPTY (RESCUE)   |
 * | PTR                                             | a reverse name / any other        | POINTER / RESCUE |
 * | ANY                                             | a reverse name                    | POINTER          |
 * |                                                 | has addresses / has none          | ANSWER / HINFO   |
 * | CNAME with a search suffix, ANY without address | own                               | EMPTY            |
 * | every other type                                | own                               | RESCUE           |
 *
 * A host that the client does not see is not there: it blocks no wildcard and is forwarded like any name.
 */

import { NOT_FOUND } from "../table/host-table.ts";
import { hasWhy, PortTransport, portAt } from "../table/packed-record.ts";
import { RecordClass, RecordType } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { decideOwn, faultOf, isAnswered } from "./decide-own.ts";
import { decideSuffixed } from "./decide-suffix.ts";
import { Action, type Decision, type Situation } from "./decision.ts";
import { findFallback, findVisible } from "./find-host.ts";
import { identityAsked } from "./identity.ts";
import { NamePart } from "./name-part.ts";
import { endsWith, isLabel, labelOctets, Reading } from "./search-suffix.ts";
import { isShortForm } from "./short-form.ts";

const TCP_LABEL = labelOctets("_tcp");
const UDP_LABEL = labelOctets("_udp");
const UNDERSCORE = 0x5f;
const WHY_LABEL = labelOctets("_why");

/** What stands behind a service's labels, or behind `_why`. */
const part = new NamePart();

/** Fills `decision`. */
export function decide(situation: Situation, decision: Decision): void {
  decision.clear();
  decision.action = decideAny(situation, decision);
}

function decideAny(situation: Situation, decision: Decision): Action {
  const { query, settings } = situation;
  if (settings.tellsIdentity && identityAsked(query) !== null) return faultOf(query) ?? Action.IDENTITY;
  if (isOtherClass(query)) return Action.FORWARD;
  return endsWith(query, settings.suffixes.domain)
    ? decideClusterName(situation, decision)
    : decideName(situation, decision);
}

function decideClusterName(situation: Situation, decision: Decision): Action {
  const { isDenied } = situation;
  if (findFallback(situation.query, situation, decision)) {
    return isDenied ? decideFound(situation, decision) : Action.UPSTREAM_FIRST;
  }
  if (isService(situation.query)) {
    part.take(situation.query, 2, situation.query.labelCount);
    if (findFallback(part, situation, decision) && hasPort(situation, decision)) {
      return isDenied ? decideService(situation) : Action.UPSTREAM_FIRST;
    }
  }
  return decideSuffixed(Reading.NAMESPACE, situation, decision) ?? notFound(decision);
}

function decideName(situation: Situation, decision: Decision): Action {
  const { query, asker, knowledge, settings, nowMs } = situation;
  if (findVisible(query, asker.namespace, asker, knowledge, decision))
    return decideFound(situation, decision);
  if (isService(query)) {
    part.take(query, 2, query.labelCount);
    if (findVisible(part, asker.namespace, asker, knowledge, decision) && hasPort(situation, decision)) {
      return decideService(situation);
    }
  }
  if (settings.explainTxt && asker.isPod && isWhy(query)) {
    part.take(query, 1, query.labelCount);
    const isSeen = findVisible(part, asker.namespace, asker, knowledge, decision);
    if (isSeen && hasWhy(knowledge.table.octets, decision.view)) return faultOf(query) ?? Action.WHY;
  }
  const suffixed = decideSuffixed(Reading.FIRST_EXTRA, situation, decision);
  if (suffixed !== null) return suffixed;
  decision.forgetHost();
  if (!settings.isSynced) {
    decision.untilMs = Number.POSITIVE_INFINITY;
    return nowMs < decision.untilMs ? Action.HOLD : Action.FAIL;
  }
  if (settings.shortServiceNames && isShortForm(query, settings.suffixes.domain, knowledge.clients)) {
    return Action.SHORT_FORM;
  }
  return Action.FORWARD;
}

function decideFound(situation: Situation, decision: Decision): Action {
  const { query, knowledge, settings, nowMs } = situation;
  return decideOwn(query, knowledge.table.octets, settings, nowMs, decision);
}

function decideService({ query }: Situation): Action {
  return faultOf(query) ?? Action.SERVICE;
}

function notFound(decision: Decision): Action {
  decision.forgetHost();
  return Action.FORWARD;
}

/** Whether the question has the form of RFC 2782: SRV, two labels that begin with `_`, a host. */
function isService(query: Query): boolean {
  if (query.type !== RecordType.SRV || !query.hasUnderscoreLabel || query.labelCount < 3) return false;
  const { name, labelStarts } = query;
  const isNamed = name[labelStarts[0]! + 1] === UNDERSCORE && name[labelStarts[0]!]! > 1;
  return isNamed && (isLabel(query, 1, TCP_LABEL) || isLabel(query, 1, UDP_LABEL));
}

/** Fills in `port` and `hostLabels`: of a found host, which stands behind the labels of port and transport. */
function hasPort({ query, knowledge }: Situation, decision: Decision): boolean {
  const { octets } = knowledge.table;
  if (!isAnswered(query, octets, decision.variant)) return false;
  const start = query.labelStarts[0]!;
  const transport = isLabel(query, 1, TCP_LABEL) ? PortTransport.tcp : PortTransport.udp;
  decision.port = portAt(octets, decision.view, query.name, start + 2, query.name[start]! - 1, transport);
  decision.hostLabels = query.labelCount - 2;
  return decision.port !== NOT_FOUND;
}

function isWhy(query: Query): boolean {
  return query.type === RecordType.TXT && query.labelCount > 1 && isLabel(query, 0, WHY_LABEL);
}

/** Whether the class is one in which we have no names; one that is no class at all is not another. */
function isOtherClass(query: Query): boolean {
  return query.class !== RecordClass.IN && query.class !== RecordClass.ANY && !isNoClass(query);
}

function isNoClass(query: Query): boolean {
  return query.class === 0 || query.class === RecordClass.NONE;
}
