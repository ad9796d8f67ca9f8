/** The settings as each part takes them: its own names, its own units. */

import { hostname } from "node:os";
import type { Settings } from "./config/settings.ts";
import type { DataPlaneSettings } from "./data-plane.ts";
import type { RefresherSettings } from "./refresher/refresher.ts";
import type { ClientSettings } from "./registry/clients.ts";
import type { RegistrySettings } from "./registry/settings.ts";
import type { PublishNeedSettings } from "./watcher/publish-need.ts";
import type { NeedSettings } from "./watcher/watch-need.ts";

export function registrySettings(settings: Settings): RegistrySettings {
  return {
    answer: settings.answer,
    ttlSeconds: settings.ttl,
    workloadTtlSeconds: settings.workloadTtl,
    resolvedMaxTtlSeconds: settings.resolvedMaxTtl,
    negativeTtlSeconds: settings.negativeTtl,
    pendingTimeoutMs: settings.pendingTimeout * 1000,
    defaultExportTo: settings.defaultExportTo,
    clusterDomain: settings.clusterDomain,
    network: settings.network,
    hostsPerNamespace: settings.hostsPerNamespace,
    namesPerNamespace: settings.namesPerNamespace,
    trustedNamespaces: settings.trustedNamespaces,
    hostPolicy: settings.hostPolicy ?? [],
    defaultVisibility: settings.defaultVisibility,
    excludeSelectors: settings.excludeSelectors ?? [],
    virtualRanges: settings.virtualRanges ?? [],
    serviceAddresses: settings.serviceAddresses ?? [],
    expandSuffixes: settings.expandSuffixes ?? [],
    explainTxt: settings.explainTxt,
  };
}

/** What decides how much is watched. */
export function needSettings(settings: Settings): NeedSettings {
  return {
    answer: settings.answer,
    defaultExportTo: settings.defaultExportTo,
    defaultVisibility: settings.defaultVisibility,
    hostPolicy: settings.hostPolicy ?? [],
    excludeSelectors: settings.excludeSelectors ?? [],
    virtualRanges: settings.virtualRanges ?? [],
    suffixAnswer: settings.suffixAnswer,
    explainTxt: settings.explainTxt,
  };
}

/** What decides how much is watched for the sake of published hosts. */
export function publishNeedSettings({ publish, clusterDomain }: Settings): PublishNeedSettings {
  return { publish, clusterDomain };
}

export function clientSettings(settings: Settings): ClientSettings {
  return { trustedForwarders: settings.trustedForwarders, network: settings.network };
}

export function refresherSettings(settings: Settings): RefresherSettings {
  return {
    servers: { cluster: settings.clusterUpstreams, other: settings.upstreams },
    clusterDomain: settings.clusterDomain,
    maxStaleMs: settings.maxStale * 1000,
  };
}

/**
 * `version`: of the program, for those who ask the server who it is. `share`: the part of the limits that is one
 * thread's, 1 if it is alone with its transport.
 */
export function dataPlaneSettings(settings: Settings, version: string, share = 1): DataPlaneSettings {
  const part = (limit: number) => Math.max(1, Math.floor(limit * share));
  return {
    clusterDomain: settings.clusterDomain,
    upstreams: settings.upstreams,
    clusterUpstreams: settings.clusterUpstreams,
    pendingTimeoutMs: settings.pendingTimeout * 1000,
    negativeTtlSeconds: settings.negativeTtl,
    cacheOctets: part(settings.cacheBytes),
    cacheMaxTtlSeconds: settings.cacheMaxTtl,
    staleAfterMs: settings.staleAfter * 1000,
    maxStaleSeconds: settings.maxStale,
    maxInFlight: part(settings.maxInFlight),
    maxInFlightPerClient: part(settings.maxInFlightPerClient),
    rateLimit: settings.rateLimit * share,
    trustedForwarders: settings.trustedForwarders ?? [],
    refuse: settings.refuse,
    tcpConnections: settings.tcpConnections,
    tcpPerAddress: settings.tcpPerAddress,
    relayHttps: settings.relayHttps,
    searchSuffixes: settings.searchSuffixes ?? [],
    suffixAnswer: settings.suffixAnswer,
    suffixView: settings.suffixView,
    shortServiceNames: settings.shortServiceNames,
    explainTxt: settings.explainTxt,
    identity: settings.tellServerId ? { id: settings.serverId ?? hostname(), version } : undefined,
  };
}
