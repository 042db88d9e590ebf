// What a program may do in a world (world.ts), in any order.
import fc from 'fast-check'

/** What a program may do, and how often. */
const weights = {
  malloc: 12,
  calloc: 4,
  realloc: 10,
  reallocarray: 2,
  alignedAlloc: 3,
  memalign: 1,
  posixMemalign: 2,
  valloc: 1,
  pvalloc: 1,
  free: 14,
  freeSized: 2,
  freeAlignedSized: 1,
  freeMany: 1,
  tooLarge: 1,
  sbrk: 3,
  brk: 1,
  mmap: 4,
  mmapFixed: 2,
  munmap: 4,
  mremap: 4,
  madvise: 2,
  foreignGrowth: 1,
  invalidFree: 2,
  snapshot: 1,
}
type Kind = keyof typeof weights

/** A step: the numbers choose sizes, blocks and places. */
export interface Step {
  kind: Kind
  a: number
  b: number
}

const u32 = fc.integer({ min: 0, max: 0xffffffff })
export const steps: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...Object.entries(weights).flatMap(([kind, n]) => Array<Kind>(n).fill(kind as Kind))),
  a: u32,
  b: u32,
})

/** Mostly small, sometimes large, with the edges of powers of two among them. */
export function sizeFrom(n: number): number {
  const rest = n >>> 4
  switch (n & 15) {
    case 0:
      return rest % 4
    case 1:
      return Math.max(0, 2 ** (rest % 18) + ((rest >>> 8) % 3) - 1)
    case 2:
    case 3:
      return rest % 1100
    case 4:
    case 5:
      return rest % 0x8000
    case 6:
      return rest % 0x50000
    default:
      return 1 + (rest % 280)
  }
}
