// What was freed serves again: a trace that is repeated does not make the heap grow.
import { expect, it } from 'vitest'
import { Random } from '../../bench/random.ts'
import { Kind, kindOf, slotOf, type Trace } from '../../bench/trace.ts'
import { bundledNames, bundledTrace } from '../../bench/traces/bundled.ts'
import { type Core, createCore, FAILED, PAGE } from './core.ts'

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
  core.free(core.malloc(1))
  const mapping = core.mmap(0, 30 * PAGE)
  const blocks: number[] = []
  for (let size = 16; size <= 256; size += 16) for (let i = 0; i < 1000; i++) blocks.push(core.malloc(size))
  for (const block of blocks) core.free(block)
  expect(core.field('top')).toBeGreaterThan(30 * PAGE)
  expect(core.munmap(mapping, 30 * PAGE)).toBe(0)
  expect(core.field('top')).toBeLessThanOrEqual(PAGE)
})

it('bins’ empty spans are released before the memory grows', () => {
  const core = createCore()
  core.malloc(1000)
  const blocks: number[] = []
  for (let size = 16; size <= 256; size += 16) for (let n = 0; n < 70_000; n += size) blocks.push(core.malloc(size))
  for (const block of blocks) core.free(block)
  const { pages } = core
  expect(core.malloc((pages - 3) * PAGE)).not.toBe(0)
  expect(core.pages).toBe(pages)
})

it('a large free block serves behind many that are too small, or lie badly', () => {
  const core = createCore()
  const hole = core.malloc(160 * PAGE)
  const hidden: number[] = []
  // None reaches over the end of a page as far as a page of spans or a mapping needs.
  for (const [n, size, room] of [
    [40, 9008, 0],
    [40, 70_000, PAGE],
  ])
    for (let found = 0; found < n; core.malloc(300)) {
      const p = core.malloc(size)
      const at = p & (PAGE - 1)
      if (at > 1024 && at + size < room + 0xf000 && ++found) hidden.push(p)
    }
  for (const p of [...hidden, hole]) core.free(p)
  const { pages } = core
  for (let i = 0; i < 70; i++) expect(core.mmap(0, PAGE)).not.toBe(FAILED)
  for (let i = 0; i < 250_000; i++) core.malloc(16)
  expect(core.pages).toBe(pages)
  expect(core.verify()).toBe(0)
})

/** Calls that the allocator is given, blocks by their numbers: size 0 frees. */
type Call = { block: number; size: number; alignment: number }

/** Random calls, with sizes of one of four kinds; at their end all blocks are freed. */
function randomCalls(random: Random): Call[] {
  const size = [
    () => random.between(1, 300),
    () => random.between(1, 6000),
    () => (random.between(0, 3) ? random.between(1, 400) : random.between(1, 60_000)),
    () => random.between(1, 2000),
  ][random.between(0, 3)]
  const most = random.between(20, 220)
  const calls: Call[] = []
  const live: number[] = []
  for (let i = random.between(200, 1400), next = 0; i; i--) {
    const kind = random.between(0, 9)
    if (kind < 5 && live.length < most) {
      live.push(next)
      calls.push({ block: next++, size: size(), alignment: random.between(0, 11) ? 0 : 32 << random.between(0, 5) })
    } else if (kind < 6 && live.length) {
      calls.push({ block: live[random.between(0, live.length - 1)], size: random.between(1, 1500), alignment: 0 })
    } else if (live.length) {
      const [block] = live.splice(random.between(0, live.length - 1), 1)
      calls.push({ block, size: 0, alignment: 0 })
    }
  }
  return [...calls, ...live.map((block) => ({ block, size: 0, alignment: 0 }))]
}

/** Makes the calls; false if one fails for lack of memory. Then the heap is of no more use. */
function succeed(core: Core, calls: Call[]): boolean {
  const blocks: number[] = []
  for (const { block, size, alignment } of calls) {
    if (size) {
      const p = alignment ? core.alignedAlloc(alignment, size) : core.realloc(blocks[block] ?? 0, size)
      if (!p) return false
      blocks[block] = p
    } else core.free(blocks[block])
  }
  return true
}

it('what the memory has just room for, it has room for again', () => {
  const random = new Random('rounds')
  for (let i = 0; i < 400; i++) {
    const base = random.between(64, 60_000)
    const calls = randomCalls(random)
    let maximum = 1
    while (!succeed(createCore({ base, initial: 1, maximum }), calls)) maximum++
    const core = createCore({ base, initial: 1, maximum })
    for (let round = 1; round <= 5; round++)
      expect(succeed(core, calls), `sequence ${i}, ${maximum} pages, round ${round}`).toBe(true)
    expect(core.verify()).toBe(0)
  }
})

it('what bins kept is given back with the last block of all, whichever span that was in', () => {
  const round = (core: Core): boolean => {
    const small = core.malloc(16)
    const large = core.malloc(900_000)
    if (!large) return false
    core.free(small)
    core.free(large)
    const page = core.mmap(0, PAGE)
    const others = [core.malloc(50_000), core.malloc(500_000)]
    core.free(core.malloc(16))
    const last = core.malloc(16)
    for (const p of others) core.free(p)
    core.munmap(page, PAGE)
    core.free(last)
    return true
  }
  const first = createCore({ maximum: 100 })
  round(first)
  const core = createCore({ maximum: first.pages })
  for (let i = 1; i <= 3; i++) expect(round(core), `round ${i}`).toBe(true)
})
