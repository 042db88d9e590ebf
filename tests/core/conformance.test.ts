// How C's and POSIX's functions have to behave: what the test suites of glibc, musl, mimalloc and jemalloc hold their
// own heaps to, and defects known from other heaps.
import { describe, expect, it } from 'vitest'
import { type Core, createCore, Errno, PAGE, PTRDIFF_MAX } from './core.ts'
import { Oracle } from './oracle.ts'

const HUGE = [PTRDIFF_MAX + 1, 0x80000001, 0xc0000000, 0xffff0000, 0xfffffff0, 0xffffffff]

/** Expects null, an errno, and a heap that is as it was. */
function expectNull(core: Core, call: () => number, errno: number): void {
  core.calloc(0xffffffff, 0xffffffff)
  const before = core.stats(64)
  expect(call()).toBe(0)
  expect(core.lastError()).toBe(errno)
  expect(core.stats(64)).toEqual(before)
  expect(core.verify()).toBe(0)
}

describe('malloc', () => {
  it('of 0 bytes gives distinct blocks that can be freed', () => {
    const core = createCore()
    const blocks = [core.malloc(0), core.malloc(0), core.malloc(0)]
    expect(new Set(blocks).size).toBe(3)
    expect(blocks).not.toContain(0)
    for (const p of blocks) core.free(p)
    expect([core.calloc(0, 8), core.calloc(8, 0), core.realloc(0, 0), core.alignedAlloc(64, 0)]).not.toContain(0)
    expect(core.verify()).toBe(0)
  })

  it.each(HUGE)('of %d bytes is refused: it must not wrap to a small block', (size) => {
    const core = createCore()
    core.malloc(10)
    expectNull(core, () => core.malloc(size), Errno.ENOMEM)
    expectNull(core, () => core.realloc(0, size), Errno.ENOMEM)
    expectNull(core, () => core.calloc(1, size), Errno.ENOMEM)
    expectNull(core, () => core.calloc(size, 1), Errno.ENOMEM)
    expectNull(core, () => core.reallocarray(0, size, 1), Errno.ENOMEM)
    expectNull(core, () => core.valloc(size), Errno.ENOMEM)
    expectNull(core, () => core.pvalloc(size), Errno.ENOMEM)
    for (let log2 = 0; log2 < 32; log2++) {
      expectNull(core, () => core.alignedAlloc(2 ** log2, size), Errno.ENOMEM)
      expectNull(core, () => core.memalign(2 ** log2, size), Errno.ENOMEM)
      if (log2 < 2) continue
      core.setU32(64, 77)
      expect(core.posixMemalign(64, 2 ** log2, size)).toBe(Errno.ENOMEM)
      expect(core.u32(64)).toBe(77)
    }
    expect(core.pages).toBe(1)
  })

  it('serves again, at once and at the same place, what was just freed', () => {
    const core = createCore()
    for (const size of [1, 24, 100, 256, 300, 5000, 100_000]) {
      core.malloc(size)
      const p = core.malloc(size)
      core.malloc(size)
      core.free(p)
      expect(core.malloc(size)).toBe(p)
    }
  })

  it('succeeds from a hole although the break may not move', () => {
    const core = createCore({ maximum: 8 })
    const blocks: number[] = []
    for (let p = core.malloc(30_000); p; p = core.malloc(30_000)) blocks.push(p)
    core.free(blocks[3])
    core.free(blocks[4])
    expect(core.malloc(59_000)).toBe(blocks[3])
  })

  it('writes nothing into what it hands out, nor into others’ blocks', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 300; i++) {
        const size = (i * i * 7 + round) % (i % 6 ? 500 : 30_000)
        const p = core.malloc(size)
        oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
      }
      oracle.checkAll()
      for (const range of oracle.ranges.filter((_, i) => i % 2)) {
        oracle.check(range)
        core.free(range.start)
        oracle.release(range)
      }
      oracle.checkAll()
    }
    expect(core.verify()).toBe(0)
  })
})

describe('free', () => {
  it('of null does nothing', () => {
    const core = createCore()
    core.free(0)
    core.malloc(1)
    core.free(0)
    expect(core.verify()).toBe(0)
  })

  it('keeps the last error', () => {
    const core = createCore()
    const blocks = [10, 300, 100_000].map((size) => core.malloc(size))
    expect(core.alignedAlloc(3, 10)).toBe(0)
    for (const p of blocks) {
      core.free(p)
      expect(core.lastError()).toBe(Errno.EINVAL)
    }
  })

  it('takes blocks of every function, also with their sizes', () => {
    const core = createCore()
    for (const size of [1, 100, 257, 4000, 100_000]) {
      core.setU32(64, 0)
      expect(core.posixMemalign(64, 256, size)).toBe(0)
      const blocks = [
        core.malloc(size),
        core.calloc(1, size),
        core.realloc(0, size),
        core.reallocarray(0, 1, size),
        core.alignedAlloc(128, size),
        core.memalign(8192, size),
        core.u32(64),
        core.valloc(size),
        core.pvalloc(size),
      ]
      for (const [i, p] of blocks.entries()) {
        if (i % 3 === 0) core.free(p)
        else if (i % 3 === 1) core.freeSized(p, size)
        else core.freeAlignedSized(p, 16, size)
      }
      expect(core.stats(64).inUse).toBe(0)
    }
    expect(core.verify()).toBe(0)
  })
})

