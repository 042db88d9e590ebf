// Every size and every alignment.
import { describe, expect, it } from 'vitest'
import { createCore, Errno, hex, PAGE } from './core.ts'
import { Oracle, type Range } from './oracle.ts'

const LARGEST = 70_000

describe('every size from 0 to 70,000', () => {
  it('is served, aligned, in a place of its own', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    const live: Range[] = []
    for (let size = 0; size <= LARGEST; size++) {
      const p = core.malloc(size)
      const usable = core.usableSize(p)
      if (!p || p % 16 || usable < size)
        expect.fail(`malloc(${size}) is ${hex(p)}, of which ${usable} bytes are usable`)
      // To rounding, and to what would be too little for a block of the arena.
      if (usable - size >= (size <= 256 && size ? 16 : 96)) expect.fail(`malloc(${size}) took ${usable} bytes`)
      const range = oracle.claim(p, p + usable, 'block')
      oracle.fill(range)
      live.push(range)
      if (live.length > 24) {
        // Now the oldest, now one from the middle: so neighbours are free and in use in all combinations.
        const [gone] = live.splice(size % 3 ? 0 : 11, 1)
        oracle.check(gone)
        core.free(gone.start)
        oracle.release(gone)
      }
      if (size % 499 === 0) expect(core.verify()).toBe(0)
    }
    oracle.checkAll()
    expect(core.verify()).toBe(0)
  })

  it('is known wherever in a byte of marks the block begins, also where its end is just too far for the marks', () => {
    const core = createCore()
    for (let cells = 40; cells <= 200; cells++) {
      for (let offset = 0; offset < 8; offset++) {
        const before = core.malloc(272)
        // At the heap's end, it grows where it is: so the next one begins where it shall.
        core.realloc(before, 272 + 16 * ((offset - (before >>> 4) - 17) & 7))
        const p = core.malloc(16 * cells)
        expect((p >>> 4) & 7).toBe(offset)
        if (core.usableSize(p) !== 16 * cells)
          expect.fail(`of ${16 * cells} bytes at ${hex(p)}, ${core.usableSize(p)} are usable`)
      }
    }
    expect(core.verify()).toBe(0)
  })

  it('is reached by realloc from the one below, up and down', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    let p = core.malloc(1)
    let range = oracle.claim(p, p + 1, 'block')
    oracle.fill(range)
    const to = (size: number) => {
      const before = range
      const q = core.realloc(p, size)
      if (!q || q % 16) expect.fail(`realloc(${hex(p)}, ${size}) is ${hex(q)}`)
      oracle.checkCopy(before, q, Math.min(before.end - before.start, size))
      oracle.release(before)
      range = oracle.claim(q, q + size, 'block')
      oracle.fill(range)
      p = q
    }
    for (let size = 2; size <= LARGEST; size++) to(size)
    expect(core.verify()).toBe(0)
    for (let size = LARGEST; size > 0; size--) {
      const before = p
      to(size)
      expect(p).toBe(before) // a block shrinks where it is
    }
    expect(core.verify()).toBe(0)
  })

  it('is reached by realloc from a small and from a large block', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let size = 1; size <= LARGEST; size += size < 1200 ? 1 : 61) {
      for (const from of [1, 48, 250, 1000, 40_000]) {
        const p = core.malloc(from)
        const before = oracle.claim(p, p + from, 'block')
        oracle.fill(before)
        core.malloc(7) // something behind
        const q = core.realloc(p, size)
        oracle.release(before)
        oracle.checkCopy(before, q, Math.min(from, size))
        if (core.usableSize(q) < size) expect.fail(`realloc to ${size}: usable ${core.usableSize(q)}`)
        core.free(q)
      }
    }
    expect(core.verify()).toBe(0)
  })

  it('is given back by realloc, to the last block of its span', () => {
    const core = createCore()
    for (let size = 16; size < 256; size += 16) {
      const blocks = Array.from({ length: 200 }, () => core.malloc(size))
      const moved = blocks.map((p) => core.realloc(p, 256))
      expect(core.verify()).toBe(0)
      expect(core.stats(16).inUse).toBe(200 * 256)
      for (const p of moved) core.free(p)
    }
  })

  it('reads as zero from calloc, on dirty memory and on fresh', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let size = 0; size <= LARGEST; size += size < 1200 ? 1 : 53) {
      const blocks = [core.malloc(size), core.malloc(size)]
      for (const p of blocks) core.bytes(p, core.usableSize(p)).fill(0xff)
      for (const p of blocks) core.free(p)
      const zeroed = [core.calloc(1, size), core.calloc(size, 1), core.calloc(Math.ceil(size / 3), 3)]
      for (const p of zeroed) oracle.checkZero(p, p + size)
      for (const p of zeroed) core.free(p)
      if (size % 500 === 0) {
        // Fresh memory beside: larger than anything that was freed.
        const p = core.calloc(1, core.size)
        oracle.checkZero(p, p + 2 * size)
        core.free(p)
      }
    }
    expect(core.verify()).toBe(0)
  })
})

describe('every alignment', () => {
  const sizes = [0, 1, 15, 16, 17, 100, 255, 256, 257, 1000, 4096, 70_000, 2 * PAGE]
  const functions = ['alignedAlloc', 'memalign', 'posixMemalign'] as const

  it.each(functions)('up to 2^24 is kept by %s for all sizes, and blocks stay apart', (name) => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let log2 = name === 'posixMemalign' ? 2 : 0; log2 <= 24; log2++) {
      const alignment = 2 ** log2
      for (const size of sizes) {
        let p: number
        if (name === 'posixMemalign') {
          expect(core.posixMemalign(64, alignment, size)).toBe(0)
          p = core.u32(64)
        } else p = core[name](alignment, size)
        if (!p || p % alignment || p % 16) expect.fail(`${name}(2^${log2}, ${size}) is ${hex(p)}`)
        oracle.fill(oracle.claim(p, p + Math.max(size, core.usableSize(p)), 'block'))
      }
      expect(core.verify()).toBe(0)
    }
    oracle.checkAll()
    // Freed in another order than they were made.
    const ranges = oracle.ranges.filter((_, i) => i % 2).concat(oracle.ranges.filter((_, i) => i % 2 === 0))
    for (const { start } of ranges) core.free(start)
    expect(core.verify()).toBe(0)
  })

  it('above that fits once memory reaches it', () => {
    const core = createCore()
    for (let log2 = 25; log2 <= 31; log2++) {
      const p = core.alignedAlloc(2 ** log2, 100)
      expect(p % 2 ** log2).toBe(0)
      expect(p).toBeGreaterThan(0)
      core.bytes(p, 100).fill(1)
      core.free(p)
    }
    expect(core.alignedAlloc(2 ** 31, 2 ** 31 - 0x10000)).toBe(0) // its end would lie above the largest break
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.verify()).toBe(0)
  })

  it('that no memory can have is refused without a trace', () => {
    const core = createCore({ maximum: 64 })
    const p = core.malloc(100)
    for (const size of [1, 100, 0x7fffffff, 0xffffffff]) {
      expect(core.alignedAlloc(2 ** 31, size)).toBe(0)
      expect(core.lastError()).toBe(Errno.ENOMEM)
    }
    expect(core.usableSize(p)).toBe(112)
    expect(core.pages).toBeLessThan(8)
    expect(core.verify()).toBe(0)
  })
})
