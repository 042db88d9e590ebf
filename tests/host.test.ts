// The host against the real module: creation, arguments, failures, views.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { errnos, reasons } from '../src/errors.ts'
import { createHeap, createHeapSync, Heap, HeapError, type HeapExports } from '../src/index.ts'

const root = path.join(import.meta.dirname, '..')
const bytes = readFileSync(path.join(root, 'build/granary.wasm'))
const page = 65536

function thrown(call: () => unknown): Error & { code?: string; address?: number } {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error(`${call} threw nothing`)
}

describe('creation', () => {
  test('in a memory of its own', async () => {
    for (const heap of [
      createHeapSync(),
      await createHeap(),
      createHeapSync({ initial: 0 }),
      createHeapSync({ initial: 3 }),
    ]) {
      const pointer = heap.malloc(100)
      expect(pointer).toBeGreaterThanOrEqual(1024)
      expect(heap.verify()).toBe(0)
    }
    expect(createHeapSync().memory.buffer.byteLength).toBe(page)
    expect(createHeapSync({ initial: 3 }).memory.buffer.byteLength).toBe(3 * page)
  })

  test('grows to the maximum and no further', () => {
    const heap = createHeapSync({ maximum: 4 })
    while (heap.malloc(1000));
    expect(heap.memory.buffer.byteLength).toBe(4 * page)
    expect(thrown(() => heap.memory.grow(1))).toBeInstanceOf(RangeError)
  })

  test('in a given memory, from the base on', async () => {
    for (const create of [createHeapSync, createHeap]) {
      const memory = new WebAssembly.Memory({ initial: 2 })
      new Uint8Array(memory.buffer, 0, 70001).fill(7)
      const heap = await create({ memory, heapBase: 70001 })
      expect(heap.memory).toBe(memory)
      for (let i = 0; i < 100; i++) expect(heap.malloc(i)).toBeGreaterThan(70001)
      expect(heap.u8.subarray(0, 70001).every((byte) => byte === 7)).toBe(true)
    }
  })

  test('uses the heap further that is there', () => {
    const first = createHeapSync()
    const pointer = first.malloc(40)
    const second = createHeapSync({ memory: first.memory, heapBase: 1024 })
    expect(second.usableSize(pointer)).toBe(first.usableSize(pointer))
    second.free(pointer)
    expect(thrown(() => first.free(pointer)).code).toBe('NOT_IN_USE')
  })

  test.each([0, 1024, 70001])('refuses a heap of another version at %i', async (heapBase) => {
    const memory = new WebAssembly.Memory({ initial: 4 })
    createHeapSync({ memory, heapBase }).malloc(1)
    new DataView(memory.buffer).setUint32(heapBase + 4, 0x203, true)
    const before = new Uint8Array(memory.buffer).slice()
    const sentence = `the heap at 0x${heapBase.toString(16)} is of ABI version 2, variant 3, which the module cannot use`
    expect(() => createHeapSync({ memory, heapBase })).toThrow(sentence)
    await expect(createHeap({ memory, heapBase })).rejects.toThrow(sentence)
    expect(new Uint8Array(memory.buffer)).toEqual(before)
  })

  test('refuses a heap of which only a part was copied', () => {
    const from = createHeapSync()
    from.malloc(1e6)
    const memory = new WebAssembly.Memory({ initial: 1 })
    new Uint8Array(memory.buffer).set(from.u8.subarray(0, page))
    expect(() => createHeapSync({ memory, heapBase: 1024 })).toThrow(
      /^the heap at 0x400 reaches to 0x.*, beyond the memory/,
    )
  })

  test('refuses options that are none, and a shared memory', async () => {
    for (const options of [null, 'x', 5] as never[]) {
      expect(() => createHeapSync(options)).toThrow(new TypeError('options must be an object'))
      await expect(createHeap(options)).rejects.toThrow(new TypeError('options must be an object'))
    }
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })
    expect(() => createHeapSync({ memory, heapBase: 0 })).toThrow('the memory is shared between threads')
    for (const none of [null, {}, new ArrayBuffer(65536)] as never[]) {
      expect(() => createHeapSync({ memory: none, heapBase: 0 })).toThrow('memory must be a WebAssembly.Memory')
    }
  })

  test('refuses a module that is not granary’s', () => {
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
    expect(() => createHeapSync({ module: empty })).toThrow(
      new TypeError('the module is not granary’s: it exports no malloc'),
    )
  })

  test('changes nothing in the memory before the first call', () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const view = new Uint8Array(memory.buffer)
    for (const heapBase of [1024, page - 4, page]) createHeapSync({ memory, heapBase })
    expect(view).toEqual(new Uint8Array(page))
  })

  test('from a module, bytes, a response or a URL', async () => {
    const module = new WebAssembly.Module(bytes)
    const response = () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } })
    const url = `data:application/wasm;base64,${bytes.toString('base64')}`
    for (const heap of [
      createHeapSync({ module }),
      createHeapSync({ module: bytes }),
      await createHeap({ module }),
      await createHeap({ module: bytes }),
      await createHeap({ module: Promise.resolve(module) }),
      await createHeap({ module: response() }),
      await createHeap({ module: Promise.resolve(response()) }),
      await createHeap({ module: url }),
      await createHeap({ module: new URL(url) }),
    ]) {
      expect(heap.malloc(1)).toBeGreaterThan(0)
    }
    await expect(createHeap({ module: new Uint8Array(8) })).rejects.toBeInstanceOf(WebAssembly.CompileError)
    for (const module of [null, 5, {}, [1]] as never[]) {
      await expect(createHeap({ module })).rejects.toThrow('module must be a WebAssembly.Module, its bytes, a Response')
      expect(() => createHeapSync({ module })).toThrow('module must be a WebAssembly.Module or its bytes')
    }
    for (const module of [new URL('file:///granary.wasm'), 'build/granary.wasm'])
      await expect(createHeap({ module })).rejects.toThrow(`module: ${module} cannot be fetched`)
  })

  test('from a URL whose server does not know the type', async () => {
    const heap = await createHeap({ module: `data:application/octet-stream;base64,${bytes.toString('base64')}` })
    expect(heap.malloc(1)).toBeGreaterThan(0)
  })

  test('not from a URL where there is nothing', async () => {
    vi.stubGlobal('fetch', async () => new Response('Not Found', { status: 404 }))
    try {
      await expect(createHeap({ module: 'https://localhost/granary.wasm' })).rejects.toThrow(
        new TypeError('module: https://localhost/granary.wasm cannot be fetched: 404'),
      )
    } finally {
      vi.unstubAllGlobals()
    }
  })

  test.each([
    [{ initial: -1 }, RangeError, /^initial must be an integer from 0 to 65536, not -1$/],
    [{ initial: 1.5 }, RangeError, /^initial /],
    [{ initial: 65537 }, RangeError, /^initial /],
    [{ initial: '1' }, TypeError, /^initial must be a number, not string$/],
    [{ initial: 5, maximum: 4 }, RangeError, /^maximum must be an integer from 5 to 65536, not 4$/],
    [{ maximum: Number.NaN }, RangeError, /^maximum /],
    [{ memory: new WebAssembly.Memory({ initial: 1 }) }, TypeError, /^heapBase must be a number, not undefined$/],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 2 ** 32 }, RangeError, /^heapBase /],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 0, maximum: 3 }, TypeError, /, but one is given$/],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 0, initial: 1 }, TypeError, /^initial and maximum /],
  ])('refuses %o', async (options, type, message) => {
    const error = thrown(() => createHeapSync(options as object))
    expect(error).toBeInstanceOf(type)
    expect(error.message).toMatch(message)
    await expect(createHeap(options as object)).rejects.toThrow(message)
  })

  test('calls go to the instance, not through the wrappers of the loader', () => {
    const { exports } = createHeapSync()
    expect(Object.keys(exports)).toContain('heap_verify')
    for (const call of Object.values(exports)) expect(call.toString()).toContain('[native code]')
  })
})

