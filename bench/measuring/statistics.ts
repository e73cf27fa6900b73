/** The value below which this share of the values lies, by nearest rank. `share` is in (0, 1]. NaN without values. */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** The median of the ratios round by round, so that what slowed one round down slowed both sides. */
export const medianRatio = (values: readonly number[], floor: readonly number[]): number =>
  median(values.map((value, round) => value / (floor[round] ?? Number.NaN)));
