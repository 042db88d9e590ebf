// The replay: sound allocators pass, and each way to break one is noticed; what is said about a heap is exact.
import { readFileSync } from 'node:fs'
import binaryen from 'binaryen'
import { beforeAll, describe, expect, it } from 'vitest'
import { FREED, inspect, LIVE_SIZES, OVERHEAD, UNTOUCHED } from '../bench/replay/inspect.ts'
import {
  type Contestant,
  contestant,
  floorModule,
  geometricMean,
  LEAST_NET,
  measure,
  net,
} from '../bench/replay/measure.ts'
import { HEAP_BASE, merge, tlsfAllocator } from '../bench/replay/merge.ts'
import { Replay } from '../bench/replay/replay.ts'
import { Kind, type Trace, toTrace } from '../bench/trace.ts'
import { bundledNames, bundledTrace } from '../bench/traces/bundled.ts'

/** Milliseconds in which a busy machine builds the modules of a test that are not in the cache (bench/cache.ts). */
const BUILDING = 120_000

type Operation = [kind: number, slot: number, size?: number, log2?: number]

const wordsOf = ([kind, slot, size = 0, log2 = 0]: Operation) => [slot | (log2 << 24) | (kind << 28), size]

function traceOf(...operations: Operation[]): Trace {
  const words = operations.flatMap(wordsOf)
  return toTrace('test', Uint32Array.from(words), 16, true)
}

const malloc = (slot: number, size: number): Operation => [Kind.malloc, slot, size]
const free = (slot: number): Operation => [Kind.free, slot]
const realloc = (slot: number, size: number): Operation => [Kind.realloc, slot, size]
const calloc = (slot: number, size: number): Operation => [Kind.calloc, slot, size]
const aligned = (slot: number, size: number, log2: number): Operation => [Kind.aligned, slot, size, log2]

// Long enough to be timed once; the bump allocator takes 16 bytes for each block.
const pair = [malloc(0, 8), free(0)].flatMap(wordsOf)
const long = toTrace(
  'long',
  Uint32Array.from({ length: 400_000 }, (_, i) => pair[i % 4]),
  1,
  true,
)

/** A way to break an allocator: instructions that take the place of a function's. */
interface Fault {
  in: 'malloc' | 'free' | 'realloc' | 'calloc' | 'aligned_alloc'
  wat: string
}

const bumped = '(call $bump (local.get $size) (i32.const 16))'

// An allocator that never uses memory again. With an import it can be told to have one of the faults.
function bumpAllocator(faults: Fault[] = [], fault = '(import "test" "fault" (global $fault i32))'): Uint8Array {
  const broken = (name: Fault['in']) =>
    faults.map((fault, i) =>
      fault.in === name ? `(if (i32.eq (global.get $fault) (i32.const ${i})) (then ${fault.wat} return))` : '',
    )
  const module = binaryen.parseText(`(module
    (import "env" "memory" (memory 0))
    (import "env" "__heap_base" (global $base i32))
    ${faults.length ? fault : ''}
    (global $top (mut i32) (i32.const 0))
    (func $bump (param $size i32) (param $align i32) (result i32) (local $p i32)
      (if (i32.eqz (global.get $top)) (then (global.set $top (global.get $base))))
      (local.set $p (i32.and
        (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $p) (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
      (loop $more
        (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
          (then (drop (memory.grow (i32.const 1))) (br $more))))
      (local.get $p))
    (func (export "malloc") (param $size i32) (result i32)
      ${broken('malloc').join('')}
      ${bumped})
    (func (export "free") (param $p i32)
      ${broken('free').join('')})
    (func (export "realloc") (param $old i32) (param $size i32) (result i32) (local $p i32)
      ${broken('realloc').join('')}
      (local.set $p ${bumped})
      (memory.copy (local.get $p) (local.get $old) (local.get $size))
      (local.get $p))
    (func (export "calloc") (param $n i32) (param $size i32) (result i32) (local $p i32)
      ${broken('calloc').join('')}
      (call $bump (i32.mul (local.get $n) (local.get $size)) (i32.const 16)))
    (func (export "aligned_alloc") (param $align i32) (param $size i32) (result i32)
      ${broken('aligned_alloc').join('')}
      (call $bump (local.get $size) (local.get $align))))`)
  module.setFeatures(binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt)
  return module.emitBinary()
}