describe('blocks', () => {
  test('malloc, calloc, realloc, alignedAlloc, usableSize, free', () => {
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
    expect(heap.usableSize(0)).toBe(0)
    for (const pointer of [b, c, d, 0]) heap.free(pointer)
    expect(heap.realloc(heap.malloc(5), 0)).toBe(0)
    expect(heap.stats().inUse).toBe(0)
    expect(heap.verify()).toBe(0)
  })

  test('addresses from 2 GiB on are unsigned', () => {
    const heapBase = 0x90000000
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: heapBase / page }), heapBase })
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
    const mapping = heap.mmap(page)
    expect(mapping).toBeGreaterThan(heapBase)
    expect(heap.mremap(mapping, page, 2 * page)).toBeGreaterThan(heapBase)
    expect(heap.sbrk(0)).toBeGreaterThan(heapBase)
  })

  test('sizes from 2 GiB on are unsigned, and the whole memory has views', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(3e9)
    heap.u8[mapping + 3e9 - 1] = 5
    expect(heap.view(mapping + 3e9 - 2, Uint8Array, 2)).toEqual(new Uint8Array([0, 5]))
    expect(heap.stats().mapped).toBe(Math.ceil(3e9 / page) * page)
    expect(createHeapSync().malloc(2 ** 31 - 1)).toBeGreaterThan(0)
    expect(createHeapSync().malloc(2 ** 31)).toBe(0) // a block's size is at most PTRDIFF_MAX
  })

  test('there is no memory: 0, and every block stays as it is', () => {
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

  test.each([0, 1, 7, 8, 9, 1023, 1024, 1025, 2500])('%i blocks', (length) => {
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

  test('sizes may stand in the memory, which grows meanwhile', () => {
    const heap = createHeapSync({ maximum: 200 })
    const sizes = heap.view(heap.malloc(8000), Uint32Array, 2000).fill(3000)
    const blocks = heap.mallocMany(sizes) as Uint32Array
    expect(sizes.length).toBe(0)
    expect(new Set(blocks).size).toBe(2000)
  })

  test('addresses from 2 GiB on are unsigned', () => {
    const heapBase = 0x90000000
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: heapBase / page }), heapBase })
    const blocks = heap.mallocMany(sizesOf(1500)) as Uint32Array
    for (const block of blocks) expect(block).toBeGreaterThan(heapBase)
    heap.freeMany(blocks)
    expect(heap.stats().inUse).toBe(0)
  })

  test.each([
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

  test('there is not even memory for the call', () => {
    const heap = createHeapSync({ maximum: 1 })
    for (const size of [10000, 1000, 100, 1]) while (heap.malloc(size));
    expect(heap.mallocMany(sizesOf(100))).toBe(null)
  })

  test('blocks can be given back when there is no memory left', () => {
    const heap = createHeapSync({ maximum: 2 })
    const blocks: number[] = []
    for (const size of [10000, 1000, 100, 1]) for (let block = 0; (block = heap.malloc(size)); ) blocks.push(block)
    heap.freeMany(Uint32Array.from(blocks))
    expect(heap.stats().inUse).toBe(0)
  })

  test.each([2, 17, 18])('those before the one that is refused, number %i, are given back', (refused) => {
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

  test('a pointer of 0 does nothing', () => {
    const heap = createHeapSync()
    heap.freeMany(Uint32Array.of(0, heap.malloc(1), 0))
    heap.freeMany(new Uint32Array(9))
    expect(heap.stats().inUse).toBe(0)
  })

  test.each([1024, 0x90000000])('where nothing may be compiled, with a heap at %i', async (heapBase) => {
    const module = new WebAssembly.Module(bytes)
    vi.resetModules()
    const { createHeapSync } = await import('../src/index.ts')
    const construct = () => {
      throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder')
    }
    vi.stubGlobal('WebAssembly', { __proto__: WebAssembly, Module: new Proxy(WebAssembly.Module, { construct }) })
    try {
      expect(createHeapSync).toThrow('disallowed')
      const initial = Math.ceil(heapBase / page)
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

  test('a view that was left empty when the memory grew will not do, nor what was transferred', () => {
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

  test('only a Uint32Array will do', () => {
    const heap = createHeapSync()
    for (const value of [[16], new Float64Array(1), 16, undefined]) {
      expect(thrown(() => heap.mallocMany(value as never)).message).toBe('sizes must be a Uint32Array')
      expect(thrown(() => heap.freeMany(value as never)).message).toBe('pointers must be a Uint32Array')
    }
  })
})

describe('mappings and the break', () => {
  test('mmap, mremap, munmap', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(page + 1)
    expect(mapping % page).toBe(0)
    heap.u8.fill(9, mapping, mapping + 2 * page)
    const longer = heap.mremap(mapping, 2 * page, 4 * page)
    expect(heap.u8.indexOf(0, longer)).toBe(longer + 2 * page)
    heap.munmap(longer + page, page)
    heap.munmap(longer, 4 * page)
    expect(heap.stats().mapped).toBe(0)
    expect(heap.verify()).toBe(0)
  })

  test('mremap moves only if it may', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(page)
    const behind = heap.malloc(3 * page)
    expect(thrown(() => heap.mremap(mapping, page, 8 * page, false))).toMatchObject({
      code: 'ENOMEM',
      address: mapping,
      message: 'mremap: there is no room behind it, and it may not move',
    })
    expect(heap.mremap(mapping, page, 8 * page)).toBeGreaterThan(behind)
  })

  test('the address -0 is 0', () => {
    expect(thrown(() => createHeapSync().munmap(-0, 1))).toMatchObject({ code: 'EINVAL', address: 0 })
  })

  test('sbrk moves the break up and down', () => {
    const heap = createHeapSync()
    const old = heap.sbrk(1000)
    expect(heap.sbrk(0)).toBe(old + 1000)
    expect(heap.sbrk(-1000)).toBe(old + 1000)
    expect(heap.sbrk(0)).toBe(old)
  })

  test.each<[string, (heap: Heap) => unknown, string, RegExp]>([
    ['mmap', (heap) => heap.mmap(2 ** 31), 'ENOMEM', /^mmap: there is no memory for it$/],
    ['mmap', (heap) => heap.mmap(2 ** 32), 'ENOMEM', /^mmap: /],
    ['mmap', (heap) => heap.mmap(0), 'EINVAL', /^mmap: length is 0$/],
    [
      'munmap',
      (heap) => heap.munmap(heap.mmap(1) + 16, 1),
      'EINVAL',
      /^munmap: 0x[0-9a-f]+10 is not a multiple of 65,536$/,
    ],
    ['munmap', (heap) => heap.munmap(heap.mmap(1), 0), 'EINVAL', /^munmap: length is 0$/],
    ['munmap', (heap) => heap.munmap(heap.mmap(1), 2 ** 33), 'EINVAL', /^munmap: the range at 0x[0-9a-f]+ ends past /],
    ['munmap', (heap) => heap.munmap(0xffff0000, 1), 'EINVAL', /^munmap: the range at 0xffff0000 ends past /],
    [
      'munmap',
      (heap) => {
        heap.malloc(3 * page)
        heap.munmap(page, page)
      },
      'EINVAL',
      /^munmap: the range at 0x10000 holds memory that is in use and not mapped$/,
    ],
    ['mremap', (heap) => heap.mremap(page, page, page), 'EFAULT', /^mremap: not all pages of the range at 0x10000 /],
    ['mremap', (heap) => heap.mremap(heap.mmap(1), 2 ** 32, page), 'EFAULT', /^mremap: /],
    ['mremap', (heap) => heap.mremap(heap.mmap(1), page, 2 ** 32), 'ENOMEM', /^mremap: /],
    ['mremap', (heap) => heap.mremap(1, page, 2 ** 33), 'EINVAL', /^mremap: 0x1 is not a multiple of 65,536$/],
    ['mremap', (heap) => heap.mremap(1, 2 ** 33, page), 'EINVAL', /^mremap: 0x1 is not a multiple of 65,536$/],
    ['mremap', (heap) => heap.mremap(page, 0, page), 'EINVAL', /^mremap: oldLength is 0$/],
    ['mremap', (heap) => heap.mremap(page, 2 ** 33, 0), 'EINVAL', /^mremap: newLength is 0$/],
    ['sbrk', (heap) => heap.sbrk(2 ** 31 - 1), 'ENOMEM', /^sbrk: /],
    ['sbrk', (heap) => heap.sbrk(-page), 'ENOMEM', /^sbrk: this cannot give back more than it took/],
  ])('%s throws where it fails', (_, call, code, message) => {
    const heap = createHeapSync({ maximum: 10 })
    const error = thrown(() => call(heap))
    expect(error).toBeInstanceOf(HeapError)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(error).not.toHaveProperty('cause')
    expect(heap.verify()).toBe(0)
  })
})

describe('arguments', () => {
  const calls: Record<string, [string, (heap: Heap, value: never) => unknown][]> = {
    size: [
      ['malloc', (heap, value) => heap.malloc(value)],
      ['calloc', (heap, value) => heap.calloc(1, value)],
      ['realloc', (heap, value) => heap.realloc(0, value)],
      ['alignedAlloc', (heap, value) => heap.alignedAlloc(16, value)],
    ],
    count: [['calloc', (heap, value) => heap.calloc(value, 1)]],
    pointer: [
      ['free', (heap, value) => heap.free(value)],
      ['realloc', (heap, value) => heap.realloc(value, 1)],
      ['usableSize', (heap, value) => heap.usableSize(value)],
      ['view', (heap, value) => heap.view(value, Uint8Array, 1)],
    ],
    alignment: [['alignedAlloc', (heap, value) => heap.alignedAlloc(value, 1)]],
    address: [
      ['munmap', (heap, value) => heap.munmap(value, 1)],
      ['mremap', (heap, value) => heap.mremap(value, 1, 1)],
    ],
    length: [
      ['mmap', (heap, value) => heap.mmap(value)],
      ['munmap', (heap, value) => heap.munmap(0, value)],
      ['view', (heap, value) => heap.view(0, Uint8Array, value)],
    ],
    oldLength: [['mremap', (heap, value) => heap.mremap(0, value, 1)]],
    newLength: [['mremap', (heap, value) => heap.mremap(0, 1, value)]],
    increment: [['sbrk', (heap, value) => heap.sbrk(value)]],
  }
  const wrong = [undefined, null, '16', true, {}, [], 16n, Symbol.iterator, () => 16]
  const outside = [Number.NaN, 1.5, -0.5, 2 ** 32 + 0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

  for (const [argument, functions] of Object.entries(calls)) {
    test.each(functions)(`${argument} of %s`, (_, call) => {
      const heap = createHeapSync()
      heap.malloc(100)
      const before = heap.stats()
      const throwing = (value: unknown) => thrown(() => call(heap, value as never))
      for (const value of wrong) {
        expect(throwing(value)).toBeInstanceOf(TypeError)
        expect(throwing(value).message).toMatch(new RegExp(`^${argument} must be a number, not \\w+$`))
      }
      const ranges: Record<string, number[]> = {
        pointer: [-1, 2 ** 32],
        address: [-1, 2 ** 32],
        increment: [2 ** 31, -(2 ** 31) - 1],
      }
      const alignments = [0, -1, 3, 48, 2 ** 31 + 1, 2 ** 32]
      for (const value of [...outside, ...(argument === 'alignment' ? alignments : (ranges[argument] ?? [-1]))]) {
        expect(throwing(value)).toBeInstanceOf(RangeError)
        expect(throwing(value).message).toMatch(new RegExp(`^${argument} must be .*, not ${value}$`))
      }
      expect(heap.stats()).toEqual(before)
    })
  }
})

describe('refused calls', () => {
  const freed = (heap: Heap, pointer: number) => {
    heap.free(pointer)
    return pointer
  }

  test.each<[string, string, (heap: Heap, pointer: number) => number]>([
    ['OUTSIDE', ' is not in the heap', () => 16],
    ['OUTSIDE', ' is not in the heap', () => 4e9],
    ['MISALIGNED', ' is no block', (_, pointer) => pointer + 8],
    ['NOT_IN_USE', ' is not in use: freed before', freed],
    ['NOT_A_BLOCK', 'no block begins at ', (heap) => heap.malloc(5000) + 160],
    ['IS_MAPPED', ' belongs to a mapping', (heap) => heap.mmap(1)],
  ])('%s: 0x…%s', (code, sentence, misuse) => {
    for (const call of ['free', 'realloc', 'usableSize'] as const) {
      const heap = createHeapSync()
      const address = misuse(heap, heap.malloc(40))
      const before = heap.stats()
      const error = thrown(() => (call === 'realloc' ? heap.realloc(address, 100) : heap[call](address)))
      expect(error).toBeInstanceOf(HeapError)
      expect(error).toMatchObject({ name: 'HeapError', code, address })
      expect(error.cause).toBeInstanceOf(WebAssembly.RuntimeError)
      expect(error.message).toContain(`${call}: `)
      expect(error.message).toContain(`0x${address.toString(16)}`)
      expect(error.message).toContain(sentence)
      expect(heap.stats()).toEqual(before)
      expect(heap.verify()).toBe(0)
      expect(heap.malloc(40)).toBeGreaterThan(0)
    }
  })

  test('where no heap could begin, no block is in it', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    const heap = createHeapSync({ memory, heapBase: page })
    const calls: ((heap: Heap) => void)[] = [
      (heap) => heap.free(64),
      (heap) => heap.realloc(64, 5),
      (heap) => heap.usableSize(64),
      (heap) => heap.freeMany(Uint32Array.of(0, 64)),
    ]
    for (const call of calls) expect(thrown(() => call(heap))).toMatchObject({ code: 'OUTSIDE', address: 64 })
    heap.free(0)
    heap.freeMany(new Uint32Array(9))
  })

  test('realloc refuses what is no block, whatever the size', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(5000)
    heap.malloc(1)
    expect(heap.realloc(pointer, 2 ** 32)).toBe(0)
    heap.free(pointer)
    for (const size of [1, 2 ** 32 - 1, 2 ** 32, 2 ** 40])
      expect(thrown(() => heap.realloc(pointer, size)).code).toBe('NOT_IN_USE')
  })

  test('a large block’s second cell is no block', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(5000)
    expect(thrown(() => heap.free(pointer + 16)).code).toBe('NOT_A_BLOCK')
  })

  test('CORRUPT: the heap’s own tables were written to', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(1000)
    const behind = heap.malloc(1000)
    heap.free(pointer)
    // The tables of a small heap stand before its first block.
    heap.u8.fill(0x41, pointer - 4096, pointer - 3000)
    const error = thrown(() => heap.free(behind))
    expect(error.code).toBe('CORRUPT')
    expect(error.message).toBe(
      `free: the heap's own tables were written to: they do not know the free block that begins or ends at 0x${behind.toString(16)}`,
    )
  })

  test('the numbers are the core’s', () => {
    const source = readFileSync(path.join(root, 'assembly/error.ts'), 'utf8')
    const constants = [...source.matchAll(/^export const (\w+): u32 = (\d+)/gm)].map(([, name, number]) => [
      number,
      name,
    ])
    const isErrno = ([, name]: string[]) => /^E[A-Z]+$/.test(name)
    const names = (table: typeof reasons) =>
      Object.fromEntries(Object.entries(table).map(([number, { code }]) => [number, code]))
    expect(names(reasons)).toEqual(Object.fromEntries(constants.filter((constant) => !isErrno(constant))))
    expect(Object.fromEntries(constants.filter(isErrno))).toMatchObject(names(errnos))
  })

  describe('other errors come out as they are', () => {
    const { exports, memory } = createHeapSync()
    const failing = (error: unknown, reason: number) => {
      const malloc = () => {
        throw error
      }
      return new Heap({ ...exports, malloc, trap_reason: () => reason } as HeapExports, memory)
    }
    const trap = (body: string) => {
      const code = body.split(' ').map((byte) => Number.parseInt(byte, 16))
      const module = [
        0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 0, 7, 5, 1, 1, 0x66, 0, 0,
      ]
      const section = [10, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b]
      const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([...module, ...section])))
      return thrown(instance.exports.f as () => void)
    }
    const unreachable = trap('00')
    const outOfBounds = trap('41 00 2d 00 00 1a')

    test.each([
      ['an unreachable without a reason', unreachable, 0],
      ['a trap of another kind, after a call was refused', outOfBounds, 3],
      ['an error of JavaScript', new Error('unreachable'), 3],
    ])('%s', (_, error, reason) => {
      expect(thrown(() => failing(error, reason).malloc(1))).toBe(error)
    })

    test('an unreachable with a reason does not', () => {
      expect(thrown(() => failing(unreachable, 3).malloc(1))).toMatchObject({ code: 'NOT_IN_USE', cause: unreachable })
    })
  })
})

