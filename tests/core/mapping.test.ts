// mmap, munmap, mremap, madvise.
import { describe, expect, it } from 'vitest'
import {
  ANONYMOUS,
  BREAK_MAX,
  type Core,
  createCore,
  Errno,
  FAILED,
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_MAYMOVE,
  PAGE,
  Reason,
  refusal,
} from './core.ts'
import { Oracle } from './oracle.ts'

/** Maps pages and marks each with its number from 1 on. */
function mapPages(core: Core, n: number): number {
  const p = core.mmap(0, n * PAGE)
  for (let i = 0; i < n; i++) core.bytes(p + i * PAGE, PAGE).fill(i + 1)
  return p
}
/** The marks of n pages; NaN where a page's bytes differ. */
function marks(core: Core, p: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => {
    const page = Buffer.from(core.memory.buffer, p + i * PAGE, PAGE)
    return page.subarray(1).equals(page.subarray(0, -1)) ? page[0] : Number.NaN
  })
}
/** Makes the heap large, so that nothing of its own need move when it is used. */
function reserve(core: Core): void {
  core.free(core.malloc(60 * PAGE))
}
function expectFailure(core: Core, result: number, errno: number): void {
  expect(result >>> 0).toBe(FAILED)
  expect(core.lastError()).toBe(errno)
  expect(core.verify()).toBe(0)
}

