/**
 * What the module exports, as JavaScript sees it: sizes and addresses are i32, so addresses from 2 GiB on come out
 * negative (`>>> 0` mends that), arguments are converted without a check, and a refused call is a trap.
 */
export interface HeapExports {
  malloc(size: number): number
  free(pointer: number): void
  calloc(count: number, size: number): number
  realloc(pointer: number, size: number): number
  reallocarray(pointer: number, count: number, size: number): number
  aligned_alloc(alignment: number, size: number): number
  memalign(alignment: number, size: number): number
  posix_memalign(at: number, alignment: number, size: number): number
  valloc(size: number): number
  pvalloc(size: number): number
  free_sized(pointer: number, size: number): void
  free_aligned_sized(pointer: number, alignment: number, size: number): void
  malloc_usable_size(pointer: number): number
  sbrk(increment: number): number
  brk(address: number): number
  mmap(address: number, length: number, prot: number, flags: number, fd: number, offset: number): number
  munmap(address: number, length: number): number
  mremap(address: number, oldLength: number, newLength: number, flags: number): number
  madvise(address: number, length: number, advice: number): number
  heap_verify(): number
  heap_stats(out: number): void
  last_error(): number
  trap_reason(): number
  trap_address(): number
}
