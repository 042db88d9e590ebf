// Heaps with many free blocks, for each of which there has to be a node.
import { describe, expect, it } from 'vitest'
import { Core, createCore, FAILED, PAGE, Reason, refusal } from './core.ts'
import { Oracle, type Range } from './oracle.ts'

it('a full heap has nodes for as many free blocks as there can be, each of which serves again', () => {
  const core = createCore({ maximum: 64 })
  const below = random(7)
  const blocks: number[] = []
  for (let p = core.malloc(300 + below(300)); p; p = core.malloc(300 + below(300))) blocks.push(p)
  const taken = core.field('blocks')
  expect(core.field('blocksMax')).toBeGreaterThanOrEqual(taken)
  // Every second block is a free one of its own, as many as there can be; but not the last, which may join top.
  const second = blocks.slice(0, -1).filter((_, i) => i % 2 === 0)
  for (const p of second) core.free(p)
  expect(core.field('blocks')).toBe(taken)
  expect(core.verify()).toBe(0)
  const pages = core.pages
  for (const _ of second) expect(core.malloc(300)).not.toBe(0)
  expect(core.pages).toBe(pages)
  expect(core.verify()).toBe(0)
})

it('blocks that are cut again and again in a full heap are given whole when there are no nodes for more', () => {
  const core = createCore({ maximum: 64 })
  const blocks: number[] = []
  for (let p = core.malloc(4000); p; p = core.malloc(4000)) blocks.push(p)
  while (core.malloc(257));
  const cut: number[] = []
  for (let i = 0; i < blocks.length; i += 2) core.free(blocks[i])
  for (let p = core.malloc(257); p; p = core.malloc(257)) cut.push(p)
  expect(core.verify()).toBe(0)
  expect(Math.max(...cut.map((p) => core.usableSize(p)))).toBeGreaterThan(2 * 272)
  for (const p of cut) core.free(p)
  expect(core.verify()).toBe(0)
  for (let i = 0; i < blocks.length; i += 2) expect(core.malloc(4000)).not.toBe(0)
})

it.each([
  [6, 40_000],
  [12, 24_000],
  [64, 100_000],
])('in a full heap of %d pages without nodes to spare, a freed block of %d bytes serves again', (maximum, size) => {
  for (const cut of [257, 272, 304]) {
    const core = createCore({ maximum })
    const large = core.malloc(size)
    const blocks: number[] = []
    for (let p = core.malloc(4000); p; p = core.malloc(4000)) blocks.push(p)
    while (core.malloc(257));
    for (let i = 0; i < blocks.length; i += 2) core.free(blocks[i])
    while (core.malloc(cut));
    core.free(large)
    expect(core.malloc(size)).toBe(large)
    expect(core.verify()).toBe(0)
    // And less than all of it leaves the rest to others, as nodes for that have room there.
    core.free(large)
    expect(core.malloc(300)).not.toBe(0)
    expect(core.malloc(size / 2)).not.toBe(0)
    expect(core.verify()).toBe(0)
  }
})

it('no block is harmed where the heap is full, its blocks are cut, and others have grown the memory', () => {
  const core = createCore({ initial: 400, maximum: 2000 })
  const oracle = new Oracle(core.memory, core.base)
  const claim = (p: number) => oracle.claim(p, p + core.usableSize(p), 'block')
  const blocks: Range[] = []
  do blocks.push(claim(core.malloc(512)))
  while (core.field('brk') < 399 * PAGE || core.field('end') - core.field('top') >= 100_000)
  const odd = blocks.filter((_, i) => i % 2)
  for (const range of odd) {
    oracle.release(range)
    core.free(range.start)
  }
  for (const _ of odd) claim(core.malloc(272))
  while (core.field('end') - core.field('top') >= 1500)
    claim(core.malloc(Math.min(core.field('end') - core.field('top') - 300, 40_000)))
  for (const range of oracle.ranges) oracle.fill(range)
  core.memory.grow(1)
  oracle.fill(claim(core.malloc(300_000)))
  expect(core.verify()).toBe(0)
  oracle.checkAll()
})

it('tables that need more room than the last page of the heap’s own has are not laid over blocks', () => {
  const core = createCore({ initial: 20 })
  const oracle = new Oracle(core.memory, core.base)
  const claim = (p: number) => oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
  while (core.field('brk') < 19 * PAGE || core.field('end') - core.field('top') >= 1500) claim(core.malloc(512))
  expect(core.field('brk')).toBe(19 * PAGE)
  core.memory.grow(1)
  expect(core.mmap(0, 10_000 * PAGE)).not.toBe(FAILED)
  expect(core.verify()).toBe(0)
  oracle.checkAll()
})

