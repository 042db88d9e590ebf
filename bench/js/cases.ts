// What npm run bench:js and the lab measure of the boundary to JavaScript: what allocates the blocks, and in which order.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { instantiate } from '@assemblyscript/loader'
import { MemPool } from '@thi.ng/malloc'
import { root } from '../../scripts/run.mjs'
import { Random } from '../random.ts'

/** A block is whatever malloc returns. */
interface Allocator {
  malloc(size: number): unknown
  free(block: unknown): void
  /** Allocates blocks of these sizes and frees them. */
  many?(sizes: Uint32Array): void
}

type Make = () => Promise<Allocator>

export const RAW = 'granary, raw export'
const MANY = 'granary, heap.mallocMany'

const heap = async () => (await import('../../dist/index.js')).createHeapSync()

// Addresses from 2 GiB on come out of the exports negative: whoever calls them has to write `>>> 0`.
function unsigned(exports: unknown): Allocator {
  const { malloc, free } = exports as { malloc(size: number): number; free(block: unknown): void }
  return { malloc: (size) => malloc(size) >>> 0, free }
}

/** All by their names; Emscripten's only where `glue` names the JavaScript file of a program built with it. */
export function allocators(glue?: string): Record<string, Make> {
  const known: Record<string, Make> = {
    'granary, heap.malloc': heap,
    async [MANY]() {
      const own = await heap()
      return { ...own, many: (sizes) => own.freeMany(own.mallocMany(sizes) as Uint32Array) }
    },
    [RAW]: async () => unsigned((await heap()).exports),
    async 'granary, loader’s export'() {
      const module = readFileSync(path.join(root, 'build/granary.wasm'))
      const __heap_base = new WebAssembly.Global({ value: 'i32' }, 1024)
      const env = { memory: new WebAssembly.Memory({ initial: 1 }), __heap_base }
      return unsigned((await instantiate(module, { env })).exports)
    },
    async '@thi.ng/malloc'() {
      const pool = new MemPool({ size: 1 << 22 })
      return { malloc: (size) => pool.malloc(size), free: (block) => pool.free(block as number) }
    },
    'new Uint8Array': async () => ({ malloc: (size) => new Uint8Array(size), free: () => {} }),
  }
  if (glue)
    known['Emscripten’s _malloc'] = async () => {
      const program = await createRequire(import.meta.url)(glue)({
        wasmBinary: readFileSync(glue.replace(/js$/, 'wasm')),
      })
      return { malloc: (size) => program._malloc(size), free: (block) => program._free(block) }
    }
  return known
}

const LIVE = 1000
const TURNS = 4096

const random = new Random('boundary')
const sizes = Uint16Array.from({ length: TURNS }, () => random.between(16, 271))
const order = Uint16Array.from({ length: TURNS }, () => random.between(0, LIVE - 1))

interface Case {
  /** How many blocks are allocated and freed each time. */
  blocks: number
  /** Many blocks can be asked for at once. */
  batch?: boolean
  /** Only the first time in a process counts. */
  once?: boolean
  /** Makes what is timed. */
  prepare(make: Make): Promise<() => void>
}

/** Blocks of all sizes are allocated one after the other, or at once, then freed. */
function allThenFreed(blocks: number): Case {
  const all = Uint32Array.from({ length: blocks }, (_, i) => sizes[i % TURNS])
  return {
    blocks,
    batch: true,
    async prepare(make) {
      const heap = await make()
      const live = new Array<unknown>(blocks)
      if (heap.many) return () => heap.many?.(all)
      return () => {
        for (let i = 0; i < blocks; i++) live[i] = heap.malloc(all[i])
        for (let i = 0; i < blocks; i++) heap.free(live[i])
      }
    },
  }
}

/**
 * Each by what happens to a block while it is timed. They have loops of their own: where V8 does not peel Benchmark's, it allocates
 * a number in each turn, for Benchmark counts in floating point.
 */
export const cases: Record<string, Case> = {
  // V8 moves the raw calls' own checks out of a loop that has nothing else in it (--no-turbo-loop-peeling stops that).
  'a block of 48 B, freed at once': {
    blocks: TURNS,
    async prepare(make) {
      const heap = await make()
      return () => {
        for (let turn = 0; turn < TURNS; turn++) heap.free(heap.malloc(48))
      }
    },
  },
  'a block of 48 B in one of two heaps, freed at once': {
    blocks: 2 * TURNS,
    async prepare(make) {
      const [one, two] = [await make(), await make()]
      return () => {
        for (let turn = 0; turn < TURNS; turn++) {
          one.free(one.malloc(48))
          two.free(two.malloc(48))
        }
      }
    },
  },
  'a block of 16 to 271 B for one of 1,000, at random': {
    blocks: TURNS,
    async prepare(make) {
      const heap = await make()
      const live = Array.from({ length: LIVE }, (_, i) => heap.malloc(sizes[i]))
      return () => {
        for (let turn = 0; turn < TURNS; turn++) {
          const i = order[turn]
          heap.free(live[i])
          live[i] = heap.malloc(sizes[turn])
        }
      }
    },
  },
  'a block of 16 to 271 B, 1,000 before any is freed': allThenFreed(LIVE),
  'a block of 16 to 271 B, the first 10,000 before any is freed': { ...allThenFreed(10_000), once: true },
}

/** Whether an allocator takes part in a case: mallocMany only where many blocks can be asked for at once. */
export function takesPart(allocator: string, title: string): boolean {
  return allocator !== MANY || cases[title].batch === true
}
