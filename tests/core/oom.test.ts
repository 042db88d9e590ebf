// Out of memory: at every growth, once and for ever; and when the maximum is reached.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { Core, createCore, Errno, FAILED, hex, PAGE, SEED } from './core.ts'
import { Oracle, type Range } from './oracle.ts'
import { type Step, steps } from './steps.ts'
import { World } from './world.ts'

type Kind = Step['kind']

/** Calls of some functions only, with enough large sizes that the memory grows often. */
function only(seed: number, n: number, ...kinds: Kind[]): Step[] {
  return fc.sample(steps, { seed, numRuns: n }).map((step, i) => ({ ...step, kind: kinds[i % kinds.length] }))
}

const scenarios: Record<string, Step[]> = {
  malloc: only(1, 150, 'malloc'),
  'malloc and free': only(2, 900, 'malloc', 'malloc', 'free', 'malloc', 'freeMany'),
  calloc: only(3, 150, 'calloc', 'malloc', 'calloc', 'free'),
  'realloc and reallocarray': only(4, 300, 'realloc', 'malloc', 'reallocarray', 'realloc'),
  'aligned allocation': only(5, 120, 'alignedAlloc', 'memalign', 'posixMemalign', 'valloc', 'pvalloc', 'free'),
  'the break': only(6, 200, 'sbrk', 'brk', 'sbrk', 'malloc'),
  mappings: only(7, 150, 'mmap', 'mremap', 'malloc', 'mremap', 'munmap', 'mmapFixed', 'madvise'),
  everything: fc.sample(steps, { seed: 8, numRuns: 400 }),
  [`everything (SEED=${SEED})`]: fc.sample(steps, { seed: SEED, numRuns: 400 }),
}

/** Lets the memory grow, but for the growths that `fails` names by number, counted from 1. */
function worldWhere(fails: (growth: number) => boolean) {
  const counter = { growths: 0, fails }
  const world = new World({
    grow: (memory, pages) => {
      if (counter.fails(++counter.growths)) return -1
      try {
        return memory.grow(pages)
      } catch {
        return -1
      }
    },
  })
  return { world, counter }
}

describe.each(Object.entries(scenarios))('%s', (_, sequence) => {
  const counting = worldWhere(() => false)
  beforeAll(() => counting.world.run(sequence, 8))

  it('succeeds where memory may grow', () => {
    expect(counting.world.failures).toBe(0)
    expect(counting.counter.growths).toBeGreaterThan(2)
  })

  it.each([
    ['once', (n: number) => (growth: number) => growth === n],
    ['for ever', (n: number) => (growth: number) => growth >= n],
  ])('survives the failure of any growth, %s, and succeeds once everything was freed', (_, failing) => {
    const last = counting.counter.growths
    expect(last).toBeGreaterThan(2)
    for (let n = 1; n <= last; n++) {
      const { world, counter } = worldWhere(failing(n))
      try {
        world.run(sequence, 4)
        counter.fails = () => false
        world.freeAll()
        world.failures = 0
        world.run(sequence, 16)
        if (world.failures) throw new Error(`${world.failures} calls fail although memory may grow again`)
      } catch (error) {
        throw new Error(`growth ${n}: ${(error as Error).message}`, { cause: error })
      }
    }
  })
})

/** What lies between ranges that are sorted and may overlap. */
function gapsBetween(ranges: { start: number; end: number }[], start: number, stop: number) {
  const gaps: { start: number; end: number }[] = []
  let from = start
  for (const range of [...ranges, { start: stop, end: stop }]) {
    if (range.start > from) gaps.push({ start: from, end: range.start })
    from = Math.max(from, range.end)
  }
  return gaps
}

