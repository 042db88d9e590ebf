// The run's figures as text.
import { type Figure, isTimed } from '../replay/measure.ts'
import {
  done,
  formatBytes,
  formatLeast,
  formatMedian,
  means,
  memoryOverLive,
  NO_FIGURE,
  type Outcome,
  type Result,
  type Run,
  ratios,
} from './result.ts'

const FAILED = 'failed'

const of = (outcome: Outcome | Error, show: (outcome: Outcome) => string) => (done(outcome) ? show(outcome) : FAILED)

const formatFigure = (figure: Figure) => `${formatLeast(figure)} (${formatMedian(figure)})`

/** `width` is how many characters a line of a table is to have at most. */
export function formatRun(run: Run, width = Number.POSITIVE_INFINITY): string {
  const mean = means(run.results)
  const meanRow = (cells: string[]) => (mean ? [[`geometric mean of ${mean.traces}`, ...cells]] : [])

  const time = (heading: string, which: 'warm' | 'cold') => [
    ['', heading, '', ''],
    ['trace', 'granary', run.rival, 'ratio'],
    ...run.results.map((result) => {
      const { trace, granary, rival } = result
      const show = ({ measurement }: Outcome) => (isTimed(trace) ? formatFigure(measurement[which]) : NO_FIGURE)
      const both = ratios(result)
      return [trace.name, of(granary, show), of(rival, show), both ? (both[which]?.toFixed(2) ?? NO_FIGURE) : '']
    }),
    ...meanRow(['', '', mean?.ratios[which]?.toFixed(3) ?? NO_FIGURE]),
  ]

  const share = (result: Result, outcome: Outcome | Error) =>
    of(outcome, (done) => memoryOverLive(result.trace, done).toFixed(3))
  const memory = [
    ['', '', 'peak memory / live', ''],
    ['trace', 'peak live', 'granary', run.rival],
    ...run.results.map((result) => [
      result.trace.name,
      formatBytes(result.trace.peak),
      share(result, result.granary),
      share(result, result.rival),
    ]),
    ...meanRow(['', mean?.granaryMemory.toFixed(3) ?? '', mean?.rivalMemory.toFixed(3) ?? '']),
  ]
  const other = (heading: string, show: (outcome: Outcome) => string) => [
    ['', heading, ''],
    ['trace', 'granary', run.rival],
    ...run.results.map((result) => [result.trace.name, of(result.granary, show), of(result.rival, show)]),
  ]
  const repeated = other('repeated / peak', ({ measurement }) =>
    (measurement.heapBytesAgain / measurement.heapBytes).toFixed(3),
  )
  const growths = other('growths', ({ inspection }) => String(inspection.growths))
  const fragmentation = other('fragmentation', ({ inspection }) => inspection.fragmentation.toFixed(2))

  return [
    wrapped(
      `Net CPU time in nanoseconds an operation: minimum (median ±half the interquartile range) of ${run.repetitions}.`,
      width,
    ),
    '',
    arranged([time('warm', 'warm'), time('cold', 'cold')], width),
    '',
    wrapped(
      "Memory: the peak, and what it grew to when the trace was repeated. Fragmentation is 1 - largest free run / all free bytes, at the end of the trace; free are the gaps around live blocks, the allocator's own tables among them.",
      width,
    ),
    '',
    arranged([memory, repeated, growths, fragmentation], width),
  ].join('\n')
}

/** The words in lines of up to `width` characters. */
function wrapped(text: string, width: number): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.length - 1
    const line = lines[last] ? `${lines[last]} ${word}` : word
    if (line.length <= width || !lines[last]) lines[last] = line
    else lines.push(word)
  }
  return lines.join('\n')
}

/** Tables with the same first column, side by side as far as no line is longer than `width`, else one below the other. */
function arranged(tables: string[][][], width: number): string {
  const [first, ...rest] = tables
  const stacked = [first]
  for (const table of rest) {
    const wider = joined(stacked[stacked.length - 1], table)
    if (
      columns(wider)
        .split('\n')
        .every((line) => line.length <= width)
    )
      stacked[stacked.length - 1] = wider
    else stacked.push(table)
  }
  return stacked.map(columns).join('\n\n')
}

/** Side by side; the right one may have fewer rows. */
function joined(left: string[][], right: string[][]): string[][] {
  return left.map((row, i) => [...row, ...(right[i]?.slice(1) ?? [])])
}

/** Columns as wide as their widest cell, numbers to the right. */
function columns(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}
