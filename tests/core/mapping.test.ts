// mmap, and that mappings and malloc share one pool.
import { describe, expect, it } from 'vitest'
import {
  ANONYMOUS,
  BREAK_MAX,
  createCore,
  Errno,
  FAILED,
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
import { expectFailure, mapPages, marks } from './mappings.ts'
import { Oracle } from './oracle.ts'

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
