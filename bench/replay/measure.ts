// Times allocators side by side: repetitions are interleaved, so that what else the machine does hits all alike, and the
// least time of the floor (null.as.ts), measured in the same turns, is subtracted.
import { quantile } from 'd3-array'
import type { Trace } from '../trace.ts'
import { collectGarbage } from './engine.ts'
import { type Allocator, countGrowths, floorAllocator, merge } from './merge.ts'
import { Replay } from './replay.ts'

/** An allocator that is ready to run. */
export interface Contestant {
  name: string
  timed: WebAssembly.Module
  /** The same with its growths counted, for inspect.ts. */
  counted: WebAssembly.Module
  /** What its blocks of 16 bytes and more are aligned to. */
  alignment: number
}

/** Net nanoseconds an operation. */
export interface Figure {
  minimum: number
  lowerQuartile: number
  median: number
  upperQuartile: number
}

export interface Measurement {
  /** The first replay in a fresh instance. */
  cold: Figure
  /** The same trace again, after everything was freed; the mean of several times if it is short, but long enough to be timed. */
  warm: Figure
  /** Bytes from the heap's base to the memory's end after the first replay, and after the last. */
  heapBytes: number
  heapBytesAgain: number
}

// Less than this cannot be told from the floor.
export const LEAST_NET = 0.3

// A warm replay of fewer operations would be over too soon to be timed well, so it is repeated until they are about as many, or
// until they have taken so many nanoseconds of CPU time, as those that clear or copy big blocks may.
export const WARM_OPERATIONS = 200_000
export const WARM_TIME = 2e9

// Shorter traces are over before the clock can tell.
export const TIMED_OPERATIONS = 1000

/** Whether a trace has enough operations. */
export const isTimed = ({ operations }: Trace): boolean => operations >= TIMED_OPERATIONS

export function contestant(allocator: Allocator, alignment: number): Contestant {
  const { name } = allocator
  const merged = merge(allocator)
  const counted = countGrowths({ name, wasm: merged })
  return { name, alignment, timed: compiled(merged), counted: compiled(counted) }
}

export function floorModule(): WebAssembly.Module {
  return compiled(merge(floorAllocator()))
}

/** How often a trace is replayed where `repetitions` are asked for: once if it is not timed, since all else is the same each time. */
export function repetitionsOf(trace: Trace, repetitions: number): number {
  return isTimed(trace) ? repetitions : 1
}

/**
 * Replays the trace, cold and warm, `repetitions` times in each contestant and in the floor, taking turns in an order
 * that rotates. A contestant whose replay fails has its error instead of figures.
 */
export function measure(
  trace: Trace,
  floor: WebAssembly.Module,
  contestants: Contestant[],
  repetitions: number,
  progress: (repetition: number) => void,
): (Measurement | Error)[] {
  const modules = [floor, ...contestants.map(({ timed }) => timed)]
  const runs: (Run[] | Error)[] = modules.map(() => [])
  for (let repetition = 0; repetition < repetitions; repetition++) {
    progress(repetition)
    for (let turn = 0; turn < modules.length; turn++) {
      const i = (turn + repetition) % modules.length
      const done = runs[i]
      if (done instanceof Error) continue
      try {
        done.push(run(modules[i], trace))
      } catch (error) {
        runs[i] = error as Error
      }
      collectGarbage()
    }
  }
  const [floorRuns, ...contestantRuns] = runs
  if (floorRuns instanceof Error) throw floorRuns
  return contestantRuns.map((done) => {
    if (done instanceof Error) return done
    const { heapBytes, heapBytesAgain } = done[0]
    return {
      cold: net(
        done.map(({ cold }) => cold),
        floorRuns.map(({ cold }) => cold),
      ),
      warm: net(
        done.map(({ warm }) => warm),
        floorRuns.map(({ warm }) => warm),
      ),
      heapBytes,
      heapBytesAgain,
    }
  })
}

/** The mean for ratios. */
export function geometricMean(values: number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

interface Run {
  cold: number
  warm: number
  heapBytes: number
  heapBytesAgain: number
}

function run(module: WebAssembly.Module, trace: Trace): Run {
  const replay = new Replay(module, trace)
  const cold = replay.cpuTime()
  const { heapBytes } = replay
  const most = isTimed(trace) ? Math.ceil(WARM_OPERATIONS / trace.operations) : 1
  let rounds = 0
  let sum = 0
  while (rounds < most && sum * trace.operations < WARM_TIME) {
    replay.drain()
    sum += replay.cpuTime()
    rounds++
  }
  return { cold, warm: sum / rounds, heapBytes, heapBytesAgain: replay.heapBytes }
}

/** Minimum and quartiles of the times, less the floor's least time. */
export function net(gross: number[], floor: number[]): Figure {
  const least = Math.min(...floor)
  const at = (p: number) => Math.max((quantile(gross, p) as number) - least, LEAST_NET)
  return { minimum: at(0), lowerQuartile: at(0.25), median: at(0.5), upperQuartile: at(0.75) }
}

function compiled(wasm: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(wasm as BufferSource)
}
