// Blocks through the host, one by one and many at once.
import { describe, expect, it, vi } from 'vitest'
import { createHeapSync, HeapError } from '../../src/index.ts'
import { bytes, PAGE, thrown } from './host.ts'

describe('blocks', () => {
  it('calloc of no bytes, however many', () => {
    const heap = createHeapSync()
    expect(heap.calloc(0, 2 ** 33)).not.toBe(0)
    expect(heap.calloc(2 ** 33, 0)).not.toBe(0)
  })

  it('malloc, calloc, realloc, alignedAlloc, usableSize, free', () => {
    const heap = createHeapSync()
    const a = heap.malloc(100)
    heap.u8.fill(1, a, a + 100)
    expect(heap.usableSize(a)).toBeGreaterThanOrEqual(100)
    const b = heap.calloc(25, 4)
    expect(heap.view(b, Uint8Array, 100).every((byte) => byte === 0)).toBe(true)
    const c = heap.realloc(a, 100000)
    expect(heap.view(c, Uint8Array, 100).every((byte) => byte === 1)).toBe(true)
    const d = heap.alignedAlloc(4096, 10)
    expect(d % 4096).toBe(0)
    heap.free(heap.alignedAlloc(1, 10))
    expect(heap.usableSize(0)).toBe(0)
    for (const pointer of [b, c, d, 0]) heap.free(pointer)
    expect(heap.realloc(heap.malloc(5), 0)).toBe(0)
    expect(heap.stats().inUse).toBe(0)
    expect(heap.verify()).toBe(0)
  })

  it('addresses from 2 GiB on are unsigned', () => {
    const heapBase = 0x90000000
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: heapBase / PAGE }), heapBase })
    const pointers = [heap.malloc(10), heap.calloc(1, 10), heap.realloc(0, 10), heap.alignedAlloc(64, 10)]
    for (const pointer of pointers) {
      expect(pointer).toBeGreaterThan(heapBase)
      expect(heap.usableSize(pointer)).toBeGreaterThanOrEqual(10)
      const moved = heap.realloc(pointer, 1000)
      expect(moved).toBeGreaterThan(heapBase)
      heap.free(moved)
    }
    const [twice] = [heap.malloc(10), heap.malloc(10)]
    heap.free(twice)
    expect(thrown(() => heap.free(twice))).toMatchObject({ code: 'NOT_IN_USE', address: twice })
    const mapping = heap.mmap(PAGE)
    expect(mapping).toBeGreaterThan(heapBase)
    expect(heap.mremap(mapping, PAGE, 2 * PAGE)).toBeGreaterThan(heapBase)
    expect(heap.sbrk(0)).toBeGreaterThan(heapBase)
  })

  it('sizes from 2 GiB on are unsigned, and the whole memory has views', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(3e9)
    heap.u8[mapping + 3e9 - 1] = 5
    expect(heap.view(mapping + 3e9 - 2, Uint8Array, 2)).toEqual(new Uint8Array([0, 5]))
    expect(heap.stats().mapped).toBe(Math.ceil(3e9 / PAGE) * PAGE)
    const large = createHeapSync()
    expect(large.usableSize(large.malloc(2 ** 31 - 1))).toBe(2 ** 31)
    expect(createHeapSync().malloc(2 ** 31)).toBe(0) // a block's size is at most PTRDIFF_MAX
  })

  it('there is no memory: 0, and every block stays as it is', () => {
    const heap = createHeapSync({ maximum: 2 })
    const pointer = heap.malloc(50000)
    heap.u8.fill(3, pointer, pointer + 50000)
    const requests: [string, () => number][] = [
      1e6,
      2 ** 31,
      3e9,
      2 ** 32,
      2 ** 33 + 1,
      Number.MAX_SAFE_INTEGER,
    ].flatMap((size) => [
      ['malloc', () => heap.malloc(size)],
      ['calloc', () => heap.calloc(size, 1)],
      ['calloc', () => heap.calloc(1, size)],
      ['realloc', () => heap.realloc(pointer, size)],
      ['alignedAlloc', () => heap.alignedAlloc(16, size)],
    ])
    for (const [, request] of requests) expect(request()).toBe(0)
    expect(heap.calloc(65536, 65536)).toBe(0)
    expect(heap.alignedAlloc(2 ** 31, 1)).toBe(0)
    expect(heap.view(pointer, Uint8Array, 50000).every((byte) => byte === 3)).toBe(true)
    expect(heap.verify()).toBe(0)
  })
})

