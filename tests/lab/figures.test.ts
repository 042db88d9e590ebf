// npm run bench: its statistics, and the figures made of a run.
import { describe, expect, it } from 'vitest'
import { compare, comparison } from '../../bench/lab/compare.ts'
import { meanRatio, meanTime, memoryOf, netOf } from '../../bench/lab/figures.ts'
import { report } from '../../bench/lab/report.ts'
import type { Results } from '../../bench/lab/results.ts'
import { estimate, geometricMean, isBelowFloor, LEAST_NET, net, ratioEstimate } from '../../bench/lab/stats.ts'
import { ratioTables } from '../../bench/lab/tables.ts'
import { replayIn, run } from './results.ts'

describe('statistics', () => {
  it('net is the least minus the floor’s least, and never less than can be told', () => {
    expect(net([12, 10, 30], [4, 3])).toBe(7)
    expect(net([3], [3.1])).toBe(LEAST_NET)
  })

  it('the geometric mean of a ratio and its inverse is 1', () => {
    expect(geometricMean([4, 0.25])).toBeCloseTo(1)
  })

  it('the interval holds the value, is wider for noisier figures, and unknown for two repetitions', () => {
    const interval = (values: number[]) => estimate([[values]], ([[chosen]]) => Math.min(...chosen))
    const quiet = interval([10, 10.1, 10, 10.1, 10, 10.1, 10])
    const noisy = interval([10, 14, 18, 22, 26, 30, 34])
    for (const { value, low, high } of [quiet, noisy]) {
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
    }
    expect(noisy.high - noisy.low).toBeGreaterThan(quiet.high - quiet.low)
    expect(interval([1, 2]).high).toBe(Number.POSITIVE_INFINITY)
    expect(interval([10, 14, 18, 22])).toEqual(interval([10, 14, 18, 22]))
  })

  it('the interval is unknown as soon as one of the series has fewer than three repetitions', () => {
    const [long, short] = [Array(11).fill(1), [1, 1]]
    for (const rows of [[[long], [short]], [[long, short]]])
      expect(estimate(rows, () => 5)).toEqual({ value: 5, low: 0, high: Number.POSITIVE_INFINITY })
  })

  it('halves have half of each series, however long the others are', () => {
    const lengths = ([series]: number[][][]) => Number(series.map(({ length }) => length).join(''))
    expect(estimate([[Array(15).fill(1), Array(4).fill(1)]], lengths)).toEqual({ value: 154, low: 82, high: 154 })
  })

  it('the interval is that of 95 in 100 halves', () => {
    const values = Array.from({ length: 100 }, (_, i) => i)
    const { value, low, high } = estimate([[values]], ([[chosen]]) => chosen.reduce((a, b) => a + b) / chosen.length)
    expect(value).toBe(49.5)
    // The mean of half of them has a standard deviation of 2.9.
    expect(low).toBeGreaterThan(49.5 - 3 * 2.9)
    expect(low).toBeLessThan(49.5 - 1.3 * 2.9)
    expect(high).toBeGreaterThan(49.5 + 1.3 * 2.9)
    expect(high).toBeLessThan(49.5 + 3 * 2.9)
  })

  it('a figure is below the floor if the least is too little above the floor’s least', () => {
    expect(isBelowFloor([10, 5.2], [7, 5])).toBe(true)
    expect(isBelowFloor([9, 5.4], [5.3, 5])).toBe(false)
  })

  it('a ratio uses repetitions of the same turn', () => {
    // The machine is twice as slow in every other turn, for all alike.
    const slow = [1, 2, 1, 2, 1, 2, 1, 2]
    const ratio = ratioEstimate([slow.map((s) => 21 * s), slow.map((s) => 11 * s), slow])
    expect(ratio.value).toBeCloseTo(2)
    expect(ratio.low).toBeCloseTo(2)
    expect(ratio.high).toBeCloseTo(2)
  })
})

