// The statistics of the lab. A figure is the least of its repetitions, net of the floor; how far it can be trusted is told
// by what halves of the repetitions would have given.
import { geometricMean, LEAST_NET } from '../replay/measure.ts'
import { Random } from './synthetic.ts'

export { geometricMean, LEAST_NET }

const HALVES = 200

/** A value and the interval that holds it in 95 of 100 cases. */
export interface Estimate {
  value: number
  low: number
  high: number
}

/** The value below which the given share of an ascending list lies, between neighbours in proportion. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = (sorted.length - 1) * share
  const below = Math.floor(at)
  const next = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (at - below) * (sorted[next] - sorted[below])
}

export function median(values: number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}

/** The least of the repetitions minus the least of the floor's, in nanoseconds. */
export function net(gross: number[], floor: number[]): number {
  return Math.max(Math.min(...gross) - Math.min(...floor), LEAST_NET)
}

/**
 * Applies a statistic to all repetitions, and to random halves of them for its interval. The statistic is given the
 * numbers of the repetitions to use: those of one number were taken in one turn.
 */
export function estimate(repetitions: number, statistic: (chosen: number[]) => number): Estimate {
  const all = Array.from({ length: repetitions }, (_, i) => i)
  const value = statistic(all)
  if (repetitions < 3) return { value, low: 0, high: Number.POSITIVE_INFINITY } // nothing is known of the noise
  const random = new Random('halves')
  const half = Math.ceil(repetitions / 2)
  const values = Array.from({ length: HALVES }, () => statistic(random.shuffle([...all]).slice(0, half)))
  values.sort((a, b) => a - b)
  return { value, low: Math.min(value, quantile(values, 0.025)), high: Math.max(value, quantile(values, 0.975)) }
}

const chosenOf = (values: number[], chosen: number[]) =>
  chosen.map((i) => values[i]).filter((value) => value !== undefined)

/** Net nanoseconds an operation. */
export function netEstimate(gross: number[], floor: number[]): Estimate {
  return estimate(gross.length, (chosen) => net(chosenOf(gross, chosen), chosenOf(floor, chosen)))
}

/** How many times as long one takes as the other, net. */
export function ratioEstimate(one: number[], other: number[], floor: number[]): Estimate {
  return estimate(Math.min(one.length, other.length), (chosen) => {
    const base = chosenOf(floor, chosen)
    return net(chosenOf(one, chosen), base) / net(chosenOf(other, chosen), base)
  })
}
