// The break: sbrk and brk.
import { describe, expect, it } from 'vitest'
import { BREAK_MAX, Core, createCore, Errno, FAILED, PAGE } from './core.ts'
import { Oracle } from './oracle.ts'

describe('a host that grows the memory by more than it is asked for', () => {
  it('leaves the heap all of it', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 })
    let calls = 0
    const core = new Core(memory, 1024, (pages) => {
      calls++
      return memory.grow(pages + 10)
    })
    const blocks = Array.from({ length: 60 }, () => core.malloc(PAGE))
    expect(calls).toBeLessThan(8)
    for (const block of blocks) core.free(block)
    expect(core.malloc(60 * PAGE)).toBeGreaterThan(0)
    expect(core.verify()).toBe(0)
  })
})

describe('memory that others have grown', () => {
  it('leaves the break where it is when a request is refused', () => {
    const core = createCore({ initial: 2, maximum: 4 })
    core.sbrk(PAGE)
    const before = core.sbrk(0)
    core.memory.grow(1)
    expect(core.malloc(1_000_000)).toBe(0)
    expect(core.sbrk(0)).toBe(before)
    expect(core.sbrk(-PAGE)).toBe(before)
    expect(core.verify()).toBe(0)
  })

  it('lies in the way of brk, which then changes nothing', () => {
    const core = createCore({ initial: 2, maximum: 20 })
    core.sbrk(100)
    const before = core.sbrk(0)
    core.memory.grow(1)
    expect(core.brk(before + 70_000)).toBe(-1)
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.sbrk(0)).toBe(before)
    expect(core.pages).toBe(3)
    expect(core.brk(before + 100)).toBe(0)
    expect(core.sbrk(-200)).toBe(before + 100)
    expect(core.verify()).toBe(0)
  })

  it('is passed over at once, where there is room beyond it', () => {
    for (let maximum = 6; maximum < 16; maximum++) {
      for (let initial = 3; initial < maximum - 1; initial++) {
        for (let share = 0.1; share < initial - 0.3; share += 0.3) {
          for (const n of [1, 2, 3]) {
            const core = createCore({ initial, maximum })
            core.malloc(share * PAGE)
            core.memory.grow(1)
            const first = core.mmap(0, n * PAGE)
            if (first === FAILED) expect(core.mmap(0, n * PAGE)).toBe(FAILED)
          }
        }
      }
    }
  })
})

