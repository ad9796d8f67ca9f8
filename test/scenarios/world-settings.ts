/** A story's settings, read by the product's own reader, as each part takes them. */

import { loadSettings } from "../../src/config/load-settings.ts";
import type { DataPlaneSettings } from "../../src/data-plane.ts";
import {
  clientSettings,
  dataPlaneSettings,
  refresherSettings,
  registrySettings,
} from "../../src/part-settings.ts";
import type { RefresherSettings } from "../../src/refresher/refresher.ts";
import type { ClientSettings } from "../../src/registry/clients.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";

export interface PartSettings {
  readonly registry: RegistrySettings;
  readonly clients: ClientSettings;
  readonly refresher: RefresherSettings;
  readonly dataPlane: DataPlaneSettings;
}

/** Throws a `SettingsError`. */
export function partSettings(flags: readonly string[]): PartSettings {
  const { settings } = loadSettings({ argv: [...STORY_FLAGS, ...flags], env: {}, localAddresses: () => [] });
  return {
    registry: registrySettings(settings),
    clients: clientSettings(settings),
    refresher: refresherSettings(settings),
    dataPlane: dataPlaneSettings(settings, "story"),
  };
}

/** The source is the story itself, the upstream its script; a small cache is quickly made. */
const STORY_FLAGS = ["--source=story", "--upstreams=192.0.2.53", "--cache-bytes=1MiB"];
