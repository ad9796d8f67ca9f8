/** Finds out who answers a host for whom and with what, from the registry's indexes. */

import type { PublishMode } from "../mesh/publication.ts";
import type { HostName } from "../wire/host-name.ts";
import { type AnswerContext, answersOf } from "./answers.ts";
import type { ClaimIndex } from "./claim-index.ts";
import { Claims } from "./claims.ts";
import type { EndpointNames } from "./endpoint-names.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import type { HostState } from "./host-state.ts";
import { type LinkContext, link } from "./link.ts";
import type { Namespaces } from "./namespaces.ts";
import { publishVerdict } from "./publish-verdict.ts";
import type { SelectedWorkload } from "./selection.ts";
import { standingOf } from "./views.ts";

export interface LinkIndexes {
  readonly claims: Pick<ClaimIndex, "plansOf" | "excludedPlansOf">;
  readonly namespaces: Pick<Namespaces, "get" | "modeOf" | "isTrusted">;
  readonly endpointNames: Pick<EndpointNames, "has">;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
  /** Ours; undefined: endpoints of all networks are taken. */
  readonly network: () => string | undefined;
  readonly publishMode: () => PublishMode;
}

/** What it gives writes into a state what follows from the host's claims; what was compiled from it stays as it is. */
export function createLinker(indexes: LinkIndexes): (state: HostState) => void {
  const { namespaces, workloadsOf, publishMode, network } = indexes;
  const linking = linkContext(indexes);
  const labelsOf = ({ entry }: HostPlan) => namespaces.get(entry.ref.namespace)?.labels;
  const context: AnswerContext = {
    modeOf: namespaces.modeOf,
    link: (plan) => link(plan, linking),
    publishVerdict: (winners) => publishVerdict(winners, { mode: publishMode(), labelsOf, workloadsOf }),
    network,
  };
  return (state) => linkHost(state, indexes, context);
}

function linkHost(state: HostState, indexes: LinkIndexes, context: AnswerContext): void {
  const { host } = state;
  const claims = claimsOn(host, indexes);
  const { views, losers } = standingOf(claims);
  const answers = answersOf(views, indexes.endpointNames.has(host), context);
  state.candidates = claims.candidates;
  state.losers = losers;
  state.excluded = indexes.claims.excludedPlansOf(host);
  state.views = answers.views;
  state.answers = answers.answers;
  const [only, second] = answers.answers;
  state.parts =
    only !== undefined && second === undefined
      ? only.parts
      : [...new Set(answers.answers.flatMap(({ parts }) => parts))];
}

export function claimsOn(host: HostName, { claims, namespaces, endpointNames }: LinkIndexes): Claims {
  return new Claims(claims.plansOf(host), {
    modeOf: namespaces.modeOf,
    isTrusted: namespaces.isTrusted,
    isEndpoint: endpointNames.has(host),
  });
}

function linkContext(indexes: LinkIndexes): LinkContext {
  return {
    // Whoever resolves an endpoint does so for clients inside and outside of a mesh alike.
    realPlansOf: (host, viewer) =>
      claimsOn(host, indexes)
        .winners(viewer, "unknown")
        .filter((plan) => plan.real !== undefined),
    selectedNames: (target) =>
      indexes
        .workloadsOf(target)
        .flatMap(({ name, weight, locality }) => (name === undefined ? [] : [{ name, weight, locality }])),
  };
}
