// npm run bench:js: what malloc and free cost from JavaScript: through a Heap, by the raw exports, through the loader's
// wrappers, and what one would use instead. Every figure comes from processes of its own, because what V8 has optimised
// for one it would use, or throw away, for the next.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { instantiateSync } from '@assemblyscript/loader'
import { MemPool } from '@thi.ng/malloc'
import { createHeapSync } from '../../dist/index.js'
import { Benchmark } from './benchmark.ts'

const rounds = 7
const live = 1024
const first = 10_000

interface Allocator<Block> {
  malloc(size: number): Block
  free(block: Block): void
  /** Allocates blocks of these sizes and frees them. */
  many?(sizes: Uint32Array): void
}

// Addresses from 2 GiB on come out of the exports negative: whoever calls them has to write `>>> 0`.
const allocators: Record<string, () => Allocator<never>> = {
  'raw exports'() {
    const { malloc, free } = createHeapSync().exports
    return { malloc: (size) => (malloc(size) >>> 0) as never, free }
  },
  Heap: () => createHeapSync() as unknown as Allocator<never>,
  'Heap, many at once'() {
    const heap = createHeapSync()
    return {
      ...(heap as unknown as Allocator<never>),
      many: (sizes) => heap.freeMany(heap.mallocMany(sizes) as Uint32Array),
    }
  },
  "the loader's wrappers"() {
    const module = readFileSync(path.join(import.meta.dirname, '../../build/granary.wasm'))
    const __heap_base = new WebAssembly.Global({ value: 'i32' }, 1024)
    const env = { memory: new WebAssembly.Memory({ initial: 1 }), __heap_base }
    const { malloc, free } = instantiateSync(module, { env }).exports as unknown as Allocator<number>
    return { malloc: (size) => (malloc(size) >>> 0) as never, free }
  },
  'new Uint8Array': () => ({ malloc: (size) => new Uint8Array(size) as never, free: () => {} }),
  '@thi.ng/malloc'() {
    const pool = new MemPool({ size: 1 << 22 })
    return { malloc: (size) => pool.malloc(size) as never, free: (block) => pool.free(block) }
  },
}

// Random sizes from 16 to 271 bytes, and a random order of the blocks.
const turns = 4096
const sizes = new Uint16Array(turns)
const order = new Uint16Array(turns)
for (let i = 0, state = 1; i < turns; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  sizes[i] = 16 + (state >>> 24)
  order[i] = (state >>> 12) % live
}

/** Allocates as many blocks as `blocks` is long, then frees them. */
function allThenFree(heap: Allocator<never>, blocks: never[]): void {
  for (let i = 0; i < blocks.length; i++) blocks[i] = heap.malloc(sizes[i % turns])
  for (let i = 0; i < blocks.length; i++) heap.free(blocks[i])
}

type Case = (make: () => Allocator<never>) => () => void

const allThenFreed =
  (length: number): Case =>
  (make) => {
    const heap = make()
    const blocks = new Array<never>(length)
    const all = Uint32Array.from(blocks, (_, i) => sizes[i % turns])
    return heap.many ? () => heap.many?.(all) : () => allThenFree(heap, blocks)
  }

/** In these, many blocks can be asked for at once. */
const batches: Record<string, Case> = {
  [`${live} blocks allocated, then freed`]: allThenFreed(live),
  [`the first ${first} blocks of a process allocated, then freed`]: allThenFreed(first),
}

/**
 * Each makes what Benchmark repeats. All have loops of their own: where V8 does not peel Benchmark's, it allocates a number
 * in each turn, for Benchmark counts in floating point.
 */
const cases: Record<string, Case> = {
  ...batches,
  [`one of ${live} blocks replaced`](make) {
    const heap = make()
    const blocks = Array.from({ length: live }, (_, i) => heap.malloc(sizes[i]))
    return () => {
      for (let turn = 0; turn < turns; turn++) {
        const i = order[turn]
        heap.free(blocks[i])
        blocks[i] = heap.malloc(sizes[turn])
      }
    }
  },
  'two heaps, a pair in each'(make) {
    const [one, two] = [make(), make()]
    return () => {
      for (let turn = 0; turn < turns; turn++) {
        one.free(one.malloc(48))
        two.free(two.malloc(48))
      }
    }
  },
  // V8 moves the raw calls' own checks out of a loop that has nothing else in it (--no-turbo-loop-peeling stops that).
  'a pair and nothing else'(make) {
    const heap = make()
    return () => {
      for (let turn = 0; turn < turns; turn++) heap.free(heap.malloc(48))
    }
  },
}

/** Nanoseconds of a case, the least of Benchmark's samples; or of its only run. */
function measure(title: string, name: string): number {
  const work = cases[title](allocators[name])
  if (title.startsWith('the first')) {
    const start = performance.now() // not CPU time, most of which other threads spend on optimising
    work()
    return (performance.now() - start) * 1e6
  }
  const run = (maxTime: number) => new Benchmark(title, work, { maxTime, minTime: 0.02 }).run()
  run(0.1) // until V8 has optimised it
  const { stats, error } = run(0.3)
  if (error) throw error
  return Math.min(...stats.sample) * 1e9
}

function report(): void {
  console.log(
    `${os.cpus()[0].model}, ${os.platform()} ${os.arch()}; Node ${process.version}, V8 ${process.versions.v8}`,
  )
  console.log(
    `${new Date().toISOString().slice(0, 10)}; time of the raw exports = 1; least of ${rounds} processes (median)`,
  )
  for (const title of Object.keys(cases)) {
    const names = Object.keys(allocators).filter((name) => title in batches || name !== 'Heap, many at once')
    const times: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const name of names) {
        const args = [...process.execArgv, fileURLToPath(import.meta.url), title, name]
        times[name].push(Number(execFileSync(process.execPath, args, { encoding: 'utf8' })))
      }
    }
    console.log(`\n${title}`)
    for (const name of names) {
      const sorted = [times[name], times['raw exports']].map((list) => list.toSorted((a, b) => a - b))
      const [least, median] = [0, rounds >> 1].map((rank) => (sorted[0][rank] / sorted[1][rank]).toFixed(3))
      console.log(`  ${name.padEnd(24)} ${least.padStart(8)}  (${median})`)
    }
  }
}

const [, , title, name] = process.argv
if (name) console.log(measure(title, name))
else report()
