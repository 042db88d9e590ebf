// heap_verify finds each broken invariant, and says its number.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { type Core, createCore, PAGE } from './core.ts'

/** Fields of the heap's header, by their offsets (assembly/layout.ts). */
const [ABI, SHADOW, ENTRIES, NODES, TOP, REACH, BINNED, MAPPED] = [4, 28, 36, 40, 64, 72, 100, 104]
const LISTS = 400

/** A heap with a span of 32-byte blocks, a mapping, and a free block between two in use. */
function heap() {
  const core = createCore()
  const small = core.malloc(32)
  core.mmap(0, PAGE)
  const [, free, last] = [core.malloc(1000), core.malloc(1000), core.malloc(1000)]
  core.free(free)
  const at = (field: number) => core.u32(core.base + field)
  const set = (field: number, value: number) => core.setU32(core.base + field, value)
  const turn = (p: number) => {
    core.bytes(at(SHADOW) + (p >>> 7) + 1, 1)[0] ^= 1 << ((p >>> 4) & 7)
  }
  const descriptor = (p: number) => (p | 0xffff) - 1023 + ((p >>> 6) & 0x3f0)
  expect(core.verify()).toBe(0)
  return { core, small, free, last, at, set, turn, descriptor, node: at(NODES) + core.u32(free) }
}

const faults: [name: string, (h: ReturnType<typeof heap>, core: Core) => void][] = [
  ['another ABI', ({ at, set }) => set(ABI, at(ABI) + 1)],
  ['reach below top', ({ at, set }) => set(REACH, at(TOP) - 16)],
  ['a block without its first mark', ({ last, turn }) => turn(last)],
  ['a free block that touches top', ({ last, set }) => set(TOP, last)],
  ['a hint that leads elsewhere', ({ free }, core) => core.setU32(free, 0x41414141)],
  ['a node out of its ring', ({ node }, core) => core.setU32(node + 12, 0)],
  ['a wrong sum of free bytes', ({ at, set }) => set(BINNED, at(BINNED) + 16)],
  [
    'a page of spans without a used span',
    ({ small, at }, core) => core.bytes(at(ENTRIES) + ((small >>> 12) & ~15), 8).fill(0xff),
  ],
  ['an unused span with blocks', ({ small, descriptor }, core) => core.setU32(descriptor(small) + 16, 0)],
  [
    'a block in use where none can begin',
    ({ small, descriptor }, core) => core.setU32(descriptor(small), core.u32(descriptor(small)) & ~2),
  ],
  ['an active span that is detached', ({ small, descriptor }, core) => core.setU32(descriptor(small) + 12, 1)],
  ['a wrong count of spans', ({ at, set }) => set(LISTS + 16 + 8, at(LISTS + 16 + 8) + 1)],
  ['a wrong count of mapped pages', ({ at, set }) => set(MAPPED, at(MAPPED) + 1)],
]

it.each(faults.map(([name, breakIt], i) => [i + 1, name, breakIt] as const))('%d: %s', (number, _, breakIt) => {
  const h = heap()
  breakIt(h, h.core)
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
