// The ratios of a run for a terminal.
import { type Figure, gapOf, meanRatio, memoryOf, netOf, type Phase, referenceOf, workloadsOf } from './figures.ts'
import type { Results } from './results.ts'
import { geometricMean, LEAST_NET } from './stats.ts'

interface Figures {
  name: string
  unit: string
  figure: Figure
  /** What stands where there is no figure. */
  gap: (workload: string, allocator: string) => string
}

export function ratioTables(results: Results): string {
  const reference = referenceOf(results)
  const others = results.allocators.map(({ id }) => id).filter((id) => id !== reference)
  const time = (phase: Phase): Figures => ({
    name: phase,
    unit: 'ns an operation, net',
    figure: (workload, allocator) => netOf(results, workload, allocator, phase),
    gap: (workload, allocator) => gapOf(results, workload, allocator, phase),
  })
  const memory: Figures = {
    name: 'memory',
    unit: 'peak memory over peak live bytes',
    figure: (workload, allocator) => memoryOf(results, workload, allocator),
    gap: () => '–',
  }
  const lines: string[] = []
  for (const { name, unit, figure, gap } of [time('warm'), time('cold'), memory]) {
    const width = Math.max(9, ...others.map((id) => id.length)) + 2
    lines.push(
      '',
      `${name}: ${reference} in ${unit}, then ${reference} over each other (below 1: ${reference} is better)`,
    )
    const row = (title: string, cells: string[]) =>
      lines.push([title.padEnd(24), ...cells].map((cell) => cell.padStart(width)).join(''))
    row('workload', [reference, ...others])
    for (const group of [workloadsOf(results, 'recorded'), workloadsOf(results, 'synthetic')]) {
      for (const workload of group) {
        const own = figure(workload, reference)
        const ratios = others.map((other) => {
          const theirs = figure(workload, other)
          if (theirs === undefined) return gap(workload, other)
          return own === undefined ? '–' : (own / theirs).toFixed(3)
        })
        row(workload, [own?.toFixed(2) ?? gap(workload, reference), ...ratios])
      }
      if (group.length < 2) continue
      const own = group.flatMap((workload) => figure(workload, reference) ?? [])
      const means = others.map((other) => meanRatio(figure, group, reference, other)?.toFixed(3) ?? '–')
      row('geometric mean', [own.length ? geometricMean(own).toFixed(2) : '–', ...means])
    }
  }
  const faults = results.replays.filter(({ fault }) => fault)
  if (faults.length) lines.push('')
  for (const { workload, allocator, fault } of faults) lines.push(`${allocator} on ${workload}: ${fault}`)
  lines.push(
    '',
    `Net of the floor (“< floor”: less than ${LEAST_NET} ns above it, and in no mean); the least of the repetitions; CPU time.`,
  )
  return lines.join('\n')
}
