/**
 * What `refuse` asks of the upstreams: a DNS server asks us first and itself for the rest, so what we ask for
 * ourselves must not go through it, or a host that is being resolved would wait for its own answer.
 */

import { flagOf, type SettingKey, type Settings, settingSpec } from "./settings.ts";
import { type Origin, type SettingFault, settingFault } from "./settings-error.ts";
import { socketAddressText } from "./socket-address.ts";

/** Both sets must be given, and none of `upstreams` be one that the cluster's names are asked of. */
export function refuseFaults(
  settings: Settings,
  sources: Readonly<Record<SettingKey, Origin>>,
): readonly SettingFault[] {
  if (!settings.refuse) return [];
  const missing = (["upstreams", "clusterUpstreams"] as const).filter(
    (key) => sources[key].kind === "default",
  );
  if (missing.length > 0) return missing.map(required);
  const cluster = new Set(settings.clusterUpstreams.map(socketAddressText));
  return settings.upstreams.map(socketAddressText).flatMap((value) => {
    if (!cluster.has(value)) return [];
    const about = { setting: "upstreams", origin: sources.upstreams, value };
    const fault = "stands in clusterUpstreams too, and with refuse the cluster's DNS server asks us first";
    return [settingFault("UpstreamAsksUs", about, fault, "Name DNS servers outside the cluster.")];
  });
}

function required(key: "upstreams" | "clusterUpstreams"): SettingFault {
  const about = { setting: key, origin: { kind: "default" } as const };
  const remedy = `Set it with ${flagOf(key)} or in the settings file: ${settingSpec(key).meaning}`;
  return settingFault("SettingRequired", about, "is not set, and refuse needs it", remedy);
}
