// The section of docs/benchmarks.md on the newest V8, workload by workload.

import { referenceOf } from './figures.ts'
import { table, withInterval } from './markdown.ts'
import { LEAST_LOSS } from './reportParts.ts'
import type { Results } from './results.ts'
import { isBelowFloor, ratioEstimate } from './stats.ts'

export function newestNode(results: Results, title: (id: string) => string): string {
  const name = results.engines.find(({ engine }) => engine.startsWith('Node ') && !engine.includes(results.v8))?.engine
  if (!name) return ''
  const ours = referenceOf(results)
  const rows = results.engines.filter(({ engine, fault }) => engine === name && !fault)
  const workloads = [...new Set(rows.map(({ workload }) => workload))]
  const others = [...new Set(rows.map(({ allocator }) => allocator))].filter((id) => id !== ours && id !== 'floor')
  const losses: string[][] = []
  const sections = (['warm', 'cold'] as const).map((phase) => {
    const cells = workloads.map((workload) => {
      const of = (id: string) => rows.find((row) => row.workload === workload && row.allocator === id)?.[phase]
      const [us, floor] = [of(ours), of('floor')]
      return [
        workload,
        ...others.map((id) => {
          const them = of(id)
          if (!them?.length || !us?.length || !floor?.length) return '–'
          const lost = ratioEstimate([us, them, floor])
          const bound = isBelowFloor(them, floor) ? '> ' : ''
          if (lost.low > 1 + LEAST_LOSS) losses.push([workload, title(id), phase, bound + withInterval(lost)])
          return isBelowFloor(them, floor) ? '< floor' : withInterval(ratioEstimate([them, us, floor]))
        }),
      ]
    })
    return `### ${phase === 'warm' ? 'Warm' : 'Cold'} in ${name}\n\n${table(['workload', ...others.map(title)], cells)}`
  })
  const lost = losses.length
    ? `Where ${title(ours)} loses there by more than the noise and ${100 * LEAST_LOSS} %, its time over the rival’s:\n\n${table(['workload', 'rival', 'figure', 'ratio'], losses, 'lllr')}`
    : `${title(ours)} loses nowhere there beyond the noise.`
  return `## In the newest V8\n\nNet time over ${title(ours)}’s in ${name}, of the strongest rivals on every real program and one synthetic workload, in fewer repetitions than above. As everywhere here, all is compiled by the optimising tier before the first call; then V8 has counted no calls and inlines what comes first and is small. With its default flags it inlines what is called often ([performance.md](performance.md#what-helped) has figures).\n\n${sections.join('\n\n')}\n\n${lost}`
}