/** A heap with free blocks of these sizes, each between two in use; the last one of a size is looked at first. */
function withFree(sizes: number[]) {
  const core = createCore()
  const blocks = sizes.map((size) => {
    const p = core.malloc(size)
    core.malloc(300)
    return p
  })
  for (const p of blocks) core.free(p)
  return { core, blocks }
}

it('a free block whose front was taken is not given for what it has no longer', () => {
  const { core, blocks } = withFree([20_000, 20_000])
  expect(core.malloc(15_008)).toBe(blocks[1])
  const rest = blocks[1] + 15_008
  expect(core.verify()).toBe(0)
  // Of the sizes between, those that it has and those that it has not.
  expect(core.malloc(4500)).toBe(rest)
  expect(core.malloc(15_000)).toBe(blocks[0])
  expect(core.verify()).toBe(0)
})

it('nor does it hide one that an aligned request fits', () => {
  const { core, blocks } = withFree([20_000, 20_000, ...Array<number>(40).fill(4112)])
  expect(core.malloc(20_000 - 4112)).toBe(blocks[1])
  const pages = core.pages
  const p = core.alignedAlloc(4096, 4096)
  expect(p).toBeGreaterThan(blocks[0])
  expect(p).toBeLessThan(blocks[0] + 20_000)
  expect(core.pages).toBe(pages)
  expect(core.verify()).toBe(0)
})

/** Fills a small memory with blocks of so many bytes, and smaller ones that stay. */
function full(size: number): { core: Core; blocks: number[] } {
  const core = createCore({ maximum: 4 })
  const blocks: number[] = []
  for (let p = core.malloc(size); p; p = core.malloc(size)) blocks.push(p)
  while (core.malloc(257));
  return { core, blocks }
}

it.each([272, 400, 1000])('free blocks of %d bytes in a full heap are refused, at each address', (size) => {
  for (const order of [[0], [2, 1], [0, 3, 2]]) {
    const { core, blocks } = full(size)
    const kept = new Set(blocks.filter((_, i) => !order.includes(i % 4)))
    for (const rest of order) for (let i = rest; i < blocks.length; i += 4) core.free(blocks[i])
    for (let i = 0; i < blocks.length; i++) {
      if (kept.has(blocks[i])) continue
      for (let p = blocks[i]; p < blocks[i] + size; p += 16) {
        const { reason, address } = refusal(core, () => core.free(p))
        expect(address).toBe(p)
        // The last ones may be the heap's own memory now.
        expect([Reason.notInUse, Reason.notABlock, Reason.outside]).toContain(reason)
      }
    }
    expect(core.verify()).toBe(0)
    for (const p of kept) core.free(p)
    expect(core.verify()).toBe(0)
  }
})

it('each second page of many mappings can be unmapped where no memory is left, and mapped again in place', () => {
  const core = createCore({ maximum: 300 })
  const pages: number[] = []
  for (let p = core.mmap(0, 8 * PAGE); p !== FAILED; p = core.mmap(0, 8 * PAGE)) pages.push(p)
  for (const n of [1024, 257]) while (core.malloc(n));
  const odd = pages.flatMap((p) => [1, 3, 5, 7].map((i) => p + i * PAGE))
  for (const p of odd) expect(core.munmap(p, PAGE)).toBe(0)
  expect(core.verify()).toBe(0)
  for (const p of odd) expect(core.mremap(p - PAGE, PAGE, 2 * PAGE, 0)).toBe(p - PAGE)
  expect(core.verify()).toBe(0)
})

it.each(['others have grown', 'sbrk has taken'])(
  'the nodes of many free blocks give their room back, though memory that %s lies in the heap',
  (who) => {
    const core = createCore({ maximum: 200 })
    core.free(core.malloc(100_000))
    if (who === 'sbrk has taken') core.sbrk(16)
    else core.memory.grow(1)
    core.free(core.malloc(300_000))
    const largest = () => {
      let size = 200 * PAGE
      for (let p = 0; !p; size -= 16) core.free((p = core.malloc(size)))
      return size
    }
    const before = largest()
    const blocks: number[] = []
    for (let p = core.malloc(257); p; p = core.malloc(257)) blocks.push(p)
    for (const p of blocks.splice(blocks.length * 0.85)) core.free(p)
    for (const rest of [0, 1]) for (let i = rest; i < blocks.length; i += 2) core.free(blocks[i])
    expect(largest()).toBeGreaterThanOrEqual(before - 16)
    expect(core.verify()).toBe(0)
  },
)