describe('views', () => {
  const types = {
    u8: Uint8Array,
    u16: Uint16Array,
    u32: Uint32Array,
    u64: BigUint64Array,
    i8: Int8Array,
    i16: Int16Array,
    i32: Int32Array,
    i64: BigInt64Array,
    f32: Float32Array,
    f64: Float64Array,
  } as const

  test.each(Object.entries(types))('%s', (name, type) => {
    const heap = createHeapSync()
    const view = () => heap[name as keyof typeof types]
    expect(view()).toBeInstanceOf(type)
    expect(view()).toBe(view())
    expect(view().buffer).toBe(heap.memory.buffer)
    const pointer = heap.malloc(8)
    view()[pointer / type.BYTES_PER_ELEMENT] = name.endsWith('64') && name !== 'f64' ? 7n : 7
    while (heap.stats().growths === 0) heap.malloc(10000)
    expect(view().buffer).toBe(heap.memory.buffer)
    expect(Number(view()[pointer / type.BYTES_PER_ELEMENT])).toBe(7)
    heap.memory.grow(1)
    expect(view().byteLength).toBe(heap.memory.buffer.byteLength)
  })

  test('are never stale over a shared memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true })
    const heap = new Heap(createHeapSync().exports, memory)
    expect(heap.u8.buffer).toBeInstanceOf(SharedArrayBuffer)
    const old = heap.u8
    old[5] = 6
    memory.grow(2)
    expect(old.length).toBe(page)
    expect(heap.u8.length).toBe(3 * page)
    expect(heap.i8[5]).toBe(6)
    expect(heap.u8).toBe(heap.u8)
  })

  test('are empty in a memory without a page, until it has one', () => {
    const heap = createHeapSync({ initial: 0 })
    expect(heap.u8.length).toBe(0)
    heap.malloc(1)
    expect(heap.u8.length).toBe(heap.memory.buffer.byteLength)
  })

  test('are not given of address 0, where a program has data of its own', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    new Uint8Array(memory.buffer).set([1, 2, 3, 4])
    const heap = createHeapSync({ memory, heapBase: 4096 })
    expect(() => heap.view(heap.malloc(1e6), Uint8Array, 4).fill(9)).toThrow('pointer is 0')
    expect([...heap.u8.subarray(0, 4)]).toEqual([1, 2, 3, 4])
    expect(heap.view(0, Uint8Array, 0)).toHaveLength(0)
  })

  test('over a block', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(80)
    const view = heap.view(pointer, Float64Array, 10)
    view.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(view).toBeInstanceOf(Float64Array)
    expect([...heap.f64.subarray(pointer / 8, pointer / 8 + 10)]).toEqual([...view])
    expect(heap.view(pointer, DataView, 80).getFloat64(72, true)).toBe(10)
    const at = (address: number) => `at 0x${address.toString(16)} in a memory of 65536 bytes: `
    for (const [address, type, length] of [
      [pointer + 1, Float64Array, 1],
      [pointer, Uint8Array, page],
      [page + 16, Int8Array, 0],
      [pointer, DataView, page],
    ] as const) {
      const error = thrown(() => heap.view<ArrayBufferView>(address, type, length))
      expect(error).toBeInstanceOf(RangeError)
      expect(error.message).toContain(`no ${type.name} of length ${length} ${at(address)}`)
    }
  })
})

