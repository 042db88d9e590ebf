// What the host refuses before it calls the core, and what it makes of a refusal of the core.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { errnos, reasons } from '../../src/errors.ts'
import { createHeapSync, Heap, HeapError, type HeapExports } from '../../src/index.ts'
import { PAGE, thrown } from './host.ts'

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
    it.each(functions)(`${argument} of %s`, (_, call) => {
      const heap = createHeapSync()
      heap.malloc(100)
      const before = heap.stats()
      const throwing = (value: unknown) => thrown(() => call(heap, value as never))
      for (const value of wrong) {
        expect(throwing(value)).toBeInstanceOf(TypeError)
        expect(throwing(value).message).toBe(
          `${argument} must be a number, not ${value === null ? 'null' : typeof value}`,
        )
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

  it.each<[string, string, (heap: Heap, pointer: number) => number]>([
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

  it('where no heap could begin, no block is in it', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    const heap = createHeapSync({ memory, heapBase: PAGE })
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

  it('realloc refuses what is no block, whatever the size', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(5000)
    heap.malloc(1)
    expect(heap.realloc(pointer, 2 ** 32)).toBe(0)
    heap.free(pointer)
    for (const size of [1, 2 ** 32 - 1, 2 ** 32, 2 ** 40])
      expect(thrown(() => heap.realloc(pointer, size)).code).toBe('NOT_IN_USE')
  })

  it('a large block’s second cell is no block', () => {
    const heap = createHeapSync()
    const pointer = heap.malloc(5000)
    expect(thrown(() => heap.free(pointer + 16)).code).toBe('NOT_A_BLOCK')
  })

  it('CORRUPT: the heap’s own tables were written to', () => {
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

  it('the numbers are the core’s', () => {
    const source = readFileSync(path.join(import.meta.dirname, '../../assembly/error.ts'), 'utf8')
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

    it.each([
      ['an unreachable without a reason', unreachable, 0],
      ['a trap of another kind, after a call was refused', outOfBounds, 3],
      ['an error of JavaScript', new Error('unreachable'), 3],
    ])('%s', (_, error, reason) => {
      expect(thrown(() => failing(error, reason).malloc(1))).toBe(error)
    })

    it('an unreachable with a reason does not', () => {
      expect(thrown(() => failing(unreachable, 3).malloc(1))).toMatchObject({ code: 'NOT_IN_USE', cause: unreachable })
    })
  })
})
