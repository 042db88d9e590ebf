// The sections of docs/benchmarks.md on latency and on large heaps, and their pictures.

import { faultMark, referenceOf } from './figures.ts'
import { hundredths, table, tenths, thousands } from './markdown.ts'
import { type Drawn, NULL_FLOOR, SHOWN } from './reportParts.ts'
import type { Results } from './results.ts'
import { isBelowFloor } from './stats.ts'
import { lines } from './svg.ts'
import { BATCH } from './tasks.ts'

const nanoseconds = (ns: number) =>
  ns < 1000 ? `${ns.toFixed(0)} ns` : ns < 1e6 ? `${tenths(ns / 1000)} µs` : `${tenths(ns / 1e6)} ms`

export function latency(results: Results, { ids, title, palette, picture }: Drawn): string {
  const { latencies } = results
  const workloads = [...new Set(latencies.map(({ workload }) => workload))]
  if (!workloads.length) return ''
  const shares: [string, number][] = [
    ['p90', 0.1],
    ['p99', 0.01],
    ['p99.9', 0.001],
    ['p99.99', 0.0001],
  ]
  const sections = workloads.map((workload) => {
    const measured = latencies.filter((latency) => latency.workload === workload)
    const at = (curve: { share: number; ns: number }[], share: number) =>
      curve.reduce((best, point) =>
        Math.abs(Math.log(point.share / share)) < Math.abs(Math.log(best.share / share)) ? point : best,
      ).ns
    const rows = ids.flatMap((id) => {
      const latency = measured.find(({ allocator }) => allocator === id)
      if (!latency || latency.fault || !latency.curve.length) return []
      return [
        [
          title(id),
          `${tenths(latency.p50)} ns`,
          ...shares.map(([, share]) => nanoseconds(at(latency.curve, share))),
          nanoseconds(latency.max),
        ],
      ]
    })
    const operations = results.workloads.find(({ id }) => id === workload)?.operations ?? 1e6
    const series = SHOWN.flatMap((id) => {
      const latency = measured.find(({ allocator }) => allocator === id)
      const points = (latency?.curve ?? [])
        .filter(({ share }) => share >= 1 / operations)
        .map(({ share, ns }) => ({ x: share, y: Math.max(ns, 1) }))
      return latency && !latency.fault && points.length ? [{ name: title(id), points }] : []
    })
    const clock = measured.find(({ allocator }) => allocator === 'floor')?.clock ?? 0
    const plot = series.length
      ? picture(
          `latency-${workload}.svg`,
          `Latency on ${workload}`,
          lines(
            `Latency on ${workload}`,
            { label: 'share of slower operations', format: (share) => `1/${Math.round(1 / share)}` },
            { label: 'nanoseconds', format: (ns) => (ns < 1000 ? String(ns) : thousands(ns)) },
            series,
            palette,
            true,
          ),
        )
      : ''
    return `### ${workload}\n\n${plot}\n\nThe clock’s own ${tenths(clock)} ns are subtracted.\n\n${table(['allocator', 'p50', ...shares.map(([name]) => name), 'maximum'], rows)}`
  })
  return `## Latency\n\nThe median comes from batches of ${BATCH} operations; the rest from single operations, each at its least in identical replays in fresh instances, so that what is left is the allocator’s and the engine’s (page faults and growth included), not the machine’s.\n\n${sections.join('\n\n')}`
}

export function asTheHeapGrows(results: Results, { ids, title, palette, picture }: Drawn): string {
  const ours = referenceOf(results)
  const floor = results.growth.find(({ allocator }) => allocator === 'floor')
  if (!floor?.points.length) return ''
  const lives = floor.points.map(({ live }) => live)
  const entryOf = (id: string) => results.growth.find(({ allocator }) => allocator === id)
  const netAt = (id: string, live: number) => {
    const [point, base] = [entryOf(id), floor].map((entry) => entry?.points.find((known) => known.live === live))
    return point && base && !isBelowFloor([point.ns], [base.ns]) ? point.ns - base.ns : undefined
  }
  const gapAt = (id: string, live: number) => {
    const { fault, points } = entryOf(id) ?? { points: [] }
    if (points.some((known) => known.live === live)) return '< floor'
    return fault ? faultMark(fault) : '–'
  }
  const rows = ids.map((id) => [
    title(id),
    ...lives.map((live) => {
      const [them, us] = [netAt(id, live), netAt(ours, live)]
      if (them === undefined) return gapAt(id, live)
      if (id === ours) return `${tenths(them)} ns`
      return us === undefined ? '–' : hundredths(them / us)
    }),
  ])
  rows.unshift([NULL_FLOOR, ...floor.points.map(({ ns }) => `${tenths(ns)} ns`)])
  const series = SHOWN.flatMap((id) => {
    const points = lives.flatMap((live) => {
      const y = netAt(id, live)
      return y === undefined ? [] : [{ x: live / 2 ** 20, y }]
    })
    return points.length ? [{ name: title(id), points }] : []
  })
  series.push({ name: NULL_FLOOR, points: floor.points.map(({ live, ns }) => ({ x: live / 2 ** 20, y: ns })) })
  const faults = results.growth.flatMap(({ allocator, fault }) => (fault ? [`${title(allocator)}: ${fault}`] : []))
  const mebibytes = lives.map((live) => live / 2 ** 20)
  const plot = picture(
    'growth.svg',
    'Cost of an operation as the live heap grows',
    lines(
      'Cost of an operation as the live heap grows',
      { label: 'live MiB', format: String, ticks: mebibytes },
      { label: 'nanoseconds, net of the null floor', format: String },
      series,
      palette,
    ),
  )
  return `## As the live heap grows\n\nRandom replacement of blocks of 16 to 2,032 bytes with that many live: ${title(ours)}’s net time, and the others’ over it. The null floor, which is subtracted from all, is what the replay itself takes.\n\n${plot}\n\n${table(['allocator', ...mebibytes.map((live) => `${live} MiB`)], rows)}${faults.length ? `\n\n${faults.join('; ')}.` : ''}`
}
