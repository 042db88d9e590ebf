// What was freed serves again: a trace that is repeated does not make the heap grow.
import { expect, it } from 'vitest'
import { Kind, kindOf, slotOf, type Trace } from '../../bench/trace.ts'
import { bundledNames, bundledTrace } from '../../bench/traces/bundled.ts'
import { type Core, createCore, PAGE } from './core.ts'
import './timeout.ts'

/** Makes the calls of a trace, then frees what is live. */
function play(core: Core, { words, operations, slots }: Trace): void {
  const { malloc, free, realloc, calloc, aligned_alloc } = core.raw
  const blocks = new Uint32Array(slots)
  for (let i = 0; i < operations; i++) {
    const word = words[2 * i]
    const size = words[2 * i + 1]
    const slot = slotOf(word)
    switch (kindOf(word)) {
      case Kind.malloc:
        blocks[slot] = malloc(size)
        break
      case Kind.free:
        free(blocks[slot])
        blocks[slot] = 0
        break
      case Kind.realloc:
        blocks[slot] = realloc(blocks[slot], size)
        break
      case Kind.calloc:
        blocks[slot] = calloc(1, size)
        break
      default:
        blocks[slot] = aligned_alloc(1 << ((word >>> 24) & 15), size)
    }
  }
  for (const p of blocks) if (p) free(p)
}

/** What is played a hundred times: few big blocks, queues of big buffers, many small blocks. */
const HUNDRED_ROUNDS = ['imagemagick-transform', 'git-log-patch', 'assemblyscript-wasm32']

/** Where the heap begins, and how many rounds are played there: low in the first page, at a page’s start and behind it. */
const heapsFor = (name: string) => [
  { base: 1024, rounds: HUNDRED_ROUNDS.includes(name) ? 100 : 10 },
  { base: 0xa00000, rounds: 4 },
  { base: 0xa00000 + 1040, rounds: 4 },
]

it.each(bundledNames())('%s', (name) => {
  const trace = bundledTrace(name)
  for (const { base, rounds } of heapsFor(name)) {
    const core = createCore({ base, initial: Math.ceil(base / PAGE) })
    const sizes: number[] = []
    for (let round = 0; round < rounds; round++) {
      play(core, trace)
      sizes.push(core.pages)
      if (round < 2) {
        expect(core.verify()).toBe(0)
        expect(core.stats(64).inUse).toBe(0)
      }
    }
    expect(sizes).toEqual(Array(rounds).fill(sizes[0]))
    expect(core.verify()).toBe(0)
    // Everything is one free run again, but for the heap's own tables.
    const pages = core.pages - (base >>> 16)
    expect(core.malloc((pages - 1) * PAGE * 0.98)).not.toBe(0)
    expect(core.pages - (base >>> 16)).toBe(pages)
  }
})

it.each([80, 200])('%d mappings, or aligned blocks, of which every second one is free, serve as many again', (n) => {
  for (const take of [(core: Core) => core.mmap(0, PAGE), (core: Core) => core.alignedAlloc(4096, 16_384)]) {
    const core = createCore()
    const taken = Array.from({ length: n }, () => take(core))
    const odd = taken.filter((_, i) => i % 2)
    for (const p of odd) core.munmap(p, PAGE) && core.free(p)
    const { pages } = core
    for (const _ of odd) expect(take(core)).toBeLessThan(pages * PAGE)
    expect(core.pages).toBe(pages)
  }
})

it('bins’ empty spans are released where unmapping leaves little in use, so that long runs come together', () => {
  const core = createCore({ initial: 1 })
  const top = () => core.u32(core.base + 64) // assembly/layout.ts
  core.free(core.malloc(1))
  const mapping = core.mmap(0, 30 * PAGE)
  const blocks: number[] = []
  for (let size = 16; size <= 256; size += 16) for (let i = 0; i < 1000; i++) blocks.push(core.malloc(size))
  for (const block of blocks) core.free(block)
  expect(top()).toBeGreaterThan(30 * PAGE)
  expect(core.munmap(mapping, 30 * PAGE)).toBe(0)
  expect(top()).toBeLessThanOrEqual(PAGE)
})