const everything = traceOf(
  malloc(0, 1),
  malloc(1, 40),
  calloc(2, 100),
  realloc(1, 300),
  aligned(3, 50, 10),
  malloc(4, 7),
  realloc(4, 3),
  free(2),
  calloc(2, 24),
  realloc(1, 20),
  free(0),
  malloc(0, 70000),
)

let bump: Contestant
let floor: WebAssembly.Module
beforeAll(() => {
  bump = contestant({ name: 'bump', wasm: bumpAllocator() }, 16)
  floor = floorModule()
}, BUILDING)

describe('a sound allocator passes', () => {
  let granary: Contestant
  let tlsf: Contestant
  beforeAll(() => {
    granary = contestant({ name: 'granary', wasm: readFileSync('build/granary.wasm') }, 16)
    tlsf = contestant(tlsfAllocator(), 16)
  }, BUILDING)

  it('the bump allocator of these tests', () => {
    expect(() => inspect(bump, everything, 10, 1024)).not.toThrow()
  })

  it.each(bundledNames())('granary and TLSF, every byte of %s', { timeout: BUILDING }, (name) => {
    const trace = bundledTrace(name)
    const inspections = [granary, tlsf].map((one) => inspect(one, trace, 100, 4096))
    expect(inspections[0].peak.heapBytes).toBeLessThan(inspections[1].peak.heapBytes)
    for (const { peak, growths, heap } of inspections) {
      const live = peak.bytes.slice(0, LIVE_SIZES.length).reduce((a, b) => a + b)
      expect(live).toBe(trace.peak)
      expect(peak.bytes.reduce((a, b) => a + b)).toBe(peak.heapBytes)
      expect(growths).toBeGreaterThan(0)
      expect(heap).toHaveLength(100)
      expect(heap.at(-1)).toBeGreaterThanOrEqual(peak.heapBytes)
    }
  })

  it('TLSF, with blocks aligned further than it can by itself', () => {
    const blocks = [5, 6, 9, 12, 15].map((log2, i) => aligned(i, 100 + i, log2))
    const grown = blocks.map((_, i) => realloc(i, 200 + i))
    const freed = blocks.map((_, i) => free(i))
    expect(() => inspect(tlsf, traceOf(...blocks, ...grown, ...freed, ...blocks, ...freed), 10, 1024)).not.toThrow()
  })

  it('TLSF doubles its own part of the memory only', () => {
    const trace = bundledTrace('sqlite-wasm32')
    const { heap } = inspect(tlsf, trace, 1, 1 << 20)
    expect(heap[0]).toBeLessThan(2 * trace.peak)
  })
})

