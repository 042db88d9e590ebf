// Replays a trace with every byte verified and looks at the heap from outside, by the places of its live blocks, so that
// every allocator is seen alike.
import type { Trace } from '../trace.ts'
import { collectGarbage } from './engine.ts'
import type { Contestant } from './measure.ts'
import { HEAP_BASE } from './merge.ts'
import { Replay } from './replay.ts'

/** What a byte of the heap can be, by number. First, by the index here: part of a live block of up to so many bytes. Then: */
export const LIVE_SIZES = [64, 256, 4096, 65536, Number.POSITIVE_INFINITY]
/** Headers and rounding: what lies between two blocks where no third one fits. */
export const OVERHEAD = LIVE_SIZES.length
/** Was part of a block once. */
export const FREED = OVERHEAD + 1
/** Never was part of a block: the allocator's tables, or fresh memory. */
export const UNTOUCHED = FREED + 1
const CATEGORIES = UNTOUCHED + 1

// A gap between two live blocks is counted as free if it has at least this many bytes.
export const SMALLEST_FREE = 32
const GRANULE = 16

/** The heap at one moment. */
export interface HeapMap {
  heapBytes: number
  /** Bytes in each category. */
  bytes: number[]
  /** The heap cut into cells of equal size, in order: the category with the most bytes in each. */
  cells: Uint8Array
}

export interface Inspection {
  growths: number
  /** Bytes of the heap at the end of each of the intervals into which the trace was cut. */
  heap: number[]
  /** When the most bytes were live. */
  peak: HeapMap
  /** At the trace's end: 1 - largest free run / all free bytes. Gaps around live blocks count as free, even where tables are. */
  fragmentation: number
}

/** Cuts the trace into intervals, and the map of the heap into cells of that many bytes (a whole number). Throws a ReplayError if
 *  the allocator does anything wrong. */
export function inspect(
  { counted, alignment }: Contestant,
  trace: Trace,
  intervals: number,
  cellBytes: number,
): Inspection {
  const replay = new Replay(counted, trace)
  const touched = new TouchedGranules()
  const heap: number[] = []
  const afterPeak = trace.peakAt + 1
  let peak: HeapMap | undefined
  let at = 0
  for (const end of intervalEnds(trace, intervals)) {
    if (!peak) {
      const stop = Math.min(end, afterPeak)
      replay.checkPlaces(alignment, at, stop, (address, size) => touched.add(address, size))
      at = stop
      if (at === afterPeak) peak = mapHeap(replay, touched, cellBytes)
    }
    replay.check(alignment, undefined, at, end)
    at = end
    heap.push(replay.heapBytes)
  }
  const fragmentation = fragmentationOf(replay)
  const { growths } = replay
  replay.checkDrain()
  collectGarbage()
  return { growths, heap, peak: peak as HeapMap, fragmentation }
}

/** The number of the operation after each of the intervals (fewer if the trace is short). */
export function intervalEnds({ operations }: Trace, intervals: number): number[] {
  const n = Math.min(intervals, operations)
  return Array.from({ length: n }, (_, i) => Math.round(((i + 1) * operations) / n))
}

class TouchedGranules {
  #flags = new Uint8Array(1 << 16)

  add(address: number, size: number): void {
    const from = Math.floor((address - HEAP_BASE) / GRANULE)
    const to = Math.ceil((address + size - HEAP_BASE) / GRANULE)
    if (to > this.#flags.length) {
      const longer = new Uint8Array(2 * to)
      longer.set(this.#flags)
      this.#flags = longer
    }
    this.#flags.fill(1, from, to)
  }

  has(address: number): boolean {
    return this.#flags[(address - HEAP_BASE) / GRANULE] === 1
  }
}

function mapHeap(replay: Replay, touched: TouchedGranules, cellBytes: number): HeapMap {
  const { heapBytes } = replay
  const cells = Math.ceil(heapBytes / cellBytes)
  const byCell = new Float64Array(cells * CATEGORIES)
  const bytes = new Array<number>(CATEGORIES).fill(0)

  const paint = (from: number, to: number, category: number) => {
    bytes[category] += to - from
    for (let at = from; at < to; ) {
      const cell = Math.floor((at - HEAP_BASE) / cellBytes)
      const next = Math.min(to, HEAP_BASE + (cell + 1) * cellBytes)
      byCell[cell * CATEGORIES + category] += next - at
      at = next
    }
  }

  forEachRun(
    replay,
    (from, to) =>
      paint(
        from,
        to,
        LIVE_SIZES.findIndex((size) => to - from <= size),
      ),
    (from, to) => {
      if (to - from < SMALLEST_FREE) return paint(from, to, OVERHEAD)
      const rounded = Math.ceil(from / GRANULE) * GRANULE
      paint(from, rounded, OVERHEAD)
      for (let at = rounded; at < to; ) {
        const start = at
        const category = touched.has(at) ? FREED : UNTOUCHED
        while (at < to && touched.has(at) === (category === FREED)) at += GRANULE
        paint(start, Math.min(at, to), category)
      }
    },
  )

  const dominant = Uint8Array.from({ length: cells }, (_, cell) => {
    const share = byCell.subarray(cell * CATEGORIES, (cell + 1) * CATEGORIES)
    return share.indexOf(Math.max(...share))
  })
  return { heapBytes, bytes, cells: dominant }
}

function fragmentationOf(replay: Replay): number {
  let largest = 0
  let all = 0
  const gap = (from: number, to: number) => {
    const size = to - from
    if (size < SMALLEST_FREE) return
    largest = Math.max(largest, size)
    all += size
  }
  forEachRun(replay, () => {}, gap)
  return all ? 1 - largest / all : 0
}

/** Goes through the heap in order of address, live blocks and the gaps around them. */
function forEachRun(
  replay: Replay,
  block: (from: number, to: number) => void,
  gap: (from: number, to: number) => void,
): void {
  let at = HEAP_BASE
  for (const { address, size } of replay.liveBlocks()) {
    if (address > at) gap(at, address)
    block(address, address + size)
    at = address + size
  }
  const end = HEAP_BASE + replay.heapBytes
  if (end > at) gap(at, end)
}
