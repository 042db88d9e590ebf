// The statistics of the lab. A figure is the least of its repetitions, net of the floor; how far it can be trusted is told
// by what halves of the repetitions would have given.
import { median as d3Median, quantileSorted } from 'd3-array'
import { Random } from '../random.ts'
import { geometricMean, LEAST_NET } from '../replay/measure.ts'

export { geometricMean, LEAST_NET }

const HALVES = 200

/**
 * A value of all repetitions, and the interval that 95 of 100 random halves of them fall into. That tells noisy figures
 * from quiet ones, but is no confidence interval: the least of a half is never below the least of all.
 */
export interface Estimate {
  value: number
  low: number
  high: number
}

// Only of an empty list, which nobody has here, are the next two undefined.

/** The value below which the given share of an ascending list lies, between neighbours in proportion. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return quantileSorted(sorted as number[], share) as number
}

/** The value in the middle of a list in any order. */
export const median = d3Median as (values: number[]) => number

/** The least of the repetitions minus the least of the floor's, in nanoseconds. */
export function net(gross: number[], floor: number[]): number {
  return Math.max(Math.min(...gross) - Math.min(...floor), LEAST_NET)
}

/** Whether what is left beside the floor is too little to be told from it: `net` then gives a bound, not a figure. */
export function isBelowFloor(gross: number[], floor: number[]): boolean {
  return Math.min(...gross) - Math.min(...floor) < LEAST_NET
}

/** Series of repetitions; those with the same index were taken in one turn. */
export type Series = number[][]

/** A random half of each series: of the same turns, as far as each has them. */
function halves(series: Series, random: Random): Series {
  const turns = random.shuffle(Array.from({ length: Math.max(...series.map(({ length }) => length)) }, (_, i) => i))
  return series.map((values) =>
    turns
      .filter((turn) => turn < values.length)
      .slice(0, Math.ceil(values.length / 2))
      .map((turn) => values[turn]),
  )
}

/**
 * Applies a statistic to all repetitions, and to random halves of them for its interval. Each row is halved for itself:
 * its turns have nothing to do with those of another.
 */
export function estimate(rows: Series[], statistic: (rows: Series[]) => number): Estimate {
  const value = statistic(rows)
  if (rows.some((series) => series.some(({ length }) => length < 3)))
    return { value, low: 0, high: Number.POSITIVE_INFINITY } // nothing is known of the noise
  const random = new Random('halves')
  const values = Array.from({ length: HALVES }, () => statistic(rows.map((series) => halves(series, random))))
  values.sort((a, b) => a - b)
  return { value, low: Math.min(value, quantile(values, 0.025)), high: Math.max(value, quantile(values, 0.975)) }
}

/** How many times as long one takes as the other, net; of several rows `[one, other, floor]` the geometric mean. */
export function ratioEstimate(...rows: Series[]): Estimate {
  return estimate(rows, (chosen) =>
    geometricMean(chosen.map(([one, other, floor]) => net(one, floor) / net(other, floor))),
  )
}