describe('a broken allocator is noticed', () => {
  const cases: [what: string, fault: Fault, trace: Trace, reason: string][] = [
    [
      'no memory',
      { in: 'malloc', wat: '(i32.const 0)' },
      everything,
      'operation 0 (malloc of 1 bytes): the allocation failed',
    ],
    [
      'misaligned',
      { in: 'malloc', wat: `(i32.add ${bumped} (i32.const 8))` },
      everything,
      'operation 1 (malloc of 40 bytes): the address is not aligned',
    ],
    [
      'the alignment asked for ignored',
      { in: 'aligned_alloc', wat: bumped },
      everything,
      'operation 4 (aligned allocation of 50 bytes): the address is not aligned',
    ],
    [
      'below the heap',
      { in: 'malloc', wat: '(i32.const 4096)' },
      everything,
      'operation 0 (malloc of 1 bytes): the block is not within',
    ],
    [
      'past the memory',
      { in: 'malloc', wat: '(i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 16))' },
      traceOf(malloc(0, 32)),
      'operation 0 (malloc of 32 bytes): the block is not within',
    ],
    [
      'the same block twice',
      { in: 'malloc', wat: '(drop (call $bump (i32.const 64) (i32.const 16))) (global.get $base)' },
      traceOf(malloc(0, 24), malloc(1, 24), free(0)),
      'operation 2 (free): the content had changed',
    ],
    [
      'overlapping in the last byte',
      { in: 'malloc', wat: '(call $bump (i32.const 16) (i32.const 16))' },
      traceOf(malloc(0, 17), malloc(1, 16)),
      'at the end, slot 0: the content had changed',
    ],
    [
      'free writes behind the block',
      { in: 'free', wat: '(i32.store8 (i32.add (local.get $p) (i32.const 32)) (i32.const 0x5a))' },
      traceOf(malloc(0, 32), malloc(1, 32), free(0), free(1)),
      'operation 3 (free): the content had changed',
    ],
    [
      'realloc keeps nothing',
      { in: 'realloc', wat: bumped },
      everything,
      'operation 3 (realloc of 300 bytes): realloc did not keep',
    ],
    [
      'realloc keeps all but the last byte',
      {
        in: 'realloc',
        wat: `(local.set $p ${bumped})
          (memory.copy (local.get $p) (local.get $old) (i32.const 39))
          (local.get $p)`,
      },
      everything,
      'operation 3 (realloc of 300 bytes): realloc did not keep',
    ],
    [
      'realloc keeps the content a word too far',
      {
        in: 'realloc',
        wat: `(local.set $p ${bumped})
          (memory.copy (local.get $p) (i32.add (local.get $old) (i32.const 4)) (local.get $size))
          (local.get $p)`,
      },
      everything,
      'operation 3 (realloc of 300 bytes): realloc did not keep',
    ],
    [
      'realloc that shrinks loses the last byte',
      {
        in: 'realloc',
        wat: '(i32.store8 (i32.add (local.get $old) (i32.const 19)) (i32.const 0x5a)) (local.get $old)',
      },
      traceOf(malloc(0, 40), realloc(0, 20)),
      'operation 1 (realloc of 20 bytes): realloc did not keep',
    ],
    [
      'calloc leaves the last byte',
      {
        in: 'calloc',
        wat: `(local.set $p ${bumped})
          (i32.store8 (i32.add (local.get $p) (i32.sub (local.get $size) (i32.const 1))) (i32.const 1))
          (local.get $p)`,
      },
      everything,
      'operation 2 (calloc of 100 bytes): calloc did not clear',
    ],
    ['a trap', { in: 'free', wat: 'unreachable' }, everything, 'operation 7 (free): the allocator traps: unreachable'],
    [
      'a trap at the end',
      { in: 'free', wat: 'unreachable' },
      traceOf(malloc(3, 8)),
      'at the end, slot 3: the allocator traps: unreachable',
    ],
  ]
  let module: WebAssembly.Module
  beforeAll(() => {
    const wasm = bumpAllocator(cases.map(([, fault]) => fault))
    module = new WebAssembly.Module(merge({ name: 'broken', wasm }) as BufferSource)
  }, BUILDING)
  const replayWith = (fault: number, trace: Trace) => new Replay(module, trace, { test: { fault } })

  it.each(cases.map((one, i) => [one[0], i] as const))('%s', (_, i) => {
    const [, , trace, reason] = cases[i]
    const replay = replayWith(i, trace)
    expect(() => {
      replay.check(16)
      replay.checkDrain()
    }).toThrow(reason)
  })

  it('but not where it has none of these faults', () => {
    const replay = replayWith(-1, everything)
    replay.check(16)
    replay.checkDrain()
  })

  it('also when it is only timed, by its failed allocations', () => {
    expect(() => replayWith(0, everything).cpuTime()).toThrow('test: 4 allocations failed')
  })

  it('without keeping the others from being measured', () => {
    const broken = { ...bump, timed: module } // its import is missing
    const [good, bad] = measure(long, floor, [bump, broken], 2, () => {})
    expect(good).toMatchObject({ heapBytes: 25 * 65536, heapBytesAgain: 49 * 65536 })
    expect(bad).toBeInstanceOf(TypeError)
  })
})

describe('a warm replay is repeated', () => {
  // How many pages an allocator that never uses memory again has in the end tells how often.
  const pagesAfter = (operations: number, one: Contestant) => {
    const words = Uint32Array.from({ length: 2 * operations }, (_, i) => pair[i % 4])
    const [measured] = measure(toTrace('short', words, 1, true), floor, [one], 1, () => {})
    if (measured instanceof Error) throw measured
    return measured.heapBytesAgain / 65536
  }

  it('to be timed well', () => {
    expect(pagesAfter(1000, bump)).toBe(Math.ceil((500 * 16 * (1 + 200)) / 65536))
  })

  it('but not where it is not timed', () => {
    expect(pagesAfter(998, bump)).toBe(1)
    expect(pagesAfter(2, bump)).toBe(1)
  })

  it('and not for minutes where an operation takes long', { timeout: BUILDING }, () => {
    const countdown = `(local.set $p (i32.const 1000000))
      (loop $again (br_if $again (local.tee $p (i32.sub (local.get $p) (i32.const 1)))))`
    const wasm = bumpAllocator([{ in: 'free', wat: countdown }], '(global $fault i32 (i32.const 0))')
    expect(pagesAfter(1000, contestant({ name: 'slow', wasm }, 16))).toBeLessThan(10)
  })
})

