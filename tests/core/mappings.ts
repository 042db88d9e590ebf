// What the tests of mappings share.
import { expect } from 'vitest'
import { type Core, FAILED, PAGE } from './core.ts'

/** Maps pages and marks each with its number from 1 on. */
export function mapPages(core: Core, n: number): number {
  const p = core.mmap(0, n * PAGE)
  for (let i = 0; i < n; i++) core.bytes(p + i * PAGE, PAGE).fill(i + 1)
  return p
}
/** The marks of n pages; NaN where a page's bytes differ. */
export function marks(core: Core, p: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => {
    const page = Buffer.from(core.memory.buffer, p + i * PAGE, PAGE)
    return page.subarray(1).equals(page.subarray(0, -1)) ? page[0] : Number.NaN
  })
}
/** Makes the heap large, so that nothing of its own need move when it is used. */
export function reserve(core: Core): void {
  core.free(core.malloc(60 * PAGE))
}
export function expectFailure(core: Core, result: number, errno: number): void {
  expect(result >>> 0).toBe(FAILED)
  expect(core.lastError()).toBe(errno)
  expect(core.verify()).toBe(0)
}
