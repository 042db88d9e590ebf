// The floor: what a replay costs when allocating costs nothing. Addresses come from a ring not much longer than the trace's
// peak, so that the caches see about what a perfect allocator would show them; nothing is freed and realloc copies nothing.

const BASE: usize = 0xa00000
let at: usize = BASE
let end: usize = BASE

/** Must be called first: sizes the ring and grows the memory, so that the replay itself never does. */
export function reserve(peak: usize, largest: usize): void {
  end = BASE + peak
  const need = <i32>(((end + largest + 0x1ffff) >>> 16) - memory.size())
  if (need > 0 && memory.grow(need) < 0) unreachable()
}

export function malloc(size: usize): usize {
  const p = at
  at = p + ((size + 15) & ~15)
  if (at >= end) at = BASE
  return p
}

export function free(_p: usize): void {}

export function realloc(_p: usize, size: usize): usize {
  return malloc(size)
}

export function calloc(n: usize, size: usize): usize {
  return malloc(n * size)
}

export function aligned_alloc(align: usize, size: usize): usize {
  at = (at + align - 1) & ~(align - 1)
  return malloc(size)
}
