// heap_verify finds each broken invariant, and says its number.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type Core, createCore, fields, offsetOf, PAGE } from './core.ts'

/** What follows the header's fields, and the bytes of all, by their offsets (assembly/layout.ts). */
const [ACTIVE, LISTS, BINS_SET, HEADER_SIZE] = [128, 384, 656, 712]

/** A heap with a mapping, a span of 32-byte blocks, and a free block between two in use. */
function heap() {
  const core = createCore()
  core.mmap(0, 4 * PAGE)
  const small = core.malloc(32) // in a page of many spans, as the heap is no small one
  const [, free, last] = [core.malloc(60_000), core.malloc(60_000), core.malloc(60_000)]
  core.free(free)
  const offset = (at: number | string) => (typeof at === 'string' ? offsetOf(at) : at)
  const at = (field: number | string) => core.u32(core.base + offset(field))
  const set = (field: number | string, value: number) => core.setU32(core.base + offset(field), value)
  const turn = (p: number) => {
    core.bytes(at('shadow') + (p >>> 7) + 1, 1)[0] ^= 1 << ((p >>> 4) & 7)
  }
  const descriptor = (p: number) => (p | 0xffff) - 1023 + ((p >>> 6) & 0x3f0)
  expect(core.verify()).toBe(0)
  return { core, small, free, last, at, set, turn, descriptor, node: at('nodes') + core.u32(free) }
}

const faults: [name: string, (h: ReturnType<typeof heap>, core: Core) => void][] = [
  ['another ABI', ({ at, set }) => set('abi', at('abi') + 1)],
  ['end below top', ({ at, set }) => set('end', at('top') - 16)],
  ['a block without its first mark', ({ last, turn }) => turn(last)],
  ['a free block that touches top', ({ last, set }) => set('top', last)],
  ['a hint that leads elsewhere', ({ free }, core) => core.setU32(free, 0x41414141)],
  ['a node out of its ring', ({ node }, core) => core.setU32(node + 12, 0)],
  ['a wrong sum of free bytes', ({ at, set }) => set('freeBytes', at('freeBytes') + 16)],
  [
    'a page of spans without a used span',
    ({ small, at }, core) => core.bytes(at('entries') + ((small >>> 12) & ~15), 8).fill(0xff),
  ],
  ['an unused span with blocks', ({ small, descriptor }, core) => core.setU32(descriptor(small) + 16, 0)],
  [
    'a block in use where none can begin',
    ({ small, descriptor }, core) => core.setU32(descriptor(small), core.u32(descriptor(small)) & ~2),
  ],
  ['an active span that is detached', ({ small, descriptor }, core) => core.setU32(descriptor(small) + 12, 1)],
  ['a wrong count of spans', ({ at, set }) => set(LISTS + 16 + 8, at(LISTS + 16 + 8) + 1)],
  ['a wrong count of mapped pages', ({ at, set }) => set('mapped', at('mapped') + 1)],
  ['a run of less than a span', ({ small, descriptor }, core) => core.setU32(descriptor(small) + 12, 3)],
]

it.each(faults.map(([name, breakIt], i) => [i + 1, name, breakIt] as const))('%d: %s', (number, _, breakIt) => {
  const h = heap()
  breakIt(h, h.core)
  expect(h.core.verify()).toBe(number)
})

it('whatever stands in the header, it comes to an end, and nothing traps', () => {
  const offsets = Array.from({ length: HEADER_SIZE }, (_, offset) => offset)
  // What no walk depends on: errno, the reason and address of a refusal, what is known to be zero, counters of the past, a block's size
  // where there is no block.
  const names = ['error', 'reason', 'address', 'fresh', 'growths', 'peak', 'settled', 'emptied', 'lodgeSize']
  const free = names.map(offsetOf)
  const found = offsets.filter((offset) => {
    const { core } = heap()
    core.bytes(core.base + offset, 1)[0] ^= 0x80
    return core.verify() !== 0
  })
  for (const field of free) expect(found).not.toContain(field + 1)
  for (const field of fields.map(offsetOf)) if (!free.includes(field)) expect(found).toContain(field + 1)
})

