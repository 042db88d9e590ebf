// AssemblyScript's own allocator (rt/tlsf) behind C's names.
//
// It aligns to 16 and no more. A block aligned further is cut out of a longer one, and the word before it, where other
// blocks have their header, holds the address of that longer one. The two cannot be mistaken for each other: a header is
// a size that is 4 less than a multiple of 16 plus two flags, so bits 2 and 3 are set; an address has them clear.

const TLSF_ALIGNMENT: usize = 16

// @ts-ignore: decorator
@inline function wordBefore(p: usize): usize {
  return load<usize>(p - 4)
}
// @ts-ignore: decorator
@inline function isCutOut(p: usize): bool {
  return !(wordBefore(p) & 12)
}

export function malloc(size: usize): usize {
  return __alloc(size)
}

export function free(p: usize): void {
  __free(isCutOut(p) ? wordBefore(p) : p)
}

export function realloc(p: usize, size: usize): usize {
  if (!p) return __alloc(size)
  if (!isCutOut(p)) return __realloc(p, size)
  const whole = wordBefore(p)
  const moved = __alloc(size)
  memory.copy(moved, p, min(size, whole + (wordBefore(whole) & ~3) - p))
  __free(whole)
  return moved
}

export function calloc(n: usize, size: usize): usize {
  const p = __alloc(n * size)
  memory.fill(p, 0, n * size)
  return p
}

export function aligned_alloc(align: usize, size: usize): usize {
  if (align <= TLSF_ALIGNMENT) return __alloc(size)
  const whole = __alloc(size + align - TLSF_ALIGNMENT)
  const p = (whole + align - 1) & ~(align - 1)
  if (p != whole) store<usize>(p - 4, whole)
  return p
}