it('the nodes of a heap that was emptied give their room back where others have grown the memory to its end', () => {
  const largest = (size: number) => {
    const core = createCore({ maximum: 40 })
    const blocks: number[] = []
    while (core.pages < 39) blocks.push(core.malloc(size))
    core.memory.grow(1)
    for (let p = core.malloc(size); p; p = core.malloc(size)) blocks.push(p)
    for (const p of blocks) core.free(p)
    let n = 40 * PAGE
    while (!core.malloc(n)) n -= 16
    expect(core.verify()).toBe(0)
    return n
  }
  expect(largest(257)).toBeGreaterThan(largest(30_000) - 4096)
})

it('the nodes of a heap that was emptied give their room back when it grows', () => {
  const core = createCore()
  const blocks = Array.from({ length: 5000 }, () => core.malloc(300))
  for (const rest of [0, 1]) for (let i = rest; i < blocks.length; i += 2) core.free(blocks[i])
  const most = core.field('blocksMax')
  core.malloc(core.size)
  expect(core.field('blocksMax')).toBeLessThan(most / 4)
  expect(core.verify()).toBe(0)
})

/** Numbers below a bound, the same for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
}

it.each([1, 2, 3, 4, 5, 6])('a full heap of small blocks, freed in any order, is filled again as far (%d)', (seed) => {
  const core = createCore({ maximum: 15 })
  const fill = () => {
    const size = random(seed)
    const blocks: number[] = []
    for (let p = core.malloc(257 + size(2000)); p; p = core.malloc(257 + size(2000))) blocks.push(p)
    return blocks
  }
  const below = random(1000 + seed)
  let blocks = fill()
  const first = blocks.length
  for (let round = 2; round <= 5; round++) {
    while (blocks.length) core.free(blocks.splice(below(blocks.length), 1)[0])
    expect(core.verify()).toBe(0)
    blocks = fill()
    expect(blocks.length).toBeGreaterThanOrEqual(first)
  }
})

it('a request that is refused leaves the tables where they are, though it has made part of the memory the heap’s', () => {
  for (let n = 90; n < 150; n++) {
    const core = createCore({ maximum: 4 })
    for (let i = 0; i < n; i++) core.malloc(300)
    // Memory that was the program's until it gave it back, and behind it memory of others.
    core.sbrk(PAGE)
    core.sbrk(-PAGE)
    core.memory.grow(1)
    expect(core.malloc(3 * PAGE)).toBe(0)
    expect(core.verify()).toBe(0)
  }
})

/** A heap with a free block of 8 MiB and 8000 blocks, where `room` bytes are left before the tables. */
function withRoom(room: number, core = createCore({ maximum: 4000 })): Core {
  const large = core.malloc(8 << 20)
  core.malloc(300)
  for (let i = 0; i < 8000; i++) core.malloc(400)
  core.malloc((core.field('end') - core.field('top') - room) & ~15)
  core.free(large)
  return core
}
/** Cuts blocks out of a free one until there are no nodes for more. */
function pack(core: Core): void {
  while (core.field('blocksMax') >= core.field('blocks')) core.alignedAlloc(32, 272)
}

it.each([20_600, 20_900, 21_300])(
  'blocks are cut as long as the memory may grow for nodes; %d bytes are left',
  (room) => {
    const core = withRoom(room)
    for (let i = 0; i < 4000; i++) expect(core.alignedAlloc(32, 272)).not.toBe(0)
    expect(core.verify()).toBe(0)
  },
)

const requests: [name: string, request: (core: Core) => number][] = [
  ['an aligned block', (core) => core.alignedAlloc(32, 272)],
  ['a large block', (core) => core.malloc(16 << 20)],
  ['a mapping', (core) => core.mmap(0, PAGE)],
]
describe.each(requests)('where nodes lack and the heap goes on behind a gap, %s', (_, request) => {
  const granted = (core: Core, before = core.pages) => {
    expect([0, FAILED]).not.toContain(request(core))
    expect(core.pages - before).toBeLessThan(600)
    expect(core.verify()).toBe(0)
    expect(core.malloc(16 << 20)).not.toBe(0)
  }
  it('does not make the memory grow without end, when others have grown it', () => {
    const core = withRoom(5000)
    pack(core)
    core.sbrk(16)
    core.memory.grow(1)
    granted(core)
  })
  it('does not make the memory grow without end, when one growth is refused', () => {
    let refused = 0
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4000 })
    const grow = (pages: number) => (refused-- > 0 ? -1 : memory.grow(pages))
    const core = withRoom(5000, new Core(memory, 1024, grow))
    pack(core)
    core.sbrk(16)
    refused = 1
    const before = core.pages
    request(core)
    granted(core, before)
  })
})