it.each([
  ['an active span', ACTIVE],
  ['the first span of a list', LISTS],
  ['the last span of a list', LISTS + 4],
])('%s that is none is found in a bin that has no spans', (_, offset) => {
  const { core, set, at } = heap()
  const unused = 16 * 15
  expect(at(LISTS + unused + 8)).toBe(0)
  set(offset + unused, core.base)
  expect(core.verify()).toBe(11)
})

it.each<[string, number, (h: ReturnType<typeof heap>) => void]>([
  [
    'a page of blocks that is noted as mapped',
    13,
    ({ core, at, last }) => {
      core.bytes(at('map') + (last >>> 16), 1)[0] = 65
    },
  ],
  [
    'a page without spans that is noted as roomy',
    8,
    ({ core, at }) => {
      const mapped = [0, 1, 2, 3].find((page) => core.bytes(at('map') + page, 1)[0] === 65)
      core.bytes(at('entries') + ((core.base >>> 12) & ~15) + 8, 1)[0] |= 1 << Number(mapped)
    },
  ],
  [
    'a bin that no search finds',
    6,
    ({ set }) => {
      for (let at = BINS_SET; at < HEADER_SIZE; at += 4) set(at, 0)
    },
  ],
  [
    'a node in a bin of smaller sizes than its block’s',
    6,
    ({ core, node, at, set }) => {
      const number = node - at('nodes')
      const [next, prev] = [core.u32(node + 8), core.u32(node + 12)]
      core.setU32(at('nodes') + next + 12, prev)
      core.setU32(at('nodes') + prev + 8, next)
      const head = 16 - 8 // of the first bin, so that its links are where a node has them
      for (const link of [8, 12]) {
        core.setU32(at('nodes') + head + link, number)
        core.setU32(node + link, head)
      }
      set(BINS_SET, at(BINS_SET) | 1)
    },
  ],
  ['cells of a bin that has no spans', 10, ({ set, at }) => set(ACTIVE + 16 * 15 + 8, at(ACTIVE + 16 * 15 + 8) ^ 2)],
  ['a bin behind the last', 6, ({ set }) => set(BINS_SET + 26 * 2, 1)],
  ['room in the span of bins that have none', 11, ({ set }) => set(LISTS + 256, 1)],
  ['a mark behind top', 3, ({ turn, at }) => turn(at('top') + 160)],
  ['a mark where the tables are', 3, ({ turn, at }) => turn(at('end') + 160)],
  [
    'a page of spans behind top',
    8,
    ({ core, at }) => {
      core.bytes(at('map') + (at('border') >>> 16) - 1, 1)[0] = 34
    },
  ],
  [
    'a page of spans beyond the heap',
    8,
    ({ core, at }) => {
      core.bytes(at('map') + (at('border') >>> 16), 1)[0] = 34
    },
  ],
  [
    'a page beyond the heap that is noted as roomy',
    8,
    ({ core, at }) => {
      core.bytes(at('entries') + ((core.base >>> 12) & ~15) + 8 + 3, 1)[0] |= 0x80
    },
  ],
  [
    'a list of unused nodes that comes back to itself',
    7,
    ({ core, at, set }) => {
      core.free(core.malloc(1000))
      set('nodeFree', 16 + 26 * 16 * 8)
      core.setU32(at('nodes') + 16 + 26 * 16 * 8 + 8, 16 + 26 * 16 * 8)
    },
  ],
])('finds %s', (_, number, breakIt) => {
  const h = heap()
  breakIt(h)
  expect(h.core.verify()).toBe(number)
})

it('a block that ends in the last cells but one of a page never touched is sound', () => {
  for (let cell = 4090; cell <= 4098; cell++) {
    const core = createCore()
    const p = core.malloc(10 * PAGE)
    expect(core.realloc(p, 4 * PAGE + cell * 16 - p)).toBe(p)
    expect(core.verify()).toBe(0)
  }
})

it('the invariants of docs/architecture.md are those of the core', () => {
  const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  const constants = read('assembly/verify.ts').matchAll(
    /\/\*\* ((?:(?!\*\/)[\s\S])*?)\.? \*\/\nconst [A-Z_]+: u32 = (\d+)/g,
  )
  const rows = [...constants].map(([, text, number]) => `| ${number} | ${text.replace(/\s*\n \*\s*/g, ' ')} |`)
  expect(rows).toHaveLength(faults.length)
  expect(read('docs/architecture.md')).toContain(rows.join('\n'))
})
