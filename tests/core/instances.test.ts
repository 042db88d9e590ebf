// All state is in memory: instances share a heap, and a copy of the memory is a copy of the heap.
import { describe, expect, it } from 'vitest'
import { Core, createCore, Errno, PAGE, Reason, refusal } from './core.ts'
import { Oracle } from './oracle.ts'

const another = (core: Core) => new Core(core.memory, core.base)
function copied(core: Core): Core {
  const memory = new WebAssembly.Memory({ initial: core.pages, maximum: 0x10000 })
  new Uint8Array(memory.buffer).set(new Uint8Array(core.memory.buffer))
  return new Core(memory, core.base)
}

describe('several instances on one memory', () => {
  it('verify a heap, empty or not, as their first call', () => {
    const core = createCore()
    expect(core.verify()).toBe(0)
    core.malloc(1000)
    expect(another(core).verify()).toBe(0)
  })

  it('each take what the other has allocated', () => {
    const one = createCore()
    const p = one.malloc(100)
    const two = another(one)
    expect(two.usableSize(p)).toBe(112)
    two.free(p)
    expect(refusal(one, () => one.free(p))).toEqual({ reason: Reason.notInUse, address: p })
    expect(two.trapAddress()).toBe(p)
    expect(one.malloc(100)).toBe(p)
  })

  it('know of blocks in memory that the other has grown', () => {
    const one = createCore()
    const two = another(one)
    one.malloc(10)
    two.malloc(10)
    const p = one.malloc(5 * PAGE)
    two.free(p)
    const q = two.malloc(90 * PAGE)
    one.bytes(q, 90 * PAGE).fill(7)
    expect(one.usableSize(q)).toBeGreaterThanOrEqual(90 * PAGE)
    one.free(q)
    expect(one.verify()).toBe(0)
    expect(two.verify()).toBe(0)
  })

  it.each([0x101, 0x110, 0x200])('leave a heap of another version or variant (%d) as it is', (abi) => {
    const core = createCore()
    const p = core.malloc(100)
    core.setU32(core.base + 4, abi)
    const before = core.bytes(0, core.size).slice()
    const other = another(core)
    expect(other.malloc(100)).toBe(0)
    expect(other.lastError()).toBe(Errno.ENOMEM)
    expect(other.mmap(0, PAGE)).toBe(0xffffffff)
    expect(() => other.free(p)).toThrow(WebAssembly.RuntimeError)
    expect(other.verify()).toBe(1)
    expect(core.bytes(0, core.size)).toEqual(before)
  })

  it('hand out disjoint blocks in turn', () => {
    const cores = [createCore()]
    cores.push(another(cores[0]), another(cores[0]))
    const oracle = new Oracle(cores[0].memory, cores[0].base)
    for (let i = 0; i < 3000; i++) {
      const size = (i * 7919) % (i % 10 ? 300 : 9000)
      const p = cores[i % 3].malloc(size)
      oracle.fill(oracle.claim(p, p + cores[(i + 1) % 3].usableSize(p), 'block'))
    }
    oracle.checkAll()
    for (const [i, { start }] of oracle.ranges.entries()) cores[i % 3].free(start)
    expect(cores.map((core) => core.verify())).toEqual([0, 0, 0])
  })
})

describe('a copied memory', () => {
  it('goes on as a heap of its own', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let i = 0; i < 500; i++) {
      const p = core.malloc(i * 13)
      oracle.fill(oracle.claim(p, p + core.usableSize(p), 'block'))
    }
    const mapping = core.mmap(0, 3 * PAGE)
    const copy = copied(core)
    const inCopy = new Oracle(copy.memory, copy.base)
    for (const { start, end, pattern } of oracle.ranges) inCopy.claim(start, end, 'block').pattern = pattern
    inCopy.checkAll()
    expect(copy.verify()).toBe(0)
    expect(copy.stats(64)).toEqual(core.stats(64))
    // What happens in the copy is not seen in the original, and the other way round.
    expect(copy.munmap(mapping, 3 * PAGE)).toBe(0)
    for (const { start } of inCopy.ranges.splice(0, 250)) copy.free(start)
    for (let i = 0; i < 500; i++) {
      const p = copy.malloc(i * 17)
      inCopy.claim(p, p + copy.usableSize(p), 'block')
    }
    oracle.checkAll()
    expect([core.verify(), copy.verify()]).toEqual([0, 0])
    expect(core.stats(64).mapped).toBe(3 * PAGE)
    for (const { start } of oracle.ranges) core.free(start)
    expect(core.verify()).toBe(0)
  })

  it('keeps the last error and the last refusal', () => {
    const core = createCore()
    expect(core.malloc(0xffffffff)).toBe(0)
    refusal(core, () => core.free(8))
    const copy = copied(core)
    expect([copy.lastError(), copy.trapReason(), copy.trapAddress()]).toEqual([12, Reason.outside, 8])
  })
})

describe('memory that others grow', () => {
  it('is never handed out, and the heap goes on behind it', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    core.malloc(1)
    for (let i = 0; i < 20; i++) {
      const start = core.size
      const pages = 1 + (i % 3)
      core.memory.grow(pages)
      oracle.fill(oracle.claim(start, start + pages * PAGE, 'foreign'))
      for (const size of [100, 3000, PAGE - 100, (i % 5) * PAGE]) {
        const p = i % 4 ? core.malloc(size) : core.mmap(0, size + 1)
        oracle.fill(oracle.claim(p, p + (i % 4 ? core.usableSize(p) : size + 1), 'block'))
      }
      expect(core.verify()).toBe(0)
    }
    oracle.checkAll()
    for (const { start, owner } of oracle.ranges) {
      if (owner === 'foreign') expect(refusal(core, () => core.free(start + 32)).address).toBe(start + 32)
    }
    expect(core.verify()).toBe(0)
  })

  it('before the heap begins is the heap’s', () => {
    const core = createCore()
    core.memory.grow(9)
    core.malloc(8 * PAGE)
    expect(core.pages).toBe(10)
  })

  it('is skipped by sbrk, which says where its bytes begin', () => {
    const core = createCore()
    core.malloc(1)
    const old = core.sbrk(100)
    expect(core.sbrk(0)).toBe(old + 100)
    const start = core.size
    core.memory.grow(2)
    core.bytes(start, 2 * PAGE).fill(9)
    const p = core.sbrk(3 * PAGE)
    expect(p).toBeGreaterThanOrEqual(start + 2 * PAGE)
    new Oracle(core.memory, core.base).checkZero(p, p + 3 * PAGE)
    expect(core.sbrk(0)).toBe(p + 3 * PAGE)
    expect(core.brk(p)).toBe(0)
    expect(core.verify()).toBe(0)
  })
})