it('a mapping that is found late, after the memory could not grow, has its nodes', () => {
  const pages = 200
  const core = createCore({ maximum: 40 * (pages + 3) })
  const small = [core.malloc(300)]
  const fillTo = (end: number) => {
    do small.push(core.malloc(300))
    while (small[small.length - 1] < end)
  }
  fillTo(core.alignedAlloc(PAGE, PAGE))
  // The one block at a page's start is the first that is freed, so the last of its bin.
  const large = [core.alignedAlloc(PAGE, pages * PAGE)]
  fillTo(large[0])
  for (let i = 0; i < 36; i++) {
    large.push(core.malloc(pages * PAGE + 1000))
    small.push(core.malloc(300))
  }
  for (let size = (pages - 1) * PAGE; size >= PAGE; size >>= 1) while (core.malloc(size));
  for (const p of large) core.free(p)
  const mapping = core.mmap(0, pages * PAGE)
  expect(mapping).toBe(large[0])
  expect(core.verify()).toBe(0)
  for (let i = 1; i < pages; i += 2) expect(core.munmap(mapping + i * PAGE, PAGE)).toBe(0)
  small.sort((a, b) => a - b)
  for (const odd of [0, 1]) for (let i = odd; i < small.length; i += 2) core.free(small[i])
  expect(core.verify()).toBe(0)
})

it('a request that top has room for is not refused for nodes in reserve', () => {
  for (const left of [6000, 8000, 10_000, 12_000]) {
    const core = createCore({ maximum: 200 })
    const row = Array.from({ length: 3000 }, (_, i) => core.malloc(i % 2 ? 300 : 3000))
    const room = () => core.field('end') - core.field('top')
    while (core.pages < 200 || room() > 40_000) core.malloc(30_000)
    core.malloc((room() - left) & ~15)
    for (let i = 0; i < row.length; i += 2) core.free(row[i])
    // Cuts blocks until there are fewer nodes than there should be, but enough.
    const taken = () => core.field('blocks')
    while (core.field('blocksMax') >= taken() + (taken() >> 2)) core.alignedAlloc(32, 272)
    expect(core.field('blocksMax')).toBeGreaterThanOrEqual(taken())
    expect(core.malloc(room() & ~15)).not.toBe(0)
    expect(core.verify()).toBe(0)
  }
})

it('what a full memory served, with its nodes in a block, it serves again', () => {
  const core = createCore({ initial: 2, maximum: 2 })
  const fill = () => {
    const blocks: number[] = []
    for (let p = core.malloc(208); p; p = core.malloc(blocks.length % 5 < 2 ? 208 : 300)) blocks.push(p)
    return blocks
  }
  const first = fill()
  expect(core.field('lodge')).not.toBe(0)
  for (const p of first) core.free(p)
  expect([core.field('lodge'), core.field('blocks'), core.verify()]).toEqual([0, 0, 0])
  expect(fill()).toEqual(first)
})

it('realloc does not make the memory grow for a place where its block cannot go on', () => {
  const core = createCore({ maximum: 1000 })
  const p = core.malloc(300 * PAGE)
  core.memory.grow(1)
  const { pages } = core
  expect(core.realloc(p, 800 * PAGE)).toBe(0)
  expect(core.pages).toBe(pages)
})

it('a host that says it has grown the memory, but has not, has refused', () => {
  const core = new Core(new WebAssembly.Memory({ initial: 1, maximum: 40 }), 1024, () => 0)
  expect(core.malloc(70_000)).toBe(0)
  expect(core.malloc(300)).not.toBe(0)
  expect(core.verify()).toBe(0)
})

it('nor does a heap begin in memory that a host says it has grown', () => {
  const core = new Core(new WebAssembly.Memory({ initial: 1, maximum: 40 }), 0xffc0, () => 0)
  expect(core.malloc(300)).toBe(0)
  expect(core.verify()).toBe(0)
})

