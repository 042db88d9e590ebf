// Views of the memory, and what the heap says of itself.
import { describe, expect, it } from 'vitest'
import { createHeapSync, Heap } from '../../src/index.ts'
import { PAGE, thrown } from './host.ts'

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

  it.each(Object.entries(types))('%s', (name, type) => {
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

  it('are never stale over a shared memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true })
    const heap = new Heap(createHeapSync().exports, memory)
    expect(heap.u8.buffer).toBeInstanceOf(SharedArrayBuffer)
    const old = heap.u8
    old[5] = 6
    memory.grow(2)
    expect(old.length).toBe(PAGE)
    expect(heap.u8.length).toBe(3 * PAGE)
    expect(heap.i8[5]).toBe(6)
    expect(heap.u8).toBe(heap.u8)
  })

  it('are empty in a memory without a page, until it has one', () => {
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: 0 }), heapBase: 1024 })
    expect(heap.u8.length).toBe(0)
    heap.malloc(1)
    expect(heap.u8.length).toBe(heap.memory.buffer.byteLength)
  })

  it('are not given of address 0, where a program has data of its own', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    new Uint8Array(memory.buffer).set([1, 2, 3, 4])
    const heap = createHeapSync({ memory, heapBase: 4096 })
    expect(() => heap.view(heap.malloc(1e6), Uint8Array, 4).fill(9)).toThrow('pointer is 0')
    expect([...heap.u8.subarray(0, 4)]).toEqual([1, 2, 3, 4])
    expect(heap.view(0, Uint8Array, 0)).toHaveLength(0)
  })

  it('over a block', () => {
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
      [pointer, Uint8Array, PAGE],
      [PAGE + 16, Int8Array, 0],
      [pointer, DataView, PAGE],
    ] as const) {
      const error = thrown(() => heap.view<ArrayBufferView>(address, type, length))
      expect(error).toBeInstanceOf(RangeError)
      expect(error.message).toContain(`no ${type.name} of length ${length} ${at(address)}`)
    }
    for (const type of [ArrayBuffer, Array, Object] as never[])
      expect(thrown(() => heap.view(pointer, type, 8))).toBeInstanceOf(TypeError)
  })
})

describe('stats and verify', () => {
  it('count what is there, and change nothing', () => {
    const heap = createHeapSync()
    const empty = heap.stats()
    expect(empty).toMatchObject({ inUse: 0, mapped: 0, growths: 0 })
    expect(heap.stats()).toEqual(empty)
    const small = heap.malloc(100)
    const large = heap.malloc(200000)
    heap.mmap(PAGE)
    const full = heap.stats()
    heap.exports.heap_stats(16) // below the heap
    expect(Object.values(full)).toEqual([...heap.view(16, Uint32Array, 6)])
    expect(full).toMatchObject({ inUse: heap.usableSize(small) + heap.usableSize(large), mapped: PAGE })
    expect(full.growths).toBeGreaterThan(0)
    expect(full.peak).toBeGreaterThanOrEqual(full.inUse + full.mapped)
    expect(full.heap).toBe(heap.sbrk(0) - 1024)
    const low = createHeapSync({ memory: new WebAssembly.Memory({ initial: 1 }), heapBase: 23 })
    const p = low.malloc(1000)
    const { inUse, free } = low.stats() // for which there is no room below the heap
    const block = low.malloc(24)
    low.exports.heap_stats(block)
    const [, used, , left] = low.view(block, Uint32Array, 6)
    expect(inUse).toBe(low.usableSize(p))
    expect([inUse, free]).toEqual([used - low.usableSize(block), left + low.usableSize(block)])
    heap.free(small)
    heap.free(large)
    expect(heap.stats()).toMatchObject({ inUse: 0, heap: full.heap, growths: full.growths })
  })

  const fill = (heap: Heap) => {
    for (const size of [10000, 1000, 100, 1]) while (heap.malloc(size));
    return heap
  }

  it('stats of a full heap', () => {
    const full = fill(createHeapSync({ maximum: 2 })).stats()
    expect(full).toMatchObject({ heap: 2 * PAGE - 1024, growths: 1 })
    expect(full.inUse).toBeGreaterThan(PAGE)
  })

  it('stats never grows the memory that the heap has', () => {
    const heap = createHeapSync()
    for (let i = 0; i < 5000; i++) {
      heap.malloc(24)
      const before = heap.memory.buffer.byteLength
      heap.stats()
      expect(heap.memory.buffer.byteLength).toBe(before)
    }
  })

  it.each([24, 70001])('stats leaves what lies below a heap at %i as it is', (heapBase) => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 })
    new Uint8Array(memory.buffer, 0, heapBase).fill(7)
    const heap = fill(createHeapSync({ memory, heapBase }))
    expect(heap.stats()).toMatchObject({ heap: 2 * PAGE - heapBase, growths: 0 })
    expect(heap.u8.subarray(0, heapBase).every((byte) => byte === 7)).toBe(true)
  })

  it('stats begins a heap, if it can', () => {
    expect(createHeapSync({ initial: 0 }).stats()).toMatchObject({ heap: PAGE - 1024, inUse: 0, growths: 1 })
    expect(thrown(() => createHeapSync({ initial: 0, maximum: 0 }).stats())).toMatchObject({ code: 'ENOMEM' })
  })

  it('stats needs a block where nothing lies below the heap', () => {
    const heap = createHeapSync({ memory: new WebAssembly.Memory({ initial: 1, maximum: 1 }), heapBase: 23 })
    const empty = heap.stats()
    expect(empty).toMatchObject({ heap: PAGE - 23, inUse: 0 })
    expect(heap.stats()).toEqual(empty)
    expect(thrown(() => fill(heap).stats())).toMatchObject({ code: 'ENOMEM' })
  })

  it('verify sees damage', () => {
    const heap = createHeapSync()
    heap.malloc(1)
    expect(heap.verify()).toBe(0)
    heap.u32[1024 / 4] ^= 1
    expect(heap.verify()).toBeGreaterThan(0)
  })
})