describe('calloc', () => {
  it('does not clear memory that was never written, but for what an overflow from the block before may have', () => {
    const core = createCore({ initial: 0 })
    const before = core.malloc(20 * PAGE)
    const next = before + core.usableSize(before)
    // What nobody can have written but the test.
    core.bytes(next, 3000).fill(0xaa)
    const p = core.calloc(3, 1000)
    expect(p).toBe(next)
    expect(core.bytes(p, 16).every((byte) => byte === 0)).toBe(true)
    expect(core.bytes(p + 16, 2984).every((byte) => byte === 0xaa)).toBe(true)
    core.free(p)
    const q = core.calloc(1, 3000)
    expect(q).toBe(p)
    expect(core.bytes(q, 3000).every((byte) => byte === 0)).toBe(true)
  })

  it('gives zeros where what was the last block has overflowed', () => {
    const core = createCore({ initial: 0 })
    core.malloc(20 * PAGE)
    const p = core.malloc(3000)
    const length = core.usableSize(p) + 16
    core.bytes(p, length).fill(0xaa)
    core.free(p)
    expect(core.calloc(1, length)).toBe(p)
    expect(core.bytes(p, length).every((byte) => byte === 0)).toBe(true)
  })

  it('gives zeros where dirty blocks were freed', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (const size of [1, 15, 16, 100, 255, 256, 257, 1000, 10_000, 3 * PAGE]) {
      for (let round = 0; round < 3; round++) {
        const p = core.malloc(size)
        core.bytes(p, core.usableSize(p)).fill(0xff)
        core.free(p)
        const q = core.calloc(size, 1)
        oracle.checkZero(q, q + size)
      }
    }
  })

  it('gives zeros from memory that was dirty before the heap began', () => {
    const core = createCore({ initial: 10 })
    core.bytes(core.base, core.size - core.base).fill(0xff)
    const oracle = new Oracle(core.memory, core.base)
    for (const size of [100, 1000, 100_000, 7 * PAGE]) {
      const p = core.calloc(1, size)
      oracle.checkZero(p, p + size)
    }
  })

  it('refuses a product that is too large', () => {
    const core = createCore()
    const factors = [2, 3, 0x8000, 0x10000, 0x10001, 0x80000000, 0xffffffff]
    for (const n of factors) {
      for (const size of factors) {
        if (n * size > PTRDIFF_MAX) expectNull(core, () => core.calloc(n, size), Errno.ENOMEM)
      }
    }
    expect(core.calloc(0, 0xffffffff)).not.toBe(0)
  })
})

