// createHeap and createHeapSync: the memory, the module, and what is refused.
import { describe, expect, it, vi } from 'vitest'
import { createHeap, createHeapSync } from '../../src/index.ts'
import { bytes, PAGE, thrown } from './host.ts'

describe('creation', () => {
  it('in a memory of its own', async () => {
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
    expect(createHeapSync().memory.buffer.byteLength).toBe(PAGE)
    expect(createHeapSync({ initial: 3 }).memory.buffer.byteLength).toBe(3 * PAGE)
  })

  it('grows to the maximum and no further', () => {
    const heap = createHeapSync({ maximum: 4 })
    while (heap.malloc(1000));
    expect(heap.memory.buffer.byteLength).toBe(4 * PAGE)
    expect(thrown(() => heap.memory.grow(1))).toBeInstanceOf(RangeError)
  })

  it('in a given memory, from the base on', async () => {
    for (const create of [createHeapSync, createHeap]) {
      const memory = new WebAssembly.Memory({ initial: 2 })
      new Uint8Array(memory.buffer, 0, 70001).fill(7)
      const heap = await create({ memory, heapBase: 70001 })
      expect(heap.memory).toBe(memory)
      for (let i = 0; i < 100; i++) expect(heap.malloc(i)).toBeGreaterThan(70001)
      expect(heap.u8.subarray(0, 70001).every((byte) => byte === 7)).toBe(true)
    }
  })

  it('uses the heap further that is there', () => {
    const first = createHeapSync()
    const pointer = first.malloc(40)
    const second = createHeapSync({ memory: first.memory, heapBase: 1024 })
    expect(second.usableSize(pointer)).toBe(first.usableSize(pointer))
    second.free(pointer)
    expect(thrown(() => first.free(pointer)).code).toBe('NOT_IN_USE')
  })

  it.each([0, 1024, 70001])('refuses a heap of another version at %i', async (heapBase) => {
    const memory = new WebAssembly.Memory({ initial: 4 })
    createHeapSync({ memory, heapBase }).malloc(1)
    new DataView(memory.buffer).setUint32(heapBase + 4, 0x203, true)
    const before = new Uint8Array(memory.buffer).slice()
    const sentence = `the heap at 0x${heapBase.toString(16)} is of ABI version 2, variant 3, which the module cannot use`
    expect(() => createHeapSync({ memory, heapBase })).toThrow(sentence)
    await expect(createHeap({ memory, heapBase })).rejects.toThrow(sentence)
    expect(new Uint8Array(memory.buffer)).toEqual(before)
  })

  it.each([1e6, 2 ** 31])('refuses a heap of more than %d bytes of which only a part was copied', (bytes) => {
    const from = createHeapSync()
    from.mmap(bytes)
    const memory = new WebAssembly.Memory({ initial: 1 })
    new Uint8Array(memory.buffer).set(from.u8.subarray(0, PAGE))
    expect(() => createHeapSync({ memory, heapBase: 1024 })).toThrow(
      `the heap at 0x400 reaches to 0x${from.sbrk(0).toString(16)}, beyond the memory`,
    )
  })

  it('refuses options that are none, and a shared memory', async () => {
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

  it('refuses a module that is not granary’s', () => {
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
    expect(() => createHeapSync({ module: empty })).toThrow(
      new TypeError('the module is not granary’s: it exports no malloc'),
    )
  })

  it('changes nothing in the memory before the first call', () => {
    for (const heapBase of [1024, PAGE - 4, PAGE]) {
      const memory = new WebAssembly.Memory({ initial: 1 })
      createHeapSync({ memory, heapBase })
      expect(new Uint8Array(memory.buffer)).toEqual(new Uint8Array(PAGE))
    }
  })

  it('takes nothing of what the program adds to the memory before the first call', () => {
    const heap = createHeapSync()
    const own = heap.memory.grow(1) * PAGE
    heap.u8.fill(7, own, own + PAGE)
    heap.free(heap.malloc(PAGE))
    heap.mmap(PAGE)
    expect(heap.u8.subarray(own, own + PAGE)).toEqual(new Uint8Array(PAGE).fill(7))
    expect(heap.verify()).toBe(0)
  })

  it('refuses a second heap in a memory that begins elsewhere, also while the first one is being made', async () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const made = await Promise.allSettled([
      createHeap({ memory, heapBase: 1024 }),
      createHeap({ memory, heapBase: 4096 }),
    ])
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const rejected = made.find(({ status }) => status === 'rejected')
    expect(rejected).toMatchObject({ reason: { message: expect.stringContaining('both would use the same bytes') } })
  })

  it('refuses a second heap in a memory, unless it is the first one', async () => {
    const own = createHeapSync()
    const given = createHeapSync({ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 2048 })
    for (const [{ memory }, base] of [
      [own, 1024],
      [given, 2048],
    ] as const) {
      for (const heapBase of [0, base - 4, base + 16, 3 * PAGE]) {
        const message = `heapBase is ${heapBase}, but the heap in this memory begins at ${base}, and both would use the same bytes`
        expect(() => createHeapSync({ memory, heapBase })).toThrow(new RangeError(message))
        await expect(createHeap({ memory, heapBase })).rejects.toThrow(message)
      }
      expect(createHeapSync({ memory, heapBase: base }).malloc(1)).toBeGreaterThan(base)
    }
  })

  it('from a module, bytes, a response or a URL', async () => {
    const module = new WebAssembly.Module(bytes)
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    const response = () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } })
    const url = `data:application/wasm;base64,${bytes.toString('base64')}`
    for (const heap of [
      createHeapSync({ module }),
      createHeapSync({ module: bytes }),
      createHeapSync({ module: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }),
      createHeapSync({ module: Uint8Array.from(bytes).buffer }),
      createHeapSync({ module: shared.buffer as unknown as ArrayBuffer }),
      await createHeap({ module: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }),
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

  it('from a URL whose server does not know the type', async () => {
    const heap = await createHeap({ module: `data:application/octet-stream;base64,${bytes.toString('base64')}` })
    expect(heap.malloc(1)).toBeGreaterThan(0)
  })

  it('not from a URL where there is nothing', async () => {
    vi.stubGlobal('fetch', async () => new Response('Not Found', { status: 404 }))
    try {
      await expect(createHeap({ module: 'https://localhost/granary.wasm' })).rejects.toThrow(
        new TypeError('module: https://localhost/granary.wasm cannot be fetched: 404'),
      )
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it.each([
    [{ initial: -1 }, RangeError, /^initial must be an integer from 0 to 65536, not -1$/],
    [{ initial: 1.5 }, RangeError, /^initial /],
    [{ initial: 65537 }, RangeError, /^initial /],
    [{ initial: '1' }, TypeError, /^initial must be a number, not string$/],
    [{ initial: 5, maximum: 4 }, RangeError, /^maximum must be an integer from 5 to 65536, not 4$/],
    [{ maximum: Number.NaN }, RangeError, /^maximum /],
    [{ memory: new WebAssembly.Memory({ initial: 1 }) }, TypeError, /^heapBase must be a number, not undefined$/],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 2 ** 32 }, RangeError, /^heapBase /],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 0, maximum: 3 }, TypeError, /, but one is given$/],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 0, initial: null }, TypeError, /, but one is given$/],
    [{ heapBase: 4096 }, TypeError, /^heapBase is for a memory that is given, and none is$/],
    [{ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 0, initial: 1 }, TypeError, /^initial and maximum /],
  ])('refuses %o', async (options, type, message) => {
    const error = thrown(() => createHeapSync(options as object))
    expect(error).toBeInstanceOf(type)
    expect(error.message).toMatch(message)
    await expect(createHeap(options as object)).rejects.toThrow(message)
  })

  it('calls go to the instance, not through the wrappers of the loader', () => {
    const { exports } = createHeapSync()
    expect(Object.keys(exports)).toContain('heap_verify')
    for (const call of Object.values(exports)) expect(call.toString()).toContain('[native code]')
  })
})
