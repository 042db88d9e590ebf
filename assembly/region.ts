// Mappings: page-granular stretches that a program maps and unmaps like memory of POSIX's mmap. Each page of a mapping is a
// reserved block of the arena, so what munmap gives back serves malloc, and the reverse. Adjacent mappings count as one, as
// anonymous ones do in Linux.
//
// Invariant: `header.map` has MAPPED for each page of a mapping, and for no other.

import { BLOCK_MIN, BREAK_MAX, header, MAPPED, mapOf, NO_SPANS, PAGE, pageStart, roundUp } from './layout'
import { EBADF, EEXIST, EFAULT, EINVAL, ENOMEM, ENOTSUP, fail } from './error'
import { lowerBreak, memoryEnd, raiseBreak } from './break'
import { flipReserved } from './shadow'
import { carve, carveTop, dirtyIn, isGap, part, releaseAt } from './arena'
import { nodeAround, nodeAt, nodesMayLack } from './node'
import { extend, isBlocked } from './growth'
import { gather, obtainAligned, settle } from './bin'
import { ready } from './start'

// Linux's and musl's numbers.
const PROT_EXEC: u32 = 4
const MAP_TYPE: u32 = 15
const MAP_SHARED: u32 = 1
const MAP_PRIVATE: u32 = 2
const MAP_FIXED: u32 = 0x10
const MAP_ANONYMOUS: u32 = 0x20
const MAP_FIXED_NOREPLACE: u32 = 0x100000
const MREMAP_MAYMOVE: u32 = 1
const MADV_DONTNEED: u32 = 4

/** Notes an errno and returns -1, as mmap and its kin do. */
// @ts-ignore: decorator
@inline function failed(error: u32): usize {
  return fail(error) - 1
}

/** Whether the pages from p to p + n are in the arena. */
function isInArena(p: usize, n: usize): bool {
  let h = header(),
    rest = h.end - p
  return rest < h.extent && n <= rest
}
/** Whether all pages from p to p + n are mapped. */
function areMapped(p: usize, n: usize): bool {
  if (!isInArena(p, n)) return false
  for (let end = p + n; p < end; p += PAGE) if (load<u8>(mapOf(p)) != MAPPED) return false
  return true
}
/** Gives what is mapped of the pages from p to `end` back to the arena. */
function unmap(p: usize, end: usize): void {
  let h = header()
  for (end = min(end, h.top); p < end; p += PAGE) {
    if (load<u8>(mapOf(p)) != MAPPED) continue
    store<u8>(mapOf(p), <u8>NO_SPANS)
    h.mapped--
    flipReserved(p)
    releaseAt(p)
  }
}
/** Makes a mapping of the block at p, n bytes in whole pages, which was just taken: they read as zero, and are blocks of their own. */
function map(p: usize, n: usize): void {
  let h = header(),
    end = p + n
  memory.fill(p, 0, dirtyIn(p, n))
  for (; p < end; p += PAGE) {
    if (p + PAGE != end) part(p, p + PAGE, end)
    store<u8>(mapOf(p), <u8>MAPPED)
    h.mapped++
    flipReserved(p)
  }
}

/** Makes a mapping of n bytes in whole pages where there is room. 0 if there is no memory. */
function mapAnywhere(n: usize): usize {
  let p = obtainAligned(n, PAGE, <u32>(n >>> 16))
  if (p) map(p, n)
  return p
}

/** Maps exactly the pages from p to p + n. Those of other mappings are replaced if `replace`. Returns an errno, or 0. */
function mapFixed(p: usize, n: usize, replace: bool): u32 {
  let error: u32
  do error = tryFixed(p, n, replace)
  while (error && gather())
  return error
}
function tryFixed(p: usize, n: usize, replace: bool): u32 {
  let h = header(),
    taken = replace ? ENOMEM : EEXIST
  if (p & (PAGE - 1)) return EINVAL
  if (p > BREAK_MAX - n) return ENOMEM
  if (p <= changetype<usize>(h)) return taken
  while (true) {
    let more = <u32>(n >>> 16)
    for (let q = p; q < p + n && q < h.top; q += PAGE) {
      if (load<u8>(mapOf(q)) == MAPPED) {
        if (!replace) return taken
        more--
      } else {
        let number = nodeAround(q),
          node = nodeAt(number)
        if (!number) return taken
        if (!isGap(p - node.start) || !isGap(node.end - p - n)) return ENOMEM
        q = pageStart(node.end) - PAGE
      }
    }
    if (p + n > h.border && isBlocked()) return taken
    if (!isGap(max(p, h.top) - h.top)) return ENOMEM
    if (p + n <= h.end && (!more || !nodesMayLack(more))) break
    // Only now: memory cannot be given back. What is there then is looked at once more.
    if (!extend(max(p + n, h.top + BLOCK_MIN) - h.top, more)) return ENOMEM
  }
  // From here on, nothing can fail. Free pages come together to one block, or with top.
  let end = p + n
  unmap(p, end)
  map(p < h.top ? carve(nodeAround(p), p, end) : carveTop(p, end), n)
  return 0
}

/** What is wrong with the arguments of mmap, as an errno; 0 if nothing is. */
function errorOf(length: usize, prot: u32, flags: u32, offset: u32): u32 {
  let type = flags & MAP_TYPE
  // As one comparison: neither shared nor private.
  if (!length || type - MAP_SHARED > MAP_PRIVATE - MAP_SHARED) return EINVAL
  if (!(flags & MAP_ANONYMOUS)) return EBADF
  if (offset) return EINVAL
  if (prot & PROT_EXEC) return ENOTSUP
  return length > BREAK_MAX ? ENOMEM : 0
}

