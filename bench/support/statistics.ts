/** Of samples that need not be sorted. */

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** `share`: 0.99 for the value that 99 % of the samples do not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