describe('sbrk', () => {
  it('can be taken back after a block before it could not grow', () => {
    const core = createCore({ maximum: 2 })
    const p = core.malloc(300)
    const start = core.sbrk(16)
    expect(core.realloc(p, PAGE)).toBe(0)
    expect([core.sbrk(0), core.sbrk(-16), core.sbrk(0)]).toEqual([start + 16, start + 16, start])
    expect(core.verify()).toBe(0)
  })

  it('returns where the break was, and 0 asks', () => {
    const core = createCore()
    const start = core.sbrk(0)
    expect(core.sbrk(100)).toBe(start)
    expect(core.sbrk(0)).toBe(start + 100)
    expect(core.sbrk(1)).toBe(start + 100)
    expect(core.sbrk(3 * PAGE)).toBe(start + 101)
    expect(core.size).toBeGreaterThanOrEqual(start + 101 + 3 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('takes back what it gave, byte by byte or at once', () => {
    const core = createCore()
    const start = core.sbrk(5 * PAGE)
    core.sbrk(77)
    expect(core.sbrk(-1)).toBe(start + 5 * PAGE + 77)
    expect(core.sbrk(-76)).toBe(start + 5 * PAGE + 76)
    expect(core.sbrk(-5 * PAGE)).toBe(start + 5 * PAGE)
    expect(core.sbrk(0)).toBe(start)
    expect(core.verify()).toBe(0)
  })

  it('gives zeros when bytes are taken again', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    const start = core.sbrk(3 * PAGE + 5)
    core.bytes(start, 3 * PAGE + 5).fill(0xff)
    core.sbrk(-2 * PAGE - 3)
    core.sbrk(2 * PAGE + 100)
    expect(core.bytes(start, PAGE + 2).every((byte) => byte === 0xff)).toBe(true)
    oracle.checkZero(start + PAGE + 2, start + 3 * PAGE + 102)
  })

  it('and the heap take up to 16 bytes that a program wrote behind the break', () => {
    const core = createCore({ maximum: 8 })
    core.malloc(60_000)
    const p = core.sbrk(1008)
    core.bytes(p + 1008, 16).fill(0xff)
    for (let i = 0; i < 4; i++) {
      const block = core.calloc(1, 50_000)
      expect(core.bytes(block, 50_000).every((byte) => byte === 0)).toBe(true)
    }
    for (let bytes = 48_000; bytes <= 0xfff0; bytes += 16) {
      for (const back of [0, bytes]) {
        const core = createCore()
        core.malloc(100)
        const p = core.sbrk(bytes)
        core.bytes(p + bytes, Math.min(16, core.size - p - bytes)).fill(0xff)
        core.sbrk(-back)
        const blocks = [50_000, 70_000].map((size) => [core.calloc(1, size), size])
        for (const [block, size] of blocks) new Oracle(core.memory, core.base).checkZero(block, block + size)
        expect(core.verify()).toBe(0)
      }
    }
  })

  it('gives zeros, also from memory that was dirty before the heap began', () => {
    const core = createCore({ initial: 20 })
    core.bytes(core.base, core.size - core.base).fill(0xbb)
    const oracle = new Oracle(core.memory, core.base)
    for (let i = 0; i < 30; i++) {
      const p = core.sbrk(PAGE - 77)
      oracle.checkZero(p, p + PAGE - 77)
      core.bytes(p, PAGE - 77).fill(0xee)
      if (i % 3 === 0) core.malloc(i * 400)
    }
    expect(core.verify()).toBe(0)
  })

  it('refuses to go below what it has given, and changes nothing', () => {
    const core = createCore()
    const block = core.malloc(1000)
    for (const bytes of [1, 100, PAGE, 0x7fffffff, 0x80000000]) {
      const before = core.sbrk(0)
      expect(core.sbrk(-bytes)).toBe(FAILED)
      expect(core.lastError()).toBe(Errno.ENOMEM)
      expect(core.sbrk(0)).toBe(before)
    }
    core.sbrk(50)
    expect(core.sbrk(-51)).toBe(FAILED)
    expect(core.sbrk(-50)).not.toBe(FAILED)
    expect(core.usableSize(block)).toBe(1008)
    expect(core.verify()).toBe(0)
  })

  it('refuses to take back what lies below memory that malloc took since', () => {
    const core = createCore()
    const start = core.sbrk(1000)
    core.bytes(start, 1000).fill(0x55)
    const block = core.malloc(4 * PAGE)
    expect(block).toBeGreaterThan(start)
    expect(core.sbrk(-1)).toBe(FAILED)
    const more = core.sbrk(10)
    expect(more).toBeGreaterThan(block)
    expect(core.sbrk(-11)).toBe(FAILED)
    expect(core.sbrk(-10)).toBe(more + 10)
    expect(core.bytes(start, 1000).every((byte) => byte === 0x55)).toBe(true)
    expect(core.verify()).toBe(0)
  })

  it('refuses more than there can be', () => {
    const core = createCore({ maximum: 10 })
    const before = core.sbrk(0)
    expect(core.sbrk(0x7fffffff)).toBe(FAILED)
    expect(core.sbrk(10 * PAGE - before + 1)).toBe(FAILED)
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.sbrk(0)).toBe(before)
    expect(core.sbrk(10 * PAGE - before)).toBe(before)
    expect(core.sbrk(1)).toBe(FAILED)
    expect(core.sbrk(0)).toBe(10 * PAGE)
    expect(core.verify()).toBe(0)
  })

  it('never gives a byte to two: what it gave is not malloc’s', () => {
    const core = createCore()
    const oracle = new Oracle(core.memory, core.base)
    for (let i = 0; i < 300; i++) {
      const n = (i * 4099) % (i % 7 ? 1000 : 100_000)
      const p = i % 2 ? core.malloc(n) : core.sbrk(n + 1)
      oracle.fill(oracle.claim(p, p + (i % 2 ? core.usableSize(p) : n + 1), 'block'))
    }
    oracle.checkAll()
    expect(core.verify()).toBe(0)
  })

  it('refused leaves a hole that malloc can still serve from', () => {
    // As where the break is stuck, but memory was unmapped below it.
    const core = createCore({ maximum: 12 })
    const p = core.mmap(0, 6 * PAGE)
    core.sbrk(12 * PAGE - core.sbrk(0))
    expect(core.sbrk(1)).toBe(FAILED)
    expect(core.munmap(p, 6 * PAGE)).toBe(0)
    expect(core.sbrk(1)).toBe(FAILED)
    expect(core.malloc(6 * PAGE - 16)).not.toBe(0)
    expect(core.verify()).toBe(0)
  })
})

describe('growth', () => {
  it('asks for more than it needs as the heap gets large, and for no more than that if it is refused', () => {
    const asked: number[] = []
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 0x1000 })
    const core = new Core(memory, 1024, (pages) => {
      asked.push(pages)
      return pages > 1 && memory.buffer.byteLength > 12 * 2 ** 20 ? -1 : memory.grow(pages)
    })
    for (let i = 0; i < 14_000; i++) expect(core.malloc(1000)).not.toBe(0)
    expect(Math.max(...asked)).toBeGreaterThan(2)
    expect(asked.at(-1)).toBe(1)
    for (let i = 0; i < 2000; i++) expect(core.sbrk(1000)).not.toBe(FAILED)
    expect(asked.at(-1)).toBe(1)
    expect(core.size).toBeGreaterThan(15 * 2 ** 20)
    expect(core.verify()).toBe(0)
  })
})

