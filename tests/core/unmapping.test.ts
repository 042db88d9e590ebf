// munmap, mremap, madvise.
import { describe, expect, it } from 'vitest'
import {
  ANONYMOUS,
  createCore,
  Errno,
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MREMAP_MAYMOVE,
  PAGE,
} from './core.ts'
import { expectFailure, mapPages, marks, reserve } from './mappings.ts'

describe('munmap', () => {
  it('and fixed mappings refuse the last page of a memory that one block fills', () => {
    const core = createCore({ initial: 3, maximum: 3 })
    let size = 3 * PAGE
    while (!core.malloc(size)) size -= 16
    expectFailure(core, core.munmap(2 * PAGE, PAGE), Errno.EINVAL)
    expectFailure(core, core.mmap(2 * PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED), Errno.ENOMEM)
    expectFailure(core, core.mmap(2 * PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE), Errno.EEXIST)
  })

  it('and fixed mappings count a page of spans without blocks as free', () => {
    const core = createCore({ maximum: 64 })
    const blocks = [core.malloc(4 * PAGE - 9000), ...Array.from({ length: 200 }, () => core.malloc(256))]
    const p = core.mmap(0, 30 * PAGE)
    // While something else is in use, so that an empty span stays with its bin.
    for (const block of blocks.reverse()) core.free(block)
    core.munmap(p, 30 * PAGE)
    expect(core.munmap(PAGE, 20 * PAGE)).toBe(0)
    expect(core.mmap(4 * PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(4 * PAGE)
  })

  it('refuses what the heap, sbrk or others hold behind the arena, and passes over what is no memory', () => {
    const core = createCore()
    core.mmap(0, 30 * PAGE)
    const given = core.sbrk(3 * PAGE)
    const others = core.memory.grow(2) * PAGE
    for (const p of [(given & -PAGE) - PAGE, (given & -PAGE) + PAGE, others, others + PAGE])
      expectFailure(core, core.munmap(p, PAGE), Errno.EINVAL)
    expect(core.munmap(others + 2 * PAGE, PAGE)).toBe(0)
  })

  it('gives a whole mapping back, to be used by any size', () => {
    const core = createCore()
    const p = core.mmap(0, 30 * PAGE)
    expect(core.munmap(p, 30 * PAGE)).toBe(0)
    const { growths } = core.stats(64)
    expect(core.malloc(29 * PAGE)).not.toBe(0)
    for (let i = 0; i < 100; i++) core.malloc(200)
    expect(core.stats(64)).toMatchObject({ growths, mapped: 0 })
    expect(core.verify()).toBe(0)
  })

  it('cuts at the start, at the end, and leaves a hole', () => {
    const core = createCore()
    const p = mapPages(core, 9)
    expect(core.munmap(p, PAGE)).toBe(0)
    expect(core.verify()).toBe(0)
    expect(core.munmap(p + 8 * PAGE, PAGE)).toBe(0)
    expect(core.verify()).toBe(0)
    expect(core.munmap(p + 4 * PAGE, PAGE)).toBe(0)
    expect(core.verify()).toBe(0)
    expect(marks(core, p + PAGE, 3)).toEqual([2, 3, 4])
    expect(marks(core, p + 5 * PAGE, 3)).toEqual([6, 7, 8])
    expect(core.stats(64).mapped).toBe(6 * PAGE)
    // The holes, and their neighbours, are where they were for whoever maps them again.
    expect(core.mmap(p + 4 * PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(p + 4 * PAGE)
    expect(marks(core, p + PAGE, 7)).toEqual([2, 3, 4, 0, 6, 7, 8])
  })

  it('takes every other page, then the rest, in any order', () => {
    const core = createCore()
    const p = mapPages(core, 20)
    for (let i = 0; i < 20; i += 2) expect(core.munmap(p + i * PAGE, PAGE)).toBe(0)
    expect(core.verify()).toBe(0)
    for (let i = 19; i > 0; i -= 2) {
      expect(marks(core, p + i * PAGE, 1)).toEqual([i + 1])
      expect(core.munmap(p + i * PAGE, PAGE)).toBe(0)
      expect(core.verify()).toBe(0)
    }
    const { growths } = core.stats(64)
    expect(core.mmap(0, 20 * PAGE)).toBe(p)
    expect(core.stats(64).growths).toBe(growths)
  })

  it('spans several mappings and what lies unmapped between', () => {
    const core = createCore()
    const p = mapPages(core, 10)
    core.munmap(p + 3 * PAGE, 2 * PAGE)
    expect(core.munmap(p + PAGE, 8 * PAGE)).toBe(0)
    expect(marks(core, p, 1)).toEqual([1])
    expect(marks(core, p + 9 * PAGE, 1)).toEqual([10])
    expect(core.stats(64).mapped).toBe(2 * PAGE)
    expect(core.munmap(p, 10 * PAGE)).toBe(0)
    expect(core.munmap(p, 10 * PAGE)).toBe(0) // unmapped already
    expect(core.verify()).toBe(0)
  })

  it('spans holes in which a program wrote, wherever their hints lead then', () => {
    const core = createCore()
    const p = mapPages(core, 8)
    const holes = [p + PAGE, p + 3 * PAGE]
    for (const hole of holes) core.munmap(hole, PAGE)
    const [hint, other] = holes.map((hole) => core.u32(hole))
    for (const written of [0, hint - 16, hint + 16, other, 0x7ffffff0, 0xffffffff]) {
      core.setU32(holes[0], written)
      expect(core.munmap(p, 5 * PAGE)).toBe(0)
      expect(core.stats(64).mapped).toBe(3 * PAGE)
      expect(core.mmap(p, 5 * PAGE, 3, ANONYMOUS | MAP_FIXED)).toBe(p)
      for (const hole of holes) core.munmap(hole, PAGE)
    }
  })

  it('rounds the length up to pages', () => {
    const core = createCore()
    const p = mapPages(core, 3)
    expect(core.munmap(p, PAGE + 1)).toBe(0)
    expect(core.stats(64).mapped).toBe(PAGE)
    expect(marks(core, p + 2 * PAGE, 1)).toEqual([3])
  })

  it('refuses addresses within a page, no length, and what is not mapped memory: EINVAL', () => {
    const core = createCore()
    const p = mapPages(core, 3)
    const block = core.malloc(6 * PAGE)
    const page = Math.ceil(block / PAGE) * PAGE
    expectFailure(core, core.munmap(p + 1, PAGE), Errno.EINVAL)
    expectFailure(core, core.munmap(p + 16, PAGE), Errno.EINVAL)
    expectFailure(core, core.munmap(p, 0), Errno.EINVAL)
    expectFailure(core, core.munmap(p, 0xffffffff), Errno.EINVAL)
    expectFailure(core, core.munmap(0, PAGE), Errno.EINVAL)
    expectFailure(core, core.munmap(page, PAGE), Errno.EINVAL)
    expectFailure(core, core.munmap(0xffff0000, 2 * PAGE), Errno.EINVAL)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
    core.free(block)
  })

  it('changes nothing where a part of the range is malloc’s', () => {
    const core = createCore()
    const p = mapPages(core, 2)
    const block = core.malloc(3 * PAGE)
    expect(block).toBeGreaterThanOrEqual(p)
    expectFailure(core, core.munmap(p, 4 * PAGE), Errno.EINVAL)
    expect(marks(core, p, 2)).toEqual([1, 2])
    expect(core.stats(64).mapped).toBe(2 * PAGE)
  })
})

describe('mremap', () => {
  it('shrinks in place', () => {
    const core = createCore()
    const p = mapPages(core, 6)
    expect(core.mremap(p, 6 * PAGE, 2 * PAGE + 1, 0)).toBe(p)
    expect(core.stats(64).mapped).toBe(3 * PAGE)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
    expect(core.mremap(p, 3 * PAGE, 3 * PAGE, 0)).toBe(p)
    expect(core.verify()).toBe(0)
  })

  it('grows in place into free pages and into new memory, which read as zero', () => {
    const core = createCore()
    reserve(core)
    const p = mapPages(core, 6)
    core.munmap(p + 2 * PAGE, 4 * PAGE)
    expect(core.mremap(p, 2 * PAGE, 5 * PAGE, 0)).toBe(p)
    expect(marks(core, p, 5)).toEqual([1, 2, 0, 0, 0])
    expect(core.mremap(p, 5 * PAGE, 24 * PAGE, 0)).toBe(p)
    expect(marks(core, p, 24)).toEqual([1, 2, ...Array(22).fill(0)])
    expect(core.stats(64).mapped).toBe(24 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('moves with its contents if it may, else fails and changes nothing', () => {
    const core = createCore()
    reserve(core)
    const p = mapPages(core, 3)
    expect(core.mmap(p + 3 * PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED)).toBe(p + 3 * PAGE)
    const block = core.malloc(2 * PAGE)
    expectFailure(core, core.mremap(p, 3 * PAGE, 9 * PAGE, 0), Errno.ENOMEM)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
    const q = core.mremap(p, 3 * PAGE, 9 * PAGE, MREMAP_MAYMOVE)
    expect(q).not.toBe(p)
    expect(marks(core, q, 9)).toEqual([1, 2, 3, 0, 0, 0, 0, 0, 0])
    expect(core.stats(64).mapped).toBe(10 * PAGE)
    // The old place is free.
    expect(core.mmap(p, 3 * PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(p)
    core.free(block)
    expect(core.verify()).toBe(0)
  })

  it('moves a part of a mapping out of its middle', () => {
    const core = createCore()
    const p = mapPages(core, 7)
    const q = core.mremap(p + 2 * PAGE, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE)
    expect(marks(core, q, 5)).toEqual([3, 4, 0, 0, 0])
    expect(marks(core, p, 2)).toEqual([1, 2])
    expect(marks(core, p + 4 * PAGE, 3)).toEqual([5, 6, 7])
    expect(core.mmap(p + 2 * PAGE, 2 * PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(p + 2 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('shrinks out of the middle of a mapping', () => {
    const core = createCore()
    const p = mapPages(core, 7)
    expect(core.mremap(p + 2 * PAGE, 3 * PAGE, PAGE, 0)).toBe(p + 2 * PAGE)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
    expect(marks(core, p + 5 * PAGE, 2)).toEqual([6, 7])
    expect(core.stats(64).mapped).toBe(5 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('refuses: EINVAL, EFAULT, ENOMEM', () => {
    const core = createCore({ maximum: 50 })
    const p = mapPages(core, 3)
    const block = core.malloc(3 * PAGE)
    const page = Math.ceil(block / PAGE) * PAGE
    expectFailure(core, core.mremap(p + 1, PAGE, PAGE, 0), Errno.EINVAL)
    expectFailure(core, core.mremap(p, 0, PAGE, MREMAP_MAYMOVE), Errno.EINVAL)
    expectFailure(core, core.mremap(p, PAGE, 0, MREMAP_MAYMOVE), Errno.EINVAL)
    expectFailure(core, core.mremap(p, PAGE, PAGE, 2), Errno.EINVAL)
    expectFailure(core, core.mremap(page, PAGE, 2 * PAGE, MREMAP_MAYMOVE), Errno.EFAULT)
    expectFailure(core, core.mremap(0, PAGE, 2 * PAGE, MREMAP_MAYMOVE), Errno.EFAULT)
    expectFailure(core, core.mremap(p, 9 * PAGE, PAGE, 0), Errno.EFAULT)
    expectFailure(core, core.mremap(p, PAGE, 0xffffffff, MREMAP_MAYMOVE), Errno.ENOMEM)
    expectFailure(core, core.mremap(p, 0xffffffff, PAGE, MREMAP_MAYMOVE), Errno.EFAULT)
    expectFailure(core, core.mremap(p, 3 * PAGE, 60 * PAGE, MREMAP_MAYMOVE), Errno.ENOMEM)
    expect(marks(core, p, 3)).toEqual([1, 2, 3])
  })
})

describe('madvise', () => {
  it('DONTNEED makes pages read as zero, the others’ stay', () => {
    const core = createCore()
    const p = mapPages(core, 5)
    expect(core.madvise(p + PAGE, 2 * PAGE - 1, MADV_DONTNEED)).toBe(0)
    expect(marks(core, p, 5)).toEqual([1, 0, 0, 4, 5])
    for (const advice of [0, 1, 2, 3]) expect(core.madvise(p, 5 * PAGE, advice)).toBe(0)
    expect(core.madvise(p, 0, MADV_DONTNEED)).toBe(0)
    expect(core.madvise(core.size + PAGE, 0, MADV_DONTNEED)).toBe(0)
    expect(marks(core, p, 5)).toEqual([1, 0, 0, 4, 5])
    expect(core.verify()).toBe(0)
  })

  it('refuses unknown advice, odd addresses, pages that are not mapped', () => {
    const core = createCore()
    const p = mapPages(core, 2)
    const block = core.malloc(4 * PAGE)
    core.bytes(block, 4 * PAGE).fill(9)
    expectFailure(core, core.madvise(p, PAGE, 77), Errno.EINVAL)
    expectFailure(core, core.madvise(p + 8, PAGE, MADV_DONTNEED), Errno.EINVAL)
    expectFailure(core, core.madvise(p, 3 * PAGE, MADV_DONTNEED), Errno.ENOMEM)
    expectFailure(core, core.madvise(Math.ceil(block / PAGE) * PAGE, PAGE, MADV_DONTNEED), Errno.ENOMEM)
    expectFailure(core, core.madvise(0, PAGE, MADV_DONTNEED), Errno.ENOMEM)
    expect(marks(core, p, 2)).toEqual([1, 2])
    expect(core.bytes(block, 4 * PAGE).every((byte) => byte === 9)).toBe(true)
  })
})
