// Where the heap begins: anywhere, in memory of any size.
import { describe, expect, it } from 'vitest'
import { BREAK_MAX, Core, createCore, Errno, FAILED, PAGE } from './core.ts'
import { Oracle } from './oracle.ts'

const GIB = 2 ** 30
const places: [base: number, initial: number][] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
  [17, 0],
  [17, 1],
  [1023, 1],
  [1024, 0],
  [65_519, 1],
  [65_520, 1],
  [65_521, 1],
  [65_535, 0],
  [65_535, 1],
  [65_536, 0],
  [65_536, 1],
  [65_536, 2],
  [65_537, 2],
  [0x100005, 0],
  [0x100005, 17],
  [0x100000, 16],
  [0x100000, 40],
  [0x123456, 64],
  [3 * GIB, 3 * (GIB / PAGE)],
  [3 * GIB + 5, 3 * (GIB / PAGE) + 1],
  [0xf0000003, 0],
]

describe.each(places)('a heap at %d in memory of %d pages', (base, initial) => {
  it('begins there and serves all sizes', () => {
    const core = createCore({ base, initial })
    const oracle = new Oracle(core.memory, base)
    // A few bytes around the base stay as they were.
    const below = Math.max(0, Math.min(base, core.size) - 4096)
    core.bytes(below, Math.min(base, core.size) - below).fill(0xbb)
    for (const size of [0, 1, 16, 100, 256, 257, 1000, 5000, 70_000, 3 * PAGE]) {
      for (let i = 0; i < 20; i++) {
        const p = core.malloc(size)
        if (!p) expect.fail(`malloc(${size})`)
        oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
      }
    }
    const p = core.mmap(0, PAGE)
    oracle.fill(oracle.claim(p, p + PAGE, 'page'))
    const q = core.sbrk(1000)
    oracle.fill(oracle.claim(q, q + 1000, 'break'))
    core.free(0)
    core.freeSized(0, 8)
    expect(core.verify()).toBe(0)
    oracle.checkAll()
    const second = new Core(core.memory, base)
    for (const { start, owner } of [...oracle.ranges]) {
      if (owner === 'block') second.free(start)
      else if (owner === 'page') expect(second.munmap(start, PAGE)).toBe(0)
    }
    expect(second.verify()).toBe(0)
    expect(core.bytes(below, Math.min(base, initial * PAGE) - below).every((byte) => byte === 0xbb)).toBe(true)
  })
})

it.each(places.filter(([base, initial]) => initial * PAGE - base >= 4 * PAGE))(
  'a heap at %d in memory of %d pages uses what it is given before it grows',
  (base, initial) => {
    const core = createCore({ base, initial })
    const given = initial * PAGE - base
    let bytes = 0
    for (core.malloc(1); core.pages === initial; core.malloc(1000)) bytes += 1008
    expect(bytes).toBeGreaterThan(given - given / 32 - 2 * PAGE) // the heap's own tables
  },
)

describe('a base without room for a heap', () => {
  it.each([BREAK_MAX - 1000, BREAK_MAX, BREAK_MAX + 17, 0xfffffff0, 0xffffffff])('at %d refuses everything', (base) => {
    const core = createCore({ base, initial: 0 })
    expect([core.malloc(1), core.calloc(1, 1), core.realloc(0, 1), core.alignedAlloc(16, 1)]).toEqual([0, 0, 0, 0])
    expect([core.sbrk(0), core.mmap(0, 1), core.brk(base)].map((p) => p >>> 0)).toEqual([FAILED, FAILED, FAILED])
    expect(core.lastError()).toBe(Errno.ENOMEM)
    core.free(0)
    expect(core.usableSize(0)).toBe(0)
    expect(() => core.free(base & ~15)).toThrow(WebAssembly.RuntimeError)
    expect(core.pages).toBe(0)
  })

  it.each([PAGE - 1, PAGE - 3, PAGE - 15])('at %d, the end of a memory that may not grow, is sound', (base) => {
    const core = createCore({ base, initial: 1, maximum: 1 })
    expect(core.malloc(1)).toBe(0)
    expect(core.verify()).toBe(0)
  })

  it('in a memory that may not grow, leaves that memory as it is', () => {
    const core = createCore({ base: PAGE, initial: 1, maximum: 1 })
    core.bytes(0, PAGE).fill(0xbb)
    expect(core.malloc(1)).toBe(0)
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.verify()).toBe(0)
    expect(core.bytes(0, PAGE).every((byte) => byte === 0xbb)).toBe(true)
  })
})

describe.each([1, 2, 3, 4])('in a memory of %d pages, a rest at its end that is too little for a block', (initial) => {
  const next: [string, (core: Core) => number][] = [
    ['a block', (core) => core.malloc(5000)],
    ['a mapping', (core) => core.mmap(0, PAGE)],
    ['a block behind what others have grown', (core) => core.memory.grow(1) && core.malloc(70_000)],
    ['a block behind what sbrk has given', (core) => core.sbrk(16) && core.malloc(70_000)],
    ['a longer block', (core) => core.realloc(core.malloc(100), 100_000)],
  ]
  it.each(next)('does not harm the heap when %s comes', (_, take) => {
    for (const rest of [0, 16, 32, 48, 64, 80]) {
      const core = createCore({ initial })
      const before = core.malloc(320)
      const first = core.malloc(initial * PAGE - (before + 320) - rest)
      expect(first + core.usableSize(first)).toBe(initial * PAGE - rest)
      expect(core.verify()).toBe(0)
      const blocks = [take(core), take(core)]
      expect(core.verify()).toBe(0)
      for (const p of [first, ...blocks]) if (core.munmap(p, PAGE)) core.free(p)
      expect(core.verify()).toBe(0)
    }
  })
})
