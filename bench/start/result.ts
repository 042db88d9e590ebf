// What a run of `npm start` has found, for the table and the report.
import type { Inspection } from '../replay/inspect.ts'
import { type Figure, geometricMean, isTimed, LEAST_NET, type Measurement } from '../replay/measure.ts'
import type { Trace } from '../trace.ts'

/** One allocator on one trace. */
export interface Outcome {
  measurement: Measurement
  inspection: Inspection
}

/** Whether the allocator replayed the trace. */
export const done = (outcome: Outcome | Error): outcome is Outcome => !(outcome instanceof Error)

export interface Result {
  trace: Trace
  /** An allocator that failed has the reason instead. */
  granary: Outcome | Error
  rival: Outcome | Error
}

export interface Machine {
  processor: string
  cores: number
  memory: number
  system: string
  engine: string
  flags: string[]
}

export interface Run {
  results: Result[]
  rival: string
  repetitions: number
  machine: Machine
  date: Date
  /** Of the module. */
  moduleBytes: number
}

/** Bytes of heap at its largest, for each byte live at the peak. */
export function memoryOverLive(trace: Trace, outcome: Outcome): number {
  return outcome.measurement.heapBytes / trace.peak
}

export interface Ratios {
  /** Undefined where one of them cannot be told from the replay's own cost, and for traces that are not timed. */
  warm: number | undefined
  cold: number | undefined
  memory: number
}

/** Granary's figures as parts of the rival's; undefined where one of them failed. */
export function ratios({ trace, granary, rival }: Result): Ratios | undefined {
  if (!done(granary) || !done(rival)) return undefined
  const times = (which: 'warm' | 'cold') => {
    const [ours, theirs] = [granary, rival].map(({ measurement }) => measurement[which].minimum)
    return isTimed(trace) && Math.min(ours, theirs) > LEAST_NET ? ours / theirs : undefined
  }
  return {
    warm: times('warm'),
    cold: times('cold'),
    memory: memoryOverLive(trace, granary) / memoryOverLive(trace, rival),
  }
}

export interface Means {
  ratios: Ratios
  granaryMemory: number
  rivalMemory: number
  /** How many traces are in the means: those that both replayed. */
  traces: number
}

/** Geometric means over the traces that both allocators replayed; undefined if there is none. */
export function means(results: Result[]): Means | undefined {
  const both = results.flatMap(({ trace, granary, rival }) =>
    done(granary) && done(rival) ? [{ trace, granary, rival }] : [],
  )
  if (both.length === 0) return undefined
  const all = both.map((result) => ratios(result) as Ratios)
  const mean = (which: 'warm' | 'cold') => {
    const known = all.flatMap((ratios) => ratios[which] ?? [])
    return known.length ? geometricMean(known) : undefined
  }
  return {
    ratios: {
      warm: mean('warm'),
      cold: mean('cold'),
      memory: geometricMean(all.map((ratios) => ratios.memory)),
    },
    granaryMemory: geometricMean(both.map(({ trace, granary }) => memoryOverLive(trace, granary))),
    rivalMemory: geometricMean(both.map(({ trace, rival }) => memoryOverLive(trace, rival))),
    traces: both.length,
  }
}

/** What stands where there is no figure. */
export const NO_FIGURE = '–'

/** "8.4", or "< 0.3" where it cannot be told from the replay's own cost. */
export function formatLeast({ minimum }: Figure): string {
  return minimum > LEAST_NET ? minimum.toFixed(1) : `< ${LEAST_NET}`
}

/** "8.4 ±0.2": the median and half the interquartile range. */
export function formatMedian({ lowerQuartile, median, upperQuartile }: Figure): string {
  return `${median.toFixed(1)} ±${((upperQuartile - lowerQuartile) / 2).toFixed(1)}`
}

/** "10.5 MiB". */
export function formatBytes(bytes: number): string {
  const unit = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), 3)
  const value = bytes / 1024 ** unit
  return `${Number(value.toFixed(value < 100 ? 1 : 0))} ${['B', 'KiB', 'MiB', 'GiB'][unit]}`
}
