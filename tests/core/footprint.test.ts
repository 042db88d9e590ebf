// How little memory a small program takes: its heap begins in one page, which small and larger blocks share.
import { expect, it } from 'vitest'
import { Random } from '../../bench/random.ts'
import { createCore, PAGE } from './core.ts'

/** Where the heap of a program with little data begins, in its first page. */
const BASE = 1040

const sizes: Record<string, (random: Random) => number> = {
  'sizes from 8 to 4,096': (random) => random.logUniform(8, 4096),
  'small blocks': (random) => random.between(8, 128),
  'larger blocks': (random) => random.between(257, 2000),
  'mostly objects, some buffers': (random) =>
    random.between(0, 9) ? random.between(16, 116) : random.between(300, 1800),
}

for (const [live, pages] of [
  [1000, 1],
  [10_000, 1],
  [30_000, 1],
  [100_000, 2],
]) {
  it.each(Object.entries(sizes))(
    `${live} bytes in %s take ${pages === 1 ? 'one page' : `${pages} pages`}`,
    (_, size) => {
      for (let seed = 1; seed <= 20; seed++) {
        const random = new Random(`footprint ${seed}`)
        const core = createCore({ base: BASE, initial: 1 })
        for (let bytes = 0, n = size(random); bytes + n <= live; bytes += n, n = size(random)) {
          core.malloc(n)
          // Some come and go.
          core.free(core.malloc(size(random)))
        }
        expect(core.pages, `seed ${seed}`).toBe(pages)
        expect(core.verify()).toBe(0)
      }
    },
  )
}

it('a page of spans in a small heap takes what small blocks need, down to the first block, and is free again as a whole', () => {
  const core = createCore({ base: BASE, initial: 1 })
  const first = core.malloc(300)
  const small: number[] = []
  while (core.pages === 1) small.push(core.malloc(256))
  // But for the header, the first block and less than two spans, all of the page.
  expect((small.length - 1) * 256).toBeGreaterThan(PAGE - (first + 304) - 3 * 1024)
  expect(core.verify()).toBe(0)
  for (const block of [...small, first]) core.free(block)
  expect(core.malloc(PAGE - first)).toBe(first)
})

it('a page of spans is given back and made again', () => {
  const core = createCore({ base: BASE, initial: 1 })
  for (let round = 0; round < 3; round++) {
    const [small, large] = [core.malloc(16), core.malloc(20_000)]
    core.free(small)
    expect(core.malloc(50_000)).not.toBe(0) // what bins keep goes before top enters another page
    expect(core.verify()).toBe(0)
    core.free(large)
  }
})

const sixSizes = [16, 32, 64, 96, 128, 256]

it('an empty heap keeps the spans of up to six bins', () => {
  const core = createCore({ base: BASE, initial: 1 })
  const round = (sizes: number[]) => {
    for (const block of sizes.map((size) => core.malloc(size))) core.free(block)
    expect(core.verify()).toBe(0)
    return core.field('fixed')
  }
  const empty = round([5000])
  expect(round(sixSizes)).toBe(empty + 7 * 1024)
  expect(round(sixSizes)).toBe(empty + 7 * 1024)
  expect(round([...sixSizes, 200])).toBe(empty)
})

it('a heap with a block in use has a span for each size that comes and goes', () => {
  const core = createCore({ base: BASE, initial: 1 })
  core.sbrk(0) // begins the heap
  const fixed = core.field('fixed')
  core.malloc(16)
  for (let size = 16; size <= 256; size += 16) core.free(core.malloc(size))
  expect(core.field('fixed')).toBe(fixed + 17 * 1024)
  expect(core.verify()).toBe(0)
})

it('what bins keep since the heap was empty goes before a page of spans takes more', () => {
  const core = createCore({ base: BASE, initial: 1 })
  for (const block of sixSizes.map((size) => core.malloc(size))) core.free(block)
  const fixed = core.field('fixed')
  for (const size of [48, 80]) core.malloc(size)
  expect(core.field('fixed')).toBe(fixed)
  expect(core.verify()).toBe(0)
})

it('a large block grows where it is, over what only empty spans hold', () => {
  const core = createCore({ base: BASE, initial: 1 })
  const small = [16, 32, 48].map((size) => core.malloc(size))
  const p = core.malloc(20_000)
  for (const block of small) core.free(block)
  expect(core.realloc(p, 200_000)).toBe(p)
  expect(core.verify()).toBe(0)
})
