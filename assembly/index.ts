// The ABI: what the module exports, and nothing else.

export {
  malloc, free, calloc, realloc, reallocarray, aligned_alloc, posix_memalign, valloc, pvalloc, malloc_usable_size,
} from "./malloc";
export { verify as heap_verify } from "./verify";
