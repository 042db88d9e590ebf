// malloc and its family. A small request is served by one load of the bin's active span and one bit; a free is checked by
// the span's or the shadow's bits before anything changes.
//
// malloc and free are so small that engines copy them to where they are called (V8 takes up to 500 bytes). Each leaves what is
// rare to one large function. That function also calls itself, because optimizers inline a function that has only one caller.

import { base, BLOCK_MIN, CELL, header, mapOf, MAPPED, PAGE, roundUp, SMALL_MAX, spanNumber } from './layout'
import { EINVAL, ENOMEM, fail, IS_MAPPED, MISALIGNED, NOT_A_BLOCK, NOT_IN_USE, OUTSIDE, refuse } from './error'
import { around32, around64, isFreeStart, isUsed, stopOf } from './shadow'
import { dirtyIn, release } from './arena'
import { resize } from './growth'
import { KEPT, RUN, Span, spanOf, takeRun } from './span'
import {
  activeOf,
  ACTIVE_AT,
  BIN,
  blockSize,
  CELLS,
  cellsOf,
  freeIn,
  gather,
  obtain,
  obtainAligned,
  refill,
  settleInline,
  usedIn,
} from './bin'
import { isInHeap, isKnown, ready, smallLimit } from './start'
import { offsetFor } from './size'
import { FRONT } from './config'

/** Bytes from which on a block is dearer to copy than what the bins keep is to gather. */
const LARGE: usize = 8192

/** The bit of p's cell in its span. */
// @ts-ignore: decorator
@inline function bitOf(p: usize): u64 {
  return (<u64>1) << (p >>> 4)
}

/** C's malloc: `size` bytes, at a multiple of 16. A request for 0 bytes gets a block of its own. 0 with ENOMEM if there is
 *  no memory or `size` is above PTRDIFF_MAX. The block is the caller's until free or realloc takes it. */
export function malloc(size: usize): usize {
  if (size - 1 < smallLimit) {
    let record = base() + offsetFor(size),
      span = activeOf(record),
      free = span.free,
      room = load<u64>(record, CELLS) & free
    if (room) {
      span.free = free ^ (room & -room)
      return load<usize>(record, ACTIVE_AT) + ((<usize>ctz(room)) << 4)
    }
  }
  return mallocSlow(size)
}

/** Whether a size is above C's PTRDIFF_MAX. */
// @ts-ignore: decorator
@inline function isTooLarge(size: usize): bool {
  return <isize>size < 0
}

/** malloc for any request. What comes here is mostly large, or finds no room in its bin's active span. */
function mallocSlow(size: usize): usize {
  if (size - 1 < smallLimit) {
    if (refill(offsetFor(size))) return malloc(size)
    // No span can be made. The arena may still have a block, but its blocks have no FRONT.
    if (FRONT) return fail(ENOMEM)
  } else if (!smallLimit || !size) {
    if (!ready()) return 0
    // The heap may be another instance's, whose active spans have room.
    return size > SMALL_MAX ? mallocSlow(size) : malloc(size || 1)
  }
  let p: usize = isTooLarge(size) ? 0 : obtain(blockSize(size)) || takeRun(size)
  if (p) return p
  // Then a small one may be had from a bin of larger blocks.
  return size < SMALL_MAX ? malloc(size + CELL) : fail(ENOMEM)
}

/** C's free: the block at p, which malloc or one of its kin has returned, becomes reusable. Nothing if p is 0. Leaves
 *  last_error as it is. Refused if no block in use starts at p. */
export function free(p: usize): void {
  freeInline(p)
}
// As an inlined function, it returns by a branch to its end: compiled with `return` inside, free takes Node 20 up to 1.1 times as long.
// @ts-ignore: decorator
@inline function freeInline(p: usize): void {
  if (isKnown(p)) {
    if (inSpan(p)) {
      let span = spanOf(p),
        free = span.free,
        after = free | bitOf(p)
      // Unless the block is not in use, the last one of its span, or the first one freed of a detached span.
      if (after != free) {
        if (after != -1 || span.prev == KEPT) {
          span.free = after
          return
        }
      }
    }
  }
  freeSlow(p)
}
/** free for any block, and for what is none. */
function freeSlow(p: usize): void {
  if (isKnown(p)) {
    if (inSpan(p)) {
      let span = spanOf(p),
        used = usedIn(span),
        left = used & ~bitOf(p)
      if (left != used) {
        freeIn(span, left)
        return
      }
    } else {
      let w = around64(header().shadow, p)
      if (isUsed(w)) {
        release(p, w)
        settleInline()
        return
      }
    }
  } else if (isInHeap(p)) {
    freeSlow(p)
    return
  }
  refuseBlock(p)
}

