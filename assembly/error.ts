// How calls fail: with an errno where C says so, with a refusal where going on would damage the heap.

import { header } from './layout'

/** errno numbers of Linux and musl. */
export const EBADF: u32 = 9
export const ENOMEM: u32 = 12
export const EFAULT: u32 = 14
export const EEXIST: u32 = 17
export const EINVAL: u32 = 22
export const ENOTSUP: u32 = 95

// Reasons of a refusal. The sentences are the host's.
/** The address is not in the heap. */
export const OUTSIDE: u32 = 1
/** The address is not a multiple of the alignment that every block has. */
export const MISALIGNED: u32 = 2
/** A block can begin there, but none is in use: freed before, or never allocated. */
export const NOT_IN_USE: u32 = 3
/** No block begins there. */
export const NOT_A_BLOCK: u32 = 4
/** The address belongs to a mapping, which only munmap takes. */
export const IS_MAPPED: u32 = 5
/** The heap's own tables were written to: they have no node of the free block that begins or ends at the address. */
export const CORRUPT: u32 = 6

// @ts-ignore: decorator
@external('env', 'set_errno') declare function set_errno(error: u32): void

/** Tells the embedding program an errno, with ERRNO_BY_IMPORT. */
// @ts-ignore: decorator
@inline export function tell(error: u32): void {
  if (isDefined(ERRNO_BY_IMPORT)) set_errno(error)
}
/** Notes an errno and tells it. Returns 0, the failed result of most functions. */
export function fail(error: u32): usize {
  header().error = error
  tell(error)
  return 0
}

/** Notes why a call is refused and traps. Nothing has changed, unless the heap's own tables were found to be CORRUPT. */
export function refuse(reason: u32, address: usize): void {
  let h = header()
  h.reason = reason
  h.address = address
  unreachable()
}