/** POSIX's mmap for anonymous memory: `length` bytes, rounded up to pages of 64 KiB, that read as zero, at a multiple of
 *  64 KiB. `address` counts only with MAP_FIXED, which replaces other mappings, or MAP_FIXED_NOREPLACE; MAP_SHARED and MAP_PRIVATE
 *  are the same; `fd`, and `prot` but for PROT_EXEC, are ignored. -1 and EINVAL for a length of 0, an `offset` (in pages of 64 KiB)
 *  other than 0, neither or both of SHARED and PRIVATE, a fixed address that is no multiple of 64 KiB; EBADF without MAP_ANONYMOUS;
 *  ENOTSUP for PROT_EXEC; EEXIST where NOREPLACE finds memory in use; ENOMEM if there is no memory, or if MAP_FIXED asks for what
 *  malloc, sbrk or others hold. */
export function mmap(address: usize, length: usize, prot: u32, flags: u32, fd: i32, offset: u32): usize {
  if (!ready()) return -1
  let error = errorOf(length, prot, flags, offset),
    n = roundUp(length, PAGE)
  if (!error) {
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
      error = mapFixed(address, n, !(flags & MAP_FIXED_NOREPLACE))
    } else {
      address = mapAnywhere(n)
      if (!address) error = ENOMEM
    }
  }
  return error ? failed(error) : address
}

/** POSIX's munmap: whole mappings, parts of them or holes in them; pages without a mapping are passed over. -1 and EINVAL
 *  if `address` is no multiple of 64 KiB, `length` is 0, or part of the range is held by malloc, sbrk or others; nothing changes then. */
export function munmap(address: usize, length: usize): i32 {
  if (!ready()) return -1
  let n = roundUp(length, PAGE) // 0 if that is too large
  while (!mayUnmap(address, n)) if (!gather()) return <i32>failed(EINVAL)
  unmap(address, address + n)
  settle()
  return 0
}
/** Whether the n bytes from an address on are whole pages, at least one, and none of them is held by malloc, sbrk or others. */
function mayUnmap(address: usize, n: usize): bool {
  let h = header(),
    end = address + n
  if (address & (PAGE - 1) || !n || address > BREAK_MAX - n || address <= changetype<usize>(h)) return false
  for (let q = address; q < end && q < h.top; q += PAGE) {
    if (load<u8>(mapOf(q)) == MAPPED) continue
    let number = nodeAround(q)
    if (!number) return false
    q = pageStart(nodeAt(number).end) - PAGE
  }
  // Behind the arena are its tables, what sbrk gave, and others' memory.
  let size = memoryEnd()
  return min(end, size) <= h.end || address >= size
}

/** Linux's mremap: changes the mapped range [address, address + old) to `size` bytes where it is, or with MREMAP_MAYMOVE
 *  elsewhere. New pages read as zero. -1 and EINVAL for an address that is no multiple of 64 KiB, a length of 0 or another flag;
 *  EFAULT if the range is not mapped; ENOMEM if there is no room; nothing changes then. */
export function mremap(address: usize, old: usize, size: usize, flags: u32): usize {
  if (!ready()) return -1
  // 0 if that is too large.
  let n = roundUp(old, PAGE),
    m = roundUp(size, PAGE),
    end = address + n,
    error = EFAULT
  if (address & (PAGE - 1) || !old || !size || flags & ~MREMAP_MAYMOVE) error = EINVAL
  else if (n && areMapped(address, n)) {
    error = ENOMEM
    if (m) {
      if (m < n) unmap(address + m, end)
      // Adjacent mappings count as one.
      if (m <= n || !mapFixed(end, m - n, false)) return address
      if (flags & MREMAP_MAYMOVE) {
        let p = mapAnywhere(m)
        if (p) {
          memory.copy(p, address, n)
          unmap(address, end)
          return p
        }
      }
    }
  }
  return failed(error)
}

/** Linux's madvise on mapped pages. MADV_DONTNEED makes them read as zero; NORMAL, RANDOM, SEQUENTIAL and WILLNEED do
 *  nothing. -1 and EINVAL for other advice, an address that is no multiple of 64 KiB, or a length that no memory has; ENOMEM if a
 *  page is not mapped. */
export function madvise(address: usize, length: usize, advice: u32): i32 {
  if (!ready()) return -1
  let n = roundUp(length, PAGE),
    error: u32 = 0
  if (address & (PAGE - 1) || length > BREAK_MAX || advice > MADV_DONTNEED) error = EINVAL
  else if (n && !areMapped(address, n)) error = ENOMEM
  if (error) return <i32>failed(error)
  if (advice == MADV_DONTNEED && n) memory.fill(address, 0, n)
  return 0
}

/** BSD's sbrk: moves the break by `bytes` and returns where it was; 0 asks. New bytes read as zero. Memory that others
 *  have grown is skipped: then the new bytes begin at the returned address, but not where the break was. -1 and ENOMEM if
 *  the memory may not grow, or if it is to take back more than it has handed out since the arena last grew. */
export function sbrk(bytes: i32): usize {
  if (!ready()) return -1
  let start = bytes < 0 ? lowerBreak(<usize>-bytes) : raiseBreak(<usize>bytes)
  return start ? start : failed(ENOMEM)
}

/** BSD's brk: moves the break to `address`. 0; or -1 and ENOMEM as sbrk, or if others' memory lies between. */
export function brk(address: usize): i32 {
  if (!ready()) return -1
  let h = header(),
    old = h.brk
  let done: usize = 0
  if (address < old) done = lowerBreak(old - address)
  else if (address <= h.limit || memoryEnd() == h.limit) done = raiseBreak(address - old)
  return done ? 0 : <i32>failed(ENOMEM)
}
