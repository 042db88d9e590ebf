// What C wants otherwise than the core offers it.

import { EBADF, EEXIST, EFAULT, EINVAL, ENOMEM } from '../assembly/error'
import { mmap, mremap, posix_memalign } from '../assembly/index'

/** posix_memalign, returning the C library's error numbers. */
export function c_posix_memalign(at: usize, alignment: usize, size: usize): i32 {
  const error = posix_memalign(at, alignment, size)
  return error ? wasiErrno(error) : 0
}

/** C's mmap: its offset is a 64-bit number of bytes, the core's a 32-bit one of pages. It must be 0: others fail with EINVAL. */
export function c_mmap(address: usize, length: usize, protection: i32, flags: i32, file: i32, offset: i64): usize {
  return mmap(address, length, protection, flags, file, <u32>(offset != 0))
}

/** C's mremap: variadic, so it comes with the address of its further arguments. Only MREMAP_FIXED, which is refused, would read them. */
export function c_mremap(address: usize, oldLength: usize, newLength: usize, flags: i32, _arguments: usize): usize {
  return mremap(address, oldLength, newLength, flags)
}

/** The number that WASI's C library and Emscripten's give to an error that Linux numbers `error`. */
export function wasiErrno(error: u32): i32 {
  switch (error) {
    case EBADF:
      return 8
    case ENOMEM:
      return 48
    case EFAULT:
      return 21
    case EEXIST:
      return 20
    case EINVAL:
      return 28
    default: // ENOTSUP is 58, but Emscripten's own 138
      return isDefined(EMSCRIPTEN) ? 138 : 58
  }
}
