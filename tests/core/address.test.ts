// Addresses up to 4 GiB. Memory that is not touched costs nothing here.
import { describe, expect, it } from 'vitest'
import {
  ANONYMOUS,
  BREAK_MAX,
  createCore,
  Errno,
  FAILED,
  MAP_FIXED,
  PAGE,
  PTRDIFF_MAX,
  Reason,
  refusal,
} from './core.ts'
import { Oracle } from './oracle.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

describe('the whole of 4 GiB', () => {
  it('can be allocated, up to the largest break, and again', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    const fill = (size: number) => {
      let n = 0
      for (let p = core.malloc(size); p; p = core.malloc(size), n++)
        oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
      expect(core.lastError()).toBe(Errno.ENOMEM)
      return n
    }
    expect(fill(90 * MIB)).toBeGreaterThanOrEqual(42)
    fill(5 * MIB)
    fill(100_000)
    fill(5000)
    fill(200)
    expect(core.verify()).toBe(0)
    oracle.checkAll()
    expect(oracle.bytesOf('block')).toBeGreaterThan(0.97 * 4 * GIB)
    const { end } = oracle.ranges[oracle.ranges.length - 1]
    expect(end).toBeLessThanOrEqual(BREAK_MAX)
    expect(end).toBeGreaterThan(BREAK_MAX - BREAK_MAX / 80) // behind it are the heap's own tables
    expect(core.sbrk(0)).toBeLessThanOrEqual(BREAK_MAX)
    expect(core.sbrk(1)).toBe(FAILED)
    expect(core.mmap(0, 1)).toBe(FAILED)
    // Misuse is seen up there too.
    const last = oracle.ranges.length - 1
    const { start } = oracle.ranges[last]
    expect(refusal(core, () => core.free(start + 8))).toEqual({ reason: Reason.misaligned, address: start + 8 })
    for (const range of [...oracle.ranges]) core.free(range.start)
    oracle.ranges.length = 0
    expect(core.verify()).toBe(0)
    expect(refusal(core, () => core.free(start)).address).toBe(start)
    expect(core.malloc(3.5 * GIB)).toBe(0) // above PTRDIFF_MAX
    const low = core.malloc(PTRDIFF_MAX)
    const high = core.malloc(GIB)
    expect(low).not.toBe(0)
    expect(high).not.toBe(0)
    core.free(low)
    core.free(high)
    // Memory that is there, but was given back, in one piece and of nearly 4 GiB.
    expect(core.mmap(0, 0xf9000000)).not.toBe(FAILED)
    expect(core.verify()).toBe(0)
  })

  it('is no place where a block’s end could wrap', () => {
    const core = createCore()
    core.malloc(PTRDIFF_MAX - PAGE)
    core.malloc(GIB / 4)
    const blocks = [core.malloc(MIB), core.malloc(1000), core.malloc(MIB)]
    core.free(blocks[1])
    for (const p of [blocks[0], blocks[2]]) {
      expect(p).toBeGreaterThan(2 * GIB)
      expect(core.realloc(p, PTRDIFF_MAX)).toBe(0)
      expect(core.lastError()).toBe(Errno.ENOMEM)
      expect(core.usableSize(p)).toBe(MIB)
      expect(core.verify()).toBe(0)
    }
  })

  it('can be mapped, remapped and unmapped', () => {
    const core = createCore()
    const p = core.mmap(0, 3 * GIB)
    expect(p).not.toBe(FAILED)
    core.bytes(p + 3 * GIB - 100, 100).fill(7)
    expect(core.munmap(p + GIB, GIB)).toBe(0)
    expect(core.stats(64).mapped).toBe(2 * GIB)
    expect(core.mremap(p, GIB, GIB + GIB / 2, 0)).toBe(p)
    expect(core.bytes(p + 3 * GIB - 100, 100).every((byte) => byte === 7)).toBe(true)
    const end = BREAK_MAX - 2000 * PAGE // room for the heap's own tables
    expect(core.mmap(end, PAGE, 3, ANONYMOUS | MAP_FIXED)).toBe(end)
    core.bytes(end, PAGE).fill(1)
    expect(core.size).toBeGreaterThan(end)
    expect(core.verify()).toBe(0)
    expect(core.munmap(p, 3 * GIB)).toBe(0)
    expect(core.munmap(end, PAGE)).toBe(0)
    expect(core.stats(64).mapped).toBe(0)
    expect(core.verify()).toBe(0)
  })

  it('can be given by sbrk, and never more', () => {
    const core = createCore()
    const start = core.sbrk(0)
    let rest = BREAK_MAX - start
    while (rest > 0) {
      const n = Math.min(rest, PTRDIFF_MAX)
      expect(core.sbrk(n)).not.toBe(FAILED)
      rest -= n
    }
    expect(core.sbrk(0)).toBe(BREAK_MAX)
    expect(core.sbrk(1)).toBe(FAILED)
    expect(core.brk(BREAK_MAX + 1)).toBe(-1)
    expect(core.sbrk(-1000)).toBe(BREAK_MAX)
    expect(core.brk(BREAK_MAX)).toBe(0)
    core.malloc(10)
    expect(core.verify()).toBe(0)
  })
})

