// The figures of a run, and what stands where one has none.
import type { ReplayResult, Results } from './results.ts'
import { type Estimate, geometricMean, isBelowFloor, net, ratioEstimate, type Series } from './stats.ts'

export type Phase = 'warm' | 'cold'

/** Which allocator the others are held against: ours, or, without it, the one to beat. */
export function referenceOf(results: Results): string {
  const ids = results.allocators.map(({ id }) => id)
  return ids.find((id) => id === 'granary') ?? ids.find((id) => id === 'dlmalloc') ?? ids[0]
}

export function workloadsOf({ workloads }: Results, kinds: 'recorded' | 'synthetic' | 'all'): string[] {
  return workloads
    .filter(({ kind }) => kinds === 'all' || (kind === 'synthetic') === (kinds === 'synthetic'))
    .map(({ id }) => id)
}

export function replayOf(results: Results, workload: string, allocator: string): ReplayResult | undefined {
  return results.replays.find((replay) => replay.workload === workload && replay.allocator === allocator)
}

/** The gross times of a replay and of the floor, or undefined where one has none. */
export function timesOf(results: Results, workload: string, allocator: string, phase: Phase): Series | undefined {
  const replays = [allocator, 'floor'].map((id) => replayOf(results, workload, id))
  const times = replays.flatMap((replay) => (replay?.[phase].length && !replay.fault ? [replay[phase]] : []))
  return times.length === 2 ? times : undefined
}

/** Net nanoseconds an operation, or undefined where there is no figure, or none that can be told from the floor. */
export function netOf(results: Results, workload: string, allocator: string, phase: Phase): number | undefined {
  const times = timesOf(results, workload, allocator, phase)
  return times && !isBelowFloor(times[0], times[1]) ? net(times[0], times[1]) : undefined
}

/** What stands in a table for what went wrong. */
export function faultMark(fault: string): string {
  return fault.startsWith('not done') ? 'slow' : '✗'
}

/** What stands in a table where netOf has no figure. */
export function gapOf(results: Results, workload: string, allocator: string, phase: Phase): string {
  const fault = replayOf(results, workload, allocator)?.fault
  if (fault) return faultMark(fault)
  return timesOf(results, workload, allocator, phase) ? '< floor' : '–'
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

export type Figure = (workload: string, allocator: string) => number | undefined

/** The geometric mean of one allocator's net time over another's, with its interval, over the workloads that both have a
 *  figure for. */
export function meanTime(
  results: Results,
  workloads: string[],
  one: string,
  other: string,
  phase: Phase,
): Estimate | undefined {
  const rows = workloads
    .filter((workload) => [one, other].every((id) => netOf(results, workload, id, phase) !== undefined))
    .map((workload) => [one, other, 'floor'].map((id) => replayOf(results, workload, id)?.[phase] ?? []))
  return rows.length ? ratioEstimate(...rows) : undefined
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
