/** Upstreams that are one of our own listeners: every forwarded query would come back to us. */

import { familyOf, type IpAddress } from "../wire/ip-address.ts";
import type { SettingKey, Settings } from "./settings.ts";
import { type Origin, type SettingFault, settingFault } from "./settings-error.ts";
import { type ListenAddress, type SocketAddress, socketAddressText } from "./socket-address.ts";

/** One fault per upstream that a listener would receive; `localAddresses` are what a wildcard listens on. */
export function upstreamLoops(
  settings: Settings,
  sources: Readonly<Record<SettingKey, Origin>>,
  localAddresses: readonly string[],
): readonly SettingFault[] {
  const local = new Set(localAddresses);
  const keys =
    sources.clusterUpstreams.kind === "default"
      ? (["upstreams"] as const)
      : (["upstreams", "clusterUpstreams"] as const);
  return keys.flatMap((key) =>
    settings[key].flatMap((upstream) => {
      const listener = settings.listen.find((listen) => receives(listen, upstream, local));
      if (listener === undefined) return [];
      const about = { setting: key, origin: sources[key], value: socketAddressText(upstream) };
      const fault = `is this server itself, which listens on ${socketAddressText(listener)}`;
      return [settingFault("UpstreamIsOurself", about, fault, "Name another DNS server, or change listen.")];
    }),
  );
}

function receives(listen: ListenAddress, upstream: SocketAddress, local: ReadonlySet<string>): boolean {
  if (listen.port !== upstream.port) return false;
  if (listen.address === upstream.address) return true;
  const isWildcard = listen.address === "0.0.0.0" || listen.address === "::";
  const isSameFamily = familyOf(listen.address) === familyOf(upstream.address);
  return isWildcard && isSameFamily && (local.has(upstream.address) || isLoopback(upstream.address));
}

/** All of 127.0.0.0/8, and ::1. */
function isLoopback(address: IpAddress): boolean {
  return address.startsWith("127.") || address === "::1";
}
