// What a change did: two runs, allocator by allocator and workload by workload, with the noise of both taken into account.

import { meanTime, netOf, type Phase, replayOf, workloadsOf } from './figures.ts'
import type { ReplayResult, Results } from './results.ts'
import { type Estimate, estimate, geometricMean, net } from './stats.ts'

export interface Change {
  allocator: string
  workload: string
  what: Phase | 'memory'
  /** After over before. */
  ratio: Estimate
  /** The whole interval is beyond 1 by more than LEAST_CHANGE, up or down; of memory, any change is. */
  significant: boolean
}

// No run tells less apart, however quiet it was: code moves by a few bytes, and caches see other addresses.
const LEAST_CHANGE = 0.02
// Allocators that differ by less need not be in the same order in two runs.
const LEAST_DIFFERENCE = 0.1

/** The allocators that both runs have. */
function inBoth(before: Results, after: Results): string[] {
  return before.allocators.map(({ id }) => id).filter((id) => after.allocators.some((other) => other.id === id))
}

/**
 * Compares what both runs have. A machine that was slower in one run is slower for all: times are divided by the mean of
 * what the other allocators, the controls, took on the same workload in the same run.
 */
export function compare(before: Results, after: Results, allocator: string): Change[] {
  const controls = inBoth(before, after).filter((id) => id !== allocator)
  const changes: Change[] = []
  for (const { id: workload } of before.workloads) {
    const [one, other] = [before, after].map((results) => replayOf(results, workload, allocator))
    if (!one || !other || one.fault || other.fault) continue
    for (const what of ['warm', 'cold'] as const) {
      const isInBoth = (id: string) =>
        [before, after].every((results) => netOf(results, workload, id, what) !== undefined)
      if (!isInBoth(allocator)) continue
      const shared = controls.filter(isInBoth)
      const times = (results: Results, replay: ReplayResult) => relative(results, workload, what, replay, shared)
      const ratio = quotient(times(after, other), times(before, one))
      const significant = ratio.low > 1 + LEAST_CHANGE || ratio.high < 1 - LEAST_CHANGE
      changes.push({ allocator, workload, what, ratio, significant })
    }
    const value = other.heap / one.heap
    changes.push({
      allocator,
      workload,
      what: 'memory',
      ratio: { value, low: value, high: value },
      significant: value !== 1,
    })
  }
  return changes
}

/** Net time over the geometric mean of the controls' net times in the same run. */
function relative(results: Results, workload: string, what: Phase, replay: ReplayResult, controls: string[]): Estimate {
  const series = ['floor', ...controls].map((id) => replayOf(results, workload, id)?.[what] ?? [])
  return estimate([[replay[what], ...series]], ([[own, floor, ...others]]) => {
    const ours = net(own, floor)
    return others.length ? ours / geometricMean(others.map((values) => net(values, floor))) : ours
  })
}

/** One estimate over another; the relative uncertainties of both add as those of independent figures do. */
function quotient(one: Estimate, other: Estimate): Estimate {
  const value = one.value / other.value
  const above = Math.hypot(Math.log(one.high / one.value), Math.log(other.value / other.low))
  const below = Math.hypot(Math.log(one.value / one.low), Math.log(other.high / other.value))
  return { value, low: value * Math.exp(-below), high: value * Math.exp(above) }
}

export interface Orders {
  /** Pairs of allocators that differ by more than LEAST_DIFFERENCE, beyond the noise, in at least one of the runs: for real and synthetic
   *  workloads, cold and warm. */
  pairs: number
  /** Those of them that the other run puts in the other order. */
  reversed: string[]
}

/** Whether two runs agree on which of two allocators is faster, over the workloads that both finish in both. */
export function orders(before: Results, after: Results): Orders {
  const ids = inBoth(before, after)
  const found: Orders = { pairs: 0, reversed: [] }
  for (const phase of ['warm', 'cold'] as const)
    for (const kinds of ['recorded', 'synthetic'] as const) {
      const workloads = workloadsOf(before, kinds)
      for (const [i, one] of ids.entries())
        for (const other of ids.slice(i + 1)) {
          const both = workloads.filter((workload) =>
            [before, after].every((run) => [one, other].every((id) => netOf(run, workload, id, phase) !== undefined)),
          )
          const [first, second] = [before, after].map((run) => meanTime(run, both, one, other, phase))
          if (!first || !second) continue
          if (![first, second].some(({ low, high }) => low > 1 + LEAST_DIFFERENCE || high < 1 / (1 + LEAST_DIFFERENCE)))
            continue
          found.pairs++
          if (first.value > 1 === second.value > 1) continue
          const [was, is] = [first, second].map(({ value }) => value.toFixed(2))
          found.reversed.push(
            `${one} over ${other}, ${kinds === 'recorded' ? 'real' : kinds}, ${phase}: ${was}, then ${is}`,
          )
        }
    }
  return found
}

/** The comparison for a terminal: significant changes first, then the means. */
export function comparison(before: Results, after: Results): string {
  const shared = inBoth(before, after)
  const subject = shared.find((id) => id === 'granary') ?? shared[0]
  if (!subject) return 'The two runs have no allocator in common.'
  const changes = compare(before, after, subject)
  const percent = (ratio: number) => `${ratio >= 1 ? '+' : '−'}${Math.abs(100 * (ratio - 1)).toFixed(1)} %`
  const lines = [`${subject}, after against before, times relative to the other allocators of each run`]
  for (const what of ['warm', 'cold', 'memory'] as const) {
    const all = changes.filter((change) => change.what === what)
    if (!all.length) continue
    lines.push(
      '',
      `${what}: ${percent(geometricMean(all.map(({ ratio }) => ratio.value)))} in the geometric mean of ${all.length}`,
    )
    const clear = all.filter(({ significant }) => significant).sort((a, b) => b.ratio.value - a.ratio.value)
    for (const { workload, ratio } of clear)
      lines.push(
        `  ${workload.padEnd(24)} ${percent(ratio.value).padStart(9)}   (${percent(ratio.low)} to ${percent(ratio.high)})`,
      )
    lines.push(`  ${all.length - clear.length} within the noise`)
  }
  const { pairs, reversed } = orders(before, after)
  lines.push(
    '',
    `order: ${pairs - reversed.length} of ${pairs} pairs that differ by more than ${100 * LEAST_DIFFERENCE} %, beyond the noise, are the same way round`,
  )
  return lines.concat(reversed.map((pair) => `  ${pair}`)).join('\n')
}
