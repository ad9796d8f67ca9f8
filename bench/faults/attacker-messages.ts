/** What a flood's two processes agree on and tell each other. */

export const HOSTILE_PER_SECOND = 10_000;

export type FromAttacker = { readonly upstreamPort: number } | { readonly sent: number };

export interface Order {
  readonly port: number;
  readonly seconds: number;
}
