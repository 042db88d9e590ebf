// Heaps with so many free blocks that the nodes that describe them become scarce.
import { describe, expect, it } from 'vitest'
import { type Core, createCore, FAILED, PAGE, Reason, refusal } from './core.ts'
import { Oracle, type Range } from './oracle.ts'
import './timeout.ts'

/** Fields of the heap's header, by their offsets (assembly/layout.ts). */
const [NODES_USED, NODES_SIZE, LOST, TOP, END, BRK] = [44, 48, 56, 64, 68, 80]

/** A heap of 400 pages whose blocks of 512 bytes leave no room but the memory's last page. Every other one is free, as many as there
 *  are nodes. */
function scarce(maximum: number) {
  const core = createCore({ initial: 400, maximum })
  const field = (offset: number) => core.u32(core.base + offset)
  const oracle = new Oracle(core.memory, core.base)
  const claim = (p: number) => oracle.claim(p, p + core.usableSize(p), 'block')
  const blocks: Range[] = []
  do blocks.push(claim(core.malloc(512)))
  while (field(BRK) < 399 * PAGE || field(END) - field(TOP) >= 200_000)
  for (let i = 1; field(NODES_SIZE) < 130_000 || field(NODES_USED) + 64 <= field(NODES_SIZE); i += 2) {
    oracle.release(blocks[i])
    core.free(blocks[i].start)
  }
  for (let room = Infinity; room >= 1500; room = field(END) - field(TOP))
    claim(core.malloc(Math.min(field(END) - field(TOP) - 16, 40_000)))
  for (const range of oracle.ranges) oracle.fill(range)
  expect(field(BRK)).toBe(399 * PAGE)
  return { core, oracle, claim }
}

it('lost blocks in a row serve a request before the memory grows, however little top lacks', () => {
  const core = createCore()
  const field = (offset: number) => core.u32(core.base + offset)
  const blocks = Array.from({ length: 1500 }, () => core.malloc(272))
  while (field(END) - field(TOP) >= 400) core.malloc(300)
  for (const [from, to] of [
    [0, 1500],
    [1201, 1300],
  ])
    for (let i = from; i < to; i += 2) core.free(blocks[i])
  expect(field(LOST)).toBeGreaterThan(100)
  const before = core.pages
  const p = core.malloc(5000)
  expect(blocks[1200]).toBeLessThanOrEqual(p)
  expect(blocks[1300]).toBeGreaterThan(p)
  expect(core.pages).toBe(before)
  expect(core.verify()).toBe(0)
})

describe('where more nodes need more room than there is', () => {
  it('no block is harmed when others have grown the memory', () => {
    const { core, oracle, claim } = scarce(2000)
    core.memory.grow(1)
    oracle.fill(claim(core.malloc(300_000)))
    expect(core.verify()).toBe(0)
    oracle.checkAll()
  })

  it.each([400, 401])('the last page of its own is used in a memory of %d, with as many as there are', (maximum) => {
    const { core, oracle, claim } = scarce(maximum)
    core.memory.grow(maximum - 400)
    oracle.fill(claim(core.malloc(60_000)))
    expect(core.verify()).toBe(0)
    oracle.checkAll()
  })
})

/** Fills a small memory with blocks of so many bytes, and some more. */
function full(size: number): { core: Core; blocks: number[] } {
  const core = createCore({ maximum: 4 })
  const blocks: number[] = []
  for (const n of [size, 257]) for (let p = core.malloc(n); p; p = core.malloc(n)) blocks.push(p)
  return { core, blocks }
}

it.each([272, 400, 1000])('free blocks of %d bytes without a node are refused, at each address', (size) => {
  for (const order of [[0], [2, 1], [0, 3, 2]]) {
    const { core, blocks } = full(size)
    const kept = new Set(blocks.filter((_, i) => !order.includes(i % 4)))
    // Neighbours of those without a node are freed later, and find no node either or one that was left.
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
    expect(core.malloc(3 * PAGE)).not.toBe(0)
  }
})

it('mappings grow in place over pages that were unmapped when no node was left', () => {
  const core = createCore({ maximum: 300 })
  const pages: number[] = []
  for (let p = core.mmap(0, PAGE); p !== FAILED; p = core.mmap(0, PAGE)) pages.push(p)
  for (const n of [1024, 257]) while (core.malloc(n));
  const odd = pages.sort((a, b) => a - b).filter((_, i) => i % 2)
  for (const p of odd) expect(core.munmap(p, PAGE)).toBe(0)
  expect(core.u32(core.base + LOST)).toBeGreaterThan(0)
  // Each page that is taken leaves a node to one that was lost.
  for (const p of odd) expect(core.mremap(p - PAGE, PAGE, 2 * PAGE, 0)).toBe(p - PAGE)
  expect(core.u32(core.base + LOST)).toBe(0)
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

it('the nodes of a heap that was emptied give their room back when it grows', () => {
  const core = createCore()
  const blocks = Array.from({ length: 5000 }, () => core.malloc(300))
  for (const rest of [0, 1]) for (let i = rest; i < blocks.length; i += 2) core.free(blocks[i])
  const size = core.u32(core.base + NODES_SIZE)
  core.malloc(core.size)
  expect(core.u32(core.base + NODES_SIZE)).toBeLessThan(size / 4)
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
  let lost = 0
  for (let round = 2; round <= 5; round++) {
    while (blocks.length) {
      core.free(blocks.splice(below(blocks.length), 1)[0])
      lost = Math.max(lost, core.u32(core.base + LOST))
    }
    expect(core.verify()).toBe(0)
    expect(core.u32(core.base + LOST)).toBe(0)
    blocks = fill()
    expect(blocks.length).toBeGreaterThanOrEqual(first)
  }
  expect(lost).toBeGreaterThan(0)
})