describe('a memory at its maximum', () => {
  /** Blocks of the sizes in turn, until one is refused. */
  function fill(core: Core, ...sizes: number[]): number[] {
    const blocks: number[] = []
    for (;;) {
      const p = core.malloc(sizes[blocks.length % sizes.length])
      if (!p) return blocks
      blocks.push(p)
    }
  }

  it.each([
    [16],
    [48],
    [100],
    [256],
    [257],
    [1000],
    [4096],
    [10_000],
    [65_536],
    [300_000],
    [16, 3000],
    [200, 90_000],
    [24, 40, 72, 5000],
  ])('is used up by blocks of %s bytes, and as much of it again once they are freed', (...sizes) => {
    const core = createCore({ maximum: 64 })
    let blocks = fill(core, ...sizes)
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.verify()).toBe(0)
    const bytes = blocks.reduce((sum, p) => sum + core.usableSize(p), 0)
    expect(bytes).toBeGreaterThan(64 * PAGE * 0.93 - 2 * Math.max(...sizes))
    const forwards = (all: number[]) => all
    const backwards = (all: number[]) => all.toReversed()
    const everySecond = (all: number[]) => [1, 0].flatMap((rest) => all.filter((_, i) => i % 2 === rest))
    for (const order of [forwards, backwards, everySecond, forwards]) {
      const n = blocks.length
      for (const p of order(blocks)) core.free(p)
      expect(core.verify()).toBe(0)
      blocks = fill(core, ...sizes)
      expect(blocks.length).toBeGreaterThanOrEqual(n)
    }
  })

  it('serves each other size from what one size has freed', () => {
    const sizes = [24, 112, 256, 300, 2000, 20_000, 200_000]
    const core = createCore({ maximum: 64 })
    for (const _ of [1, 2]) {
      for (const size of sizes) {
        const blocks = fill(core, size)
        const bytes = blocks.reduce((sum, p) => sum + core.usableSize(p), 0)
        expect(bytes).toBeGreaterThan(64 * PAGE * 0.85 - 2 * size)
        for (const p of blocks) core.free(p)
        expect(core.verify()).toBe(0)
      }
    }
  })

  it.each([257, 1000])('serves all that it had when every second block of %d bytes is freed, and the rest', (size) => {
    // As many free blocks as there can be: between two of them stands one in use.
    const core = createCore({ maximum: 64 })
    const out = core.malloc(24)
    const blocks = fill(core, size)
    const [odd, even] = [0, 1].map((rest) => blocks.filter((_, i) => i % 2 === rest))
    const free = () => core.stats(out).free
    for (const some of [odd, even, odd]) {
      const before = free()
      for (const p of some) core.free(p)
      expect(core.verify()).toBe(0)
      expect(free()).toBeGreaterThanOrEqual(before + some.length * size)
      const again = fill(core, size)
      expect(core.verify()).toBe(0)
      expect(again.length).toBeGreaterThanOrEqual(some.length)
      some.splice(0, some.length, ...again)
    }
    for (const p of [...odd, ...even]) core.free(p)
    expect(core.verify()).toBe(0)
    expect(core.malloc(60 * PAGE)).not.toBe(0)
  })

  it('serves a small request with a larger block of a span, where nothing else is left', () => {
    const core = createCore({ maximum: 4 })
    const blocks: number[] = []
    for (let p = core.malloc(256); p; p = core.malloc(256)) blocks.push(p)
    for (const size of [60_000, 1000, 80, 16]) while (core.malloc(size));
    const freed = blocks.filter((_, i) => i % 2)
    for (const p of freed) core.free(p)
    for (const i of freed.keys()) expect(core.malloc(1 + (i % 256))).not.toBe(0)
    expect(core.verify()).toBe(0)
  })

  it('has an aligned block where it fits but for a rest that is too little for a free block', () => {
    for (let rest = 0; rest < 160; rest += 16) {
      const core = createCore({ maximum: 4 })
      const block = core.alignedAlloc(4096, 4096 + rest)
      for (let size = PAGE; size; size >>= 1) while (core.malloc(size));
      core.free(block)
      expect(core.alignedAlloc(4096, 4096)).toBe(block)
      expect(core.verify()).toBe(0)
    }
  })

  it('has an aligned block where a larger one of the bin for it has no room', () => {
    const core = createCore({ maximum: 3 })
    const aligned = core.alignedAlloc(512, 80)
    fill(core, 60_000)
    for (const size of [10_000, 1000, 256, 240, 80, 16]) fill(core, size)
    core.free(aligned)
    expect(core.alignedAlloc(256, 17)).toBe(aligned)
  })

  it('joins freed blocks side by side', () => {
    const core = createCore({ maximum: 16 })
    const run = Array.from({ length: 40 }, () => core.malloc(272))
    core.malloc(272)
    const large: number[] = []
    while (large.push(core.malloc(400)) && core.malloc(272));
    while (core.malloc(257));
    // Each takes a node.
    for (const p of large) core.free(p)
    for (const p of run) core.free(p)
    expect(core.verify()).toBe(0)
    expect(core.malloc(40 * 272)).not.toBe(0)
    expect(core.verify()).toBe(0)
  })

  it.each([SEED, 403])('never refuses a size for which enough free bytes stand in a row (SEED=%d)', (seed) => {
    // Everything is taken by large blocks; then any gap between two is free memory, and nothing else is.
    const core = createCore({ maximum: 48 })
    const oracle = new Oracle(core.memory, core.base)
    const live: Range[] = []
    const claim = (p: number) => {
      const range = oracle.claim(p, p + core.usableSize(p), 'block')
      live.push(range)
      return range
    }
    const random = fc.sample(fc.nat(), { seed, numRuns: 12_000 })
    const sizeFrom = (n: number) => 257 + (n % [300, 3000, 30_000, 200_000][(n >>> 20) % 4])
    for (const n of random.slice(0, 500)) {
      const p = core.malloc(sizeFrom(n))
      if (p) claim(p)
    }
    for (let p = core.malloc(257); p; p = core.malloc(257)) claim(p)
    // But what nobody has now may be the heap's own: only what some block has had is known to be free later.
    const walls = gapsBetween(oracle.ranges, core.base, core.size)
    let refused = 0
    for (const n of random) {
      const size = sizeFrom(n)
      if (n % 5 < 2 && live.length) {
        const [range] = live.splice(n % live.length, 1)
        core.free(range.start)
        oracle.release(range)
      } else if (n % 5 === 2 && live.length) {
        const i = (n >>> 3) % live.length
        const range = live[i]
        const p = core.realloc(range.start, size)
        if (!p) continue
        live.splice(i, 1)
        oracle.release(range)
        claim(p)
      } else {
        const p = core.malloc(size)
        if (p) claim(p)
        else {
          refused++
          const taken = [...oracle.ranges, ...walls].sort((a, b) => a.start - b.start)
          // Of the last gap, the heap's tables may have taken a part for themselves.
          const tables = walls[walls.length - 1].start
          const gaps = gapsBetween(taken, core.base, core.size)
          const gap = Math.max(0, ...gaps.map(({ start, end }) => end - start - (end === tables ? 4096 : 0)))
          if (gap >= Math.ceil(size / 16) * 16)
            expect.fail(`SEED=${seed}: ${size} bytes refused, although ${gap} in a row are free`)
        }
      }
    }
    expect(refused).toBeGreaterThan(0)
    expect(core.verify()).toBe(0)
  })

  it('leaves blocks as they are when realloc, calloc or an aligned allocation is refused', () => {
    const core = createCore({ maximum: 16 })
    const oracle = new Oracle(core.memory, core.base)
    const blocks = fill(core, 50, 600, 9000)
    for (const p of blocks) oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
    for (const p of blocks) {
      expect(core.realloc(p, 200_000)).toBe(0)
      expect(core.lastError()).toBe(Errno.ENOMEM)
      expect(core.reallocarray(p, 1000, 1000)).toBe(0)
    }
    expect([core.calloc(100, 1000), core.alignedAlloc(4096, 100_000), core.valloc(1), core.pvalloc(1)]).toEqual([
      0, 0, 0, 0,
    ])
    expect([core.mmap(0, 1), core.sbrk(PAGE)].map(hex)).toEqual([hex(FAILED), hex(FAILED)])
    core.setU32(64, 0x1234)
    expect(core.posixMemalign(64, 64, 100_000)).toBe(Errno.ENOMEM)
    expect(core.u32(64)).toBe(0x1234)
    oracle.checkAll()
    expect(core.verify()).toBe(0)
  })
})

