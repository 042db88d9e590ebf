// The run's figures as text.
import type { Figure } from '../replay/measure.ts'
import {
  done,
  formatBytes,
  formatMedian,
  means,
  memoryOverLive,
  type Outcome,
  type Result,
  type Run,
  ratios,
} from './result.ts'

const FAILED = 'failed'

const of = (outcome: Outcome | Error, show: (outcome: Outcome) => string) => (done(outcome) ? show(outcome) : FAILED)

const formatFigure = (figure: Figure) => `${figure.minimum.toFixed(1)} (${formatMedian(figure)})`

export function formatRun(run: Run): string {
  const mean = means(run.results)
  const meanRow = (cells: string[]) => (mean ? [[`geometric mean of ${mean.traces}`, ...cells]] : [])

  const time = (heading: string, which: 'warm' | 'cold') => [
    ['', heading, '', ''],
    ['trace', 'granary', run.rival, 'ratio'],
    ...run.results.map((result) => [
      result.trace.name,
      of(result.granary, ({ measurement }) => formatFigure(measurement[which])),
      of(result.rival, ({ measurement }) => formatFigure(measurement[which])),
      ratios(result)?.[which]?.toFixed(2) ?? '',
    ]),
    ...meanRow(['', '', mean?.ratios[which]?.toFixed(3) ?? '']),
  ]

  const share = (result: Result, outcome: Outcome | Error) =>
    of(outcome, (done) => memoryOverLive(result.trace, done).toFixed(3))
  const pair = (result: Result, show: (outcome: Outcome) => string) => [
    of(result.granary, show),
    of(result.rival, show),
  ]
  const memory = [
    ['', '', 'peak memory / live', '', 'repeated / peak', '', 'growths', '', 'fragmentation', ''],
    ['trace', 'peak live', ...Array<string[]>(4).fill(['granary', run.rival]).flat()],
    ...run.results.map((result) => [
      result.trace.name,
      formatBytes(result.trace.peak),
      share(result, result.granary),
      share(result, result.rival),
      ...pair(result, ({ measurement }) => (measurement.heapBytesAgain / measurement.heapBytes).toFixed(3)),
      ...pair(result, ({ inspection }) => String(inspection.growths)),
      ...pair(result, ({ inspection }) => inspection.fragmentation.toFixed(2)),
    ]),
    ...meanRow(['', mean?.granaryMemory.toFixed(3) ?? '', mean?.rivalMemory.toFixed(3) ?? '', '', '', '', '', '', '']),
  ]

  return [
    `Net CPU time in nanoseconds an operation: minimum (median ±half the distance of the quartiles) of ${run.repetitions}.`,
    '',
    columns(joined(time('warm', 'warm'), time('cold', 'cold'))),
    '',
    "Memory: the peak, and what it grew to when the trace was repeated. Fragmentation is 1 - largest free run / all free bytes, at the end of the trace; free are the gaps around live blocks, the allocator's own tables among them.",
    '',
    columns(memory),
  ].join('\n')
}

/** Two tables with the same first column side by side. */
function joined(left: string[][], right: string[][]): string[][] {
  return left.map((row, i) => [...row, ...right[i].slice(1)])
}

/** Columns as wide as their widest cell, numbers to the right. */
function columns(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const line = (row: string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}
