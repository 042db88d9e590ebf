// Mappings and the break through the host.
import { describe, expect, it } from 'vitest'
import { createHeapSync, type Heap, HeapError } from '../../src/index.ts'
import { PAGE, thrown } from './host.ts'

describe('mappings and the break', () => {
  it('mmap, mremap, munmap', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(PAGE + 1)
    expect(mapping % PAGE).toBe(0)
    heap.u8.fill(9, mapping, mapping + 2 * PAGE)
    const longer = heap.mremap(mapping, 2 * PAGE, 4 * PAGE)
    expect(heap.u8.indexOf(0, longer)).toBe(longer + 2 * PAGE)
    heap.munmap(longer + PAGE, PAGE)
    heap.munmap(longer, 4 * PAGE)
    expect(heap.stats().mapped).toBe(0)
    expect(heap.verify()).toBe(0)
  })

  it('mremap moves only if it may', () => {
    const heap = createHeapSync()
    const mapping = heap.mmap(PAGE)
    const behind = heap.malloc(3 * PAGE)
    expect(thrown(() => heap.mremap(mapping, PAGE, 8 * PAGE, false))).toMatchObject({
      code: 'ENOMEM',
      address: mapping,
      message: 'mremap: there is no room after it, and it may not move',
    })
    expect(heap.mremap(mapping, PAGE, 8 * PAGE)).toBeGreaterThan(behind)
  })

  it('the address -0 is 0', () => {
    expect(thrown(() => createHeapSync().munmap(-0, 1))).toMatchObject({ code: 'EINVAL', address: 0 })
  })

  it('sbrk moves the break up and down', () => {
    const heap = createHeapSync()
    const old = heap.sbrk(1000)
    expect(heap.sbrk(0)).toBe(old + 1000)
    expect(heap.sbrk(-1000)).toBe(old + 1000)
    expect(heap.sbrk(0)).toBe(old)
  })

  it.each<[string, (heap: Heap) => unknown, string, RegExp]>([
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
        heap.malloc(3 * PAGE)
        heap.munmap(PAGE, PAGE)
      },
      'EINVAL',
      /^munmap: the range at 0x10000 holds memory that is in use and not mapped$/,
    ],
    ['mremap', (heap) => heap.mremap(PAGE, PAGE, PAGE), 'EFAULT', /^mremap: not all pages of the range at 0x10000 /],
    ['mremap', (heap) => heap.mremap(heap.mmap(1), 2 ** 32, PAGE), 'EFAULT', /^mremap: /],
    ['mremap', (heap) => heap.mremap(heap.mmap(1), PAGE, 2 ** 32), 'ENOMEM', /^mremap: /],
    ['mremap', (heap) => heap.mremap(1, PAGE, 2 ** 33), 'EINVAL', /^mremap: 0x1 is not a multiple of 65,536$/],
    ['mremap', (heap) => heap.mremap(1, 2 ** 33, PAGE), 'EINVAL', /^mremap: 0x1 is not a multiple of 65,536$/],
    ['mremap', (heap) => heap.mremap(PAGE, 0, PAGE), 'EINVAL', /^mremap: oldLength is 0$/],
    ['mremap', (heap) => heap.mremap(PAGE, 2 ** 33, 0), 'EINVAL', /^mremap: newLength is 0$/],
    ['sbrk', (heap) => heap.sbrk(2 ** 31 - 1), 'ENOMEM', /^sbrk: /],
    ['sbrk', () => createHeapSync({ initial: 0, maximum: 0 }).sbrk(0), 'ENOMEM', /^sbrk: there is no memory for it$/],
    ['sbrk', (heap) => heap.sbrk(-PAGE), 'ENOMEM', /^sbrk: this cannot give back more than it took/],
  ])('%s throws where it fails', (name, call, code, message) => {
    const heap = createHeapSync({ maximum: 10 })
    const error = thrown(() => call(heap))
    expect(error).toBeInstanceOf(HeapError)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(error.address === undefined).toBe(name === 'mmap' || name === 'sbrk') // those that are about none
    expect(error).not.toHaveProperty('cause')
    expect(heap.verify()).toBe(0)
  })
})
