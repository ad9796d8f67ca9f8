/** What a forwarder is given: settings, which may change while it runs, and the parts that it stands on. */

import type { Clock, Random } from "../runtime.ts";
import type { SharedSeries } from "../series.ts";
import type { AdmissionLimits } from "./admission.ts";
import type { CacheLimits } from "./cache.ts";
import type { LoopProbeOptions } from "./loop-watch.ts";
import type { UpstreamCondition } from "./upstream-log.ts";
import type { SocketAddress, UpstreamSockets } from "./upstream-sockets.ts";

/** What may change while the forwarder runs. */
export interface ForwarderSettings extends CacheLimits, AdmissionLimits {
  readonly upstreams: readonly SocketAddress[];
  /** For names at or below the cluster domain. */
  readonly clusterUpstreams: readonly SocketAddress[];
  /** As a host name: `cluster.local`. */
  readonly clusterDomain: string;
  /** An expired reply is served when upstream has not replied for this long. */
  readonly staleAfterMs: number;
  /** Names that are not ours are refused; cluster upstreams ask us first. */
  readonly refuse: boolean;
}

export type ForwarderOptions = Omit<ForwarderSettings, OptionalSetting> &
  Partial<Pick<ForwarderSettings, OptionalSetting>> & {
    readonly sockets: UpstreamSockets;
    readonly clock: Clock;
    readonly random: Random;
    /** Made with `forwarderSeries`, maybe among others. */
    readonly series: SharedSeries;
    /** Whether the client address is known for one that asks for many others, besides `trustedForwarders`. */
    readonly isForwarder?: (address: string) => boolean;
    /** None: upstreams that hand queries back are not looked for. */
    readonly loopProbes?: LoopProbeOptions;
    /** An upstream has stopped to answer, answers again, or is asked no longer while it did not. */
    readonly onUpstream?: (upstream: string, condition: UpstreamCondition) => void;
    /** Which part of the memory that it may have the process has in use; by default what the system says. */
    readonly memoryShare?: () => number;
  };
type OptionalSetting = "staleAfterMs" | "maxStaleSeconds" | "rateLimit" | "trustedForwarders" | "refuse";

export const DEFAULT_SETTINGS: Pick<ForwarderSettings, OptionalSetting> = {
  staleAfterMs: 1_000,
  maxStaleSeconds: 3_600,
  rateLimit: 0,
  trustedForwarders: [],
  refuse: false,
};
