// Each misuse is refused with its reason and the address, changes nothing, and the heap goes on.
import { describe, expect, it } from 'vitest'
import { type Core, createCore, Errno, PAGE, Reason, refusal } from './core.ts'
import { Oracle } from './oracle.ts'

/** Expects every function that takes a block to refuse the address, and the heap to be as usable as before. */
function expectRefused(core: Core, address: number, ...reasons: number[]): void {
  const before = core.stats(64)
  const calls = [
    () => core.free(address),
    () => core.realloc(address, 1000),
    () => core.realloc(address, 0),
    () => core.reallocarray(address, 10, 10),
    () => core.usableSize(address),
    () => core.freeSized(address, 16),
    () => core.freeAlignedSized(address, 16, 16),
  ]
  for (const call of calls) {
    const refused = refusal(core, call)
    expect(refused.address).toBe(address)
    expect(reasons).toContain(refused.reason)
  }
  expect(core.stats(64)).toEqual(before)
  expectSound(core)
}

/** Expects blocks of all kinds to be served still. */
function expectSound(core: Core): void {
  expect(core.verify()).toBe(0)
  const oracle = new Oracle(core.memory, core.base)
  for (const size of [1, 100, 256, 257, 5000, PAGE]) {
    const p = core.malloc(size)
    oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
  }
  oracle.checkAll()
  for (const { start } of oracle.ranges) core.free(start)
  expect(core.verify()).toBe(0)
}

/** A heap with n blocks of a size, all in use. */
function heapWith(size: number, n = 40): { core: Core; blocks: number[] } {
  const core = createCore()
  const blocks = Array.from({ length: n }, () => core.malloc(size))
  return { core, blocks }
}

const sizes = [16, 48, 96, 250, 300, 1000, 5000, 2 * PAGE]

it('a free before anything was allocated is refused, and the heap begins', () => {
  const places: [address: number, reason: number][] = [
    [8, Reason.outside],
    [16, Reason.outside],
    [1024, Reason.notABlock],
    [2048, Reason.notABlock],
    [0x8000, Reason.notABlock],
    [0x8008, Reason.misaligned],
    [PAGE - 16, Reason.notABlock],
    [PAGE, Reason.outside],
    [1_000_000, Reason.outside],
  ]
  for (const [address, reason] of places) {
    const calls = [
      (core: Core) => core.free(address),
      (core: Core) => core.realloc(address, 10),
      (core: Core) => core.realloc(address, 0),
      (core: Core) => core.usableSize(address),
      (core: Core) => core.freeSized(address, 16),
      (core: Core) => core.freeAlignedSized(address, 16, 16),
    ]
    for (const call of calls) {
      const core = createCore()
      expect(refusal(core, () => call(core))).toEqual({ reason, address })
      expect(core.lastError()).toBe(0)
      expectSound(core)
    }
  }
})

describe('an address outside the heap is refused', () => {
  it('below its base: static data, the stack', () => {
    const { core } = heapWith(100)
    for (const address of [4, 8, 16, 512, 1008, 1023]) expectRefused(core, address, Reason.outside)
  })

  it('in its first page but below a base far up', () => {
    const core = createCore({ base: 0x100005, initial: 17 })
    core.malloc(1)
    for (const address of [16, PAGE, 0xffff0, 0x100000, 0x100004]) expectRefused(core, address, Reason.outside)
    expectRefused(core, 0x100005, Reason.misaligned)
    expectRefused(core, 0x100010, Reason.notABlock)
  })

  it('past the end of its memory', () => {
    for (const beyond of [0, 16, PAGE]) {
      const { core } = heapWith(100)
      const address = core.size + beyond
      expect(refusal(core, () => core.free(address))).toEqual({ reason: Reason.outside, address })
    }
    const { core } = heapWith(100)
    for (const address of [0x80000000, 0xfffffff0, 0xffffffff]) expectRefused(core, address, Reason.outside)
  })

  it('in bytes that sbrk has given, or that others have grown', () => {
    const { core } = heapWith(100)
    const p = core.sbrk(100_000)
    expectRefused(core, (p + 50_000) & ~15, Reason.outside)
    const foreign = core.size
    core.memory.grow(1)
    expectRefused(core, foreign + 64, Reason.outside)
    core.malloc(4 * PAGE)
    expectRefused(core, foreign + 64, Reason.notABlock)
    expectRefused(core, (p + 50_000) & ~15, Reason.notABlock)
  })
})

it('null before anything was allocated is not refused, and no heap begins for it', () => {
  const core = createCore({ base: PAGE - 100 })
  core.free(0)
  core.freeSized(0, 0)
  core.freeAlignedSized(0, 16, 0)
  expect(core.usableSize(0)).toBe(0)
  expect(core.size).toBe(PAGE)
  expect(core.trapReason()).toBe(0)
})

it('no address of a gap that others have grown is said to be free', () => {
  const core = createCore()
  core.malloc(5000)
  const gap = core.size
  core.memory.grow(1)
  core.malloc(3 * PAGE)
  for (let p = gap; p < gap + 256; p += 16) expectRefused(core, p, Reason.notABlock)
})

