// Writes where no program should write: past a block's end, after its free. What lies in line never
// leads the heap to hand out a byte twice, or an address that someone else has chosen.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Core, createCore, hex, PAGE, Reason, refusal, SEED } from './core.ts'
import { Oracle, type Range } from './oracle.ts'

const SMALL = Array.from({ length: 16 }, (_, i) => 16 * (i + 1))
const LARGE = [272, 512, 1000, 4096, 10_000, 70_000]

/** Allocates and frees all kinds of blocks and expects them to be apart. */
function expectSound(core: Core, oracle: Oracle): void {
  expect(core.verify()).toBe(0)
  const ranges: Range[] = []
  for (let i = 0; i < 200; i++) {
    const p = core.malloc((i * 631) % (i % 5 ? 270 : 40_000))
    const range = oracle.claim(p, p + core.usableSize(p), 'block')
    oracle.fill(range)
    ranges.push(range)
  }
  for (const range of ranges) {
    oracle.check(range)
    core.free(range.start)
    oracle.release(range)
  }
  expect(core.verify()).toBe(0)
}

/** The bytes that a program overruns with: zero too, and what looks like the heap's own state. */
const values = [0x00, 0x41, 0xff]

describe.each([1, 8, 16])('a write of %d bytes', (n) => {
  it.each(SMALL)('past the end of any block of %d bytes harms nothing', (size) => {
    for (const value of values) {
      const core = createCore()
      const oracle = new Oracle(core.memory, core.base)
      // As many as fill pages, so that each place in a span and in a page is tried.
      const blocks = Array.from({ length: Math.ceil((2.5 * PAGE) / size) }, () => core.malloc(size))
      for (const p of blocks) core.bytes(p + size, n).fill(value)
      expect(core.verify()).toBe(0)
      for (const p of blocks) oracle.claim(p, p + size, 'block')
      expectSound(core, oracle)
      for (const p of blocks) core.free(p)
      oracle.ranges.length = 0
      expectSound(core, oracle)
    }
  })

  it.each(LARGE)('past the end of blocks of %d bytes in a row harms nothing', (size) => {
    for (const value of values) {
      const core = createCore()
      const oracle = new Oracle(core.memory, core.base)
      const blocks = Array.from({ length: 30 }, () => core.malloc(size))
      for (const p of blocks) {
        const end = p + core.usableSize(p)
        if (blocks.includes(end)) core.bytes(end, n).fill(value)
      }
      for (const p of blocks) oracle.claim(p, p + size, 'block')
      expectSound(core, oracle)
      core.malloc(40 * PAGE)
      expectSound(core, oracle)
      for (const p of blocks) core.free(p)
      oracle.ranges.length = 0
      expectSound(core, oracle)
    }
  })
})

it.each([1, 8, 16])('a write of %d bytes before the first block harms nothing, wherever the heap begins', (n) => {
  for (let base = 1024; base < 1040; base++) {
    for (const value of values) {
      const core = createCore({ base, initial: 4 })
      const oracle = new Oracle(core.memory, base)
      const first = core.malloc(3 * PAGE)
      core.bytes(first - n, n).fill(value)
      expectSound(core, oracle)
      core.free(first)
      expectSound(core, oracle)
    }
  }
})

it('a write of up to 8 bytes before the block behind a page of spans harms nothing', () => {
  // 1 is what marks a span whose blocks are all in use.
  for (const value of [0, 1, 2, 0x41414141, 0xffffffff]) {
    const core = createCore({ initial: 8 })
    const oracle = new Oracle(core.memory, core.base)
    const [small, large] = [core.malloc(16), core.malloc(PAGE)]
    expect(large % PAGE).toBe(0)
    core.setU32(large - 8, value)
    core.setU32(large - 4, value)
    for (const p of [large - 1024, large - 16]) expect(refusal(core, () => core.free(p)).address).toBe(p)
    for (const p of [small, large]) oracle.claim(p, p + core.usableSize(p), 'block')
    expectSound(core, oracle)
  }
})

it('a write into free blocks of spans, all of them, harms nothing', () => {
  const core = createCore()
  const oracle = new Oracle(core.memory, core.base)
  const blocks = Array.from({ length: 4000 }, (_, i) => core.malloc(1 + ((i * 53) % 256)))
  const gone = blocks.filter((_, i) => i % 3)
  for (const p of gone) {
    const size = core.usableSize(p)
    core.free(p)
    core.bytes(p, size).fill(0x41)
  }
  for (const p of blocks.filter((_, i) => i % 3 === 0)) oracle.claim(p, p + core.usableSize(p), 'block')
  expectSound(core, oracle)
})

