// The object file for C, C++, Rust, Zig and whatever else links with LLVM's linker: the core, and errno where the program has one.

import { wasiErrno } from './c.as'

export * from '../assembly/index'
export { c_mmap as mmap, c_mremap as mremap, c_posix_memalign as posix_memalign } from './c.as'

/** Address of the C library's errno: 0 in a program that never reads it. */
// @ts-ignore: decorator
@external('env', 'errno') declare const errno: usize

/** Called by the core with the Linux number of each failure. */
export function granary_set_errno(error: u32): void {
  if (errno) store<i32>(errno, wasiErrno(error))
}
