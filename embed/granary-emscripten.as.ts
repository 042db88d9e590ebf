// The object file for Emscripten: as granary.as.ts, but Emscripten's JavaScript must hear of growth, and its errno is behind a function.

import { wasiErrno } from './c.as'

export * from '../assembly/index'
export { c_mmap as mmap, c_mremap as mremap, c_posix_memalign as posix_memalign } from './c.as'

// @ts-ignore: decorator
@external('env', '__errno_location') declare function errnoLocation(): usize

// @ts-ignore: decorator
@external('env', 'emscripten_notify_memory_growth') declare function notifyGrowth(memory: i32): void

/** Called by the core with the Linux number of each failure. */
export function granary_set_errno(error: u32): void {
  store<i32>(errnoLocation(), wasiErrno(error))
}

/**
 * Grows the memory by pages of 64 KiB, has JavaScript renew HEAPU8 and its other views, and returns the old size in pages, or -1. Not
 * through emscripten_resize_heap: that grows by a fifth more than it is asked for, and aborts where malloc has to return null.
 */
export function granary_grow(pages: i32): i32 {
  const old = memory.grow(pages)
  if (old >= 0) notifyGrowth(0)
  return old
}
