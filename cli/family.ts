/** The functions by which C programs and C libraries allocate. */
export const mallocFamily = [
  'malloc',
  'free',
  'calloc',
  'realloc',
  'reallocarray',
  'aligned_alloc',
  'memalign',
  'posix_memalign',
  'valloc',
  'pvalloc',
  'free_sized',
  'free_aligned_sized',
  'malloc_usable_size',
]

/** Names of functions that return blocks. */
export const allocatorName = /^(?!free|malloc_usable).*(?:alloc|align)/