describe.each(sizes)('with blocks of %d bytes', (size) => {
  // A large block is joined with free memory beside it: then none begins where it did.
  const freed = size > 256 ? [Reason.notInUse, Reason.notABlock] : [Reason.notInUse]

  it('a misaligned address is refused', () => {
    const { core, blocks } = heapWith(size)
    for (const offset of [1, 2, 4, 8, 12, 15, size - 1]) {
      if (offset % 16) expectRefused(core, blocks[7] + offset, Reason.misaligned)
    }
  })

  it('the interior of a block is refused', () => {
    const { core, blocks } = heapWith(size)
    for (const offset of [16, 32, 64, 128, 1008, 1024, 4096, PAGE]) {
      if (offset < size) expectRefused(core, blocks[7] + offset, Reason.notABlock)
    }
  })

  it('a second free at once is refused', () => {
    const { core, blocks } = heapWith(size)
    core.free(blocks[7])
    expectRefused(core, blocks[7], ...freed)
  })

  it('a second free after others is refused', () => {
    const { core, blocks } = heapWith(size)
    core.free(blocks[9])
    core.free(blocks[20])
    core.free(blocks[22])
    expectRefused(core, blocks[9], ...freed)
    expectRefused(core, blocks[20], ...freed)
  })

  it('a second free of the oldest of twenty is refused', () => {
    const { core, blocks } = heapWith(size, 80)
    for (let i = 0; i < 40; i += 2) core.free(blocks[i])
    for (let i = 0; i < 40; i += 2) expectRefused(core, blocks[i], ...freed)
  })

  it('a second free after its neighbours were freed too is refused', () => {
    const { core, blocks } = heapWith(size)
    for (const i of [10, 11, 12]) core.free(blocks[i])
    for (const i of [10, 11, 12]) expectRefused(core, blocks[i], Reason.notInUse, Reason.notABlock)
    for (const i of [15, 13, 14]) core.free(blocks[i])
    for (const i of [13, 14, 15]) expectRefused(core, blocks[i], Reason.notInUse, Reason.notABlock)
  })

  it('a second free of the last block, and of all, is refused', () => {
    const { core, blocks } = heapWith(size)
    for (const p of [...blocks].reverse()) core.free(p)
    for (const p of blocks) expectRefused(core, p, Reason.notInUse, Reason.notABlock)
  })

  it('a second free is refused after the block’s bytes were overwritten', () => {
    const { core, blocks } = heapWith(size)
    core.free(blocks[7])
    // A write after free hits whatever the heap keeps in the block; what it keeps elsewhere tells.
    const before = core.bytes(blocks[7], 16).slice()
    core.bytes(blocks[7], 16).fill(0x41)
    const { reason, address } = refusal(core, () => core.free(blocks[7]))
    expect(freed).toContain(reason)
    expect(address).toBe(blocks[7])
    core.bytes(blocks[7], 16).set(before)
    expectSound(core)
  })

  it('realloc of a block that moved is refused', () => {
    const { core, blocks } = heapWith(size)
    const moved = core.realloc(blocks[7], 8 * size + 1000)
    expect(moved).not.toBe(blocks[7])
    expectRefused(core, blocks[7], Reason.notInUse, Reason.notABlock)
    expect(core.usableSize(moved)).toBeGreaterThanOrEqual(8 * size + 1000)
  })

  it('data that look like the heap’s own are not taken for it', () => {
    const { core, blocks } = heapWith(size)
    for (const p of blocks) {
      const words = new Uint32Array(core.memory.buffer, p, size >>> 2)
      words.forEach((_, i) => {
        words[i] = [p, size, 0, blocks[0], 0xffffffff, 0x4e415247][i % 6]
      })
    }
    expectSound(core)
    for (const p of blocks) core.free(p)
    expectSound(core)
  })
})

describe('the heap’s own memory is refused', () => {
  it('the header, the tables, the headers of pages, what is behind the last block of a span: all but blocks in use', () => {
    const core = createCore()
    const live = new Set<number>()
    for (let i = 0; i < 700; i++) {
      const p = core.malloc((i * 37) % (i % 9 ? 280 : 3000))
      if (i % 3) live.add(p)
      else core.free(p)
    }
    live.add(core.malloc(0))
    const mapping = core.mmap(0, PAGE)
    live.add(core.malloc(6 * PAGE))
    core.munmap(mapping, PAGE)
    const end = core.size
    const reasons: number[] = [Reason.outside, Reason.notInUse, Reason.notABlock]
    for (let p = 0; p < end; p += p < 5 * PAGE ? 16 : 4096) {
      if (!p) continue
      try {
        core.usableSize(p)
      } catch {
        if (live.has(p) || !reasons.includes(core.trapReason()) || core.trapAddress() !== p)
          expect.fail(`${p} is refused for ${core.trapReason()} of ${core.trapAddress()}`)
        continue
      }
      if (!live.has(p)) expect.fail(`${p} is taken for a block`)
    }
    expectSound(core)
  })

  it.each([16, 32, 64, 128, 256])('behind the last block of a span of %d-byte blocks', (size) => {
    // One block, so many that spans of all states come to be, and one again after all were freed.
    const core = createCore()
    for (const n of [1, 3001, 1]) {
      const live = new Set(Array.from({ length: n }, () => core.malloc(size)))
      for (let p = Math.min(...live); p < core.size; p += 16) {
        if (live.has(p)) continue
        const { reason } = refusal(core, () => core.free(p))
        expect([Reason.notInUse, Reason.notABlock, Reason.outside]).toContain(reason)
      }
      for (const p of live) {
        expect(core.usableSize(p)).toBe(size)
        core.free(p)
      }
      expectSound(core)
    }
  })
})

it('a refused call keeps the last error', () => {
  const core = createCore()
  expect(core.malloc(0xffffffff)).toBe(0)
  refusal(core, () => core.free(8))
  expect(core.lastError()).toBe(Errno.ENOMEM)
})