describe('mmap', () => {
  it('gives whole zeroed pages', () => {
    const core = createCore()
    for (const length of [1, 100, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE]) {
      const p = core.mmap(0, length)
      const n = Math.ceil(length / PAGE)
      expect(p % PAGE).toBe(0)
      expect(marks(core, p, n)).toEqual(Array(n).fill(0))
      core.bytes(p, n * PAGE).fill(0xaa)
    }
    expect(core.stats(64).mapped).toBe(11 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('gives zeros from memory that malloc has used', () => {
    const core = createCore()
    const p = core.malloc(20 * PAGE)
    core.bytes(p, 20 * PAGE).fill(0xff)
    core.free(p)
    const q = core.mmap(0, 15 * PAGE)
    expect(q).toBeLessThan(p + 20 * PAGE)
    expect(marks(core, q, 15)).toEqual(Array(15).fill(0))
  })

  it('gives zeros although the heap’s tables were there meanwhile', () => {
    for (const given of [0, 1, 100, PAGE]) {
      for (let n = 1; n < 40; n += n < 8 ? 1 : 5) {
        for (const take of ['mmap', 'calloc'] as const) {
          const core = createCore()
          core.sbrk(given)
          const p = take === 'mmap' ? core.mmap(0, n * PAGE) : core.calloc(n, PAGE)
          expect(marks(core, p, n)).toEqual(Array(n).fill(0))
        }
      }
    }
  })

  it('takes the address as a hint only', () => {
    const core = createCore()
    for (const hint of [1, PAGE, 77 * PAGE, 0xfffff000]) expect(core.mmap(hint, PAGE) % PAGE).toBe(0)
    expect(core.verify()).toBe(0)
  })

  it('refuses what POSIX has it refuse', () => {
    const core = createCore()
    expectFailure(core, core.mmap(0, 0), Errno.EINVAL)
    expectFailure(core, core.mmap(0, PAGE, 3, MAP_ANONYMOUS), Errno.EINVAL)
    expectFailure(core, core.mmap(0, PAGE, 3, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE), Errno.EINVAL)
    expectFailure(core, core.mmap(0, PAGE, 3, ANONYMOUS, -1, 1), Errno.EINVAL)
    expectFailure(core, core.mmap(0, PAGE, 3, MAP_PRIVATE, 5), Errno.EBADF)
    expectFailure(core, core.mmap(0, PAGE, 3, MAP_SHARED, -1), Errno.EBADF)
    expectFailure(core, core.mmap(0, PAGE, 7), Errno.ENOTSUP)
    expectFailure(core, core.mmap(1, PAGE, 3, ANONYMOUS | MAP_FIXED), Errno.EINVAL)
    for (const length of [BREAK_MAX, BREAK_MAX + 1, 0xffffffff]) expectFailure(core, core.mmap(0, length), Errno.ENOMEM)
    expect(core.mmap(0, PAGE, 3, MAP_ANONYMOUS | MAP_SHARED)).not.toBe(FAILED)
  })

  it('refuses more than memory may hold, and the rest stays usable', () => {
    const core = createCore({ maximum: 20 })
    const p = mapPages(core, 4)
    expectFailure(core, core.mmap(0, 20 * PAGE), Errno.ENOMEM)
    expect(marks(core, p, 4)).toEqual([1, 2, 3, 4])
    expect(core.mmap(0, 8 * PAGE)).not.toBe(FAILED)
  })
})

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

describe('malloc and mappings', () => {
  it('share one pool: what one frees serves the other', () => {
    const core = createCore({ maximum: 64 })
    let total = 0
    const mapped: number[] = []
    for (let p = core.mmap(0, PAGE); p !== FAILED; p = core.mmap(0, PAGE)) mapped.push(p)
    expect(mapped.length).toBeGreaterThan(58)
    for (const p of mapped) core.munmap(p, PAGE)
    const blocks: number[] = []
    for (let p = core.malloc(200); p; p = core.malloc(200)) blocks.push(p)
    total = blocks.length * 208
    expect(total).toBeGreaterThan(58 * PAGE * 0.85)
    for (const p of blocks) core.free(p)
    for (const p of mapped) expect(core.mmap(p, PAGE, 3, ANONYMOUS | MAP_FIXED)).toBe(p)
    expect(core.verify()).toBe(0)
  })

  it('keep out of each other’s way', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let i = 0; i < 200; i++) {
      const size = (i * 7919) % 90_000
      const p = i % 3 ? core.malloc(size) : core.mmap(0, size + 1)
      const bytes = i % 3 ? core.usableSize(p) : Math.ceil((size + 1) / PAGE) * PAGE
      oracle.fill(oracle.claim(p, p + bytes, 'block'))
    }
    oracle.checkAll()
    expect(core.verify()).toBe(0)
  })

  it('are not free’s business, nor malloc’s blocks munmap’s', () => {
    const core = createCore()
    const p = mapPages(core, 2)
    for (const at of [p, p + 16, p + PAGE, p + PAGE + 4096]) {
      expect(refusal(core, () => core.free(at))).toEqual({ reason: Reason.isMapped, address: at })
      expect(refusal(core, () => core.realloc(at, 10)).reason).toBe(Reason.isMapped)
      expect(refusal(core, () => core.usableSize(at)).reason).toBe(Reason.isMapped)
    }
    const block = core.valloc(PAGE)
    expectFailure(core, core.munmap(block, PAGE), Errno.EINVAL)
    core.free(block)
    expect(marks(core, p, 2)).toEqual([1, 2])
  })
})

it.each(['sbrk has given', 'others have grown'])('the memory does not grow for a fixed mapping over what %s', (who) => {
  const core = createCore({ maximum: 5000 })
  core.mmap(0, PAGE)
  const [top, end] = [64, 68].map((field) => core.u32(core.base + field))
  core.malloc(end - top - 400)
  const p = core.mmap(0, PAGE)
  if (who === 'sbrk has given') core.sbrk(16)
  else core.memory.grow(1)
  const before = core.pages
  expectFailure(core, core.mremap(p, PAGE, 1000 * PAGE, 0), Errno.ENOMEM)
  expectFailure(core, core.mmap(p + PAGE, 1000 * PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE), Errno.EEXIST)
  expect(core.pages).toBe(before)
  expect(core.verify()).toBe(0)
})

it('a mapping of all that is left is granted or refused at once, whatever room its nodes take', () => {
  let granted = 0
  // With 4742 to 4798 blocks, the nodes for the mapping have room only where the mapping then has none.
  for (const blocks of [0, 500, 1000, 2000, 3000, 4000, 4500, 4700, 4750, 4770, 4790, 4900, 6000, 8000]) {
    const core = createCore({ maximum: 1500 })
    for (let i = 0; i < blocks; i++) core.malloc(272)
    let size = 1488 * PAGE - blocks * 300
    for (let p = 0; !p; size -= 4096) core.free((p = core.malloc(size)))
    const start = Math.ceil((core.field('top') + 80) / PAGE) * PAGE
    const pages = Math.floor((core.field('end') - start) / PAGE)
    for (const n of [pages + 1, pages, pages - 1]) {
      for (const flags of [ANONYMOUS, ANONYMOUS | MAP_FIXED_NOREPLACE]) {
        const map = () => core.mmap(start, n * PAGE, 3, flags)
        const p = map()
        if (p === FAILED) expect(map()).toBe(FAILED)
        else {
          granted++
          core.munmap(p, n * PAGE)
        }
        expect(core.verify()).toBe(0)
      }
    }
  }
  expect(granted).toBeGreaterThan(40)
})

it('the memory does not grow for a mapping that no memory has room for, nor for its nodes', () => {
  for (const maximum of [2, 10, 40, 1000]) {
    for (const pages of [1, 2, 5]) {
      const core = createCore({ maximum })
      const mapping = core.mmap(0, pages * PAGE)
      if (mapping === FAILED) continue
      for (let i = 0; i < 400; i++) core.malloc(300)
      const { pages: before } = core
      const { peak } = core.stats(64)
      for (const n of [maximum, maximum + 1, 10_000, 16_384, 32_768, 0xffff]) {
        const length = n * PAGE
        expect(core.mmap(0, length)).toBe(FAILED)
        expect(core.mmap(mapping + pages * PAGE, length, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(FAILED)
        expect(core.mremap(mapping, pages * PAGE, length, 0)).toBe(FAILED)
        expect(core.mremap(mapping, pages * PAGE, length, MREMAP_MAYMOVE)).toBe(FAILED)
        expect(core.pages).toBe(before)
      }
      expect(core.stats(64).peak).toBe(peak)
      expect(core.verify()).toBe(0)
    }
  }
})

it('the memory does not grow for a mapping too near to top', () => {
  const core = createCore()
  core.malloc(300)
  core.malloc(2 * PAGE - 48 - core.field('top'))
  const { pages } = core
  for (const n of [20, 40, 60]) {
    expect(core.mmap(2 * PAGE, n * PAGE, 3, ANONYMOUS | MAP_FIXED_NOREPLACE)).toBe(FAILED)
    expect(core.pages).toBe(pages)
  }
})
