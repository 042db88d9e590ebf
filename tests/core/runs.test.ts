// Runs: where a request would fail, unused spans of a page whose other spans are in use are a block for it.
import { expect, it } from 'vitest'
import { Core, createCore, Errno, PAGE, Reason, refusal } from './core.ts'

const SPAN = 1024
const PAGES = 32

/** Whether these bytes from p on are `value`, modulo 256. */
function isFilled(core: Core, p: number, length: number, value: number): boolean {
  return core.bytes(p, length).every((byte) => byte === (value & 255))
}

/** A full memory: small blocks of which only one is left in each page, near its middle, and larger ones where there are no spans. */
function sparse() {
  const core = createCore({ maximum: PAGES })
  const blocks: number[] = []
  for (let p = core.malloc(64); p; p = core.malloc(64)) blocks.push(p)
  const kept: number[] = []
  for (const p of blocks) {
    if ((p & (PAGE - 1)) === 30 * SPAN) {
      kept.push(p)
      core.bytes(p, 64).fill(kept.length)
    } else core.free(p)
  }
  expect(kept.length).toBeGreaterThan(PAGES - 3)
  let p = core.malloc(300)
  for (; p && core.usableSize(p) < SPAN; p = core.malloc(300)) {
    kept.push(p)
    core.bytes(p, 64).fill(kept.length)
  }
  core.free(p) // a run
  expect(core.verify()).toBe(0)
  return { core, kept }
}

it.each([257, SPAN, SPAN + 1, 5000, 20_000, 28 * SPAN])('requests for %d bytes are served by runs', (size) => {
  const { core, kept } = sparse()
  const taken: number[] = []
  for (let p = core.malloc(size); p; p = core.malloc(size)) {
    expect(core.usableSize(p)).toBeGreaterThanOrEqual(size)
    core.bytes(p, core.usableSize(p)).fill(200 + taken.push(p))
  }
  expect(core.lastError()).toBe(Errno.ENOMEM)
  expect(taken.length).toBeGreaterThanOrEqual(
    (PAGES - 3) * 2 * Math.floor((28 * SPAN) / (Math.ceil(size / SPAN) * SPAN)),
  )
  expect(core.verify()).toBe(0)
  for (const [i, p] of taken.entries()) expect(isFilled(core, p, size, 201 + i)).toBe(true)
  for (const [i, p] of kept.entries()) expect(isFilled(core, p, 64, 1 + i)).toBe(true)
  const usable = [...taken, ...kept].reduce((sum, p) => sum + core.usableSize(p), 0)
  expect(core.stats(64).inUse).toBe(usable)
  for (const p of [...taken, ...kept]) core.free(p)
  expect(core.verify()).toBe(0)
  expect(core.stats(64).inUse).toBe(0)
  expect(core.malloc((PAGES - 2) * PAGE)).not.toBe(0)
})

it('a run is as long as the spans that are free in a row, and no longer', () => {
  const { core } = sparse()
  expect(core.malloc(33 * SPAN)).toBe(0)
  const p = core.malloc(32 * SPAN) // from behind the middle up to the page's header
  expect(p & (PAGE - 1)).toBe(31 * SPAN)
  expect(core.calloc(1, 29 * SPAN) & (PAGE - 1)).toBe(SPAN)
  expect(core.verify()).toBe(0)
})

it('realloc moves a run that grows, whose spans then serve others, and leaves one that shrinks where it is', () => {
  const { core } = sparse()
  const run = core.malloc(3000)
  core.bytes(run, 3000).fill(7)
  expect(core.realloc(run, 2500)).toBe(run)
  const longer = core.realloc(run, 9000)
  expect(core.usableSize(longer)).toBe(9 * SPAN)
  expect(isFilled(core, longer, 2500, 7)).toBe(true)
  expect(core.malloc(3000)).toBe(run)
  expect(core.realloc(longer, 200)).toBe(longer)
  expect(core.realloc(longer, 2 * PAGE)).toBe(0)
  expect(isFilled(core, longer, 200, 7)).toBe(true)
  expect(core.verify()).toBe(0)
})

it('only where a run begins it is freed, and once', () => {
  const { core } = sparse()
  const run = core.malloc(3000)
  for (const p of [run + 16, run + SPAN, run + 2 * SPAN + 16]) {
    expect([Reason.notInUse, Reason.notABlock]).toContain(refusal(core, () => core.free(p)).reason)
    expect([Reason.notInUse, Reason.notABlock]).toContain(refusal(core, () => core.usableSize(p)).reason)
  }
  const other = new Core(core.memory, core.base)
  other.free(run)
  expect(refusal(core, () => core.free(run)).reason).toBe(Reason.notInUse)
  expect(core.verify()).toBe(0)
})

it.each<[string, (core: Core, descriptor: number) => void]>([
  ['too long', (core, descriptor) => core.setU32(descriptor + 8, PAGE)],
  ['no whole spans', (core, descriptor) => core.setU32(descriptor + 8, 3000)],
  ['a second block', (core, descriptor) => core.setU32(descriptor, ~3)],
  ['a block in its second span', (core, descriptor) => core.setU32(descriptor + 16, ~1)],
])('heap_verify finds a run with %s', (_, damage) => {
  const { core } = sparse()
  const run = core.malloc(3000)
  expect(core.verify()).toBe(0)
  damage(core, (run | 0xffff) - 1023 + ((run >>> 6) & 0x3f0))
  expect(core.verify()).toBe(14)
})