describe('stats and verify', () => {
  test('count what is there, and change nothing', () => {
    const heap = createHeapSync()
    const empty = heap.stats()
    expect(empty).toMatchObject({ inUse: 0, mapped: 0, growths: 0 })
    expect(heap.stats()).toEqual(empty)
    const small = heap.malloc(100)
    const large = heap.malloc(200000)
    heap.mmap(page)
    const full = heap.stats()
    heap.exports.heap_stats(16) // below the heap
    expect(Object.values(full)).toEqual([...heap.view(16, Uint32Array, 6)])
    expect(full).toMatchObject({ inUse: heap.usableSize(small) + heap.usableSize(large), mapped: page })
    expect(full.growths).toBeGreaterThan(0)
    expect(full.peak).toBeGreaterThanOrEqual(full.inUse + full.mapped)
    expect(full.heap).toBe(heap.sbrk(0) - 1024)
    heap.free(small)
    heap.free(large)
    expect(heap.stats()).toMatchObject({ inUse: 0, heap: full.heap, growths: full.growths })
  })

  const fill = (heap: Heap) => {
    for (const size of [10000, 1000, 100, 1]) while (heap.malloc(size));
    return heap
  }

  test('stats of a full heap', () => {
    const full = fill(createHeapSync({ maximum: 2 })).stats()
    expect(full).toMatchObject({ heap: 2 * page - 1024, growths: 1 })
    expect(full.inUse).toBeGreaterThan(page)
  })

  test('stats never grows the memory that the heap has', () => {
    const heap = createHeapSync()
    for (let i = 0; i < 5000; i++) {
      heap.malloc(24)
      const before = heap.memory.buffer.byteLength
      heap.stats()
      expect(heap.memory.buffer.byteLength).toBe(before)
    }
  })

  test.each([24, 70001])('stats leaves what lies below a heap at %i as it is', (heapBase) => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 })
    new Uint8Array(memory.buffer, 0, heapBase).fill(7)
    const heap = fill(createHeapSync({ memory, heapBase }))
    expect(heap.stats()).toMatchObject({ heap: 2 * page - heapBase, growths: 0 })
    expect(heap.u8.subarray(0, heapBase).every((byte) => byte === 7)).toBe(true)
  })

  test('stats begins a heap, if it can', () => {
    expect(createHeapSync({ initial: 0 }).stats()).toMatchObject({ heap: page - 1024, inUse: 0, growths: 1 })
    expect(thrown(() => createHeapSync({ initial: 0, maximum: 0 }).stats())).toMatchObject({ code: 'ENOMEM' })
  })

  test('stats needs a block where nothing lies below the heap', () => {
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: 1, maximum: 1 }), heapBase: 23 })
    const empty = heap.stats()
    expect(empty).toMatchObject({ heap: page - 23, inUse: 0 })
    expect(heap.stats()).toEqual(empty)
    expect(thrown(() => fill(heap).stats())).toMatchObject({ code: 'ENOMEM' })
  })

  test('verify sees damage', () => {
    const heap = createHeapSync()
    heap.malloc(1)
    expect(heap.verify()).toBe(0)
    heap.u32[1024 / 4] ^= 1
    expect(heap.verify()).toBeGreaterThan(0)
  })
})