it('blocks of 2 GiB less a byte are served, grown and refused', () => {
  const core = createCore()
  const p = core.calloc(1, PTRDIFF_MAX)
  expect(p).not.toBe(0)
  expect(core.usableSize(p)).toBe(2 ** 31)
  core.bytes(p + PTRDIFF_MAX - 50, 50).fill(3)
  expect(core.realloc(p, PTRDIFF_MAX + 1)).toBe(0)
  expect(core.lastError()).toBe(Errno.ENOMEM)
  expect(core.malloc(PTRDIFF_MAX)).toBe(0) // no room for two
  const q = core.malloc(GIB + GIB / 2)
  expect(q).toBeGreaterThan(2 ** 31)
  expect(core.realloc(q, GIB)).toBe(q)
  expect(core.realloc(q, GIB + GIB / 2)).toBe(q)
  expect(core.verify()).toBe(0)
  core.free(p)
  core.free(q)
  expect(core.verify()).toBe(0)
})

it('a mapping that ends with the last page is unmapped, and nothing below the heap is looked at', () => {
  const core = createCore({ base: BREAK_MAX - 3 * PAGE + 1024, initial: BREAK_MAX / PAGE })
  const p = core.mmap(BREAK_MAX - PAGE, PAGE, 3, ANONYMOUS | MAP_FIXED)
  expect(p).toBe(BREAK_MAX - PAGE)
  // As if each byte below the heap said that it is a mapped page.
  core.bytes(core.base - 0x10000, 0x10000).fill(65)
  expect(core.munmap(p, PAGE)).toBe(0)
  expect(core.bytes(core.base - 0x10000, 0x10000).every((byte) => byte === 65)).toBe(true)
  expect(core.stats(core.base - 64).mapped).toBe(0)
  expect(core.verify()).toBe(0)
})

it('a heap of the last pages, whose last block ends at the largest break, stays below it once all others are freed', () => {
  const core = createCore({ base: BREAK_MAX - 4 * PAGE + 1024, initial: BREAK_MAX / PAGE })
  const small = core.malloc(16)
  const blocks: number[] = []
  for (const size of [50_000, 5000, 257]) for (let p = core.malloc(size); p; p = core.malloc(size)) blocks.push(p)
  const last = Math.max(...blocks)
  while (core.realloc(last, core.usableSize(last) + 16) === last);
  expect(last + core.usableSize(last)).toBe(BREAK_MAX)
  core.free(small)
  for (const p of blocks) if (p !== last) core.free(p)
  expect(core.verify()).toBe(0)
  for (let p = core.malloc(60_000); p; p = core.malloc(60_000)) expect(p + 60_000).toBeLessThanOrEqual(last)
  expect(core.verify()).toBe(0)
})

it('an alignment of 2 GiB finds its only place where empty spans were', () => {
  const core = createCore()
  core.malloc(40_000)
  expect(core.mmap(PAGE, 2 * GIB - PAGE, 3, ANONYMOUS | MAP_FIXED)).toBe(PAGE)
  const small = Array.from({ length: 300 }, () => core.malloc(256))
  expect(Math.max(...small)).toBeGreaterThan(2 * GIB)
  core.malloc(100_000)
  for (const block of small) core.free(block)
  expect(core.alignedAlloc(2 * GIB, 1000)).toBe(2 * GIB)
  expect(core.verify()).toBe(0)
})
