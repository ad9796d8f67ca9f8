/** The states of a host as marks. */

import { mark } from "./dom.ts";

const TONES = {
  ok: "ok",
  pending: "idle",
  stale: "warning",
  unresolved: "error",
  shadowed: "idle",
  rejected: "warning",
} as const;

export const STATES = Object.keys(TONES);

export function stateMark(state: string): HTMLElement {
  return mark(state in TONES ? TONES[state as keyof typeof TONES] : "idle", state);
}
