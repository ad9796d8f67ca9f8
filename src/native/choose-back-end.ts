/** Which back end UDP gets: the batching one where the machine has it, unless the user wants another. */

import { testSystemCalls } from "./self-test.ts";
import { loadSystemCalls, NativeUnavailableError, type SystemCalls } from "./system-calls.ts";

export const UDP_BACK_ENDS = ["auto", "batch", "dgram"] as const;
export type UdpBackEnd = (typeof UDP_BACK_ENDS)[number];

export type BackEndChoice =
  | { readonly kind: "batch"; readonly calls: SystemCalls }
  /** `reason`: why not the other. */
  | { readonly kind: "dgram"; readonly reason: string };

/** Throws a `NativeUnavailableError` when `batch` is asked for and is not to be had. */
export async function chooseBackEnd(
  wanted: UdpBackEnd,
  load: () => Promise<SystemCalls> = loadSystemCalls,
): Promise<BackEndChoice> {
  if (wanted === "dgram") return { kind: "dgram", reason: "the setting says so" };
  try {
    const calls = await load();
    testSystemCalls(calls);
    return { kind: "batch", calls };
  } catch (error) {
    if (wanted === "batch" || !(error instanceof NativeUnavailableError)) throw error;
    return { kind: "dgram", reason: error.message };
  }
}