it('realloc has the room behind a block that only empty spans hold, too little for the block itself', () => {
  const core = createCore({ maximum: 1 })
  const small = core.malloc(256) // in a page of seven KiB
  const first = core.malloc(300) + 304
  core.malloc(PAGE - 7 * 1024 - 2000 - first)
  const p = core.malloc(2000)
  expect(p + 2000).toBe(PAGE - 7 * 1024)
  core.free(small)
  expect(core.realloc(p, 8000)).toBe(p)
  expect(core.verify()).toBe(0)
})

it('realloc has the room behind a block that only empty spans hold', () => {
  const core = createCore({ maximum: 8 })
  const first = core.malloc(300) + 304
  const p = core.malloc(3 * PAGE + 8192 - first)
  const small = Array.from({ length: 55 * 4 }, () => core.malloc(256)) // in the page of spans behind p
  expect(small[0]).toBeLessThan(4 * PAGE)
  for (const size of [100_000, 10_000, 2000, 300, 257]) while (core.malloc(size));
  for (const block of small) core.free(block)
  expect(core.realloc(p, core.usableSize(p) + 4000)).toBe(p)
  expect(core.verify()).toBe(0)
})

describe('a heap whose memory may not grow and that has more nodes than blocks', () => {
  it.each([1, 2, 3, 4])('lets the last block of all grow into their room (%d)', (more) => {
    const core = createCore({ maximum: 8 })
    const pairs = Array.from({ length: 64 + more }, () => [core.malloc(4000), core.malloc(336)])
    for (const [p] of pairs) core.free(p)
    expect(core.malloc(1 << 20)).toBe(0)
    for (const _ of pairs) core.malloc(4000)
    const p = core.malloc(core.field('end') - core.field('top'))
    const q = core.realloc(p, core.usableSize(p) + 16)
    expect([0, p]).toContain(q)
    expect(core.verify()).toBe(0)
  })

  it.each([1, 16])('refuses nothing that it grants when asked again, with %d pages at the start', (initial) => {
    const core = createCore({ initial, maximum: 16 })
    const blocks = Array.from({ length: 1800 }, () => core.malloc(336))
    for (let i = 0; i < 1800; i += 2) core.free(blocks[i])
    for (let i = 1; i < 1800; i += 2) if (i % 10 !== 1 || i > 1600) core.free(blocks[i])
    const copy = () => {
      const memory = new WebAssembly.Memory({ initial: core.pages, maximum: 16 })
      new Uint8Array(memory.buffer).set(new Uint8Array(core.memory.buffer))
      return new Core(memory, core.base)
    }
    let granted = 16 * PAGE
    while (!copy().malloc(granted)) granted -= 4096
    for (let size = granted; size <= granted + 4096; size += 16) {
      const asked = copy()
      if (!asked.malloc(size)) expect(asked.malloc(size), `${size} bytes`).toBe(0)
    }
  })
})