describe('brk', () => {
  it('moves the break to an address', () => {
    const core = createCore()
    const start = core.sbrk(0)
    expect(core.brk(start + 5000)).toBe(0)
    expect(core.sbrk(0)).toBe(start + 5000)
    core.bytes(start, 5000).fill(1)
    expect(core.brk(start + 10)).toBe(0)
    expect(core.brk(start + 10)).toBe(0)
    expect(core.brk(start + 20)).toBe(0)
    expect([...core.bytes(start, 20)]).toEqual([...Array(10).fill(1), ...Array(10).fill(0)])
    expect(core.brk(start)).toBe(0)
    expect(core.sbrk(0)).toBe(start)
    expect(core.verify()).toBe(0)
  })

  it('refuses addresses below the heap’s own and above all memory', () => {
    const core = createCore({ maximum: 10 })
    const before = core.sbrk(0)
    for (const address of [0, 1, core.base, before - 1, 10 * PAGE + 1, BREAK_MAX, BREAK_MAX + 1, 0xffffffff]) {
      expect(core.brk(address)).toBe(-1)
      expect(core.lastError()).toBe(Errno.ENOMEM)
      expect(core.sbrk(0)).toBe(before)
    }
    expect(core.verify()).toBe(0)
  })

  it('refuses to reach over memory that others have grown', () => {
    const core = createCore()
    const old = core.sbrk(10)
    const foreign = core.size
    core.memory.grow(1)
    core.bytes(foreign, PAGE).fill(3)
    expect(core.brk(foreign + 2 * PAGE)).toBe(-1)
    expect(core.lastError()).toBe(Errno.ENOMEM)
    expect(core.bytes(foreign, PAGE).every((byte) => byte === 3)).toBe(true)
    expect(old).toBeGreaterThan(0)
    expect(core.malloc(100)).not.toBe(0)
    expect(core.verify()).toBe(0)
  })
})