describe('many blocks at once', () => {
  const sizesOf = (length: number) => Uint32Array.from({ length }, (_, i) => (i * 37) % 300)

  it.each([0, 1, 7, 8, 9, 1023, 1024, 1025, 2500])('%i blocks', (length) => {
    const heap = createHeapSync()
    const sizes = sizesOf(length)
    const blocks = heap.mallocMany(sizes) as Uint32Array
    expect(sizes).toEqual(sizesOf(length))
    expect(blocks.length).toBe(length)
    blocks.forEach((block, i) => {
      heap.u8.fill(i, block, block + sizes[i])
    })
    for (const [i, block] of blocks.entries()) {
      expect(heap.usableSize(block)).toBeGreaterThanOrEqual(sizes[i])
      expect(heap.view(block, Uint8Array, sizes[i]).every((byte) => byte === (i & 255))).toBe(true)
    }
    expect(heap.verify()).toBe(0)
    heap.freeMany(blocks)
    expect(heap.stats().inUse).toBe(0)
    expect(heap.verify()).toBe(0)
  })

  it('sizes may stand in the memory, which grows meanwhile', () => {
    const heap = createHeapSync({ maximum: 200 })
    const sizes = heap.view(heap.malloc(8000), Uint32Array, 2000).fill(3000)
    const blocks = heap.mallocMany(sizes) as Uint32Array
    expect(sizes.length).toBe(0)
    expect(new Set(blocks).size).toBe(2000)
  })

  it('addresses from 2 GiB on are unsigned', () => {
    const heapBase = 0x90000000
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: heapBase / PAGE }), heapBase })
    const blocks = heap.mallocMany(sizesOf(1500)) as Uint32Array
    for (const block of blocks) expect(block).toBeGreaterThan(heapBase)
    heap.freeMany(blocks)
    expect(heap.stats().inUse).toBe(0)
  })

  it.each([
    ['the last', Uint32Array.of(...sizesOf(1500), 3e9)],
    ['the first', Uint32Array.of(3e9, 1)],
    ['none alone', new Uint32Array(5000).fill(100)],
  ])('there is no memory for all (too much is %s): null, and none is allocated', (_, sizes) => {
    const heap = createHeapSync({ maximum: 6 })
    const block = heap.malloc(1000)
    const before = heap.stats().inUse
    expect(heap.mallocMany(new Uint32Array())).toEqual(new Uint32Array())
    expect(heap.mallocMany(sizes)).toBe(null)
    expect(heap.stats().inUse).toBe(before)
    expect(heap.verify()).toBe(0)
    heap.free(block)
  })

  it('there is not even memory for the call', () => {
    const heap = createHeapSync({ maximum: 1 })
    for (const size of [10000, 1000, 100, 1]) while (heap.malloc(size));
    expect(heap.mallocMany(sizesOf(100))).toBe(null)
  })

  it('a few blocks need little memory for the call', () => {
    const heap = createHeapSync({ maximum: 1 })
    const large = heap.malloc(2000)
    for (const size of [10000, 1000, 100, 1]) while (heap.malloc(size));
    heap.free(large)
    expect(heap.mallocMany(Uint32Array.of(300, 300))).toHaveLength(2)
  })

  it('blocks can be given back when there is no memory left', () => {
    const heap = createHeapSync({ maximum: 2 })
    const blocks: number[] = []
    for (const size of [10000, 1000, 100, 1]) for (let block = 0; (block = heap.malloc(size)); ) blocks.push(block)
    heap.freeMany(Uint32Array.from(blocks))
    expect(heap.stats().inUse).toBe(0)
  })

  it.each([2, 17, 18])('those before the one that is refused, number %i, are given back', (refused) => {
    const heap = createHeapSync()
    const blocks = heap.mallocMany(sizesOf(20)) as Uint32Array
    heap.free(blocks[refused])
    const error = thrown(() => heap.freeMany(blocks))
    expect(error).toBeInstanceOf(HeapError)
    expect(error).toMatchObject({ code: 'NOT_IN_USE', address: blocks[refused] })
    expect(error.message).toMatch(/^freeMany: the block at 0x/)
    for (const block of blocks.subarray(0, refused)) expect(() => heap.usableSize(block)).toThrow(HeapError)
    heap.freeMany(blocks.subarray(refused + 1))
    expect(heap.stats().inUse).toBe(0)
  })

  it('a pointer of 0 does nothing', () => {
    const heap = createHeapSync()
    heap.freeMany(Uint32Array.of(0, heap.malloc(1), 0))
    heap.freeMany(new Uint32Array(9))
    expect(heap.stats().inUse).toBe(0)
  })

  it.each([1024, 0x90000000])('where nothing may be compiled, with a heap at %i', async (heapBase) => {
    const module = new WebAssembly.Module(bytes)
    vi.resetModules()
    const { createHeapSync } = await import('../../src/index.ts')
    const construct = () => {
      throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder')
    }
    vi.stubGlobal('WebAssembly', { __proto__: WebAssembly, Module: new Proxy(WebAssembly.Module, { construct }) })
    try {
      expect(createHeapSync).toThrow('disallowed')
      const initial = Math.ceil(heapBase / PAGE)
      const memory = new WebAssembly.Memory({ initial, maximum: initial + 10 })
      const heap = createHeapSync({ module, memory, heapBase })
      const blocks = heap.mallocMany(sizesOf(2500)) as Uint32Array
      expect(new Set(blocks).size).toBe(2500)
      for (const [i, block] of blocks.entries()) expect(heap.usableSize(block)).toBeGreaterThanOrEqual(sizesOf(2500)[i])
      expect(heap.mallocMany(Uint32Array.of(...sizesOf(1500), 3e9))).toBe(null)
      heap.free(blocks[2400])
      expect(thrown(() => heap.freeMany(blocks))).toMatchObject({ code: 'NOT_IN_USE', address: blocks[2400] })
      heap.freeMany(blocks.subarray(2401))
      expect(heap.stats().inUse).toBe(0)
      expect(heap.verify()).toBe(0)
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it('where there is no atob', async () => {
    const module = new WebAssembly.Module(bytes)
    vi.resetModules()
    const { createHeapSync } = await import('../../src/index.ts')
    vi.stubGlobal('atob', undefined)
    try {
      const heap = createHeapSync({ module })
      heap.freeMany(heap.mallocMany(sizesOf(100)) as Uint32Array)
      expect(heap.stats().inUse).toBe(0)
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it('a view that was left empty when the memory grew will not do, nor what was transferred', () => {
    const heap = createHeapSync()
    const view = heap.view(heap.malloc(40), Uint32Array, 10)
    heap.memory.grow(1)
    const transferred = Uint32Array.of(16)
    structuredClone(transferred, { transfer: [transferred.buffer] })
    for (const empty of [view, transferred]) {
      const reason = 'is detached: transferred, or a view of a memory that has grown'
      expect(thrown(() => heap.mallocMany(empty)).message).toBe(`sizes ${reason}`)
      expect(thrown(() => heap.freeMany(empty)).message).toBe(`pointers ${reason}`)
    }
    expect(heap.mallocMany(new Uint32Array())).toEqual(new Uint32Array())
  })

  it('only a Uint32Array will do', () => {
    const heap = createHeapSync()
    for (const value of [[16], new Float64Array(1), 16, undefined]) {
      expect(thrown(() => heap.mallocMany(value as never)).message).toBe('sizes must be a Uint32Array')
      expect(thrown(() => heap.freeMany(value as never)).message).toBe('pointers must be a Uint32Array')
    }
  })
})
