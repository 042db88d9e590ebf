// The ratios of a run for a terminal.
import type { ReplayResult, Results } from './results.ts'
import { type Estimate, estimate, geometricMean, LEAST_NET, net } from './stats.ts'

/** Which allocator the others are held against: ours, or, without it, the one to beat. */
export function referenceOf(results: Results): string {
  const ids = results.allocators.map(({ id }) => id)
  return ids.find((id) => id === 'granary') ?? ids.find((id) => id === 'dlmalloc') ?? ids[0]
}

export function replayOf(results: Results, workload: string, allocator: string): ReplayResult | undefined {
  return results.replays.find((replay) => replay.workload === workload && replay.allocator === allocator)
}

/** Net nanoseconds an operation, or undefined where there is no figure. */
export function netOf(
  results: Results,
  workload: string,
  allocator: string,
  phase: 'cold' | 'warm',
): number | undefined {
  const replay = replayOf(results, workload, allocator)
  const floor = replayOf(results, workload, 'floor')
  if (!replay?.[phase].length || replay.fault || !floor) return undefined
  return net(replay[phase], floor[phase])
}

/** Peak memory over peak live bytes, or undefined where that says nothing. */
export function memoryOf(results: Results, workload: string, allocator: string): number | undefined {
  const replay = replayOf(results, workload, allocator)
  const info = results.workloads.find(({ id }) => id === workload)
  if (!replay?.heap || replay.fault || !info || info.peak < PAGE) return undefined
  return replay.heap / info.peak
}

/** A workload whose live bytes fill less than this says nothing about memory, which comes in pages of 64 KiB. */
export const PAGE = 65_536

type Figure = (workload: string, allocator: string) => number | undefined

/** The geometric mean of one allocator's net time over another's, with its interval, over the workloads that both finish. */
export function meanTime(
  results: Results,
  workloads: string[],
  one: string,
  other: string,
  phase: 'cold' | 'warm',
): Estimate | undefined {
  const rows = workloads
    .filter((workload) => [one, other].every((id) => netOf(results, workload, id, phase) !== undefined))
    .map((workload) => [one, other, 'floor'].map((id) => replayOf(results, workload, id)?.[phase] ?? []))
  if (!rows.length) return undefined
  const repetitions = Math.min(...rows.map(([above, below]) => Math.min(above.length, below.length)))
  return estimate(repetitions, (chosen) =>
    geometricMean(
      rows.map((row) => {
        const [above, below, floor] = row.map((values) => chosen.map((i) => values[i]))
        return net(above, floor) / net(below, floor)
      }),
    ),
  )
}

/** The geometric mean of one allocator's figures over another's, over the workloads where both have one. */
export function meanRatio(figure: Figure, workloads: string[], one: string, other: string): number | undefined {
  const ratios = workloads.flatMap((workload) => {
    const a = figure(workload, one)
    const b = figure(workload, other)
    return a === undefined || b === undefined ? [] : [a / b]
  })
  return ratios.length ? geometricMean(ratios) : undefined
}

export function ratioTables(results: Results): string {
  const reference = referenceOf(results)
  const others = results.allocators.map(({ id }) => id).filter((id) => id !== reference)
  const figures: [string, string, Figure][] = [
    ['warm', 'ns an operation, net', (workload, allocator) => netOf(results, workload, allocator, 'warm')],
    ['cold', 'ns an operation, net', (workload, allocator) => netOf(results, workload, allocator, 'cold')],
    ['memory', 'peak memory over peak live bytes', (workload, allocator) => memoryOf(results, workload, allocator)],
  ]
  const recorded = results.workloads.filter(({ kind }) => kind !== 'synthetic').map(({ id }) => id)
  const made = results.workloads.filter(({ kind }) => kind === 'synthetic').map(({ id }) => id)
  const lines: string[] = []
  for (const [name, unit, figure] of figures) {
    const width = Math.max(9, ...others.map((id) => id.length)) + 2
    lines.push(
      '',
      `${name}: ${reference} in ${unit}, then ${reference} over each other (below 1: ${reference} is better)`,
    )
    lines.push(['workload'.padEnd(24), reference, ...others].map((cell) => cell.padStart(width)).join(''))
    const row = (title: string, own: string, ratios: (number | undefined)[], fault: (i: number) => string) =>
      lines.push(
        title.padEnd(24).padStart(width) +
          own.padStart(width) +
          ratios.map((ratio, i) => (ratio?.toFixed(3) ?? fault(i)).padStart(width)).join(''),
      )
    for (const group of [recorded, made]) {
      for (const workload of group) {
        const own = figure(workload, reference)
        const ratios = others.map((other) => {
          const figureOfOther = figure(workload, other)
          return own === undefined || figureOfOther === undefined ? undefined : own / figureOfOther
        })
        const faultOf = (i: number) => {
          const fault = replayOf(results, workload, others[i])?.fault
          return fault?.startsWith('not done') ? 'slow' : fault ? 'fault' : '-'
        }
        row(workload, own?.toFixed(2) ?? '-', ratios, faultOf)
      }
      if (group.length < 2) continue
      const own = group.flatMap((workload) => figure(workload, reference) ?? [])
      row(
        'geometric mean',
        own.length ? geometricMean(own).toFixed(2) : '-',
        others.map((other) => meanRatio(figure, group, reference, other)),
        () => '-',
      )
    }
  }
  const faults = results.replays.filter(({ fault }) => fault)
  if (faults.length) lines.push('')
  for (const { workload, allocator, fault } of faults) lines.push(`${allocator} on ${workload}: ${fault}`)
  lines.push('', `Net of the floor, at least ${LEAST_NET} ns; the least of the repetitions; CPU time.`)
  return lines.join('\n')
}
