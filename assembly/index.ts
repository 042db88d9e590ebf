// The ABI: what the module exports, and nothing else.

export {
  malloc,
  free,
  calloc,
  realloc,
  reallocarray,
  aligned_alloc,
  aligned_alloc as memalign,
  posix_memalign,
  valloc,
  pvalloc,
  malloc_usable_size,
  free_sized,
  free_aligned_sized,
} from './malloc'
export { sbrk, brk, mmap, munmap, mremap, madvise } from './region'
export { verify as heap_verify } from './verify'
export { stats as heap_stats } from './stats'
export { lastError as last_error, trapReason as trap_reason, trapAddress as trap_address } from './malloc'