describe.each([1000, 5000, 70_000])('what a write after free leaves in a free block of %d bytes', (size) => {
  /** Nine blocks in a row, of which the third, fifth and seventh are free. */
  function row(core: Core) {
    const blocks = Array.from({ length: 9 }, () => core.malloc(size))
    const end = blocks[5]
    for (const i of [2, 4, 6]) core.free(blocks[i])
    return { blocks, free: blocks[4], end }
  }

  const ends: [where: string, neighbour: number, at: (free: number, end: number) => number][] = [
    ['its start, when the block before is freed', 3, (free) => free],
    ['its end, when the block behind is freed', 5, (_, end) => end - 4],
  ]
  it.each(ends)('is not believed at %s, and both are joined', (_, neighbour, where) => {
    const otherHints = (blocks: number[], hint: number, core: Core) => [
      ...[0x41414141, 0xfffffff0, 8, 0, blocks[4]],
      ...[core.u32(blocks[2]), core.u32(blocks[6]), hint + 16, hint - 16],
    ]
    for (let i = 0; i < 9; i++) {
      const core = createCore()
      const { blocks, free, end } = row(core)
      const at = where(free, end)
      core.setU32(at, otherHints(blocks, core.u32(at), core)[i])
      core.free(blocks[neighbour])
      expect(core.verify()).toBe(0)
      expect(core.malloc(3 * size)).toBe(neighbour === 3 ? blocks[2] : blocks[4])
    }
  })

  it.each(ends)('is refused at %s if the heap’s own tables were overwritten, too', (_, neighbour, where) => {
    const core = createCore()
    const { free, blocks, end } = row(core)
    core.bytes(core.field('nodes') + core.u32(free), 8).fill(0x41)
    const border = neighbour === 3 ? free : end
    for (const value of [core.u32(where(free, end)), 0x41414141]) {
      core.setU32(where(free, end), value)
      expect(refusal(core, () => core.free(blocks[neighbour]))).toEqual({ reason: Reason.corrupt, address: border })
    }
  })

  it('is not followed by malloc, which hands the block out again', () => {
    const core = createCore()
    const { blocks, free, end } = row(core)
    core.bytes(free, end - free).fill(0x41)
    const again = [2, 4, 6].map(() => core.malloc(size))
    expect(again.sort((a, b) => a - b)).toEqual([blocks[2], free, blocks[6]])
    for (const p of blocks) core.free(p)
    expect(core.verify()).toBe(0)
  })
})

// ------------------------------------------------------------------------------------------------ attacks, at random

interface Attack {
  sizes: number[]
  freed: number[]
  writes: { at: number; where: number; what: number; value: number }[]
  calls: { kind: number; size: number; which: number }[]
}
const nat = fc.nat(0xffffff)
const attacks: fc.Arbitrary<Attack> = fc.record({
  sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 1500 }), fc.integer({ min: 257, max: 40_000 })), {
    minLength: 6,
    maxLength: 40,
  }),
  freed: fc.array(nat, { minLength: 1, maxLength: 20 }),
  writes: fc.array(fc.record({ at: nat, where: nat, what: nat, value: nat }), { minLength: 1, maxLength: 12 }),
  calls: fc.array(fc.record({ kind: fc.nat(9), size: fc.integer({ min: 1, max: 50_000 }), which: nat }), {
    minLength: 10,
    maxLength: 60,
  }),
})

/** Runs an attack: writes to freed blocks, then calls. Throws if the heap hands out what is not its own to give. */
function run({ sizes, freed, writes, calls }: Attack): void {
  const core = createCore({ maximum: 256 })
  const oracle = new Oracle(core.memory, core.base)
  const live: Range[] = []
  const allocated = (p: number, size: number) => {
    if (!p) return
    if (p % 16) throw new Error(`${hex(p)} is misaligned`)
    const range = oracle.claim(p, p + size, 'block')
    oracle.fill(range)
    live.push(range)
  }
  for (const size of sizes) allocated(core.malloc(size), size)
  const gone: Range[] = []
  for (const i of freed) {
    if (live.length < 3) break
    const [range] = live.splice(i % live.length, 1)
    core.free(range.start)
    oracle.release(range)
    gone.push(range)
  }
  for (const { at, where, what, value } of writes) {
    const target = gone[at % gone.length]
    // At either end, where hints are.
    const offset = 4 * (where % 4)
    if (target.end - target.start < offset + 4) continue
    const start = where & 4 ? target.start + offset : ((target.end + 15) & ~15) - 4 - offset
    const other = gone[value % gone.length]
    const victim = live[value % live.length]
    const chosen = [
      0x41414141,
      victim.start,
      victim.start + 16,
      (victim.start - 16) >>> 0,
      other.start,
      other.start + 16,
      target.start,
      core.base,
      core.base + 16 * (value % 4096),
      value & ~15,
      core.size - 16,
      0xfffffff0,
      8,
      1 << (value % 31),
      0,
      16 * (value % 512), // the number of a node
      core.u32(other.start),
    ][what % 17]
    core.setU32(start, chosen)
  }
  for (const { kind, size, which } of calls) {
    const i = which % Math.max(1, live.length)
    const range = live[i]
    if (kind < 5 || !range) allocated(core.malloc(size), size)
    else if (kind === 5) allocated(core.alignedAlloc(4096, size), size)
    else if (kind === 6) {
      const p = core.mmap(0, size)
      if (p !== 0xffffffff) oracle.fill(oracle.claim(p, p + size, 'page'))
    } else if (kind === 7) {
      const p = core.realloc(range.start, size)
      if (!p) continue
      oracle.release(range)
      live.splice(i, 1)
      oracle.checkCopy(range, p, Math.min(size, range.end - range.start))
      allocated(p, size)
    } else {
      core.free(range.start)
      oracle.release(range)
      live.splice(i, 1)
    }
    for (const other of live) oracle.check(other)
  }
}

it('a write after free never yields overlapping blocks, nor an address of the writer’s choice', () => {
  fc.assert(fc.property(attacks, run), { seed: SEED, numRuns: 1500, endOnFailure: !process.env.SEED })
})