describe('what cannot be replayed is refused', () => {
  it('more blocks than the table holds', () => {
    const trace = toTrace('many', Uint32Array.from([0, 8]), 0x100001, true)
    expect(() => new Replay(bump.timed, trace)).toThrow('many: it has 1048577 slots, but a replay has room for 1048576')
  })

  it('more bytes than the memory has room for', () => {
    const trace = traceOf(malloc(0, 0x7fffffff))
    expect(() => new Replay(bump.timed, trace)).toThrow(
      'test: 2147483647 live bytes at the peak and a largest request of 2147483647 are together more than the 4284284928 that',
    )
  })
})

describe('what is as large as a replay has room for', () => {
  it('is replayed in the floor, too', () => {
    expect(() => new Replay(floor, traceOf(malloc(0, 4284284928 / 2))).cpuTime()).not.toThrow()
  })
})

describe('what is said about a heap is exact', () => {
  it('growths, and the heap after each interval', () => {
    const trace = traceOf(malloc(0, 65536), malloc(1, 131072), malloc(2, 16), malloc(3, 65536))
    const { growths, heap } = inspect(bump, trace, 4, 65536)
    expect(heap.map((bytes) => bytes / 65536)).toEqual([1, 3, 4, 5])
    expect(growths).toBe(5)
  })

  it('growths that are refused or of no page do not count', { timeout: BUILDING }, () => {
    const fault: Fault = { in: 'free', wat: '(drop (memory.grow (i32.const 0))) (drop (memory.grow (i32.const -1)))' }
    const { counted } = contestant({ name: 'refused', wasm: bumpAllocator([fault]) }, 16)
    const replay = new Replay(counted, traceOf(malloc(0, 8), free(0)), { test: { fault: 0 } })
    replay.check(16)
    expect(replay.growths).toBe(1)
  })

  it('the map at the peak', () => {
    // 100 live bytes are at 0, nothing at 112, 5000 at 5120, a free block of 4096 at 1024.
    const trace = traceOf(
      malloc(0, 100),
      aligned(1, 4096, 10),
      aligned(2, 16, 10),
      free(1),
      realloc(2, 5000),
      free(0),
      free(2),
    )
    const { peak } = inspect(bump, trace, 1, 1024)
    expect(trace.peakAt).toBe(4)
    expect(peak.heapBytes).toBe(65536)
    const bytes = new Array(LIVE_SIZES.length + 3).fill(0)
    bytes[1] = 100
    bytes[3] = 5000
    bytes[OVERHEAD] = 12 + 8
    bytes[FREED] = 4096 + 16
    bytes[UNTOUCHED] = 65536 - 100 - 5000 - bytes[OVERHEAD] - bytes[FREED]
    expect(peak.bytes).toEqual(bytes)
    expect([...peak.cells.slice(0, 12)]).toEqual([
      UNTOUCHED,
      FREED,
      FREED,
      FREED,
      FREED,
      3,
      3,
      3,
      3,
      3,
      UNTOUCHED,
      UNTOUCHED,
    ])
    expect(peak.cells).toHaveLength(64)
  })

  it('the fragmentation at the end', () => {
    const trace = traceOf(malloc(0, 1000), malloc(1, 1000), malloc(2, 1000), free(1))
    const [gap, rest] = [16 + 1000, 65536 - 2016 - 1000]
    expect(inspect(bump, trace, 1, 65536).fragmentation).toBeCloseTo(1 - rest / (gap + rest), 12)
  })

  it('the places of blocks', () => {
    const replay = new Replay(bump.counted, everything)
    const seen: [number, number][] = []
    replay.checkPlaces(16, 0, 3, (address, size) => seen.push([address - HEAP_BASE, size]))
    expect(seen).toEqual([
      [0, 1],
      [16, 40],
      [64, 100],
    ])
    expect(replay.liveBlocks().map(({ address, size }) => [address - HEAP_BASE, size])).toEqual(seen)
  })

  it('times, net of the least that the floor took, and never less than can be told from it', () => {
    const quartiles = { minimum: 7, lowerQuartile: 8, median: 10, upperQuartile: 14 }
    expect(net([24, 17, 20, 34, 18], [10, 12, 11])).toEqual(quartiles)
    expect(net([10, 12], [10])).toEqual({ minimum: LEAST_NET, lowerQuartile: 0.5, median: 1, upperQuartile: 1.5 })
  })

  it('the geometric mean', () => {
    expect(geometricMean([0.5, 2, 8])).toBeCloseTo(2, 12)
  })
})