/** glibc's malloc_usable_size: bytes of the block at p that its owner may use, at least what was asked for; 0 if p is 0. Refused if
 *  no block in use starts at p. */
export function malloc_usable_size(p: usize): usize {
  if (isKnown(p) || isInHeap(p)) {
    if (inSpan(p)) {
      let span = spanOf(p)
      if (usedIn(span) & bitOf(p)) return sizeIn(span)
    } else {
      let w = around64(header().shadow, p)
      if (isUsed(w)) return stopOf(p, w) - p
    }
  }
  refuseBlock(p)
  return 0
}

/** Bytes of a span's blocks, or of the run that it begins, that their owners may use. */
// @ts-ignore: decorator
@inline function sizeIn(span: Span): usize {
  return span.prev == RUN ? span.next : (span.next & BIN) + 16 - FRONT
}
/** Bytes of the block at p, an address in the heap, if it is a small one in use whose span is not detached; else 0. */
// @ts-ignore: decorator
@inline function smallSize(p: usize): usize {
  if (inSpan(p)) {
    let span = spanOf(p)
    if (!(span.free & bitOf(p))) return sizeIn(span)
  }
  return 0
}

/** Whether p, an address in the heap, lies in a page of spans. */
// @ts-ignore: decorator
@inline function inSpan(p: usize): bool {
  return spanNumber(p) >= load<u8>(mapOf(p))
}

/** Why p is refused, where no block in use starts. */
// @ts-ignore: decorator
@inline function reasonOf(p: usize): u32 {
  if (p - base() >= header().extent) return OUTSIDE
  if (p & 15) return MISALIGNED
  if (load<u8>(mapOf(p)) == MAPPED) return IS_MAPPED
  if (inSpan(p)) return cellsOf(spanOf(p)) & bitOf(p) ? NOT_IN_USE : NOT_A_BLOCK
  return isFreeStart(around32(p)) ? NOT_IN_USE : NOT_A_BLOCK
}
/** Refuses p, where no block in use starts, with the reason; not if it is 0. */
function refuseBlock(p: usize): void {
  if (!p) return
  if (!ready()) unreachable() // no memory for a header: no place for the reason either
  refuse(reasonOf(p), p)
}

/** n times `size`, or what no block has if that is above PTRDIFF_MAX. */
// @ts-ignore: decorator
@inline function product(n: usize, size: usize): usize {
  let total = <u64>n * size
  return total >>> 31 ? -1 : <usize>total
}

/** C's calloc: n times `size` bytes of zeros. 0 with ENOMEM if there is no memory, or the product is too large. */
export function calloc(n: usize, size: usize): usize {
  let bytes = product(n, size),
    p = malloc(bytes)
  if (!p) return 0
  if (bytes <= SMALL_MAX && !FRONT) clear(p, bytes)
  else if (FRONT && inSpan(p)) memory.fill(p, 0, bytes)
  else memory.fill(p, 0, dirtyIn(p, bytes))
  return p
}

// The small sizes' memory.fill and memory.copy: a call of the engine's costs more than these loops, which go on to the end of a cell.
function clear(p: usize, n: usize): void {
  for (let end = p + n; p < end; p += 16) {
    store<u64>(p, 0)
    store<u64>(p, 0, 8)
  }
}
function copy(to: usize, from: usize, n: usize): void {
  for (let end = from + n; from < end; from += 16, to += 16) {
    store<u64>(to, load<u64>(from))
    store<u64>(to, load<u64>(from, 8), 8)
  }
}

/** C's realloc: makes the block at p `size` bytes long, where it is if it shrinks or has room behind it. Returns where it
 *  is now; 0 with ENOMEM if there is no memory, and the block is as before. p = 0 is malloc; size = 0 frees and returns 0,
 *  as in glibc. Refused as free is. */
