/** A registry and a client index with objects in them, explained; and the engine that answers from the same deltas. */

import {
  createExplain,
  type ExplainQuestion,
  type ExplainSettings,
  type Explanation,
} from "../../src/explain/explain.ts";
import type { Kind, ObjectByKind } from "../../src/mesh/objects.ts";
import { Clients } from "../../src/registry/clients.ts";
import type { DescribeName } from "../../src/registry/name-refresh.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import { packClientDelta } from "../../src/table/client-index.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { FAMILIES } from "../../src/wire/ip-address.ts";
import { host, type ResolutionWords, World } from "../registry/support.ts";
import { ENGINE_SETTINGS, fixedRandom, Stage } from "../server/fixtures.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";

export interface ExplainedSettings {
  readonly registry?: Partial<RegistrySettings>;
  readonly server?: Partial<ExplainSettings>;
  readonly isSynced?: boolean;
}

export class ExplainedWorld {
  readonly world: World;
  /** What there is to show of names. */
  readonly described = new Map<HostName, ReturnType<DescribeName>>();
  readonly explain: ReturnType<typeof createExplain>;
  readonly #registry: Registry;
  readonly #clients: Clients;
  readonly #settings: ExplainSettings;
  readonly #isSynced: boolean;

  constructor({ registry = {}, server = {}, isSynced = true }: ExplainedSettings = {}) {
    this.world = new World(registry);
    const { store, clock, problems, resolutions } = this.world;
    const { clusterDomain = DEFAULT_SETTINGS.clusterDomain, explainTxt = false } = registry;
    this.#settings = { ...ENGINE_SETTINGS, clusterDomain, explainTxt, refuse: false, ...server };
    this.#isSynced = isSynced;
    // One more, with what `World` does not take.
    this.#registry = new Registry({
      store,
      settings: { ...DEFAULT_SETTINGS, ...registry },
      problems,
      clock,
      emit: () => {},
      resolutions: (name) => resolutions.get(name),
      wanted: { want: () => {}, unwant: () => {} },
      describeName: (name) => this.described.get(name),
    });
    this.#clients = new Clients({
      store,
      settings: { trustedForwarders: undefined, network: undefined },
      clock,
      emit: () => {},
    });
    this.explain = createExplain({
      registry: this.#registry,
      clients: this.#clients,
      store,
      problems,
      clock,
      random: fixedRandom(0),
      settings: () => this.#settings,
      isSynced: () => isSynced,
    });
  }

  put(...objects: readonly ObjectByKind[Kind][]): void {
    this.world.put(...objects);
    this.world.settle();
  }

  /** What upstream says of the name from now on. */
  resolve(name: string, a: ResolutionWords, aaaa: ResolutionWords = "denied"): void {
    this.world.resolve(name, a, aaaa);
    for (const family of FAMILIES) this.#registry.resolutionChanged(host(name), family);
    this.world.settle();
  }

  explained(question: string | ExplainQuestion): Explanation {
    const explanation = this.explain(typeof question === "string" ? { name: question } : question);
    if ("fault" in explanation) throw new Error(explanation.fault);
    return explanation;
  }

  fault(question: ExplainQuestion): string {
    const explanation = this.explain(question);
    if ("fault" in explanation) return explanation.fault;
    throw new Error("there is no fault");
  }

  /** An engine that has been told everything so far. */
  stage(): Stage {
    const stage = new Stage(this.#settings);
    stage.apply(...this.#registry.snapshot().changes);
    stage.engine.applyClients(packClientDelta(this.#clients.snapshot()));
    for (let turns = 0; stage.engine.step(); turns += 1)
      if (turns > 1000) throw new Error("a delta without end");
    if (this.#isSynced) stage.engine.setSynced();
    return stage;
  }
}

/** The text of the step with the title. */
export function stepText({ steps }: Explanation, title: string): string {
  return steps.find((step) => step.title === title)?.text ?? "";
}
