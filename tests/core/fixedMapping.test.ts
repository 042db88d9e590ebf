// mmap with MAP_FIXED and MAP_FIXED_NOREPLACE.
import { describe, expect, it } from 'vitest'
import { ANONYMOUS, BREAK_MAX, createCore, Errno, FAILED, MAP_FIXED, MAP_FIXED_NOREPLACE, PAGE } from './core.ts'
import { expectFailure, mapPages, marks, reserve } from './mappings.ts'

describe('mmap at a fixed address', () => {
  const FIXED = ANONYMOUS | MAP_FIXED
  const NOREPLACE = ANONYMOUS | MAP_FIXED_NOREPLACE

  it('replaces the mappings there, and only those', () => {
    const core = createCore()
    const p = mapPages(core, 5)
    expect(core.mmap(p + PAGE, 2 * PAGE, 3, FIXED)).toBe(p + PAGE)
    expect(marks(core, p, 5)).toEqual([1, 0, 0, 4, 5])
    expect(core.stats(64).mapped).toBe(5 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('fills a hole', () => {
    const core = createCore()
    const p = mapPages(core, 5)
    core.munmap(p + PAGE, 2 * PAGE)
    expect(core.mmap(p + PAGE, PAGE, 3, NOREPLACE)).toBe(p + PAGE)
    expect(core.mmap(p + 2 * PAGE, PAGE, 3, FIXED)).toBe(p + 2 * PAGE)
    expect(marks(core, p, 5)).toEqual([1, 0, 0, 4, 5])
    expect(core.verify()).toBe(0)
  })

  it('reaches beyond the memory there is', () => {
    const core = createCore()
    core.malloc(10)
    for (const flags of [FIXED, NOREPLACE]) {
      const p = core.size + 7 * PAGE
      expect(core.mmap(p, 2 * PAGE, 3, flags)).toBe(p)
      expect(marks(core, p, 2)).toEqual([0, 0])
      expect(core.verify()).toBe(0)
    }
    // What lies before it is malloc's to use.
    const { growths } = core.stats(64)
    expect(core.malloc(5 * PAGE)).not.toBe(0)
    expect(core.stats(64).growths).toBe(growths)
  })

  it('with NOREPLACE refuses what is in use: EEXIST', () => {
    const core = createCore()
    const p = mapPages(core, 3)
    const block = core.malloc(3 * PAGE)
    const page = Math.ceil(block / PAGE) * PAGE
    for (const at of [p, p + 2 * PAGE, page]) expectFailure(core, core.mmap(at, PAGE, 3, NOREPLACE), Errno.EEXIST)
    expectFailure(core, core.mmap(p - PAGE, 2 * PAGE, 3, NOREPLACE), Errno.EEXIST)
    expectFailure(core, core.mmap(p, PAGE, 3, NOREPLACE | MAP_FIXED), Errno.EEXIST)
    for (const end of [0xffff0000, 0xfffe0000])
      expectFailure(core, core.mmap(end, 2 * PAGE, 3, NOREPLACE), Errno.ENOMEM)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
  })

  it('leaves a mapping as it is where a free block beside it would lose too little for a block', () => {
    const core = createCore()
    reserve(core)
    const first = core.malloc(1000)
    const page = Math.ceil(first / PAGE + 1) * PAGE
    // Ends 48 bytes before the page, and the next one with it.
    core.malloc(page - 48 - (first + core.usableSize(first)))
    const between = core.malloc(48 + PAGE)
    expect(between).toBe(page - 48)
    expect(core.mmap(page + PAGE, PAGE, 3, FIXED)).toBe(page + PAGE)
    core.bytes(page + PAGE, PAGE).fill(7)
    core.free(between)
    expectFailure(core, core.mmap(page, 2 * PAGE, 3, FIXED), Errno.ENOMEM)
    expect(core.stats(64).mapped).toBe(PAGE)
    expect(marks(core, page + PAGE, 1)).toEqual([7])
    expect(core.verify()).toBe(0)
  })

  it('replaces a mapping in a full memory with more free blocks than the heap keeps account of', () => {
    const core = createCore({ maximum: 100 })
    const p = mapPages(core, 3)
    while (core.malloc(272) < p);
    const large: number[] = []
    for (let block = core.malloc(70_000); block; block = core.malloc(70_000)) {
      large.push(block)
      core.malloc(272)
    }
    while (core.malloc(257));
    for (const block of large) core.free(block)
    expect(core.mmap(p + PAGE, PAGE, 3, FIXED)).toBe(p + PAGE)
    expect(marks(core, p, 3)).toEqual([1, 0, 3])
    expect(core.stats(64).mapped).toBe(3 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('replaces mappings and takes what is free between and behind them', () => {
    const core = createCore()
    const p = mapPages(core, 8)
    core.munmap(p + 2 * PAGE, PAGE)
    core.munmap(p + 5 * PAGE, 3 * PAGE)
    expect(core.mmap(p + PAGE, 9 * PAGE, 3, FIXED)).toBe(p + PAGE)
    expect(marks(core, p, 10)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(core.stats(64).mapped).toBe(10 * PAGE)
    expect(core.verify()).toBe(0)
    core.munmap(p, 10 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('grows no memory for what is in the way', () => {
    const core = createCore()
    const p = core.mmap(0, PAGE)
    core.malloc(100_000)
    const { pages } = core
    expectFailure(core, core.mmap(p, 20_000 * PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(p, 20_000 * PAGE, 3, NOREPLACE), Errno.EEXIST)
    expectFailure(core, core.mremap(p, PAGE, 20_000 * PAGE, 0), Errno.ENOMEM)
    expect(core.pages).toBe(pages)
  })

  it('takes a page that was unmapped when the heap could keep account of no more, as soon as it can', () => {
    const core = createCore({ maximum: 200 })
    const mapped: number[] = []
    for (let p = core.mmap(0, PAGE); p !== FAILED; p = core.mmap(0, PAGE)) mapped.push(p)
    for (const size of [4000, 500, 257]) while (core.malloc(size));
    mapped.sort((a, b) => a - b)
    const holes = mapped.filter((_, i) => i % 2 === 0)
    for (const p of holes) expect(core.munmap(p, PAGE)).toBe(0)
    for (const p of holes.slice(0, 60)) expect(core.mmap(p, PAGE, 3, NOREPLACE)).toBe(p)
    for (const p of holes.slice(60)) expect(core.munmap(p, PAGE)).toBe(0)
    for (const p of holes.slice(60)) expect(core.mmap(p, PAGE, 3, NOREPLACE)).toBe(p)
    expect(core.stats(64).mapped).toBe(mapped.length * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('refuses what malloc, sbrk and others hold', () => {
    const core = createCore({ maximum: 100 })
    const block = core.malloc(4 * PAGE)
    const page = Math.ceil(block / PAGE) * PAGE
    core.bytes(block, 4 * PAGE).fill(0x11)
    expectFailure(core, core.mmap(page, PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(0, PAGE, 3, FIXED), Errno.ENOMEM)
    const own = core.sbrk(2 * PAGE)
    core.bytes(own, 2 * PAGE).fill(0x22)
    const foreign = core.size
    core.memory.grow(2)
    core.bytes(foreign, 2 * PAGE).fill(0x33)
    expectFailure(core, core.mmap(Math.ceil(own / PAGE) * PAGE, PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(foreign, PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(foreign + PAGE, PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(200 * PAGE, PAGE, 3, FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(BREAK_MAX, PAGE, 3, FIXED), Errno.ENOMEM)
    expect(core.bytes(block, 4 * PAGE).every((byte) => byte === 0x11)).toBe(true)
    expect(core.bytes(own, 2 * PAGE).every((byte) => byte === 0x22)).toBe(true)
    expect(core.bytes(foreign, 2 * PAGE).every((byte) => byte === 0x33)).toBe(true)
    expect(core.malloc(10 * PAGE)).not.toBe(0)
  })
})
