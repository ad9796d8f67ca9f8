/** What the program does when it is told to at its API endpoint. */

import { SETTINGS } from "./config/settings.ts";
import type { DataPlanes } from "./data-planes.ts";
import type { Refresher } from "./refresher/refresher.ts";
import type { Registry } from "./registry/registry.ts";
import type { ApiActions } from "./telemetry/api-actions.ts";
import type { LevelledLogger } from "./telemetry/log.ts";
import { hostNameOctets, isHostName, isWildcard, parseHostName, wildcardRest } from "./wire/host-name.ts";

export interface ActionParts {
  readonly registry: Pick<Registry, "namesOf">;
  readonly refresher: Pick<Refresher, "refreshNow">;
  readonly dataPlanes: Pick<DataPlanes, "post">;
  readonly logger: LevelledLogger;
}

/** All below the root: everything. */
const ALL_NAMES = { name: new Uint8Array(1), isWildcard: true } as const;

export function apiActions({ registry, refresher, dataPlanes, logger }: ActionParts): ApiActions {
  return {
    refresh(text) {
      const host = parseHostName(text);
      const names = isHostName(host) ? registry.namesOf(host) : undefined;
      for (const name of names ?? []) refresher.refreshNow(name);
      return names;
    },
    flushCache(text) {
      const host = parseHostName(text);
      if (text === ".") dataPlanes.post({ kind: "forget", ...ALL_NAMES });
      else if (!isHostName(host)) return false;
      else {
        const name = hostNameOctets(wildcardRest(host));
        dataPlanes.post({ kind: "forget", name, isWildcard: isWildcard(host) });
      }
      return true;
    },
    setLogLevel(text) {
      const level = SETTINGS.logLevel.values.find((each) => each === text);
      if (level === undefined) return undefined;
      const before = logger.level;
      logger.setLevel(level);
      return before;
    },
  };
}