describe('realloc', () => {
  it('of null is malloc, to 0 bytes is free', () => {
    const core = createCore()
    const p = core.realloc(0, 100)
    expect(core.usableSize(p)).toBeGreaterThanOrEqual(100)
    expect(core.realloc(p, 0)).toBe(0)
    expect(core.stats(64).inUse).toBe(0)
    expect(core.reallocarray(core.malloc(1000), 0, 8)).toBe(0)
    expect(core.reallocarray(core.malloc(1000), 8, 0)).toBe(0)
    expect(core.stats(64).inUse).toBe(0)
  })

  it('does not move a block that grows within its usable size', () => {
    const core = createCore()
    for (let size = 0; size < 3000; size += 7) {
      const p = core.malloc(size)
      core.malloc(1)
      expect(core.realloc(p, core.usableSize(p))).toBe(p)
    }
  })

  it('grows in place into the free block behind, into the end of memory, and gives back what it shrinks by', () => {
    const core = createCore()
    const p = core.malloc(20_000)
    const behind = core.malloc(50_000)
    core.malloc(1000)
    core.free(behind)
    expect(core.realloc(p, 60_000)).toBe(p)
    expect(core.realloc(p, 1000)).toBe(p)
    expect(core.malloc(60_000)).toBeLessThan(behind)
    const last = core.malloc(40_000)
    expect(core.realloc(last, 50_000)).toBe(last)
    expect(core.verify()).toBe(0)
  })

  it('keeps the contents over any chain of sizes', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    const sizes = [1, 17, 300, 250, 4000, 100_000, 3, 90, 256, 257, 70_000, 12, 1_000_000, 500, 16]
    let p = core.malloc(8)
    let range = oracle.claim(p, p + 8, 'block')
    oracle.fill(range)
    for (let i = 0; i < 300; i++) {
      const size = sizes[(i * 7) % sizes.length] + (i % 5)
      const q = core.realloc(p, size)
      oracle.checkCopy(range, q, Math.min(size, range.end - range.start))
      oracle.release(range)
      range = oracle.claim(q, q + size, 'block')
      oracle.fill(range)
      p = q
      if (i % 2) core.malloc(i * 3)
    }
    expect(core.verify()).toBe(0)
  })

  it('refused, leaves the block as it is; so does reallocarray when its product wraps', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (const size of [10, 300, 100_000]) {
      const p = core.malloc(size)
      const range = oracle.claim(p, p + core.usableSize(p), 'block')
      oracle.fill(range)
      for (const huge of HUGE) expectNull(core, () => core.realloc(p, huge), Errno.ENOMEM)
      expectNull(core, () => core.reallocarray(p, 0x10000, 0x10000), Errno.ENOMEM)
      expectNull(core, () => core.reallocarray(p, 0x80000001, 2), Errno.ENOMEM)
      expectNull(core, () => core.reallocarray(p, 3, 0x55555556), Errno.ENOMEM)
      oracle.check(range)
    }
  })

  it('shrunk block’s rest serves others, again and again, without a stale trace', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let i = 0; i < 200; i++) {
      const p = core.malloc(5000 + 16 * (i % 50))
      const q = core.realloc(p, 300 + 16 * (i % 7))
      expect(q).toBe(p)
      oracle.fill(oracle.claim(q, q + core.usableSize(q), 'block'))
      if (i % 3) continue
      const other = core.malloc(3000)
      oracle.fill(oracle.claim(other, other + core.usableSize(other), 'block'))
      const [range] = oracle.ranges
      oracle.check(range)
      core.free(range.start)
      oracle.release(range)
      expect(core.verify()).toBe(0)
    }
    oracle.checkAll()
  })
})

describe('aligned allocation', () => {
  it.each([0, 3, 5, 6, 12, 24, 100, 0x7fffffff, 0x80000001, 0xffffffff])('refuses the alignment %d: EINVAL', (a) => {
    const core = createCore()
    for (const size of [0, 10, 1000, 0xffffffff]) {
      expectNull(core, () => core.alignedAlloc(a, size), Errno.EINVAL)
      expectNull(core, () => core.memalign(a, size), Errno.EINVAL)
      core.setU32(64, 1234)
      const error = core.lastError()
      expect(core.posixMemalign(64, a, size)).toBe(Errno.EINVAL)
      expect(core.u32(64)).toBe(1234)
      expect(core.lastError()).toBe(error)
    }
  })

  it('of posix_memalign refuses what is no multiple of a pointer’s size', () => {
    const core = createCore()
    core.malloc(1)
    for (const alignment of [1, 2]) expect(core.posixMemalign(64, alignment, 10)).toBe(Errno.EINVAL)
    expect(core.posixMemalign(64, 4, 10)).toBe(0)
    expect(core.u32(64)).not.toBe(0)
  })

  it('takes sizes that are no multiple of the alignment', () => {
    const core = createCore()
    expect(core.alignedAlloc(4096, 1) % 4096).toBe(0)
    expect(core.alignedAlloc(64, 65) % 64).toBe(0)
  })

  it('gives valloc’s and pvalloc’s blocks whole pages', () => {
    const core = createCore()
    for (const size of [0, 1, 1000, PAGE, PAGE + 1]) {
      expect(core.valloc(size) % PAGE).toBe(0)
      const p = core.pvalloc(size)
      expect(p % PAGE).toBe(0)
      expect(core.usableSize(p)).toBeGreaterThanOrEqual(Math.max(1, Math.ceil(size / PAGE)) * PAGE)
    }
  })

  it('serves a freed aligned block again at the same place', () => {
    const core = createCore()
    for (const alignment of [32, 64, 256, 4096, PAGE]) {
      for (const size of [16, 200, 1000, 50_000]) {
        const p = core.alignedAlloc(alignment, size)
        core.free(p)
        expect(core.alignedAlloc(alignment, size)).toBe(p)
      }
    }
    expect(core.verify()).toBe(0)
  })

  it('wastes nothing for ever: what lies before an aligned block serves others', () => {
    const core = createCore({ maximum: 16 })
    const blocks: number[] = []
    for (let p = core.alignedAlloc(PAGE, 100); p; p = core.alignedAlloc(PAGE, 100)) blocks.push(p)
    expect(blocks.length).toBeGreaterThan(12)
    let bytes = 0
    for (let p = core.malloc(1000); p; p = core.malloc(1000)) bytes += 1000
    expect(bytes).toBeGreaterThan(13 * PAGE * 0.9)
    expect(core.verify()).toBe(0)
  })

  it('can be reallocated; the contents stay, the alignment need not', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (const alignment of [32, 1024, PAGE]) {
      const p = core.alignedAlloc(alignment, 500)
      const range = oracle.claim(p, p + 500, 'block')
      oracle.fill(range)
      core.malloc(100)
      const q = core.realloc(p, 50_000)
      oracle.checkCopy(range, q, 500)
      oracle.release(range)
    }
    expect(core.verify()).toBe(0)
  })
})

