// AssemblyScript's stub runtime behind C's names: a bump pointer that frees only its last block, the least an allocator
// can cost. It never re-uses memory, so what it wins in time it pays in pages.

export function malloc(size: usize): usize {
  return __alloc(size)
}

export function free(p: usize): void {
  __free(p)
}

export function realloc(p: usize, size: usize): usize {
  return p ? __realloc(p, size) : __alloc(size)
}

export function calloc(n: usize, size: usize): usize {
  const p = __alloc(n * size)
  memory.fill(p, 0, n * size)
  return p
}

// Blocks are aligned to 16. Before one aligned further, the block that ends there is stretched.
export function aligned_alloc(align: usize, size: usize): usize {
  const before = __alloc(12)
  __realloc(before, 12 + (-(before + 16) & (align - 1)))
  return __alloc(size)
}