describe('figures of a run', () => {
  it('are net times and memory over live bytes, and none for a faulty replay', () => {
    const results = run(10, 20)
    expect(netOf(results, 'alpha', 'granary', 'warm')).toBeCloseTo(10)
    expect(memoryOf(results, 'alpha', 'granary')).toBeCloseTo(1.5)
    const figure = (workload: string, allocator: string) => netOf(results, workload, allocator, 'warm')
    expect(meanRatio(figure, ['alpha', 'beta'], 'dlmalloc', 'granary')).toBeCloseTo(2)
    results.replays[1].fault = 'operation 7: realloc does not keep the content'
    expect(netOf(results, 'alpha', 'granary', 'warm')).toBeUndefined()
    expect(memoryOf(results, 'alpha', 'granary')).toBeUndefined()
    expect(meanRatio(figure, ['alpha', 'beta'], 'dlmalloc', 'granary')).toBeCloseTo(2)
    expect(meanRatio(figure, ['alpha'], 'dlmalloc', 'granary')).toBeUndefined()
  })

  it('are of all repetitions, however few another allocator or another workload has', () => {
    const results = run(10, 20)
    const of = (workload: string, allocator: string) => replayIn(results, workload, allocator)
    of('alpha', 'dlmalloc').warm = [25, 25, 25] // net 20
    of('alpha', 'granary').warm = [40, 40, 40, 15, 40] // net 10
    of('beta', 'granary').warm = [40, 40, 40, 40, 40, 15]
    of('beta', 'dlmalloc').warm = [40, 40, 40, 40, 40, 25]
    const mean = meanTime(results, ['alpha', 'beta'], 'dlmalloc', 'granary', 'warm')
    expect(mean?.value).toBeCloseTo(2)
    expect(mean?.low).toBeGreaterThan(0)
    expect(mean?.high).toBeLessThan(10)
  })

  it('are none, and in no mean, where they cannot be told from the floor', () => {
    const results = run(10, 20)
    replayIn(results, 'alpha', 'dlmalloc').warm = Array(11).fill(3)
    expect(netOf(results, 'alpha', 'dlmalloc', 'warm')).toBeUndefined()
    expect(meanTime(results, ['alpha', 'beta'], 'dlmalloc', 'granary', 'warm')?.value).toBeCloseTo(2)
    expect(ratioTables(results)).toMatch(/^ *alpha +10.00 +< floor$/m)
    const { markdown } = report(results, 'pictures')
    expect(markdown).toContain('| alpha | 10.0 ns | < floor |')
    expect(markdown).toContain('| alpha | dlmalloc | warm | > 33.33 (')
  })
})

describe('compare', () => {
  const warm = (before: Results, after: Results) =>
    compare(before, after, 'granary').filter(({ what }) => what === 'warm')

  it('finds a change beyond the noise', () => {
    for (const { ratio, significant } of warm(run(10, 20), run(8, 20))) {
      expect(ratio.value).toBeCloseTo(0.8)
      expect(significant).toBe(true)
    }
  })

  it('takes no notice of a machine that is slower for all', () => {
    for (const { ratio, significant } of warm(run(10, 20), run(10, 20, 0.01, 1.4))) {
      expect(ratio.value).toBeCloseTo(1)
      expect(significant).toBe(false)
    }
  })

  it('finds it beside a control that made few repetitions', () => {
    const [before, after] = [run(10, 20), run(20, 20)]
    for (const results of [before, after])
      for (const { allocator, warm } of results.replays) if (allocator === 'dlmalloc') warm.length = 3
    for (const { ratio, significant } of warm(before, after)) {
      expect(ratio.high).toBeLessThan(3)
      expect(significant).toBe(true)
    }
  })

  it('does not call noise a change', () => {
    for (const { significant } of warm(run(10, 20, 0.3), run(9, 20, 0.3))) expect(significant).toBe(false)
  })

  it('calls no change of time what is too little for one, however quiet the runs were', () => {
    for (const [ns, isChange] of [
      [9.9, false],
      [10.1, false],
      [9.7, true],
      [10.3, true],
    ] as const)
      for (const { significant } of warm(run(10, 20, 0), run(ns, 20, 0))) expect(significant).toBe(isChange)
  })

  it('calls any other size of the memory a change', () => {
    const memory = (after: Results) => compare(run(10, 20), after, 'granary').filter(({ what }) => what === 'memory')
    for (const { significant } of memory(run(10, 20))) expect(significant).toBe(false)
    const after = run(10, 20)
    replayIn(after, 'beta', 'granary').heap += 65_536
    expect(memory(after).map(({ workload, significant }) => [workload, significant])).toEqual([
      ['alpha', false],
      ['beta', true],
    ])
  })

  it('leaves out what has a fault in one run', () => {
    for (const faulty of [0, 1]) {
      const runs = [run(10, 20), run(8, 20)] as const
      replayIn(runs[faulty], 'alpha', 'granary').fault = 'operation 7: no memory'
      expect(compare(...runs, 'granary').map(({ workload }) => workload)).toEqual(['beta', 'beta', 'beta'])
    }
  })

  it('leaves out what one run lacks, and says so in words', () => {
    const after = run(8, 20)
    after.replays = after.replays.filter(({ workload }) => workload === 'beta')
    expect(warm(run(10, 20), after).map(({ workload }) => workload)).toEqual(['beta'])
    expect(comparison(run(10, 20), after)).toContain('warm: −20.0 % in the geometric mean of 1')
  })
})