describe('malloc_usable_size', () => {
  it('of null is 0, of a block at least what was asked for, and all of it may be used', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    expect(core.usableSize(0)).toBe(0)
    for (const size of [0, 1, 16, 17, 255, 256, 257, 1000, 1001, 100_000]) {
      const p = core.malloc(size)
      const usable = core.usableSize(p)
      expect(usable).toBeGreaterThanOrEqual(Math.max(1, size))
      oracle.fill(oracle.claim(p, p + usable, 'block'))
      expect(core.usableSize(p)).toBe(usable)
    }
    oracle.checkAll()
    expect(core.verify()).toBe(0)
  })
})

describe('fragmentation', () => {
  it('leaves no request unserved that a fragment fits', () => {
    // 18 KiB asked for, a fragment of 20 KiB free, between blocks in use, the rest of memory taken.
    const core = createCore({ maximum: 16 })
    const blocks: number[] = []
    for (let p = core.malloc(20 * 1024); p; p = core.malloc(20 * 1024)) blocks.push(p)
    const small: number[] = []
    for (let p = core.malloc(272); p; p = core.malloc(272)) small.push(p)
    core.free(blocks[5])
    for (let i = 0; i < small.length; i += 2) core.free(small[i])
    expect(core.malloc(18 * 1024)).toBe(blocks[5])
    expect(core.verify()).toBe(0)
  })

  it('never makes a fragment that is too small serve a request, however often sizes recur', () => {
    const core = createCore({ maximum: 32 })
    const oracle = new Oracle(core.memory, core.base)
    const warm = Array.from({ length: 100 }, (_, i) => core.malloc(2000 + 16 * i))
    for (const p of warm) core.free(p)
    for (let i = 0; i < 300; i++) {
      const size = 2000 + 16 * ((i * 37) % 101) + (i % 16)
      const p = core.malloc(size)
      if (!p) break
      expect(core.usableSize(p)).toBeGreaterThanOrEqual(size)
      oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
    }
    oracle.checkAll()
  })
})

describe('heap_stats', () => {
  it('counts bytes in use exactly, and never more than the heap has', () => {
    const core = createCore()
    expect(core.stats(64)).toMatchObject({ inUse: 0, mapped: 0 })
    let inUse = 0
    const blocks: number[] = []
    for (let i = 0; i < 500; i++) {
      const p = core.malloc((i * 97) % (i % 4 ? 300 : 9000))
      blocks.push(p)
      inUse += core.usableSize(p)
      expect(core.stats(64).inUse).toBe(inUse)
    }
    const { heap, peak, growths, free } = core.stats(64)
    expect(heap).toBe(core.sbrk(0) - core.base)
    expect(inUse + free).toBeLessThanOrEqual(heap)
    expect(peak).toBeGreaterThanOrEqual(inUse)
    expect(growths).toBeGreaterThan(0)
    for (const p of blocks) {
      inUse -= core.usableSize(p)
      core.free(p)
      expect(core.stats(64).inUse).toBe(inUse)
    }
    expect(inUse).toBe(0)
    expect(core.stats(64)).toMatchObject({ heap, growths, mapped: 0 })
    expect(core.stats(64).peak).toBeGreaterThanOrEqual(peak)
  })

  it('keeps a peak that was over before it is asked for', () => {
    for (const core of [createCore(), createCore({ initial: 200 })]) {
      core.free(core.malloc(3_000_000))
      expect(core.stats(64).peak).toBeGreaterThan(3_000_000)
      expect(core.stats(64).peak).toBeLessThan(3_200_000)
    }
  })

  it('counts the growth that the heap begins with', () => {
    const core = createCore({ base: PAGE })
    core.malloc(1)
    expect([core.pages, core.stats(64).growths]).toEqual([2, 1])
  })

  it('counts each growth of memory once', () => {
    const core = createCore({ initial: 4 })
    let growths = 0
    for (let i = 0; i < 200; i++) {
      const before = core.pages
      core.malloc(i * 300)
      if (core.pages > before) growths++
      expect(core.stats(64).growths).toBe(growths)
    }
    expect(growths).toBeGreaterThan(5)
  })
})