export function realloc(p: usize, size: usize): usize {
  if (!p) return malloc(size)
  if (!size) {
    free(p)
    return 0
  }
  let old: usize = isKnown(p) ? smallSize(p) : 0
  if (!old) old = malloc_usable_size(p)
  if (isTooLarge(size)) return mallocSlow(size) // which fails
  let q: usize = 0,
    small = inSpan(p),
    failed = false
  while (!q) {
    if (small) {
      // Less than half would waste the rest of the block. A run, whose bytes are a multiple of SPAN, stays.
      if (size <= old && roundUp(size, 16) << 1 >= (old & (2 * SMALL_MAX - 1))) return p
    } else {
      if (resize(p, old, blockSize(size))) return p
      // What the bins keep may be behind the block.
      if (size >= LARGE && gather()) continue
    }
    // Where malloc fails, what it has gathered may be behind the block, too.
    if (failed) return size <= old ? p : 0
    q = malloc(size)
    failed = !q
  }
  let n = min(old, size)
  if (n <= SMALL_MAX && !FRONT) copy(q, p, n)
  else memory.copy(q, p, n)
  if (small) {
    // As free does it, but that the block is in use is known.
    let span = spanOf(p),
      after = span.free | bitOf(p)
    if (after != -1) {
      span.free = after
      return q
    }
  }
  free(p)
  return q
}

/** BSD's reallocarray: realloc to n times `size` bytes; 0 with ENOMEM if the product is too large, the block untouched. */
export function reallocarray(p: usize, n: usize, size: usize): usize {
  return realloc(p, product(n, size))
}

function isPowerOfTwo(n: usize): bool {
  return popcnt(n) == 1
}
function aligned(alignment: usize, size: usize): usize {
  if (alignment <= 16 || isTooLarge(size)) return malloc(size)
  if (!ready()) return 0
  let n = roundUp(size, alignment)
  if (n <= SMALL_MAX - FRONT) {
    // Spans begin at multiples of 1 KiB, so blocks whose size is a multiple of the alignment are aligned.
    let p = malloc(n)
    if (p && !(p & (alignment - 1))) return p
    free(p)
  }
  // Where the memory may not grow, a little longer, too: `least` bytes may leave a rest that is too short for a free block.
  let least = blockSize(size)
  for (let bytes = least; bytes < least + BLOCK_MIN; bytes += CELL) {
    let p = obtainAligned(bytes, alignment, 0)
    if (p) return p
  }
  return fail(ENOMEM)
}

/** C11's aligned_alloc: `size` bytes at a multiple of `alignment`, a power of two. 0 with EINVAL if it is none, with ENOMEM
 *  if there is no memory. The size need not be a multiple of the alignment (since C17). */
export function aligned_alloc(alignment: usize, size: usize): usize {
  if (!isPowerOfTwo(alignment)) return ready() ? fail(EINVAL) : 0
  return aligned(alignment, size)
}

/** POSIX's posix_memalign: stores the block's address at `at` and returns 0; EINVAL if the alignment is not a power of two
 *  and a multiple of 4, ENOMEM if there is no memory, and nothing is stored. */
export function posix_memalign(at: usize, alignment: usize, size: usize): u32 {
  if (!isPowerOfTwo(alignment) || alignment < sizeof<usize>()) return EINVAL
  let p = aligned(alignment, size)
  if (!p) return ENOMEM
  store<usize>(at, p)
  return 0
}

/** BSD's valloc: `size` bytes at a multiple of 64 KiB, WebAssembly's page. 0 with ENOMEM if there is no memory. */
export function valloc(size: usize): usize {
  return aligned(PAGE, size)
}
/** glibc's pvalloc: `size` bytes, rounded up to a multiple of 64 KiB, at such a multiple. 0 with ENOMEM if there is no memory. */
export function pvalloc(size: usize): usize {
  return aligned(PAGE, isTooLarge(size) ? size : roundUp(size || 1, PAGE))
}

/** C23's free_sized: free, for a caller that knows the size it asked for. It is not checked. */
export function free_sized(p: usize, size: usize): void {
  free(p)
}
/** C23's free_aligned_sized: free, for a caller that knows alignment and size. They are not checked. */
export function free_aligned_sized(p: usize, alignment: usize, size: usize): void {
  free(p)
}

/** The errno of the last failed call, as Linux and musl number it; 0 if none has failed. posix_memalign's EINVAL is only returned. A call
 *  that succeeded in another way than it tried first may have left one, too. */
export function lastError(): u32 {
  // A heap that could not even begin has no place to note why: it is always for lack of memory.
  return ready() ? header().error : ENOMEM
}
/** Why the last refused call was refused: a reason of error.ts; 0 if none was. */
export function trapReason(): u32 {
  return ready() ? header().reason : 0
}
/** The address that the last refusal is about: the one that the call was given; for CORRUPT, where the free block begins or ends. */
export function trapAddress(): usize {
  return ready() ? header().address : 0
}