describe('a full memory whose last block stays', () => {
  /** Fills the memory with blocks, frees all but the last one, and cuts what is free into small ones. */
  function cut(maximum: number, size: number) {
    const core = createCore({ initial: maximum, maximum })
    const oracle = new Oracle(core.memory, core.base)
    const claim = (p: number) => oracle.claim(p, p + core.usableSize(p), 'block')
    const row: number[] = []
    for (let p = core.malloc(size); p; p = core.malloc(size)) row.push(p)
    const last = Math.max(...row)
    for (const p of row) if (p !== last) core.free(p)
    const blocks: Range[] = []
    for (let p = core.malloc(300); p; p = core.malloc(300)) blocks.push(claim(p))
    expect(core.verify()).toBe(0)
    for (const range of blocks) oracle.fill(range)
    const free = (range: Range) => {
      oracle.release(range)
      core.free(range.start)
    }
    return { core, oracle, last, blocks, row, free }
  }

  it.each([
    [64, 30_000],
    [64, 100_000],
    [256, 65_536],
  ])('of %i pages, is cut into as many blocks as it has room for', (maximum, size) => {
    const { core, oracle, last, blocks, row, free } = cut(maximum, size)
    expect(blocks.length * 304).toBeGreaterThan(0.9 * (row.length - 1) * size)
    expect(Math.max(...blocks.map(({ start }) => core.usableSize(start)))).toBeLessThan(400)
    // The block that the nodes are in then is nobody's.
    const lodge = core.field('lodge')
    expect(lodge).not.toBe(0)
    expect(refusal(core, () => core.free(lodge))).toEqual({ reason: Reason.notABlock, address: lodge })
    for (let i = 0; i < blocks.length; i += 2) free(blocks[i])
    expect(core.verify()).toBe(0)
    oracle.checkAll()
    for (let i = 1; i < blocks.length; i += 2) free(blocks[i])
    expect(core.stats(64).inUse).toBe(core.usableSize(last))
    // And all of it comes together again.
    expect(core.malloc((row.length - 1) * size - 64)).not.toBe(0)
    expect(core.field('lodge')).toBe(0)
    expect(core.verify()).toBe(0)
  })

  it.each([
    ['mapped', (core: Core, page: number) => core.mmap(page, PAGE, 3, 0x32) === page],
    ['mapped without replacement', (core: Core, page: number) => core.mmap(page, PAGE, 3, 0x100022) === page],
    ['unmapped', (core: Core, page: number) => core.munmap(page, PAGE) === 0],
  ])('lets a page that only its nodes are in be %s, at the first call', (_, call) => {
    const { core, blocks, free } = cut(64, 30_000)
    for (const range of blocks) free(range)
    const lodge = core.field('lodge')
    expect(lodge).not.toBe(0)
    expect(call(core, lodge & -PAGE)).toBe(true)
    expect(core.field('lodge')).toBe(0)
    expect(core.verify()).toBe(0)
  })

  it('takes an overflow into the block that its nodes are in', () => {
    const { core, blocks } = cut(64, 30_000)
    const lodge = core.field('lodge')
    const before = blocks.find(({ end }) => end === lodge)
    if (before) core.bytes(before.end, 16).fill(0xff)
    else core.bytes(lodge, 16).fill(0xff)
    expect(core.verify()).toBe(0)
  })

  it('serves from top to the end, without nodes in reserve', () => {
    const core = createCore({ maximum: 64 })
    const large = core.malloc(64 * PAGE - 135_000)
    const last = core.malloc(15_000)
    core.free(large)
    while (core.malloc(272));
    core.free(last)
    let served = 0
    while (core.malloc(272)) served++
    expect(served * 272).toBeGreaterThan(0.95 * 15_000)
    expect(core.verify()).toBe(0)
  })
})

it('tables of a heap of few pages return to behind the header, so that what it could serve it can again', () => {
  for (const maximum of [1, 2, 3, 4]) {
    const core = createCore({ maximum })
    let size = maximum * PAGE
    while (!core.malloc(size)) size -= 16
    core.free(core.field('top') - size)
    for (let round = 0; round < 3; round++) {
      const blocks = Array.from({ length: 180 }, () => core.malloc(300))
      expect(core.verify()).toBe(0)
      for (const p of blocks) core.free(p)
      const p = core.malloc(size)
      expect(p).not.toBe(0)
      expect(core.verify()).toBe(0)
      core.free(p)
    }
  }
})

it('realloc takes back what nodes have too much, where others have grown the memory behind', () => {
  const core = createCore({ maximum: 100 })
  const blocks = Array.from({ length: 4000 }, () => core.malloc(300))
  for (const p of blocks) core.free(p)
  const room = core.field('end') - core.field('top')
  const p = core.malloc(room - 400)
  core.memory.grow(1)
  expect(core.realloc(p, room + 8000)).toBe(p)
  expect(core.verify()).toBe(0)
})
