// Writes where no program should write: past a block's end, after its free. What lies in line never
// leads the heap to hand out a byte twice, or an address that someone else has chosen.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Core, createCore, hex, PAGE, Reason, refusal, SEED } from './core.ts'
import { Oracle, type Range } from './oracle.ts'
import './timeout.ts'

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

it('links that a write after free has changed are not followed', () => {
  for (const size of [1000, 5000, 70_000]) {
    for (const link of [0x41414141, 0xfffffff0, 8]) {
      const core = createCore()
      const blocks = Array.from({ length: 9 }, () => core.malloc(size))
      for (const p of [blocks[2], blocks[4], blocks[6]]) core.free(p)
      for (const p of [blocks[2], blocks[4], blocks[6]]) for (const at of [p, p + 4]) core.setU32(at, link)
      const { reason, address } = refusal(core, () => {
        for (let i = 0; i < 4; i++) core.malloc(size)
      })
      expect(reason).toBe(Reason.overwritten)
      expect(blocks).toContain(address)
    }
  }
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
    const offset = 4 * (where % 4) // where links and sizes are, if anywhere
    if (target.end - target.start < offset + 4) continue
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
    ][what % 15]
    core.setU32(target.start + offset, chosen)
    // What makes a chosen address look like a free block that links back.
    if (what & 64 && chosen % 4 === 0 && oracle.at(chosen) === victim) {
      core.setU32(chosen, target.start)
      core.setU32(chosen + 4, target.start)
      core.setU32(chosen + 8, 4096)
      victim.pattern = -1
    }
  }
  const intact = (range: Range) => range.pattern < 0 || oracle.check(range)
  for (const { kind, size, which } of calls) {
    const i = which % Math.max(1, live.length)
    const range = live[i]
    try {
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
        if (range.pattern >= 0) oracle.checkCopy(range, p, Math.min(size, range.end - range.start))
        allocated(p, size)
      } else {
        core.free(range.start)
        oracle.release(range)
        live.splice(i, 1)
      }
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error
      if (!error.message.includes('unreachable') || core.trapReason() !== Reason.overwritten)
        throw new Error(`call ${kind} (${size}): ${error.message}, ${core.trapReason()}`, { cause: error })
      // What was to be freed or moved is given up by its owner.
      if (kind < 7 || !range) continue
      oracle.release(range)
      live.splice(i, 1)
    }
    for (const other of live) intact(other)
  }
}

it('a write after free never yields overlapping blocks, nor an address of the writer’s choice', () => {
  fc.assert(fc.property(attacks, run), { seed: SEED, numRuns: 1500, endOnFailure: !process.env.SEED })
})

it('a link to top, whose mark looks like that of a free block, is not followed', () => {
  const core = createCore()
  const [block, , last] = Array.from({ length: 3 }, () => core.malloc(5000))
  core.free(block)
  core.free(last) // top begins there now
  core.setU32(block, last)
  core.setU32(last + 4, block)
  expect(refusal(core, () => core.malloc(5000))).toEqual({ reason: Reason.overwritten, address: block })
})

it('a block that is linked with itself brings nothing into the heap’s hands', () => {
  const core = createCore()
  const oracle = new Oracle(core.memory, core.base)
  const claim = (size: number) => {
    const p = core.malloc(size)
    oracle.fill(oracle.claim(p, p + size, 'block'))
    return p
  }
  claim(200_000) // where a bin’s bits would be if the block were a bin’s head
  claim(1_200_000)
  const [block, , other] = Array.from({ length: 4 }, () => core.malloc(5000))
  core.free(block)
  core.setU32(block, block)
  core.setU32(block + 4, block)
  expect(claim(5000)).toBe(block)
  core.free(other)
  oracle.checkAll()
})
